// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// maxSegment is the longest segment that playback believes in: one that begins so long before a hold may reach into it.
const maxSegment = 30

// span is from <= t < to in Unix seconds.
type span struct{ from, to int64 }

var always = span{math.MinInt64, math.MaxInt64}

// protected returns the spans of the holds on a camera, sorted and joined.
func protected(holds []Hold, camera string) []span {
	var out []span
	for _, h := range holds {
		if matches(h.Camera, camera) {
			out = append(out, span{h.Start.Unix() - maxSegment, ceil(h.End)})
		}
	}
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	joined := out[:0]
	for _, s := range out {
		if n := len(joined); n > 0 && s.from <= joined[n-1].to {
			joined[n-1].to = max(joined[n-1].to, s.to)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// ceil is the first whole second that is not before t.
func ceil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

// without returns what of s is in none of the sorted spans.
func (s span) without(spans []span) []span {
	var out []span
	for _, p := range spans {
		if p.to <= s.from {
			continue
		}
		if p.from >= s.to {
			break
		}
		if p.from > s.from {
			out = append(out, span{s.from, p.from})
		}
		s.from = p.to
	}
	if s.from < s.to {
		out = append(out, s)
	}
	return out
}

// within tells whether t is in one of the sorted spans.
func within(spans []span, t int64) bool {
	i, found := slices.BinarySearchFunc(spans, t, func(s span, t int64) int { return cmp.Compare(s.from, t) })
	return found || i > 0 && t < spans[i-1].to
}
