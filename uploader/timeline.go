// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"math"
	"time"

	"github.com/s3cam/s3cam/segment"
)

const (
	jumpTolerance = time.Second      // a step of the encoder's clock that differs by more from real time is a jump
	maxHole       = 10 * time.Second // the longest time without pictures inside a segment; the muxer bridges as much (mpegts.MaxPCRFill)
	firstInterval = 40 * time.Millisecond

	// Distances to the wall clock in ticks, see the package comment.
	lagIgnored = 20 * segment.Timescale / 1000
	lagGentle  = 250 * segment.Timescale / 1000
	lagJump    = segment.Timescale

	slewGentle = 500  // ppm
	slewStrong = 5000 // ppm: 15 ms in 3 s, less than one AAC frame, so players do not correct the sound
)

// timeline maps encoder time (since Config.Epoch) to ticks of 90 kHz UTC. Within a segment it only adds base. It has no clock of
// its own and is pure state.
type timeline struct {
	live     bool  // no Epoch: tied to the wall clock
	base     int64 // ticks of encoder time 0
	anchored bool  // base is set

	seen     bool
	lastRaw  time.Duration // DTS of the last picture
	lastNow  time.Time     // when it came
	interval time.Duration // from picture to picture
	newRun   bool          // the encoder's clock jumped: the next IDR starts a segment at the present time

	written          bool
	lastDTS, lastPTS int64 // of the last picture written, ticks; lastPTS is the highest

	hasLag bool
	lag    int64 // wall clock minus mapped time, the smallest since the last segment start

	jumps, reanchors int64
	drift            int64 // lag as it was at the last segment start
}

// newTimeline returns the timeline of a live stream (zero epoch), or of one whose time 0 is epoch.
func newTimeline(epoch time.Time) timeline {
	t := timeline{live: epoch.IsZero(), interval: firstInterval}
	if !t.live {
		t.base, t.anchored = segment.Ticks(epoch), true
	}
	return t
}

// observe looks at the timestamps of the next picture, that came at now, before it is placed. hole says that there
// were no pictures for longer than maxHole.
func (t *timeline) observe(pts, dts time.Duration, now time.Time) (hole bool) {
	if t.seen {
		step, real := dts-t.lastRaw, now.Sub(t.lastNow)
		switch {
		case step <= -jumpTolerance, t.live && step > jumpTolerance && step-real > jumpTolerance:
			t.jumps++
			t.newRun = true
			t.hasLag = false
			t.base += ticks(t.lastRaw+t.interval) - ticks(dts)
		case step > maxHole:
			hole = true
		case step > 0 && step <= jumpTolerance:
			t.interval = step
		}
	}
	t.seen, t.lastRaw, t.lastNow = true, dts, now
	if t.live && t.anchored {
		if lag := segment.Ticks(now) - t.base - ticks(pts); !t.hasLag || lag < t.lag {
			t.lag, t.hasLag = lag, true
		}
	}
	return hole
}

// plan gives the base that a segment would get which starts with a picture at pts, now, when the one before lasted lasted.
func (t *timeline) plan(pts time.Duration, now time.Time, lasted time.Duration) int64 {
	switch {
	case !t.anchored:
		return segment.Ticks(now) - ticks(pts)
	case !t.live:
		return t.base
	case t.newRun:
		return t.base + max(0, segment.Ticks(now)-t.base-ticks(pts))
	case !t.hasLag:
		return t.base
	case t.lag > lagJump:
		return t.base + t.lag
	}
	lag := t.lag
	sign := int64(1)
	if lag < 0 {
		lag, sign = -lag, -1
	}
	if lag <= lagIgnored {
		return t.base
	}
	ppm := int64(slewGentle)
	if lag > lagGentle {
		ppm = slewStrong
	}
	return t.base + sign*min(lag-lagIgnored, ticks(min(max(lasted, 0), time.Minute))*ppm/1e6)
}

// start sets the base that plan gave, for the segment that starts now.
func (t *timeline) start(base int64) {
	if t.anchored && base-t.base > lagJump {
		t.reanchors++
	}
	if t.hasLag {
		t.drift = t.lag - (base - t.base)
	}
	t.base, t.anchored, t.newRun, t.hasLag = base, true, false, false
}

// at maps one instant.
func (t *timeline) at(d time.Duration) int64 { return t.base + ticks(d) }

// place gives the timestamps of the next picture with a base that may differ from the one in use. DTS rises by one tick at least.
func (t *timeline) placeWith(base int64, pts, dts time.Duration) (pts90k, dts90k int64) {
	dts90k = base + ticks(dts)
	if t.written {
		dts90k = max(dts90k, t.lastDTS+1)
	}
	return max(base+ticks(pts), dts90k), dts90k
}

func (t *timeline) place(pts, dts time.Duration) (pts90k, dts90k int64) {
	return t.placeWith(t.base, pts, dts)
}

// placed says that the picture was written.
func (t *timeline) placed(pts, dts int64) {
	if !t.written {
		t.lastPTS = math.MinInt64
	}
	t.written, t.lastDTS, t.lastPTS = true, dts, max(t.lastPTS, pts)
}

// end is when the last picture stops being shown.
func (t *timeline) end() int64 { return t.lastPTS + ticks(t.interval) }

// ticks converts to 90 kHz, rounded to the nearest, without overflow for any duration.
func ticks(d time.Duration) int64 {
	sec, ns := int64(d/time.Second), int64(d%time.Second)
	if ns < 0 {
		sec, ns = sec-1, ns+1e9
	}
	return sec*segment.Timescale + (ns*9+50000)/100000
}

// durationOf is the inverse of ticks.
func durationOf(t int64) time.Duration {
	return time.Duration(t/segment.Timescale)*time.Second + time.Duration(t%segment.Timescale)*100000/9
}

// secondOf floors ticks to the Unix second.
func secondOf(t int64) int64 {
	sec := t / segment.Timescale
	if t%segment.Timescale < 0 {
		sec--
	}
	return sec
}
