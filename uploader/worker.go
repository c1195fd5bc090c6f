// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"context"
	"errors"
	"time"

	"github.com/s3cam/s3cam/segment"
)

const (
	rejectedMin    = 2 * time.Second
	refreshTimeout = 30 * time.Second
)

// run is the worker: it uploads one segment at a time until Close and nothing is left, or until its context ends.
func (u *Uploader) run() {
	defer close(u.finished)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for u.ctx.Err() == nil {
		u.mu.Lock()
		if u.closing && len(u.queue) == 0 {
			u.mu.Unlock()
			break
		}
		now := time.Now()
		idle := u.idle(now)
		if e, wait := u.next(now); e == nil {
			u.unlock()
			u.sleep(timer, idle)
		} else if wait > 0 {
			u.unlock()
			u.sleep(timer, min(wait, idle))
		} else {
			u.upload(e)
		}
	}
	u.finish()
}

// forever is longer than any wait.
const forever = 1 << 62 * time.Nanosecond

// sleep waits until something changes, the time is over, or the context ends.
func (u *Uploader) sleep(timer *time.Timer, wait time.Duration) {
	var due <-chan time.Time
	if wait < forever {
		timer.Reset(wait)
		due = timer.C
	}
	select {
	case <-u.wake:
	case <-due:
	case <-u.ctx.Done():
	}
}

// idle completes the open segment of a live stream that has stopped, so that its last seconds are stored too, and tells how
// long it is until then.
func (u *Uploader) idle(now time.Time) time.Duration {
	if !u.isOpen || !u.time.live {
		return forever
	}
	wait := maxHole - now.Sub(u.lastWrite)
	if wait > 0 {
		return wait
	}
	u.sealAll()
	return forever
}

// next chooses the segment to upload: the oldest of those rejected least often, so that one that cannot be stored does not hold up the rest.
func (u *Uploader) next(now time.Time) (e *entry, wait time.Duration) {
	for i := range u.queue {
		if e == nil || u.queue[i].rejects < e.rejects {
			e = &u.queue[i]
		}
	}
	if e == nil {
		return nil, 0
	}
	return e, max(e.notBefore.Sub(now), u.retry.notBefore.Sub(now))
}

// upload makes one try. It is called with the lock held and gives it up.
func (u *Uploader) upload(e *entry) {
	seq := e.seq
	u.inflight = seq
	e.attempts++
	u.stats.Attempts++
	if e.attempts > 1 {
		u.stats.Retries++
	}
	o := Object{Key: u.keyOf(e.key), Parts: u.ring.parts(e.pos, e.n), Size: e.n, CRC32C: e.crc, Tags: e.tags, Time: u.clock.read()}
	parts, maybe := o.Parts, e.maybe
	timeout := u.retry.timeout(&u.cfg, e.n, e.duration())
	u.onTime = time.Now().Add(2*u.retry.expected(e.n, e.duration()) + time.Second)
	u.unlock()

	ctx, cancel := context.WithTimeout(u.ctx, timeout)
	sent := time.Now()
	server, err := u.cfg.Putter.Put(ctx, &o)
	took := time.Since(sent)
	if err != nil && ctx.Err() != nil && u.ctx.Err() == nil {
		err = errors.Join(errTimeout, err)
	}
	cancel()
	received := u.cfg.Now()
	stored := err == nil || maybe && errors.Is(err, ErrExists)
	if stored {
		// The pages go back to the system while the segment still keeps them from being written to.
		discard(parts[0])
		discard(parts[1])
	}
	if err != nil && errors.Is(err, ErrExpiredCredentials) && u.cfg.RefreshCredentials != nil {
		ctx, cancel := context.WithTimeout(u.ctx, refreshTimeout)
		if rerr := u.cfg.RefreshCredentials(ctx); rerr != nil {
			err = errors.Join(err, rerr)
		}
		cancel()
	}

	u.mu.Lock()
	u.maybeStored = u.maybeStored || unclear(err)
	renamed := u.learnClock(server, received, took, stored)
	i := 0 // what is in flight is not dropped, so it is still there
	for u.queue[i].seq != seq {
		i++
	}
	if stored {
		u.stored(i, took)
	} else {
		u.failed(i, err, renamed)
	}
	u.inflight = 0
	u.unlock()
}

