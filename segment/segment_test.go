// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"math/rand"
	"testing"
	"time"

	"github.com/s3cam/s3cam/segment"
)

func TestGap(t *testing.T) {
	for _, tt := range []struct {
		name            string
		distance, usual time.Duration
		want            bool
	}{
		{"the usual distance", 3 * time.Second, 3 * time.Second, false},
		{"one second of key rounding", 4 * time.Second, 3 * time.Second, false},
		{"exactly at the tolerance", 4500 * time.Millisecond, 3 * time.Second, false},
		{"two seconds over", 5 * time.Second, 3 * time.Second, true},
		{"a step back is no gap", -time.Second, 3 * time.Second, false},
	} {
		if got := segment.Gap(tt.distance, tt.usual); got != tt.want {
			t.Errorf("%s: Gap(%v, %v) = %v, want %v", tt.name, tt.distance, tt.usual, got, tt.want)
		}
	}
}

func TestTicksRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	for range 10000 {
		ticks := rng.Int63n(9e9*segment.Timescale) - 4e9*segment.Timescale
		if got := segment.Ticks(segment.TimeOfTicks(ticks)); got != ticks {
			t.Fatalf("Ticks(TimeOfTicks(%d)) = %d", ticks, got)
		}
	}
	if got, want := segment.Ticks(date(2021, 1, 1, 0, 0, 0, 0)), int64(1609459200*90000); got != want {
		t.Errorf("Ticks(2021-01-01) = %d, want %d", got, want)
	}
}

// A frame step of a real frame rate stays exact to the tick whatever the origin.
func TestPTSWraps(t *testing.T) {
	wrap := segment.TimeOfTicks(3 << 33)
	for i := -5; i <= 5; i++ {
		at := segment.TimeOfTicks(3<<33 + int64(i)*3003)
		want := (int64(i)*3003 + segment.PTSModulus) % segment.PTSModulus
		if got := segment.PTS(at); got != want {
			t.Errorf("PTS(%v from the wrap) = %d, want %d", at.Sub(wrap), got, want)
		}
	}
}

func TestStartFromPTS(t *testing.T) {
	rng := rand.New(rand.NewSource(3))
	for range 10000 {
		start := time.Unix(rng.Int63n(8e9), rng.Int63n(1e9)).UTC()
		key := start.Truncate(time.Second)
		got, ok := segment.StartFromPTS(key, segment.PTS(start))
		if d := got.Sub(start).Abs(); !ok || d > 12*time.Microsecond {
			t.Fatalf("StartFromPTS(%v, PTS of %v) = %v, %v; off by %v, want at most 12 us", key, start, got, ok, d)
		}
	}
	key := date(2021, 5, 1, 11, 0, 0, 0)
	for name, pts := range map[string]int64{
		"a PTS of the original SDK (device uptime)": 63000 + 12345,
		"one second too late":                       segment.PTS(key.Add(1100 * time.Millisecond)),
		"one second too early":                      segment.PTS(key.Add(-100 * time.Millisecond)),
	} {
		if got, ok := segment.StartFromPTS(key, pts); ok {
			t.Errorf("%s: StartFromPTS = %v, true; want it refused", name, got)
		}
	}
}
