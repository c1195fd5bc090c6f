// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/s3cam/s3cam/segment"
)

var day = time.Date(2026, 3, 9, 4, 5, 6, 0, time.UTC)

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		in   time.Duration
		want int64
	}{
		{0, 0},
		{40 * time.Millisecond, 3600},
		{33366667, 3003}, // 1001/30000 s
		{-40 * time.Millisecond, -3600},
		{-1, 0},
		{time.Second - 1, 90000},
		{5555, 0}, // half a tick is 5555.6 ns
		{5556, 1},
		{math.MaxInt64, 830103483316930}, // no overflow: 9223372036.854775807 s
		{math.MinInt64, -830103483316930},
	} {
		if got := ticks(tt.in); got != tt.want {
			t.Errorf("ticks(%d ns) = %d, want %d", tt.in, got, tt.want)
		}
	}
	for range 10000 {
		n := rand.Int64N(1<<48) - 1<<47
		if got := ticks(durationOf(n)); got != n {
			t.Fatalf("ticks(durationOf(%d)) = %d", n, got)
		}
	}
	for ticks, want := range map[int64]int64{0: 0, 89999: 0, 90000: 1, -1: -1, -90000: -1, -90001: -2} {
		if got := secondOf(ticks); got != want {
			t.Errorf("secondOf(%d) = %d, want %d", ticks, got, want)
		}
	}
}

// simulated runs a live timeline with an encoder clock that is ppm fast, delivery jitter, and a segment every 3 s. It calls
// check after each segment start with the true capture time and the time that the picture got.
func simulated(t *timeline, length time.Duration, ppm int64, jitter time.Duration, rng *rand.Rand, check func(elapsed time.Duration, deviation time.Duration, step int64)) {
	const interval = 200 * time.Millisecond // 5 pictures a second are enough
	lastDTS := int64(0)
	for n := 0; ; n++ {
		real := time.Duration(n) * interval
		if real > length {
			return
		}
		raw := 1000*time.Hour + real + real/1e6*time.Duration(ppm)
		now := day.Add(real)
		if jitter > 0 && n > 0 {
			now = now.Add(time.Duration(rng.Int64N(int64(jitter))))
		}
		t.observe(raw, raw, now)
		if n%15 == 0 {
			t.start(t.plan(raw, now, 3*time.Second))
		}
		pts, dts := t.place(raw, raw)
		t.placed(pts, dts)
		if n%15 == 0 {
			check(real, segment.TimeOfTicks(pts).Sub(day.Add(real)), dts-lastDTS)
		}
		if n > 0 && dts <= lastDTS {
			check(real, time.Hour, dts-lastDTS)
		}
		lastDTS = dts
	}
}

func TestLiveTimeFollowsTheWallClockForDays(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ppm    int64
		jitter time.Duration
		within time.Duration // of the wall clock
		step   int64         // ticks that a start may move at most
	}{
		{"a perfect encoder clock is never touched", 0, 0, 0, 0},
		{"delivery jitter alone does not move anything", 0, 15 * time.Millisecond, 0, 0},
		{"100 ppm fast", 100, 0, 21 * time.Millisecond, 136},
		{"100 ppm slow, with jitter", -100, 50 * time.Millisecond, 75 * time.Millisecond, 136},
		{"450 ppm slow", -450, 0, 22 * time.Millisecond, 136},
		{"0.2 % fast, as pictures numbered at a nominal rate are", 2000, 0, 260 * time.Millisecond, 1400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tl := newTimeline(time.Time{})
			rng := rand.New(rand.NewPCG(5, 6))
			worst, moved := time.Duration(0), int64(0)
			simulated(&tl, 5*24*time.Hour, tt.ppm, tt.jitter, rng, func(elapsed, deviation time.Duration, step int64) {
				worst = max(worst, deviation.Abs())
				nominal := int64(18000)
				if elapsed > 0 {
					moved = max(moved, step-nominal, nominal-step)
				}
			})
			// Rounding to ticks is 11 us.
			if worst > tt.within+12*time.Microsecond {
				t.Errorf("up to %v away from the wall clock, want %v", worst, tt.within)
			}
			if moved > tt.step {
				t.Errorf("a start moved by %d ticks, want at most %d", moved, tt.step)
			}
			if tl.reanchors != 0 || tl.jumps != 0 {
				t.Errorf("%d reanchors, %d jumps, want none", tl.reanchors, tl.jumps)
			}
		})
	}
}

// feed is one picture for a timeline.
type feed struct {
	raw, real time.Duration
	starts    bool // an IDR
}

