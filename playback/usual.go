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

// usualOf returns how long a camera's segments usually last, in microseconds, given the distances between the starts of
// some neighbouring segments in any order, gaps among them. The middle value is taken, so that gaps and stray short
// segments do not count; distances that only keys tell apart (whole seconds, not all the same) are averaged instead. A
// value above ceiling is believed only when the neighbours agree, and none above maxSegment: then, and without any
// distance, it is fallback.
func usualOf(distances []int64, fallback, ceiling time.Duration) int64 {
	if len(distances) == 0 {
		return micros(fallback)
	}
	first, same := distances[0], true
	for _, d := range distances[1:] {
		same = same && d == first
	}
	var buf [recentLen]int64
	s := append(buf[:0], distances[:min(len(distances), recentLen)]...)
	if !same {
		slices.Sort(s)
	}
	middle := s[(len(s)-1)/2]
	limit := middle + micros(segment.GapTolerance)
	if middle > micros(ceiling)+usPerSecond/2 {
		agree := 0
		for _, d := range s {
			if d >= middle-usPerSecond && d <= limit {
				agree++
			}
		}
		if middle > micros(maxSegment) || agree < 3 {
			return micros(fallback)
		}
	}
	if same {
		return middle
	}
	var sum, n int64
	for _, d := range s {
		if d%usPerSecond != 0 {
			return middle // exact distances: the middle one is the best guess
		}
		if d >= middle-usPerSecond && d <= limit {
			sum, n = sum+d, n+1
		}
	}
	return sum / n
}

// even tells whether all distances that are not gaps are the same: then keys alone give exact durations.
func even(distances []int64, usual int64) bool {
	var first int64
	for _, d := range distances {
		if isGap(d, usual) {
			continue
		}
		if first == 0 {
			first = d
		}
		if d != first {
			return false
		}
	}
	return true
}

// remember returns recent with d added, in a new slice: values of a stored window are never written to.
func remember(recent []int64, d int64) []int64 {
	if len(recent) >= recentLen {
		recent = recent[len(recent)-recentLen+1:]
	}
	out := make([]int64, 0, recentLen)
	return append(append(out, recent...), d)
}
