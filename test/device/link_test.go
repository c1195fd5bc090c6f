// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// link is the camera's uplink: a TCP proxy of a given bandwidth and delay, which can go down. Its bandwidth is honest as the camera sees it: the
// receive buffer is small, so bytes that a send call took are nearly all through.
type link struct {
	target string // host:port
	addr   string // where to connect
	hold   int    // a socket that keeps the port when nobody listens on it: connections are refused, and nobody else gets it

	mu       sync.Mutex
	state    linkState
	changed  chan struct{} // closed at each change of state
	rate     int64         // bits per second towards the server; 0 = any
	delay    time.Duration // one way
	free     time.Time     // when the line has sent what it was given
	listener net.Listener
	open     map[net.Conn]struct{}
	bytes    int64 // towards the server
	wg       sync.WaitGroup
	done     chan struct{}
}

type linkState int

const (
	linkUp      linkState = iota
	linkRefuses           // nobody listens, open connections were reset
	linkHangs             // a black hole: connections are made and stay open, no byte gets through
)

// linkWindow is the receive buffer of the proxy. Linux doubles it.
const linkWindow = 8 << 10

func newLink(t testing.TB, target string) *link {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soReusePort, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	l := &link{
		target: target, hold: fd, addr: fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port),
		changed: make(chan struct{}), open: map[net.Conn]struct{}{}, done: make(chan struct{}),
	}
	if err := l.listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(l.done)
		l.refuse()
		l.wg.Wait()
		syscall.Close(fd)
	})
	return l
}

const soReusePort = 15 // SO_REUSEPORT of Linux on all but MIPS and SPARC, where these tests do not run natively

func (l *link) listen() error {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) {
			if err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReusePort, 1); err == nil {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, linkWindow)
			}
		}); cerr != nil {
			return cerr
		}
		return err
	}}
	ln, err := lc.Listen(context.Background(), "tcp4", l.addr)
	if err != nil {
		return err
	}
	l.listener = ln
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			l.wg.Add(1)
			go func() { defer l.wg.Done(); l.serve(c.(*net.TCPConn)) }()
		}
	}()
	return nil
}

func (l *link) setTarget(hostPort string)   { l.mu.Lock(); l.target = hostPort; l.mu.Unlock() }
func (l *link) setRate(bitsPerSecond int64) { l.mu.Lock(); l.rate = bitsPerSecond; l.mu.Unlock() }
func (l *link) setDelay(d time.Duration)    { l.mu.Lock(); l.delay = d; l.mu.Unlock() }
func (l *link) sent() int64                 { l.mu.Lock(); defer l.mu.Unlock(); return l.bytes }

func (l *link) up()     { l.set(linkUp) }
func (l *link) refuse() { l.set(linkRefuses) }
func (l *link) hang()   { l.set(linkHangs) }

// drop resets all open connections and stays up.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		reset(c)
	}
}

func (l *link) set(s linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == s {
		return
	}
	was := l.state
	l.state = s
	close(l.changed)
	l.changed = make(chan struct{})
	switch {
	case s == linkRefuses:
		l.listener.Close()
		for c := range l.open {
			reset(c)
		}
	case was == linkRefuses:
		if err := l.listen(); err != nil {
			fmt.Fprintln(os.Stderr, "device_test: link:", err) // the test then fails by what is missing
		}
	}
}

// pass waits until n more bytes may leave; false ends the connection.
func (l *link) pass(n int, upwards bool) bool {
	for {
		l.mu.Lock()
		state, changed := l.state, l.changed
		var wait time.Duration
		if state == linkUp && upwards {
			l.bytes += int64(n)
			if l.rate > 0 {
				now := time.Now()
				if l.free.Before(now) {
					l.free = now
				}
				l.free = l.free.Add(time.Duration(int64(n) * 8 * int64(time.Second) / l.rate))
				wait = l.free.Sub(now)
			}
		}
		l.mu.Unlock()
		switch state {
		case linkUp:
			time.Sleep(wait)
			return true
		case linkRefuses:
			return false
		}
		select {
		case <-changed:
		case <-l.done:
			return false
		}
	}
}

// serve is one connection. It is kept in open until both directions have ended.
func (l *link) serve(c *net.TCPConn) {
	defer c.Close()
	l.mu.Lock()
	l.open[c] = struct{}{}
	target := l.target
	l.mu.Unlock()
	defer func() { l.mu.Lock(); delete(l.open, c); l.mu.Unlock() }()
	if !l.pass(0, true) {
		reset(c)
		return
	}
	s, err := net.Dial("tcp4", target)
	if err != nil {
		reset(c)
		return
	}
	server := s.(*net.TCPConn)
	defer server.Close()
	back := make(chan struct{})
	go func() { l.pump(c, server, false); close(back) }()
	l.pump(server, c, true)
	<-back
}

// pump carries bytes one way, with the link's bandwidth (upwards) and delay.
func (l *link) pump(to, from *net.TCPConn, upwards bool) {
	type piece struct {
		data []byte
		due  time.Time
	}
	pieces := make(chan piece, 256)
	go func() {
		defer close(pieces)
		for {
			buf := make([]byte, 4<<10)
			n, err := from.Read(buf)
			if n > 0 {
				if !l.pass(n, upwards) {
					return
				}
				l.mu.Lock()
				due := time.Now().Add(l.delay)
				l.mu.Unlock()
				pieces <- piece{buf[:n], due}
			}
			if err != nil {
				if err != io.EOF {
					reset(to)
				}
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			reset(from)
			for range pieces { // its reader ends by the reset
			}
			return
		}
	}
	to.CloseWrite()
}

// reset closes a connection so that the peer sees an error and not an end.
func reset(c net.Conn) {
	if tc, ok := c.(*net.TCPConn); ok {
		tc.SetLinger(0)
	}
	c.Close()
}
