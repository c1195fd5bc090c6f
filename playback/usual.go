// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"slices"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// recentLen is how many distances around a segment decide what is usual there: enough for one gap or one late key frame
// not to matter, few enough to follow a camera whose segment length was changed within a handful of segments.
const recentLen = 8

// mark is a listed segment: what its key says and, if known, its exact start.
type mark struct {
	key   int64 // Unix second
	at    int64 // microseconds, when exact
	size  int64
	exact bool
	end   int64 // of its last picture, microseconds; 0 = not known
}

// start is the true start of m if it is known, else the moment within the key's second that is nearest to expected.
func (m *mark) start(expected int64) int64 {
	if m.exact {
		return m.at
	}
	second := m.key * usPerSecond
	return min(max(expected, second), second+usPerSecond-1)
}

// distance between the starts of neighbours: exact when both are, else by key.
func distance(a, b *mark) int64 {
	if a.exact && b.exact {
		return b.at - a.at
	}
	return (b.key - a.key) * usPerSecond
}

// isGap applies the gap rule of package segment.
func isGap(distance, usual int64) bool { return segment.Gap(duration(distance), duration(usual)) }

// beat is what is usual for a camera around some segment.
type beat struct {
	usual  int64 // microseconds between the starts of segments
	steady bool  // hardly any of them differs from that by more than closeBy
}

// apart tells whether footage is missing between neighbours a and b, where that is usual. The end of a decides if it is
// known, else the distance: exact starts of a steady camera show it plainly; for others there is the gap rule of
// package segment.
func (u beat) apart(a, b *mark) bool {
	if a.end != 0 && b.exact {
		return !joined(a, b)
	}
	d := distance(a, b)
	return isGap(d, u.usual) || (u.steady && a.exact && b.exact && d > u.usual+plain)
}

// joined tells that b is known to begin where a ends.
func joined(a, b *mark) bool {
	off := b.at - a.end
	return a.end != 0 && b.exact && off <= plain && off >= -plain
}

// closeBy is how far the starts of a steady camera's segments may be off: rounding of timestamps, not whole frames.
const closeBy = int64(30 * time.Millisecond / time.Microsecond)

// beatOf finds it from the distances between the starts of some neighbouring segments, in any order and gaps among them.
// The middle value is taken, so that gaps and stray short segments do not count; distances that only keys tell apart
// (whole seconds, not all the same) are averaged instead. A value above ceiling is believed only when the neighbours
// agree, and none above maxSegment: then, and without any distance, it is fallback.
func beatOf(distances []int64, fallback, ceiling time.Duration) beat {
	if len(distances) == 0 {
		return beat{usual: micros(fallback)}
	}
	first, same := distances[0], true
	for _, d := range distances[1:] {
		same = same && d == first
	}
	if same && first <= micros(ceiling) {
		return beat{usual: first, steady: len(distances) >= 3}
	}
	var buf [recentLen]int64
	s := append(buf[:0], distances[:min(len(distances), recentLen)]...)
	slices.Sort(s)
	middle := s[(len(s)-1)/2]
	limit := middle + micros(segment.GapTolerance)
	var sum, near, close, counted int64
	byKey := true
	for _, d := range s {
		if d > limit {
			continue // a gap
		}
		counted++
		byKey = byKey && d%usPerSecond == 0
		if d >= middle-usPerSecond {
			sum, near = sum+d, near+1
		}
		if d >= middle-closeBy && d <= middle+closeBy {
			close++
		}
	}
	if middle > micros(maxSegment) || (middle > micros(ceiling)+usPerSecond/2 && near < 3) {
		return beat{usual: micros(fallback)}
	}
	if byKey && !same {
		middle = sum / near
	}
	return beat{usual: middle, steady: close >= 3 && 4*close >= 3*counted}
}

// remember returns recent with d added, in a new slice: values of a stored window are never written to.
func remember(recent []int64, d int64) []int64 {
	if len(recent) >= recentLen {
		recent = recent[len(recent)-recentLen+1:]
	}
	out := make([]int64, 0, recentLen)
	return append(append(out, recent...), d)
}
