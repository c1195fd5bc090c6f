// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"fmt"
	"hash/crc32"
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
	if n := len(u.queue); n > 0 && u.queue[n-1].seq == u.nextSeq {
		u.queue[n-1].nextKey = key
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
	if d := e.duration(); d > 0 {
		u.spool.rate = int64(e.n) * int64(time.Second) / int64(d)
	}
	u.isOpen = false
	u.signal()
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
