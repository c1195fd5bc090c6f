// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"fmt"
	"slices"
	"time"

	"github.com/s3cam/s3cam/mpegts"
)

// A complete segment in the ring is loose, or held by a goroutine that reads it without the lock: one is in flight at most, and
// one is being put into the spool. What is held neither moves nor goes; but of the one in flight, when it is the oldest, the
// part that was sent can be tapped.

// held tells whether a goroutine reads the segment.
func (u *Uploader) held(e *entry) bool { return e.seq == u.inflight || e.seq == u.spooling }

// inRing is how many bytes of a segment are in the ring.
func (e *entry) inRing() int { return e.n - e.tapped }

// makeRoom makes n bytes (whole packets) free at the head: what was sent of the oldest segment goes first, when that is in flight, then the oldest
// loose segments. When that is not enough it drops the open segment and reports false. It does so too rather than drop the
// only segment that waits when the uplink would then have nothing to do before the open one is complete.
func (u *Uploader) makeRoom(n int) bool {
	if u.cfg.Spool != nil && u.ring.used > len(u.ring.buf)/2 {
		u.signalSpool()
	}
	if u.ring.free() >= n {
		return true
	}
	busy := u.heldBytes()
	if need := u.open.n + n; need+busy > len(u.ring.buf) {
		u.dropOpen(need, busy)
		return false
	}
	for u.ring.free() < n {
		if u.tap(n - u.ring.free()) {
			continue
		}
		i, waiting := u.oldestLoose()
		if i < 0 || waiting == 1 && u.wouldIdle() {
			u.dropOpen(u.open.n+n, len(u.ring.buf)-u.ring.free()-u.open.n)
			return false
		}
		e := u.queue[i]
		u.remove(i)
		u.stats.DroppedFull.add(e.counts())
		u.dropped(&e, DropRingFull)
	}
	return true
}

// heldBytes is how much of the ring can be neither dropped nor tapped now.
func (u *Uploader) heldBytes() (n int) {
	for i := range u.queue {
		if e := &u.queue[i]; u.held(e) {
			n += e.inRing()
			if e.seq == u.inflight {
				n -= u.flight.spare()
			}
		}
	}
	return n
}

// tap gives up to n bytes that the oldest segment has sent to newer footage. From then on that segment cannot be sent
// again: when the try in flight fails, it is lost.
func (u *Uploader) tap(n int) bool {
	if len(u.queue) == 0 || u.queue[0].seq != u.inflight {
		return false
	}
	n = min((n+mpegts.PacketSize-1)/mpegts.PacketSize*mpegts.PacketSize, u.flight.spare())
	if n <= 0 {
		return false
	}
	u.flight.tapped += n
	e := &u.queue[0]
	e.tapped += n
	e.pos = u.ring.at(e.pos + n)
	u.ring.dropTail(n)
	return true
}

// oldestLoose finds the oldest segment that can be dropped, -1 when there is none, and tells how many are loose. Nothing behind it is
// held, because what is behind it moves up, or it is the first of all.
func (u *Uploader) oldestLoose() (i, waiting int) {
	i = -1
	for k := range u.queue {
		switch {
		case u.held(&u.queue[k]):
			if i > 0 {
				i = -1
			}
		default:
			waiting++
			if i < 0 {
				i = k
			}
		}
	}
	return i, waiting
}

// wouldIdle tells whether the uplink, which is busy and as fast as expected, would have nothing to do for a while if the only loose
// segment went.
func (u *Uploader) wouldIdle() bool {
	f := u.flight
	if f == nil || u.inflight == 0 || !time.Now().Before(u.onTime) {
		return false
	}
	if !u.retry.reports && f.moved.Load() == 0 {
		return true // for all we know it is almost through
	}
	took, sent := time.Since(f.began), f.sent.Load()
	if sent == 0 {
		return false
	}
	left := time.Duration(float64(took) * float64(int64(f.size)-sent) / float64(sent))
	return left < u.cfg.SegmentDuration-u.open.duration()
}

// remove takes segment i out of queue and ring; when it is not the first, what follows moves up.
func (u *Uploader) remove(i int) {
	gone := u.queue[i]
	u.queue = slices.Delete(u.queue, i, i+1)
	if i == 0 {
		u.ring.dropTail(gone.inRing())
		return
	}
	after := 0
	for j := i; j < len(u.queue); j++ {
		u.queue[j].pos = u.ring.at(u.queue[j].pos - gone.n)
		after += u.queue[j].n
	}
	if u.isOpen {
		u.open.pos = u.ring.at(u.open.pos - gone.n)
		after += u.open.n
	}
	u.ring.cut(gone.pos, gone.n, after)
}

// index finds a segment that is held, so it is there.
func (u *Uploader) index(seq uint64) (i int) {
	for u.queue[i].seq != seq {
		i++
	}
	return i
}

// giveBack returns the pages of a held segment that is about to be removed to the system. It is called with the lock held, and gives
// it up meanwhile. A ring that is nearly full gets no pages back: they would be written to at once.
func (u *Uploader) giveBack(seq uint64) {
	if u.ring.free() < len(u.ring.buf)/4 {
		return
	}
	e := &u.queue[u.index(seq)]
	parts := u.ring.parts(e.pos, e.inRing())
	u.unlock()
	discard(parts[0])
	discard(parts[1])
	u.mu.Lock()
}

// dropOpen drops the open segment, which needs need bytes of the ring beside busy bytes of others.
func (u *Uploader) dropOpen(need, busy int) {
	u.mux.FlushAudio(u.scratch[:0]) // its audio goes too
	u.ring.dropHead(u.open.n)
	u.isOpen = false
	u.stats.DroppedTooLarge.add(u.open.counts())
	u.dropped(&u.open, DropTooLarge)
	u.lost = fmt.Errorf("%w: %d bytes after %v, beside %d bytes being uploaded or next, in a ring of %d; raise RingBytes or let the encoder "+
		"make IDR pictures more often", ErrTooLarge, need, u.open.duration().Round(time.Millisecond), busy, len(u.ring.buf))
}
