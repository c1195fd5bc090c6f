// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/s3cam/s3cam/playback"
)

// at is a coverage that must work.
func (w *world) at(t *testing.T, start, end time.Time, o playback.CoverageOptions) playback.Coverage {
	t.Helper()
	c, err := w.CoverageAt(t.Context(), "cam1", start, end, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// requests is how many requests to the store f makes.
func (w *world) requests(f func()) (listings, reads int) {
	w.counts() // and forget
	f()
	lists, _, walks, reads := w.counts()
	return lists + walks, reads
}

func TestCoverageTellsLongSegmentsFromGapsAsReplayDoes(t *testing.T) {
	w := newWorld(t)
	at := noon.Add(-time.Hour)
	for _, length := range []float64{2, 2, 2, 6.3, 2, 2, 5.2, 2, 2, 2, 7.1, 2, 2} { // a camera with long GOPs when nothing moves
		d := time.Duration(length * float64(time.Second))
		w.putWhole("cam1", at, at.Add(d))
		at = at.Add(d)
	}
	end := at
	at = at.Add(20 * time.Second) // a true gap
	for range 5 {
		w.putWhole("cam1", at, at.Add(2*time.Second))
		at = at.Add(2 * time.Second)
	}
	c := w.at(t, noon.Add(-2*time.Hour), noon, playback.CoverageOptions{Activity: true})
	want := []playback.Range{
		{Start: noon.Add(-time.Hour), End: end, Segments: 13, Bytes: 13 * someSize},
		{Start: end.Add(20 * time.Second), End: at, Segments: 5, Bytes: 5 * someSize},
	}
	if !slices.Equal(c.Ranges, want) {
		t.Errorf("ranges\n%v\nwant\n%v", c.Ranges, want)
	}
	p, err := w.Replay(t.Context(), "cam1", noon.Add(-2*time.Hour), noon)
	if err != nil {
		t.Fatal(err)
	}
	jumps := 0
	for _, s := range p.Segments {
		if s.Discontinuity {
			jumps++
		}
	}
	if jumps != len(c.Ranges)-1 {
		t.Errorf("the replay has %d discontinuities, the coverage %d ranges", jumps, len(c.Ranges))
	}
	// Activity is of the segments as the replay lists them.
	if len(c.Activity) != 2 || len(c.Activity[0].Durations) != 13 || c.Activity[0].Durations[3] != 6300 || c.Activity[1].Start != want[1].Start {
		t.Errorf("activity %+v", c.Activity)
	}
	for i, a := range c.Activity {
		sum := time.Duration(0)
		for _, d := range a.Durations {
			sum += time.Duration(d) * time.Millisecond
		}
		if off := sum - want[i].End.Sub(want[i].Start); off.Abs() > 20*time.Millisecond || len(a.Bytes) != len(a.Durations) {
			t.Errorf("durations of range %d are %v off", i, off)
		}
	}
}

func TestCoverageOfAMonthCostsAtMost32ListingsAndThenFew(t *testing.T) {
	month := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	next := month.AddDate(0, 1, 0)
	for _, wide := range []bool{true, false} {
		w := newWorld(t)
		w.wide = wide // may the role list months?
		for d := range 31 {
			w.every("cam1", month.AddDate(0, 0, d).Add(time.Duration(d%24)*time.Hour), 3*time.Second, 25)
		}
		for _, tt := range []struct {
			name string
			r    playback.Resolution
			most int
		}{{"by day", playback.Day, 1}, {"by hour", playback.Hour, 32}} {
			var c playback.Coverage
			if n, reads := w.requests(func() { c = w.at(t, month, next, playback.CoverageOptions{Resolution: tt.r}) }); n > tt.most || reads > 0 {
				t.Errorf("%s (months listed: %v): %d listings, %d reads, want at most %d listings", tt.name, wide, n, reads, tt.most)
			}
			total := time.Duration(0)
			for _, r := range c.Ranges {
				total += r.End.Sub(r.Start)
			}
			if want := 31 * c.Resolution; total != want {
				t.Errorf("%s (months listed: %v): %v of footage, want %v", tt.name, wide, total, want)
			}
			again, _ := w.requests(func() { w.at(t, month, next, playback.CoverageOptions{Resolution: tt.r}) })
			if most := map[bool]int{true: 0, false: 1}[wide]; again > most { // what may not be listed is not known either
				t.Errorf("%s once more: %d listings", tt.name, again)
			}
		}
	}
}

func TestCoverageOfTodayIsFresh(t *testing.T) {
	w := newWorld(t)
	day := noon.Truncate(24 * time.Hour)
	w.every("cam1", noon.Add(-3*time.Hour), 3*time.Second, 2)
	ask := func() int { return len(w.at(t, day, noon, playback.CoverageOptions{Resolution: playback.Hour}).Ranges) }
	if n := ask(); n != 1 {
		t.Fatalf("%d ranges, want 1", n)
	}
	w.every("cam1", noon.Add(-time.Minute), 3*time.Second, 2)
	w.set(noon.Add(3 * time.Second))
	if n := ask(); n != 2 {
		t.Errorf("%d ranges three seconds after a segment came, want 2", n)
	}
}

func TestCoverageByMinute(t *testing.T) {
	w := newWorld(t)
	at := noon.Add(-90 * time.Minute)
	w.every("cam1", at, 3*time.Second, 21)                       // 10:30:00 to 10:31:03
	w.every("cam1", noon.Add(-10*time.Minute), 3*time.Second, 3) // 11:50
	want := []playback.Range{
		{Start: at, End: at.Add(2 * time.Minute)},
		{Start: noon.Add(-10 * time.Minute), End: noon.Add(-9 * time.Minute)},
	}
	var c playback.Coverage
	n, reads := w.requests(func() {
		c = w.at(t, noon.Add(-24*time.Hour), noon, playback.CoverageOptions{Resolution: playback.Minute})
	})
	if c.Resolution != time.Minute || !slices.Equal(c.Ranges, want) {
		t.Errorf("resolution %v, ranges %v, want %v", c.Resolution, c.Ranges, want)
	}
	if n > 5 || reads > 0 { // month, days, two hours
		t.Errorf("%d listings, %d reads", n, reads)
	}
	c = w.at(t, noon.Add(-24*time.Hour), noon, playback.CoverageOptions{Resolution: playback.Minute, Activity: true})
	want[0].Segments, want[0].Bytes, want[1].Segments, want[1].Bytes = 21, 21*someSize, 3, 3*someSize
	if !slices.Equal(c.Ranges, want) || len(c.Activity) != 2 {
		t.Fatalf("with activity: %+v", c)
	}
	if a := c.Activity[0]; a.Step != time.Minute || !slices.Equal(a.Bytes, []int64{20 * someSize, someSize}) || !a.Start.Equal(at) {
		t.Errorf("activity %+v", a)
	}
}

func TestCoverageRefusesWhatWouldCostTooMuch(t *testing.T) {
	w := newWorld(t)
	for r, d := range map[playback.Resolution]time.Duration{
		playback.Exact: 49 * time.Hour, playback.Minute: 49 * time.Hour, playback.Hour: 63 * 24 * time.Hour, playback.Day: 3661 * 24 * time.Hour,
	} {
		if _, err := w.CoverageAt(t.Context(), "cam1", noon.Add(-d), noon, playback.CoverageOptions{Resolution: r}); !errors.As(err, new(*playback.RangeError)) {
			t.Errorf("resolution %d over %v: %v, want a RangeError", r, d, err)
		}
	}
}

func TestSegmentsAreThoseOfTheRangeAndSomeBefore(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Hour), 3*time.Second, 100)
	from := noon.Add(-time.Hour + 61*time.Second)
	list, err := w.Segments(t.Context(), "cam1", from, from.Add(time.Minute), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	first, last := list[0], list[len(list)-1]
	if first.Key != noon.Add(-time.Hour+33*time.Second) || last.Key != noon.Add(-time.Hour+120*time.Second) || len(list) != 30 || first.Size != someSize {
		t.Errorf("%d segments from %v to %v", len(list), first.Key, last.Key)
	}
	var bad *playback.RangeError
	for _, tt := range []struct {
		name       string
		start, end time.Time
		want       func(error) bool
	}{
		{"no end", from, time.Time{}, func(err error) bool { return errors.As(err, &bad) && bad.Param == "end" }},
		{"too long", from, from.Add(25 * time.Hour), func(err error) bool { return errors.As(err, &bad) && bad.Param == "end" }},
		{"nothing recorded", noon.Add(-3 * time.Hour), noon.Add(-2 * time.Hour), func(err error) bool { return errors.Is(err, playback.ErrNoSegments) }},
	} {
		if _, err := w.Segments(t.Context(), "cam1", tt.start, tt.end, 24*time.Hour); !tt.want(err) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestActivityDoesNotDrift(t *testing.T) {
	w := newWorld(t)
	const step = 2999600 * time.Microsecond
	w.every("cam1", noon.Add(-2*time.Hour), step, 2000)
	c := w.at(t, noon.Add(-2*time.Hour), noon, playback.CoverageOptions{Activity: true})
	sum := time.Duration(0)
	for _, a := range c.Activity {
		for _, d := range a.Durations {
			sum += time.Duration(d) * time.Millisecond
		}
	}
	if off := sum - 2000*step; len(c.Activity) != 1 || off.Abs() > time.Millisecond*30 {
		t.Errorf("%d ranges, durations are %v off", len(c.Activity), off)
	}
}
