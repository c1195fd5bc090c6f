// SPDX-License-Identifier: Apache-2.0

package uploader

import "time"

// run is the worker: it uploads one segment at a time, live ones first, until Close and nothing is left in the ring, or until its
// context ends.
func (u *Uploader) run() {
	defer close(u.finished)
	timer := time.NewTimer(0)
	defer timer.Stop()
	u.openSpool()
	for u.ctx.Err() == nil {
		u.payClock()
		u.mu.Lock()
		if u.closing && len(u.queue) == 0 {
			u.mu.Unlock()
			break
		}
		now := time.Now()
		idle := u.idle(now)
		e, wait := u.next(now)
		switch fill := u.backfillIn(now); {
		case e != nil && wait <= 0:
			u.upload(e)
			continue
		case fill <= 0:
			u.backfill()
			continue
		case e == nil:
			wait = min(fill, idle)
		default:
			wait = min(wait, fill, idle)
		}
		u.unlock()
		u.sleep(timer, wait)
	}
	u.closeSpool()
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
// One that is being spooled must not move, so unless it is the oldest nothing behind it is chosen.
func (u *Uploader) next(now time.Time) (e *entry, wait time.Duration) {
	for i := range u.queue {
		if u.queue[i].seq == u.spooling {
			if i > 0 {
				break
			}
			continue
		}
		if e == nil || u.queue[i].rejects < e.rejects {
			e = &u.queue[i]
		}
	}
	if e == nil {
		return nil, 0
	}
	return e, max(e.notBefore.Sub(now), u.retry.notBefore.Sub(now))
}
