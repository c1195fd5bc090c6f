// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// TestRandomReplays plays random ranges of made-up histories: every stored segment of the range is there once and in
// order, dates are near the truth, the text is the same again, and the coverage says the same.
func TestRandomReplays(t *testing.T) {
	from, to := seeds(t, 400)
	for seed := from; seed < to && !t.Failed(); seed++ {
		r := rand.New(rand.NewPCG(2, uint64(seed)))
		w := newWorld(t)
		if r.IntN(3) == 0 {
			w = newWorld(t, withoutHeads)
		}
		truth, ends := map[int64]time.Time{}, map[int64]time.Time{}
		var all []int64
		for _, a := range history(r, 20*time.Minute) {
			w.putWhole("cam1", a.start, a.end)
			truth[a.start.Unix()], ends[a.start.Unix()] = a.start, a.end
		}
		for key := range truth {
			all = append(all, key)
		}
		slices.Sort(all)
		w.set(noon.Add(time.Hour))
		for range 10 {
			start := noon.Add(time.Duration(r.IntN(1300)-100)*time.Second + time.Duration(r.IntN(1000))*time.Millisecond)
			end := start.Add(time.Duration(1+r.IntN(600)) * time.Second)
			p, err := w.Replay(t.Context(), "cam1", start, end)
			inside := slices.DeleteFunc(slices.Clone(all), func(key int64) bool {
				return truth[key].Before(start) || !truth[key].Add(time.Second).Before(end) // surely within
			})
			if errors.Is(err, playback.ErrNoSegments) {
				if len(inside) > 0 {
					t.Errorf("seed %d, %v..%v: no segments, want %d", seed, start, end, len(inside))
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Validate(); err != nil {
				t.Errorf("seed %d, %v..%v: %v\n%s", seed, start, end, err, text(p))
			}
			var got []int64
			for i, date := range dates(p) {
				key := p.Segments[i].Key
				got = append(got, key)
				if off := date.Sub(truth[key]); off.Abs() > 2500*time.Millisecond && !p.Segments[i].Discontinuity {
					t.Errorf("seed %d: %s is dated %v", seed, segment.Key("cam1", truth[key]), date)
				}
			}
			if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
				t.Errorf("seed %d: out of order or repeated: %v", seed, keys(p))
			}
			i, found := slices.BinarySearch(got, first(inside))
			if len(inside) > 0 && (!found || !slices.Equal(got[i:min(len(got), i+len(inside))], inside)) {
				t.Errorf("seed %d, %v..%v: got %v", seed, start, end, keys(p))
			}
			if len(got) > len(inside)+4 {
				t.Errorf("seed %d, %v..%v: %d segments, only %d lie inside", seed, start, end, len(got), len(inside))
			}
			w.counts()
			again, err := w.another(t).Replay(t.Context(), "cam1", start, end)
			if err != nil || text(again) != text(p) {
				t.Errorf("seed %d, %v..%v: another server says %v\n%s", seed, start, end, err, text(again))
			}
			if tails := len(w.tails); tails < 48 { // else there were more ends to read than may be
				for i := 1; i < len(p.Segments); i++ {
					s := &p.Segments[i]
					missing := truth[s.Key].Sub(ends[p.Segments[i-1].Key])
					if s.Discontinuity && missing == 0 && w.cfg.EndPTS != nil || !s.Discontinuity && missing > 31*time.Second {
						t.Errorf("seed %d, %v..%v: %s: discontinuity %v, %v are missing", seed, start, end, segment.Key("cam1", truth[s.Key]), s.Discontinuity, missing)
					}
				}
			}
			c, err := w.Coverage(t.Context(), "cam1", start, end)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for i, r := range c.Ranges {
				n += r.Segments
				if !r.Start.Before(r.End) || r.Start.Before(start) || r.End.After(end) || (i > 0 && r.Start.Before(c.Ranges[i-1].End)) {
					t.Errorf("seed %d: ranges %v", seed, c.Ranges)
				}
			}
			if n < len(inside) || n > len(inside)+4 {
				t.Errorf("seed %d: coverage counts %d segments, %d lie inside", seed, n, len(inside))
			}
		}
	}
}

func first(keys []int64) int64 {
	if len(keys) == 0 {
		return 0
	}
	return keys[0]
}
