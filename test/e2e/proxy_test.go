// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// fault is what the proxy does to connections.
type fault int

const (
	pass   fault = iota
	refuse       // resets each connection at once, as a machine without a server does
	hang         // accepts, reads nothing, answers nothing
	cut          // forwards the first 100 kB of each connection, then resets it
)

// proxy is a TCP proxy in front of the store that can be told to fail.
type proxy struct {
	target string
	l      net.Listener
	mu     sync.Mutex
	mode   fault
	open   map[net.Conn]struct{}
}

// newProxy listens on a free port and forwards to the address of url.
func newProxy(t *testing.T, url string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{target: strings.TrimPrefix(url, "http://"), l: l, open: map[net.Conn]struct{}{}}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go func() { defer wg.Done(); p.serve(c) }()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		p.set(refuse)
		wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "http://" + p.l.Addr().String() }

// set changes the behaviour, for connections that are open too.
func (p *proxy) set(mode fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
	for c := range p.open {
		reset(c)
	}
}

func (p *proxy) now() fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode
}

func (p *proxy) serve(c net.Conn) {
	p.mu.Lock()
	mode := p.mode
	p.open[c] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.open, c)
		p.mu.Unlock()
		c.Close()
	}()
	switch mode {
	case refuse:
		reset(c)
		return
	case hang:
		var one [1]byte
		for p.now() == hang { // until set resets the connection
			if _, err := c.Read(one[:]); err != nil {
				return
			}
		}
		return
	}
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer up.Close()
	go func() { io.Copy(c, up); c.Close() }()
	if mode == cut {
		io.CopyN(up, c, 100_000)
		reset(c)
		return
	}
	io.Copy(up, c)
}

// reset closes a connection so that the peer sees an error and not an end.
func reset(c net.Conn) {
	if tc, ok := c.(*net.TCPConn); ok {
		tc.SetLinger(0)
	}
	c.Close()
}
