// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/mpegts"
)

// flight is one try to upload a segment, as its [Putter] reports on it.
type flight struct {
	mu    *sync.Mutex // the uploader's lock
	size  int
	began time.Time
	sent  atomic.Int64 // bytes that are copied out
	moved atomic.Int64 // when that last changed: nanoseconds after began

	// What follows is guarded by mu.
	live   bool // the bytes lie in the ring
	tapped int  // of them, given to newer footage: whole packets
	over   bool // Put has returned: no more is given

	length time.Duration // of the footage
	timer  *time.Timer
}

func (f *flight) progress(n int) {
	if s := int64(min(max(n, 0), f.size)); s > f.sent.Load() {
		f.moved.Store(int64(time.Since(f.began)))
		f.sent.Store(s)
	}
}

// again tells whether all bytes are still there, and if so keeps them until they are sent once more.
func (f *flight) again() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tapped > 0 {
		return false
	}
	f.sent.Store(0)
	f.moved.Store(int64(time.Since(f.began)))
	return true
}

// spare is how many bytes could be given to newer footage now.
func (f *flight) spare() int {
	if f == nil || !f.live || f.over {
		return 0
	}
	return int(f.sent.Load())/mpegts.PacketSize*mpegts.PacketSize - f.tapped
}

// Reasons for which this package ends a try.
var (
	errTimeout = errors.New("timed out")
	errYield   = errors.New("ended in favour of live footage")
)

const (
	// sendBuffer is how much may lie in the kernel at most while a Putter waits to send more.
	sendBuffer = 256 << 10
	// lifetimes is for how many times MaxTimeout a try may last that goes on to send.
	lifetimes = 4
	// pressedStall is how long a try may stand still while newer footage needs the room of its segment. It is longer than a connection
	// needs to get over the loss of a few packets.
	pressedStall = 3 * time.Second
	// watchPeriod is how often that is looked at.
	watchPeriod = time.Second
)

// launch begins a try. It is called with the lock held.
func (u *Uploader) launch(o *Object, length time.Duration, live bool) *flight {
	f := &flight{mu: &u.mu, size: o.Size, began: time.Now(), length: length, live: live}
	o.flight = f
	u.flight = f
	u.stats.Attempts++
	return f
}

// try calls the Putter, and ends its context when it takes too long. It is called without the lock; when it returns, nobody reads the
// object any more.
func (u *Uploader) try(o *Object) (server, received time.Time, took time.Duration, err error) {
	f := o.flight
	ctx, cancel := context.WithCancelCause(u.ctx)
	u.mu.Lock()
	f.timer = time.AfterFunc(min(u.patience(f), watchPeriod), func() { u.watch(f, cancel) })
	u.mu.Unlock()
	server, err = u.cfg.Putter.Put(ctx, o)
	received, took = u.cfg.Now(), time.Since(f.began)
	u.mu.Lock()
	f.over = true
	f.timer.Stop()
	u.retry.reports = u.retry.reports || f.moved.Load() > 0
	u.mu.Unlock()
	if err != nil && ctx.Err() != nil && u.ctx.Err() == nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	cancel(nil)
	if err != nil && errors.Is(err, ErrExpiredCredentials) && u.cfg.RefreshCredentials != nil {
		ctx, cancel := context.WithTimeout(u.ctx, refreshTimeout)
		if rerr := u.cfg.RefreshCredentials(ctx); rerr != nil {
			err = errors.Join(err, rerr)
		}
		cancel()
	}
	return server, received, took, err
}

// watch looks after a try now and then.
func (u *Uploader) watch(f *flight, cancel context.CancelCauseFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f.over {
		return
	}
	switch left := u.patience(f); {
	case !f.live && u.ring.used > len(u.ring.buf)*7/8:
		cancel(errYield)
	case left <= 0:
		cancel(errTimeout)
	default:
		f.timer.Reset(min(left, watchPeriod))
	}
}

// patience is how much longer to wait for a try.
func (u *Uploader) patience(f *flight) time.Duration {
	now := time.Since(f.began)
	r, c := &u.retry, &u.cfg
	last, sent := time.Duration(f.moved.Load()), int(f.sent.Load())
	whole := r.timeout(c, r.expected(f.size, f.length))
	if last == 0 && !r.reports {
		return whole - now
	}
	// What is in the kernel takes as long as at the known rate, or at that of this try if it is slower.
	window := min(sendBuffer, f.size)
	rest := scaleBy(r.expected(f.size, f.length), window, f.size)
	if sent > 0 {
		rest = max(rest, scaleBy(last, window, max(sent, window)))
	}
	if sent == f.size { // all of it may be there, when sending took no time
		rest = max(rest, r.expected(f.size, f.length)-last)
	}
	limit := last + r.timeout(c, rest)
	if sent < f.size && f.live && f.tapped == 0 && u.pressed() {
		limit = min(limit, last+pressedStall)
	}
	return min(limit, max(whole, lifetimes*c.MaxTimeout)) - now
}

func scaleBy(d time.Duration, n, of int) time.Duration {
	return time.Duration(float64(d) * float64(n) / float64(of))
}

// pressed tells whether the room of the segment in flight will soon be needed. With a spool that is so as soon as it could be put there.
func (u *Uploader) pressed() bool {
	if u.cfg.Spool != nil && !u.spool.broken() {
		return u.ring.used > len(u.ring.buf)/2 && len(u.queue) > 1
	}
	return u.ring.free() < len(u.ring.buf)/8
}