// unclear tells whether an upload that ended with err may have stored the object.
func unclear(err error) bool {
	for _, clear := range []error{nil, ErrExists, ErrClockSkew, ErrExpiredCredentials, ErrRejected, ErrNotSent} {
		if errors.Is(err, clear) {
			return false
		}
	}
	return true
}

// learnClock takes over the time in an answer. When nothing is stored yet the footage in the ring moves along; back only if nothing
// can have been stored, since keys never go back.
func (u *Uploader) learnClock(server, received time.Time, took time.Duration, stored bool) (renamed bool) {
	old := u.clock.offset
	if !u.clock.learn(server, received, took) {
		return false
	}
	u.events = append(u.events, event{offset: u.clock.offset, clockSet: true})
	move := int64((u.clock.offset - old).Round(time.Second) / time.Second)
	if u.time.live && !stored && u.stats.Stored.Segments == 0 && (move > 0 || !u.maybeStored) {
		return u.shift(move)
	}
	return false
}

// stored takes segment i out of the ring.
func (u *Uploader) stored(i int, took time.Duration) {
	e := u.queue[i]
	u.remove(i)
	now := time.Now()
	u.retry.succeeded(e.n, took)
	u.stats.Stored.add(e.counts())
	u.stats.LastKey = u.keyOf(e.key)
	u.stats.LastStored = u.clock.read()
	u.events = append(u.events, event{stored: &Stored{Key: u.stats.LastKey, Start: segment.TimeOfTicks(e.start), Duration: e.duration(),
		Bytes: e.n, Frames: e.frames, Attempts: e.attempts, Took: took, Waited: now.Sub(e.sealedAt)}})
}

// errTimeout marks an error of a try that was ended by its timeout.
var errTimeout = errors.New("timed out")

// failed decides what becomes of segment i after a try that gave err, under another name if it was renamed since.
func (u *Uploader) failed(i int, err error, renamed bool) {
	e := &u.queue[i]
	now := time.Now()
	u.retry.lastErr, u.retry.lastErrAt = err, u.clock.read()
	wait := backoff(u.retry.failures+1, u.cfg.RetryMin, u.cfg.RetryMax)
	switch {
	case errors.Is(err, ErrExists):
		if !renamed && !u.moveKey(i) {
			gone := *e
			u.remove(i)
			u.stats.DroppedCollision.add(gone.counts())
			u.dropped(&gone, DropCollision)
		}
		return
	case errors.Is(err, ErrClockSkew) && !e.fixedClock:
		e.fixedClock = true
		return
	case errors.Is(err, ErrExpiredCredentials):
		u.failOnce(err)
		if !e.fixedCreds && u.cfg.RefreshCredentials != nil {
			e.fixedCreds = true
			return
		}
	case errors.Is(err, ErrRejected):
		u.stats.Rejected++
		if e.rejects == 0 {
			u.failOnce(err)
		}
		e.rejects++
		wait = backoff(u.retry.failures+1, rejectedMin, u.cfg.RejectedMax)
		e.notBefore = now.Add(backoff(e.rejects, rejectedMin, u.cfg.RejectedMax))
	case errors.Is(err, errTimeout):
		u.stats.Timeouts++
		u.retry.timeouts++
	}
	e.maybe = e.maybe || unclear(err) && !renamed
	u.retry.failures++
	u.retry.notBefore = now.Add(wait)
}

// failOnce reports an error that somebody has to act on, once until the next success.
func (u *Uploader) failOnce(err error) {
	if !u.retry.reported {
		u.retry.reported = true
		u.fail(err)
	}
}

// maxMoves bounds how far from its own time a short segment may be named.
const maxMoves = 3

// moveKey gives segment i the next second as its name, if that is before the name of the segment after it and within its footage
// (or three seconds, if it is shorter).
func (u *Uploader) moveKey(i int) bool {
	e := &u.queue[i]
	next := e.key + 1
	if i+1 < len(u.queue) && next >= u.queue[i+1].key || i+1 == len(u.queue) && u.isOpen && next >= u.open.key ||
		next > max(secondOf(e.end), secondOf(e.start)+maxMoves) {
		return false
	}
	e.key = next
	u.lastKey = max(u.lastKey, next)
	u.stats.MovedKeys++
	return true
}
