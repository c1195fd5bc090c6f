// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener accepts connections that cannot hang for ever and that can all be found again at shutdown.
type listener struct {
	net.Listener
	stall time.Duration
	max   int // connections; when nearly so many are open, the longest idle ones are closed. 0: never

	mu      sync.Mutex
	conns   map[*conn]struct{}
	leaving int // of them, closed to make room and not yet noticed
	wg      sync.WaitGroup
}

func newListener(ln net.Listener, stall time.Duration, maxConns int) *listener {
	return &listener{Listener: ln, stall: stall, max: maxConns, conns: make(map[*conn]struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	for pause := minAcceptPause; exhausted(err); pause = min(2*pause, maxAcceptPause) {
		time.Sleep(pause)
		nc, err = l.Listener.Accept()
	}
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, ln: l}
	c.idleSince.Store(time.Now().UnixNano())
	l.mu.Lock()
	l.makeRoom()
	l.conns[c] = struct{}{}
	l.wg.Add(1)
	for end := time.Now().Add(roomPatience); l.leaving > 0 && len(l.conns) > l.max-l.spare()/2 && time.Now().Before(end); {
		l.mu.Unlock() // those that were closed are about to end
		time.Sleep(time.Millisecond)
		l.mu.Lock()
	}
	l.mu.Unlock()
	return c, nil
}

// roomPatience is how long a new connection waits for one that was closed in its favour.
const roomPatience = 100 * time.Millisecond

// spare is how many connections are closed at a time, and how far from the limit that begins.
func (l *listener) spare() int { return max(2, l.max/8) }

// makeRoom closes connections that have no request, the longest idle first, when nearly all are taken: fasthttp refuses further ones with
// 503, and who holds connections and says nothing would keep the cameras out. Some are closed at a time, so that a flood does not cost a
// search for each. l.mu is held.
func (l *listener) makeRoom() {
	if l.max <= 0 || len(l.conns)-l.leaving < l.max-l.spare() {
		return
	}
	var idle []*conn
	for c := range l.conns {
		if !c.leaving && c.idleSince.Load() != 0 {
			idle = append(idle, c)
		}
	}
	slices.SortFunc(idle, func(a, b *conn) int { return cmp.Compare(a.idleSince.Load(), b.idleSince.Load()) })
	for _, c := range idle[:min(len(idle), l.spare())] {
		c.leaving = true
		l.leaving++
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Conn.Close() // the handler notices and calls c.Close
	}
}

// Pauses of a listener that cannot accept for now.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// exhausted tells whether accepting failed for want of something that comes back: file descriptors, memory, or the peer that left
// while it waited. fasthttp takes any such error for the end of the listener and stops serving.
func exhausted(err error) bool {
	for _, e := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// closeAll closes the connections that are still open and returns their number.
func (l *listener) closeAll() int {
	l.mu.Lock()
	open := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Conn.Close() // the handler notices and calls c.Close
	}
	return len(open)
}

// wait returns when the handlers of all connections have ended. No connection may be accepted any more.
func (l *listener) wait() { l.wg.Wait() }

// conn ends a read or write that makes no progress for the listener's stall time. Deadlines that the HTTP server sets are kept
// when they are earlier.
type conn struct {
	net.Conn
	ln        *listener
	once      sync.Once
	readUntil time.Time // set by the HTTP server; zero = none. Used by the connection's own goroutine only
	linger    atomic.Bool
	leaving   bool         // closed to make room; under the listener's lock
	idleSince atomic.Int64 // Unix ns since which the first byte of a request is awaited; 0: one is being read or answered

	got    int           // bytes since the rate was last judged
	waited time.Duration // for them; not the time in which nobody read
}

// minRate is the slowest peer that is taken to be one, in bytes per second over the stall time: a byte now and then is no progress.
const minRate = 128

func (c *conn) Read(p []byte) (int, error) {
	if c.got > int(minRate*c.ln.stall.Seconds()) {
		c.got, c.waited = 0, 0
	}
	began := time.Now()
	until := began.Add(c.ln.stall - c.waited)
	if !c.readUntil.IsZero() && c.readUntil.Before(until) {
		until = c.readUntil
	}
	if err := c.Conn.SetReadDeadline(until); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.waited += time.Since(began)
	if n > 0 {
		c.got += n
		c.idleSince.Store(0)
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.ln.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// readFromChunk is how much may be sent per stall time; 1 MiB in a minute is 140 kbit/s.
const readFromChunk = 1 << 20

// ReadFrom sends a reader, a file by sendfile.
func (c *conn) ReadFrom(r io.Reader) (total int64, err error) {
	rf, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	limit := int64(-1)
	lr, limited := r.(*io.LimitedReader)
	if limited { // the TCP connection looks through one LimitedReader only
		r, limit = lr.R, lr.N
		defer func() { lr.N -= total }()
	}
	for limit < 0 || total < limit {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.ln.stall)); err != nil {
			return total, err
		}
		chunk := &io.LimitedReader{R: r, N: readFromChunk}
		if limit >= 0 {
			chunk.N = min(chunk.N, limit-total)
		}
		n, err := rf.ReadFrom(chunk)
		total += n
		if err != nil {
			return total, err
		}
		if chunk.N > 0 { // end of file
			break
		}
	}
	return total, nil
}

// SetReadDeadline is called by fasthttp before it waits for a request, before it reads a head, and before it reads a body: that one is
// far away.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.readUntil, c.got, c.waited = t, 0, 0
	since := int64(0)
	if now := time.Now(); t.Before(now.Add(bodyTimeout / 2)) {
		since = now.UnixNano()
	}
	c.idleSince.Store(since)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}

// SetWriteDeadline does nothing: each write has its own.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// Close closes the connection, at once unless lingerOn was called.
func (c *conn) Close() (err error) {
	c.once.Do(func() {
		if !c.linger.Load() {
			err = c.end()
			return
		}
		go func() {
			c.drain()
			_ = c.end()
		}()
	})
	return err
}

func (c *conn) end() error {
	err := c.Conn.Close()
	c.ln.mu.Lock()
	delete(c.ln.conns, c)
	if c.leaving {
		c.ln.leaving--
	}
	c.ln.mu.Unlock()
	c.ln.wg.Done()
	return err
}

// Bounds of what is still read from a client whose request was answered before its body was read.
const (
	lingerTime  = 5 * time.Second
	lingerBytes = 64 << 20
)

// lingerOn makes Close wait for the client. Closing a socket with unread data resets the connection, and the reset may destroy
// the answer that says why (403) before the client has read it; a device would take it for a network fault and go on sending.
func lingerOn(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if c, ok := nc.(*conn); ok {
		c.linger.Store(true)
	}
}

func (c *conn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}
