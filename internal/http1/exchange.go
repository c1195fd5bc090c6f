// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"context"
	"errors"
	"io"
	"time"
)

const (
	firstWrite = 4 << 10  // the head and the beginning of the body go out together
	chunk      = 16 << 10 // the largest TLS record
	readBuffer = 2 << 10
)

// outcome is what became of one try.
type outcome struct {
	sent    int  // bytes of the body that were handed over
	reached bool // some byte of the request was handed over
	stale   bool // the connection ended before any byte of an answer
	gone    bool // the context has ended and the connection with it
	op      string
	err     error
}

// try sends r, whose head is c.out, on cn and waits for the answer, which is then in c.parser.resp.
func (c *Client) try(ctx context.Context, cn *conn, r *Request) (o outcome) {
	before := cn.link.accepted.Load()
	expect := int32(anAnswer)
	if r.Method == "HEAD" {
		expect = headAnswer
	}
	cn.expect.Store(expect)
	stopAbort := func() bool { return true }
	if ctx.Done() != nil {
		stopAbort = context.AfterFunc(ctx, cn.abort)
	}
	o.op = "write"
	if o.sent, o.err = c.send(cn, r); o.err == nil {
		o.op = "read"
	}
	o.reached = cn.link.accepted.Load() > before
	// After a failed write an answer may be there all the same: the reason why the server did not want the rest.
	if o.err != ErrStalled {
		err := c.await(cn)
		if err == nil || o.err == nil || o.err == errStopped || (cn.begun.Load() && err != ErrStalled) {
			o.op, o.err = "read", err
		}
	}
	if !stopAbort() {
		o.gone = true
		if o.err != nil {
			o.err = context.Cause(ctx)
			return o
		}
	}
	if o.err == nil {
		return o
	}
	o.stale = o.err != ErrStalled && cn.dead() && !cn.begun.Load() && ctx.Err() == nil
	if o.err == io.EOF {
		o.err = errClosed
	}
	return o
}

// errClosed is how a server that just closes looks.
var errClosed = errors.New("the server closed the connection without an answer")

// send writes the request. sent counts the bytes of the body that are out.
func (c *Client) send(cn *conn, r *Request) (sent int, err error) {
	head := len(c.out)
	for _, part := range r.Body {
		c.out = append(c.out, part[:min(len(part), max(0, firstWrite-len(c.out)))]...)
	}
	_, err = cn.rw.Write(c.out)
	first := len(c.out) - head
	c.out = c.out[:head] // for a repetition
	if err != nil {
		return 0, err
	}
	if first > 0 {
		sent = first
		r.sent(sent)
	}
	skip := first
	for _, part := range r.Body {
		n := min(skip, len(part))
		skip -= n
		for part = part[n:]; len(part) > 0; {
			n := min(chunk, len(part))
			if _, err = cn.rw.Write(part[:n]); err != nil {
				return sent, err
			}
			part = part[n:]
			sent += n
			r.sent(sent)
		}
	}
	return sent, nil
}

func (r *Request) sent(n int) {
	if r.Sent != nil {
		r.Sent(n)
	}
}

// await waits for the answer as long as the connection makes progress.
func (c *Client) await(cn *conn) error {
	w := watch{queue: &cn.link.queue, before: cn.link.queue.unacked()}
	tick := c.cfg.StallTimeout / watchTicks
	for {
		c.timer.Reset(tick)
		select {
		case <-cn.answers:
			c.timer.Stop()
			return nil
		case <-cn.done:
			c.timer.Stop()
			select {
			case <-cn.answers: // the last one of this connection
				return nil
			default:
				return cn.err
			}
		case <-c.timer.C:
			if !cn.begun.Load() && w.stalled(false) { // an answer that has begun has a limit of its own
				return ErrStalled
			}
		}
	}
}

// newTimer returns a stopped timer.
func newTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
