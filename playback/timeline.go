// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"math"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/segment"
)

const (
	minDuration = int64(100 * time.Millisecond / time.Microsecond)
	// Dates of neighbours may overlap by less than a second (RFC 8216bis 6.2.1).
	maxOverlap = int64(900 * time.Millisecond / time.Microsecond)
	tolerance  = int64(segment.GapTolerance / time.Microsecond)
	noLimit    = math.MaxInt64
)

// place appends the entry of segment m to entries and returns them and m's true start as far as it is known. It is the
// one rule for every playlist, live or not; docs/design/live-window.md derives it.
//
// The published timeline is a chain: a segment starts where the one before it was said to end, so sums of EXTINF give the
// dates. Where it truly starts decides how long it is said to last, so an error in one duration is made good by the
// next. Only when published and true time are further apart than the gap rule allows, the chain is cut by a discontinuity.
//
// dist is the distance from the segment before, usual how long segments last here, next the segment after m (nil when it
// is not there yet) and limit the longest EXTINF allowed. It writes into the free capacity of entries.
func place(entries []Entry, m *mark, dist, usual int64, next *mark, limit int64) ([]Entry, int64) {
	e := Entry{Key: m.key}
	at := m.start(m.key * usPerSecond) // the first: what its key says
	if n := len(entries); n == 0 {
		e.Start = at
	} else {
		before := &entries[n-1]
		end := before.end()
		at = m.start(end)
		if off := at - end; isGap(dist, usual) || off > tolerance || off < -tolerance {
			e.Discontinuity = true
			e.Start = max(at, end-min(maxOverlap, before.Duration/2))
		} else {
			e.Start = end
		}
	}
	stop := at + usual
	if next != nil {
		if isGap(distance(m, next), usual) {
			stop = min(stop, next.start(stop))
		} else {
			stop = next.start(stop)
		}
	}
	e.Duration = min(max(stop-e.Start, minDuration), limit)
	return append(entries, e), at
}

// layout makes the entries of all marks, in order, each with its neighbours on both sides known. It returns them and the
// true start of the last one.
func layout(marks []mark, fallback, ceiling time.Duration) ([]Entry, int64) {
	entries := make([]Entry, 0, len(marks))
	var at int64
	around := surroundings{marks: marks, fallback: fallback, ceiling: ceiling}
	for i := range marks {
		usual := around.usual(i)
		var dist int64
		if i > 0 {
			dist = distance(&marks[i-1], &marks[i])
		}
		var next *mark
		if i+1 < len(marks) {
			next = &marks[i+1]
		}
		entries, at = place(entries, &marks[i], dist, usual, next, noLimit)
	}
	return entries, at
}

// surroundings answers what is usual around a segment in the middle of known ones, remembering the last answer.
type surroundings struct {
	marks             []mark
	fallback, ceiling time.Duration
	window            [recentLen]int64
	lo, hi            int // window holds the distances lo..hi-1, where distance i lies between marks i and i+1
}

func (s *surroundings) usual(i int) int64 {
	lo, hi := max(0, i-recentLen/2), min(len(s.marks)-1, i+recentLen/2)
	if hi <= lo {
		return usualOf(nil, s.fallback, s.ceiling)
	}
	if lo != s.lo || hi != s.hi {
		for j := lo; j < hi; j++ {
			s.window[j-lo] = distance(&s.marks[j], &s.marks[j+1])
		}
		s.lo, s.hi = lo, hi
	}
	return usualOf(s.window[:hi-lo], s.fallback, s.ceiling)
}

// targetDuration is the smallest legal EXT-X-TARGETDURATION for entries: the longest EXTINF, rounded (RFC 8216bis 4.4.3.1).
func targetDuration(entries []Entry) int {
	longest := int64(0)
	for i := range entries {
		longest = max(longest, entries[i].Duration)
	}
	return max(1, hls.RoundedSeconds(duration(longest)))
}

// durationLimit is the longest EXTINF, in microseconds, that still rounds to a target duration of td seconds.
func durationLimit(td int) int64 { return int64(td)*usPerSecond + usPerSecond/2 - 1 }
