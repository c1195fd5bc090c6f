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
	plain      = int64(500 * time.Millisecond / time.Microsecond) // a missing frame or two is no gap
	noLimit    = math.MaxInt64
)

// step is what is known about one segment besides its own mark.
type step struct {
	before *mark // the segment before it, nil for the first
	next   *mark // the segment after it, nil when it is not there yet
	beat
	limit int64 // longest EXTINF allowed, microseconds
}

// place appends the entry of segment m to entries and returns them and m's true start as far as it is known. It is the
// one rule for every playlist, live or not; docs/design/live-window.md derives it.
//
// The published timeline is a chain: a segment starts where the one before it was said to end, so sums of EXTINF give the
// dates. Where it truly starts decides how long it is said to last, so an error in one duration is made good by the
// next. Only when footage is missing, or published and true time are too far apart, a discontinuity cuts the chain. A
// segment that follows a long one, which was published before its length was known, may begin much later than published:
// nothing is missing between them, and its own duration makes that good if it may be so long.
//
// It writes into the free capacity of entries.
func place(entries []Entry, m *mark, s step) ([]Entry, int64) {
	e := Entry{Key: m.key}
	at := m.start(m.key * usPerSecond) // the first: what its key says
	if n := len(entries); n == 0 {
		e.Start = at
	} else {
		before := &entries[n-1]
		end := before.end()
		at = m.start(end)
		off := at - end
		late := off > tolerance && !(joined(s.before, m) && off <= s.limit-s.usual)
		if s.apart(s.before, m) || late || off < -tolerance {
			e.Discontinuity = true
			e.Start = max(at, end-min(maxOverlap, before.Duration/2))
		} else {
			e.Start = end
		}
	}
	stop := at + s.usual
	if m.end != 0 {
		stop = m.end
	}
	if s.next != nil {
		if next := s.next.start(stop); s.apart(m, s.next) {
			stop = min(stop, next)
		} else {
			stop = next
		}
	}
	e.Duration = min(max(stop-e.Start, minDuration), s.limit)
	return append(entries, e), at
}

// layout makes the entries of all marks, in order, each with its neighbours on both sides known. It returns them and the
// true start of the last one.
func layout(marks []mark, fallback, ceiling time.Duration) ([]Entry, int64) {
	entries := make([]Entry, 0, len(marks))
	var at int64
	around := surroundings{marks: marks, fallback: fallback, ceiling: ceiling}
	for i := range marks {
		s := step{beat: around.beat(i), limit: noLimit}
		if i > 0 {
			s.before = &marks[i-1]
		}
		if i+1 < len(marks) {
			s.next = &marks[i+1]
		}
		entries, at = place(entries, &marks[i], s)
	}
	return entries, at
}

// surroundings answers what is usual around a segment in the middle of known ones.
type surroundings struct {
	marks             []mark
	fallback, ceiling time.Duration
	window            [recentLen]int64
}

func (s *surroundings) beat(i int) beat {
	lo, hi := max(0, i-recentLen/2), min(len(s.marks)-1, i+recentLen/2)
	n := 0
	for j := lo; j < hi; j++ {
		s.window[n] = distance(&s.marks[j], &s.marks[j+1])
		n++
	}
	return beatOf(s.window[:n], s.fallback, s.ceiling)
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
