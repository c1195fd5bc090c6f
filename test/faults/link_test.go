// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// link is the network between two parts: a TCP proxy that can be slow, late, silent, cut, half closed, and wrong.
type link struct {
	target string
	ln     net.Listener
	wg     sync.WaitGroup

	mu      sync.Mutex
	rnd     *rand.Rand
	delay   time.Duration // added to each piece, one way
	rate    int64         // bytes per second each way; 0: any
	hang    bool          // connections stay, nothing moves
	refuse  bool          // connections are reset
	up      float64       // share of the pieces towards the target of which one bit is turned
	down    float64       // the same towards the client
	changed chan struct{}
	closed  bool
	open    map[net.Conn]net.Conn // client to target
	damaged int
}

func newLink(t testing.TB, target string, seed uint64) *link {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{target: target, ln: ln, rnd: rand.New(rand.NewPCG(seed, 7)), changed: make(chan struct{}), open: map[net.Conn]net.Conn{}}
	l.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			l.wg.Go(func() { l.serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		l.change(func() { l.closed, l.refuse, l.hang = true, true, false })
		l.cut()
		l.wg.Wait()
	})
	return l
}

func (l *link) addr() string { return l.ln.Addr().String() }

// change sets how the link is, for open connections too.
func (l *link) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// heal makes it a perfect link.
func (l *link) heal() {
	l.change(func() { l.delay, l.rate, l.hang, l.refuse, l.up, l.down = 0, 0, l.closed && l.hang, l.closed, 0, 0 })
}

// cut resets the open connections.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, s := range l.open {
		reset(c)
		if s != nil {
			reset(s)
		}
	}
}

// half ends one direction of the open connections: the target sees the end of what the client sends, or the client of what the target sends.
func (l *link) half(towardsTarget bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, s := range l.open {
		if !towardsTarget {
			c.(*net.TCPConn).CloseWrite()
		} else if s != nil {
			s.(*net.TCPConn).CloseWrite()
		}
	}
}

func (l *link) serve(c net.Conn) {
	defer c.Close()
	l.mu.Lock()
	refuse := l.refuse
	l.open[c] = nil
	l.mu.Unlock()
	defer func() { l.mu.Lock(); delete(l.open, c); l.mu.Unlock() }()
	if refuse {
		reset(c)
		return
	}
	s, err := net.Dial("tcp4", l.target)
	if err != nil {
		reset(c)
		return
	}
	defer s.Close()
	l.mu.Lock()
	l.open[c] = s
	l.mu.Unlock()
	done := make(chan struct{})
	go func() { l.pump(c, s, false); close(done) }()
	l.pump(s, c, true)
	<-done
}

// pump carries bytes one way until the end or an error, which it passes on as what it was.
func (l *link) pump(to, from net.Conn, up bool) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !l.pass(buf[:n], up) {
				reset(to)
				reset(from)
				return
			}
			if _, werr := to.Write(buf[:n]); werr != nil {
				reset(from)
				return
			}
		}
		switch {
		case err == io.EOF:
			to.(*net.TCPConn).CloseWrite()
			return
		case err != nil:
			reset(to)
			return
		}
	}
}

// pass waits until a piece may go on, and damages it perhaps.
func (l *link) pass(b []byte, up bool) bool {
	for {
		l.mu.Lock()
		hang, refuse, delay, rate, changed := l.hang, l.refuse, l.delay, l.rate, l.changed
		share := l.down
		if up {
			share = l.up
		}
		if !hang && share > 0 && l.rnd.Float64() < share {
			b[l.rnd.IntN(len(b))] ^= 1 << l.rnd.IntN(8)
			l.damaged++
		}
		l.mu.Unlock()
		if refuse {
			return false
		}
		if hang {
			<-changed
			continue
		}
		if rate > 0 {
			delay += time.Duration(int64(len(b)) * int64(time.Second) / rate)
		}
		time.Sleep(delay)
		return true
	}
}

// reset closes a connection so that the peer sees an error and not an end.
func reset(c net.Conn) {
	if tc, ok := c.(*net.TCPConn); ok {
		tc.SetLinger(0)
	}
	c.Close()
}