func TestTimelineJumps(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name      string
		epoch     time.Time
		in        []feed
		want      []time.Duration // time given, relative to the first picture
		jumps     int64
		reanchors int64
	}{
		{"the encoder restarts at zero with an IDR: the present time, at once",
			time.Time{},
			[]feed{{1000 * time.Second, 0, true}, {1000*time.Second + 40*ms, 40 * ms, false}, {0, 5 * time.Second, true}, {40 * ms, 5*time.Second + 40*ms, false}},
			[]time.Duration{0, 40 * ms, 5 * time.Second, 5*time.Second + 40*ms}, 1, 1},
		{"the encoder restarts at zero without an IDR: it goes on, the IDR gets the present time",
			time.Time{},
			[]feed{{1000 * time.Second, 0, true}, {1000*time.Second + 40*ms, 40 * ms, false}, {0, 5 * time.Second, false}, {40 * ms, 5*time.Second + 40*ms, true}},
			[]time.Duration{0, 40 * ms, 80 * ms, 5*time.Second + 40*ms}, 1, 1},
		{"an hour ahead in one step is a jump, not an hour",
			time.Time{},
			[]feed{{0, 0, true}, {40 * ms, 40 * ms, false}, {time.Hour, 80 * ms, false}, {time.Hour + 40*ms, 120 * ms, true}},
			[]time.Duration{0, 40 * ms, 80 * ms, 120 * ms}, 1, 0},
		{"five seconds without pictures are five seconds",
			time.Time{},
			[]feed{{0, 0, true}, {40 * ms, 40 * ms, false}, {5 * time.Second, 5 * time.Second, false}, {5*time.Second + 40*ms, 5*time.Second + 40*ms, true}},
			[]time.Duration{0, 40 * ms, 5 * time.Second, 5*time.Second + 40*ms}, 0, 0},
		{"late delivery changes nothing",
			time.Time{},
			[]feed{{0, 0, true}, {40 * ms, 40 * ms, false}, {80 * ms, 900 * ms, false}, {120 * ms, 900 * ms, true}},
			[]time.Duration{0, 40 * ms, 80 * ms, 120 * ms}, 0, 0},
		{"the wall clock steps forward: the next start jumps",
			time.Time{},
			[]feed{{0, 0, true}, {40 * ms, 40 * ms, false}, {80 * ms, 60 * time.Second, false}, {120 * ms, 60*time.Second + 40*ms, true}},
			[]time.Duration{0, 40 * ms, 80 * ms, 120 * ms}, 0, 0}, // the second picture was in time: the smallest lag counts
		{"the wall clock steps forward before the last start: the next start jumps",
			time.Time{},
			[]feed{{0, 0, true}, {40 * ms, 60 * time.Second, false}, {80 * ms, 60*time.Second + 40*ms, true}},
			[]time.Duration{0, 40 * ms, 60*time.Second + 40*ms}, 0, 1},
		{"the wall clock steps back an hour: time never does",
			time.Time{},
			[]feed{{0, 0, true}, {40 * ms, -time.Hour, false}, {80 * ms, 40*ms - time.Hour, true}},
			[]time.Duration{0, 40 * ms, 80*ms - 15*ms}, 0, 0},
		{"small steps back and equal times are flattened to rising ticks",
			day,
			[]feed{{0, 0, true}, {40 * ms, 0, false}, {40 * ms, 0, false}, {39 * ms, 0, false}, {80 * ms, 0, false}},
			[]time.Duration{0, 40 * ms, durationOf(3601), durationOf(3602), 80 * ms}, 0, 0},
		{"with an epoch a step back goes on from where it was",
			day,
			[]feed{{0, 0, true}, {40 * ms, 0, false}, {-time.Hour, 0, false}, {40*ms - time.Hour, 0, true}},
			[]time.Duration{0, 40 * ms, 80 * ms, 120 * ms}, 1, 0},
		{"with an epoch a step forward is believed",
			day,
			[]feed{{0, 0, true}, {40 * ms, 0, false}, {time.Hour, 0, true}},
			[]time.Duration{0, 40 * ms, time.Hour}, 0, 0},
		{"time around the 33-bit wrap is plain here",
			segment.TimeOfTicks(3<<33 - 3600),
			[]feed{{0, 0, true}, {40 * ms, 0, false}, {80 * ms, 0, false}},
			[]time.Duration{0, 40 * ms, 80 * ms}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tl := newTimeline(tt.epoch)
			var first int64
			for i, f := range tt.in {
				now := day.Add(f.real)
				tl.observe(f.raw, f.raw, now)
				if f.starts {
					tl.start(tl.plan(f.raw, now, 3*time.Second))
				}
				pts, dts := tl.place(f.raw, f.raw)
				tl.placed(pts, dts)
				if i == 0 {
					first = dts
				}
				if got := durationOf(dts - first); got != tt.want[i] {
					t.Errorf("picture %d at %v, want %v", i, got, tt.want[i])
				}
			}
			if tl.jumps != tt.jumps || tl.reanchors != tt.reanchors {
				t.Errorf("%d jumps, %d reanchors, want %d, %d", tl.jumps, tl.reanchors, tt.jumps, tt.reanchors)
			}
		})
	}
}

func TestTimelineReordered(t *testing.T) {
	tl := newTimeline(day)
	ms := time.Millisecond
	base := segment.Ticks(day)
	for i, f := range []struct{ pts, dts time.Duration }{{80 * ms, 0}, {200 * ms, 40 * ms}, {120 * ms, 80 * ms}, {160 * ms, 120 * ms}} {
		tl.observe(f.pts, f.dts, day)
		if i == 0 {
			tl.start(tl.plan(f.pts, day, 0))
		}
		pts, dts := tl.place(f.pts, f.dts)
		tl.placed(pts, dts)
		if pts-base != ticks(f.pts) || dts-base != ticks(f.dts) {
			t.Errorf("picture %d: PTS %d, DTS %d, want %d, %d", i, pts-base, dts-base, ticks(f.pts), ticks(f.dts))
		}
	}
	if got := tl.end() - base; got != ticks(240*ms) {
		t.Errorf("ends at %d, want one interval after the last shown picture", got)
	}
}

func TestHole(t *testing.T) {
	tl := newTimeline(day)
	tl.observe(0, 0, day)
	if tl.observe(10*time.Second, 10*time.Second, day) {
		t.Error("10 s count as a hole, the muxer bridges them")
	}
	if !tl.observe(21*time.Second, 21*time.Second, day) {
		t.Error("11 s are no hole")
	}
}
