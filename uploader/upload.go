// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"errors"
	"time"

	"github.com/s3cam/s3cam/segment"
)

const (
	rejectedMin    = 2 * time.Second
	refreshTimeout = 30 * time.Second

	// A server that is not reached is asked again more often, for it costs nobody much and each second may be one more than
	// the ring holds: every notSentMax for the first notSentTries.
	notSentMax   = time.Second
	notSentTries = 120
)

// upload makes one try with a live segment. It is called with the lock held and gives it up.
func (u *Uploader) upload(e *entry) {
	seq, maybe := e.seq, e.maybe
	u.inflight = seq
	e.attempts++
	if e.attempts > 1 {
		u.stats.Retries++
	}
	o := Object{Key: u.keyOf(e.key), Parts: u.ring.parts(e.pos, e.n), Size: e.n, CRC32C: e.crc, Tags: e.tags, Time: u.clock.read()}
	u.onTime = time.Now().Add(2*u.retry.expected(e.n, e.duration()) + time.Second)
	u.launch(&o, e.duration(), true)
	u.unlock()

	server, received, took, err := u.try(&o)

	spool := u.lockToShift()
	if err == nil || maybe && errors.Is(err, ErrExists) {
		u.learnClock(server, received, took, true)
		u.giveBack(seq)
		u.stored(u.index(seq), took)
	} else {
		u.maybeStored = u.maybeStored || unclear(err)
		var gone entry
		e := &u.queue[u.index(seq)]
		if e.tapped > 0 { // part of it is newer footage by now
			gone = *e
			u.remove(u.index(seq))
			if u.ctx.Err() != nil {
				u.stats.DroppedClosed.add(gone.counts())
				u.dropped(&gone, DropClosed)
			} else {
				u.stats.DroppedFull.add(gone.counts())
				u.dropped(&gone, DropRingFull)
			}
			e = &gone
		}
		renamed := u.learnClock(server, received, took, false)
		u.failed(e, err, renamed)
	}
	u.inflight, u.flight = 0, nil
	u.unlock()
	if spool {
		u.spoolGate.leave()
	}
	u.signalSpool()
}

// lockToShift locks what must be locked while the footage may be moved in time: the spool too, while nothing is stored. It
// tells whether it did that.
func (u *Uploader) lockToShift() (spool bool) {
	if u.cfg.Spool != nil {
		u.mu.Lock()
		spool = u.clock.movable
		u.mu.Unlock()
		if spool {
			u.spoolGate.enter()
		}
	}
	u.mu.Lock()
	return spool
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

// stored takes segment i out of the ring.
func (u *Uploader) stored(i int, took time.Duration) {
	e := u.queue[i]
	u.remove(i)
	now := time.Now()
	u.retry.succeeded(e.n, took)
	u.clock.settle()
	u.stats.Stored.add(e.counts())
	u.stats.LastKey = u.keyOf(e.key)
	u.stats.LastStored = u.clock.read()
	u.events = append(u.events, event{stored: &Stored{Key: u.stats.LastKey, Start: segment.TimeOfTicks(e.start), Duration: e.duration(),
		Bytes: e.n, Frames: e.frames, Attempts: e.attempts, Took: took, Waited: now.Sub(e.sealedAt)}})
}

// failed decides what becomes of a segment after a try that gave err, under another name if it was renamed since. When e is gone
// from the ring only the uplink's state matters.
func (u *Uploader) failed(e *entry, err error, renamed bool) {
	now := time.Now()
	gone := e.tapped > 0
	u.retry.lastErr, u.retry.lastErrAt = err, u.clock.read()
	wait := backoff(u.retry.failures+1, u.cfg.RetryMin, u.cfg.RetryMax)
	switch {
	case errors.Is(err, ErrExists):
		if gone || renamed {
			return
		}
		if !u.moveKey(e) {
			lost := *e
			u.remove(u.index(e.seq))
			u.stats.DroppedCollision.add(lost.counts())
			u.dropped(&lost, DropCollision)
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
	case errors.Is(err, ErrNotSent) && u.retry.failures < notSentTries:
		wait = backoff(u.retry.failures+1, u.cfg.RetryMin, min(u.cfg.RetryMax, max(u.cfg.RetryMin, notSentMax)))
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

// moveKey gives a segment the next second as its name, if that is before the name of the segment after it and within its footage
// (or three seconds, if it is shorter).
func (u *Uploader) moveKey(e *entry) bool {
	next := e.key + 1
	if e.nextKey != 0 && next >= e.nextKey || next > max(secondOf(e.end), secondOf(e.start)+maxMoves) {
		return false
	}
	e.key = next
	u.lastKey = max(u.lastKey, next)
	u.stats.MovedKeys++
	return true
}
