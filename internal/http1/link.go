// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// errStopped ends a write that an answer or the end of the connection has made pointless.
var errStopped = errors.New("stopped")

// link is a connection whose writes may take as long as they make progress. TLS goes on top of it: a tls.Conn cannot go on after a write
// that timed out, so it must not see one before the connection is given up.
type link struct {
	net.Conn
	stall    time.Duration
	queue    sendQueue
	accepted atomic.Int64 // bytes that the kernel has taken
	stopped  atomic.Bool
	first    func(b []byte) // is given the first bytes ever written, then forgotten
}

// newLink takes over a new connection.
func newLink(c net.Conn, stall time.Duration, sendBuffer int) *link {
	l := &link{Conn: c, stall: stall}
	if b, ok := c.(interface{ SetWriteBuffer(int) error }); ok && sendBuffer > 0 {
		_ = b.SetWriteBuffer(sendBuffer) // less than wanted is fine
	}
	l.queue.init(c, stall)
	return l
}

// Write writes all of b. It fails with ErrStalled when neither the kernel takes nor the peer acknowledges a byte for the stall time.
func (l *link) Write(b []byte) (n int, err error) {
	if l.first != nil {
		first := l.first
		l.first = nil
		first(b)
	}
	w := watch{queue: &l.queue, before: unknown}
	for {
		_ = l.Conn.SetWriteDeadline(time.Now().Add(l.stall / watchTicks))
		if l.stopped.Load() { // after the deadline is set: stop may have set its own before
			return n, errStopped
		}
		var m int
		m, err = l.Conn.Write(b[n:])
		n += m
		l.accepted.Add(int64(m))
		switch {
		case err == nil:
			return n, nil
		case l.stopped.Load():
			return n, errStopped
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return n, err
		case w.stalled(m > 0):
			return n, ErrStalled
		}
	}
}

// stop makes a write under way and all later ones fail.
func (l *link) stop() {
	l.stopped.Store(true)
	_ = l.Conn.SetWriteDeadline(time.Unix(1, 0))
}

// resume allows writes again. Nothing may have been interrupted.
func (l *link) resume() { l.stopped.Store(false) }

// abort closes the connection at once and throws away what the kernel still holds of it: bytes of a request that was given up would
// only delay its repetition on a slow uplink.
func (l *link) abort() {
	l.stop()
	if t, ok := l.Conn.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = l.Conn.Close()
}

// watchTicks is how often in a stall time progress is looked for.
const watchTicks = 2

// watch decides whether a connection stands still: nothing was taken or acknowledged for watchTicks ticks in a row.
type watch struct {
	queue  *sendQueue
	before int // bytes not acknowledged at the last tick
	idle   int // ticks without progress
}

// stalled is called once per tick; moved tells about progress that the queue does not show. The first look at a queue decides nothing.
func (w *watch) stalled(moved bool) bool {
	now := w.queue.unacked()
	switch {
	case moved, now != unknown && (w.before == unknown || now < w.before):
		w.idle = 0
	default:
		w.idle++
	}
	w.before = now
	return w.idle >= watchTicks
}

// unknown is the length of a send queue that the system does not tell.
const unknown = -1
