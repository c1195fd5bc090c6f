// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// answer is a successful response whose body is still to be read. close ends it.
type answer struct {
	*http.Response
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	wait   time.Duration
}

// Read reads the body. Each read may wait as long as one try may.
func (a *answer) Read(p []byte) (int, error) {
	a.timer.Reset(a.wait)
	n, err := a.Body.Read(p)
	a.timer.Stop() // the time a caller takes between reads does not count
	if err != nil && err != io.EOF && context.Cause(a.ctx) == ErrTimeout {
		err = ErrTimeout
	}
	return n, err
}

// maxDrain is what is read of an unwanted body to keep its connection.
const maxDrain = 64 << 10

// finish reads a body that should be empty or short, and closes it.
func (a *answer) finish() {
	_, _ = io.CopyN(io.Discard, a, maxDrain)
	a.close()
}

func (a *answer) close() {
	a.timer.Stop()
	_ = a.Body.Close()
	a.cancel(nil)
}

// exchange sends q once and returns a 2xx answer, which the caller closes; every other answer is an *Error.
func (c *Client) exchange(ctx context.Context, q *call) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fail(q.op, q.key, context.Cause(ctx))
	}
	tryCtx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(q.timeout, func() { cancel(ErrTimeout) })
	c.stats.requests.Add(1)
	resp, err := c.cfg.Transport.RoundTrip(c.request(tryCtx, q))
	timer.Stop()
	a := &answer{resp, tryCtx, cancel, timer, c.cfg.TryTimeout}
	if err == nil && resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return a, nil
	}
	if err == nil {
		e := q.readError(a)
		a.close()
		err = e
		if q.body != nil && e.Status < 500 && e.Status != http.StatusPreconditionFailed {
			q.body.refused()
		}
	} else {
		if context.Cause(tryCtx) == ErrTimeout {
			err = ErrTimeout
		}
		cancel(nil)
		err = exchangeFailed(ctx, q.op, q.key, err)
	}
	if q.body != nil {
		q.body.release()
		if read := q.body.readError(); read != nil {
			err = failf(q.op, q.key, "body: %w", read)
		}
	}
	return nil, err
}

// do is one try: an exchange, and at most one more for each of the things that a client can put right at once: a kept
// connection that is dead, the region, the clock, expired credentials.
func (c *Client) do(ctx context.Context, q *call) (*answer, error) {
	var err error
	if q.cred, err = c.cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, failf(q.op, q.key, "credentials: %w", err)
	}
	var redirected, clocked, refreshed, renewed bool
	for {
		a, err := c.exchange(ctx, q)
		if err == nil {
			return a, nil
		}
		e, ok := err.(*Error)
		switch {
		case !ok && !renewed && q.body != nil && q.body.onKept() && Retryable(err) && !errors.Is(err, ErrTimeout):
			// The server had closed the kept connection. net/http sends again by itself only when it notices by reading.
			renewed = true
			_ = c.Close()
		case ok && !redirected && e.movedStatus():
			redirected = true
			next := c.place.moved(e.from, e.region)
			if next == nil {
				return nil, err
			}
			c.target.Store(next)
			c.stats.redirects.Add(1)
			c.cfg.Logger.Info("s3: bucket is in another region", "region", next.region)
		case ok && !clocked && e.skewed():
			clocked = true
			if !c.learnClock(e) {
				return nil, err
			}
		case ok && !refreshed && e.expired():
			refreshed = true
			next, rerr := c.refresh(ctx, q.cred)
			if rerr != nil {
				c.cfg.Logger.Debug("s3: refreshing expired credentials failed", "error", rerr)
			}
			if rerr != nil || (next.AccessKeyID == q.cred.AccessKeyID && next.SessionToken == q.cred.SessionToken) {
				return nil, err
			}
			q.cred = next
			c.stats.refreshes.Add(1)
		default:
			return nil, err
		}
	}
}

func (c *Client) refresh(ctx context.Context, old Credentials) (Credentials, error) {
	if r, ok := c.cfg.Credentials.(Refresher); ok {
		return r.Refresh(ctx, old)
	}
	return c.cfg.Credentials.Retrieve(ctx)
}
