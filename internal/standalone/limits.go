// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"io"
	"net"
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

// limited is a listener that closes connections beyond its limits at once: a viewer who meets the limit sees that, instead of
// waiting behind those who hold connections open.
type limited struct {
	net.Listener
	total, each int
	exempt      []netip.Prefix
	changed     func(by int)       // called with each connection
	refused     func(limit string) // called for each that was closed at once

	mu   sync.Mutex
	open int
	from map[netip.Addr]int
}

func newLimited(l net.Listener, c Limits, exempt []netip.Prefix, changed func(int), refused func(string)) *limited {
	if c.Connections == 0 {
		c.Connections = DefaultConnections
	}
	if c.PerAddress == 0 {
		c.PerAddress = DefaultPerAddress
	}
	return &limited{Listener: l, total: c.Connections, each: c.PerAddress, exempt: exempt, changed: changed, refused: refused, from: map[netip.Addr]int{}}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := l.counted(c.RemoteAddr())
		if limit := l.take(addr); limit != "" {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // nothing was read: do not keep its end in a table of the kernel
			}
			c.Close()
			l.refused(limit)
			continue
		}
		l.changed(1)
		return &limitedConn{Conn: c, l: l, addr: addr}, nil
	}
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

func (l *limited) give(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
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
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.l.give(c.addr)
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
