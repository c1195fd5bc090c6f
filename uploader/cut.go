// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"fmt"
	"hash/crc32"
	"slices"
	"time"
)

// cutTolerance bounds by how much an IDR may be early and still end a segment: half a frame interval, this at most, so that
// timestamps rounded by the encoder do not double a segment.
const cutTolerance = 20 * time.Millisecond

// startSegment decides whether the IDR picture au starts a segment, and if so completes the one before and opens it.
func (u *Uploader) startSegment(au AccessUnit, now time.Time) (starts bool, err error) {
	if !u.params.Complete() {
		return false, nil
	}
	var lasted time.Duration
	if u.isOpen {
		lasted = durationOf(u.time.at(au.DTS) - u.open.startDTS)
		if !u.time.newRun && lasted+min(u.time.interval/2, cutTolerance) <= u.cfg.SegmentDuration {
			return false, nil
		}
	}
	base := u.time.plan(au.PTS, now, lasted)
	pts, dts := u.time.placeWith(base, au.PTS, au.DTS)
	key := secondOf(pts)
	if !validSecond(key) {
		u.stats.InvalidFrames++
		u.stats.VideoFrames--
		return false, fmt.Errorf("%w: PTS %v leads to Unix second %d", ErrTime, au.PTS, key)
	}
	if key <= u.lastKey {
		return false, nil
	}
	follows := u.isOpen
	if u.isOpen {
		u.releaseAudio(au.PTS)
	}
	if u.isOpen {
		u.seal()
	}
	u.time.start(base)
	u.nextSeq++
	u.stats.Begun++
	u.lastKey = key
	u.isOpen, u.lost = true, nil
	u.open = entry{seq: u.nextSeq, pos: u.ring.head, key: key, start: pts, end: pts, startDTS: dts, rawStart: au.PTS,
		audio: u.hasAudio, follows: follows}
	u.mux.SetAudio(u.hasAudio)
	u.signal() // for idle
	return true, nil
}

// seal completes the open segment and hands it to the worker. There is always room for the audio that the muxer holds.
func (u *Uploader) seal() {
	u.copyIn(u.mux.FlushAudio(u.scratch[:0]))
	e := &u.open
	if e.hasSound {
		u.silentSegments = 0
	} else if u.silentSegments++; u.silentSegments >= 3 {
		u.hasAudio = u.cfg.Audio
	}
	e.tags = u.tags
	e.sealedAt = time.Now()
	e.notBefore = e.sealedAt.Add(u.phase)
	u.queue = append(u.queue, *e)
	u.stats.Sealed.add(e.counts())
	u.isOpen = false
	u.signal()
}

// makeRoom makes n bytes free at the head: the oldest complete segments that are not being uploaded go first. When that is not
// enough it drops the open segment and reports false. It does so too rather than drop the only segment that waits behind an upload that is
// going well: otherwise an uplink somewhat slower than the stream would stand idle until the next segment is complete.
func (u *Uploader) makeRoom(n int) bool {
	busy, waiting := 0, len(u.queue)
	for i := range u.queue {
		if u.queue[i].seq == u.inflight {
			busy = u.queue[i].n
			waiting--
		}
	}
	if need := u.open.n + n; need+busy > len(u.ring.buf) {
		u.dropOpen(need, busy)
		return false
	}
	for ; u.ring.free() < n; waiting-- {
		i := 0
		if u.queue[0].seq == u.inflight {
			i = 1
		}
		e := u.queue[i]
		if waiting == 1 && busy > 0 && time.Now().Before(u.onTime) {
			u.dropOpen(u.open.n+n, busy+e.n)
			return false
		}
		u.remove(i)
		u.stats.DroppedFull.add(e.counts())
		u.dropped(&e, DropRingFull)
	}
	return true
}

// remove takes segment i out of queue and ring. What follows a gap in the middle moves up; the segment that is
// being uploaded never does, because only it can be before i.
func (u *Uploader) remove(i int) {
	gone := u.queue[i]
	u.queue = slices.Delete(u.queue, i, i+1)
	if i == 0 {
		u.ring.dropTail(gone.n)
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

// dropOpen drops the open segment, which needs need bytes of the ring beside busy bytes that are being uploaded or next.
func (u *Uploader) dropOpen(need, busy int) {
	u.mux.FlushAudio(u.scratch[:0]) // its audio goes too
	u.ring.dropHead(u.open.n)
	u.isOpen = false
	u.stats.DroppedTooLarge.add(u.open.counts())
	u.dropped(&u.open, DropTooLarge)
	u.lost = fmt.Errorf("%w: %d bytes after %v, beside %d bytes being uploaded or next, in a ring of %d; raise RingBytes or let the encoder "+
		"make IDR pictures more often", ErrTooLarge, need, u.open.duration().Round(time.Millisecond), busy, len(u.ring.buf))
}

// copyIn appends whole packets, for which there is room, to the open segment.
func (u *Uploader) copyIn(packets []byte) {
	for len(packets) > 0 {
		room := u.ring.room()
		n := copy(room, packets)
		u.took(room[:n])
		packets = packets[n:]
	}
}

// took takes packets that were written at the head into the open segment.
func (u *Uploader) took(packets []byte) {
	u.open.crc = crc32.Update(u.open.crc, castagnoli(), packets)
	u.open.n += len(packets)
	u.ring.advance(len(packets))
	u.stats.RingHighWater = max(u.stats.RingHighWater, u.ring.used)
}

// castagnoli is a call because the package keeps no variables; the standard library makes the table once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
