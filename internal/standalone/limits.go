// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"container/list"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits bounds what viewers can take of the web server. Zero means the default, negative no limit.
type Limits struct {
	Connections int // open at a time
	PerAddress  int // from one address other than loopback and trusted proxies; of IPv6 from one /64
	// DrainDelay is how long a server that was told to end still takes connections while /readyz says no, so that a load
	// balancer can look away first.
	DrainDelay time.Duration
}

// Defaults of Limits. A viewer has one to six connections, an office behind one address maybe a hundred viewers.
const (
	DefaultConnections = 4096
	DefaultPerAddress  = 512
)

// limited is a listener with limits. Beyond that of one address connections are closed at once: a viewer who meets it sees that, instead of
// waiting behind those who hold connections open. When all are taken, the one that has waited longest for a request makes room, so that
// connections which say nothing keep nobody out; only when all are at work is a new one refused.
type limited struct {
	net.Listener
	total, each int
	exempt      []netip.Prefix
	changed     func(by int)       // called with each connection
	refused     func(limit string) // called for each that was closed at once

	mu      sync.Mutex
	open    int
	from    map[netip.Addr]int
	waiting *list.List // of *limitedConn that have no request, the longest first

	quiesce quiescing
}

func newLimited(l net.Listener, c Limits, exempt []netip.Prefix, changed func(int), refused func(string)) *limited {
	if c.Connections == 0 {
		c.Connections = DefaultConnections
	}
	if c.PerAddress == 0 {
		c.PerAddress = DefaultPerAddress
	}
	return &limited{Listener: l, total: c.Connections, each: c.PerAddress, exempt: exempt, changed: changed, refused: refused, from: map[netip.Addr]int{}, waiting: list.New(),
		quiesce: quiescing{ended: make(chan struct{})}}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, l.quiesce.accepted(err)
		}
		addr := l.counted(c.RemoteAddr())
		limit := l.take(addr)
		if limit == "total" {
			if idle := l.longest(); idle != nil {
				abort(idle.Conn)
				idle.Close()
				l.refused("idle")
				limit = l.take(addr)
			}
		}
		if limit != "" {
			abort(c)
			c.Close()
			l.refused(limit)
			continue
		}
		l.changed(1)
		lc := &limitedConn{Conn: c, l: l, addr: addr}
		l.wait(lc)
		return lc, nil
	}
}

// abort makes Close reset the connection: nothing was read, so do not keep its end in a table of the kernel.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// connState is for http.Server.ConnState: it tells connections of a limited listener that wait for a request from those at work.
func connState(c net.Conn, state http.ConnState) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	lc, ok := c.(*limitedConn)
	if !ok {
		return
	}
	if state == http.StateNew || state == http.StateIdle {
		lc.l.wait(lc)
	} else {
		lc.l.work(lc)
	}
}

// wait puts a connection at the end of those that wait.
func (l *limited) wait(c *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place == nil && !c.closed {
		c.place = l.waiting.PushBack(c)
	}
}

// work takes it out.
func (l *limited) work(c *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave(c)
}

func (l *limited) leave(c *limitedConn) {
	if c.place != nil {
		l.waiting.Remove(c.place)
		c.place = nil
	}
}

// longest returns the connection that has waited longest, nil when none does.
func (l *limited) longest() *limitedConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.waiting.Front(); e != nil {
		return e.Value.(*limitedConn)
	}
	return nil
}

// counted is the address whose connections are counted together; the zero one is not limited by itself.
func (l *limited) counted(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return netip.Addr{}
	}
	for _, p := range l.exempt {
		if p.Contains(ip) {
			return netip.Addr{}
		}
	}
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

func (l *limited) take(addr netip.Addr) (limit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.total > 0 && l.open >= l.total:
		return "total"
	case l.each > 0 && addr.IsValid() && l.from[addr] >= l.each:
		return "address"
	}
	l.open++
	if addr.IsValid() {
		l.from[addr]++
	}
	return ""
}

func (l *limited) give(c *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.closed = true
	l.leave(c)
	addr := c.addr
	l.open--
	if addr.IsValid() {
		if l.from[addr]--; l.from[addr] <= 0 {
			delete(l.from, addr)
		}
	}
}

// limitedConn gives its place back when it is closed. It keeps io.ReaderFrom, by which files go out with sendfile.
type limitedConn struct {
	net.Conn
	l    *limited
	addr netip.Addr
	once sync.Once

	place  *list.Element // among those that wait; both under the listener's lock
	closed bool
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.l.give(c)
		c.l.changed(-1)
	})
	return err
}

// ReadFrom implements io.ReaderFrom.
func (c *limitedConn) ReadFrom(src io.Reader) (int64, error) { return io.Copy(c.Conn, src) }

// CloseWrite lets net/http end an answer before it closes the connection, so that the client reads it whole.
func (c *limitedConn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return nil
}
