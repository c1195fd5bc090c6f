// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener accepts connections that cannot hang for ever and that can all be found again at shutdown.
type listener struct {
	net.Listener
	stall time.Duration

	mu    sync.Mutex
	conns map[*conn]struct{}
	wg    sync.WaitGroup
}

func newListener(ln net.Listener, stall time.Duration) *listener {
	return &listener{Listener: ln, stall: stall, conns: make(map[*conn]struct{})}
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
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.wg.Add(1)
	l.mu.Unlock()
	return c, nil
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
}

func (c *conn) Read(p []byte) (int, error) {
	until := time.Now().Add(c.ln.stall)
	if !c.readUntil.IsZero() && c.readUntil.Before(until) {
		until = c.readUntil
	}
	if err := c.Conn.SetReadDeadline(until); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
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

func (c *conn) SetReadDeadline(t time.Time) error { c.readUntil = t; return nil }
func (c *conn) SetDeadline(t time.Time) error     { c.readUntil = t; return c.Conn.SetWriteDeadline(t) }

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
