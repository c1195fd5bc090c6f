// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

func TestCamerasAreFoundByTheirFolders(t *testing.T) {
	w := newWorld(t)
	w.every("live", noon.Add(-time.Minute), 3*time.Second, 19)
	w.every("site/floor 1/cam", noon.Add(-30*time.Second), 3*time.Second, 9)
	w.every("site/old", time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), 3*time.Second, 20)
	w.every("2024", noon.Add(-48*time.Hour), 3*time.Second, 2)            // a camera named like a year
	w.every("archive/2024/cam", noon.Add(-2*time.Hour), 3*time.Second, 2) // a folder named like a year
	w.put("ahead", noon.Add(-time.Hour))
	w.put("ahead", time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC)) // a clock without battery
	w.put("ahead", noon.Add(2*time.Hour))
	w.putObject(segment.Key("stray", noon), 376)       // nothing playable
	w.putObject("2989665/11/20/12/00/00.ts", someSize) // the original SDK
	w.putObject("web/index.html", 100)
	w.putObject("a/b/c/d/e/2026/11/20/11/59/59.ts", someSize) // too deep
	got, err := w.Cameras(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []playback.Camera{
		{ID: "2024", Last: noon.Add(-48*time.Hour + 3*time.Second)},
		{ID: "ahead", Last: noon.Add(-time.Hour)},
		{ID: "archive/2024/cam", Last: noon.Add(-2*time.Hour + 3*time.Second)},
		{ID: "live", Last: noon.Add(-6 * time.Second), Live: true},
		{ID: "site/floor 1/cam", Last: noon.Add(-6 * time.Second), Live: true},
		{ID: "site/old", Last: time.Date(2021, 1, 1, 0, 0, 57, 0, time.UTC)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestCamerasCostTwoListingsEachWhenTheyRecord(t *testing.T) {
	w := newWorld(t)
	const n = 50
	for i := range n {
		w.every(fmt.Sprintf("cam%02d", i), noon.Add(-time.Minute), 3*time.Second, 19)
	}
	got, err := w.Cameras(t.Context())
	if err != nil || len(got) != n {
		t.Fatalf("%d cameras, %v", len(got), err)
	}
	if lists, _, walks, _ := w.counts(); lists > n || walks > n+1 {
		t.Errorf("%d listings, %d folder listings for %d cameras", lists, walks, n)
	}
	w.cfg.MaxCameras = 10
	few, err := w.another(t).Cameras(t.Context())
	if err != nil || !reflect.DeepEqual(few, got[:10]) {
		t.Errorf("at most 10: %d cameras, %v", len(few), err)
	}
}

func TestNoCameras(t *testing.T) {
	w := newWorld(t)
	if got, err := w.Cameras(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestCoverageShowsWhatIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-2*time.Hour+400*time.Millisecond), 3*time.Second, 100) // 10:00:00 .. 10:05:00
	w.every("cam1", noon.Add(-time.Hour), 3200*time.Millisecond, 10)                 // 11:00:00 .. 11:00:32
	w.putObject(segment.Key("cam1", noon.Add(-30*time.Minute)), 21)
	c, err := w.Coverage(t.Context(), "cam1", noon.Add(-2*time.Hour+time.Minute), noon)
	if err != nil {
		t.Fatal(err)
	}
	if c.Resolution != 0 || !c.Start.Equal(noon.Add(-2*time.Hour+time.Minute)) || !c.End.Equal(noon) || len(c.Ranges) != 2 {
		t.Fatalf("%+v", c)
	}
	first, second := c.Ranges[0], c.Ranges[1]
	if first.Start != noon.Add(-119*time.Minute) || first.End != noon.Add(-115*time.Minute+400*time.Millisecond) || first.Segments != 81 || first.Bytes != 81*someSize {
		t.Errorf("first range %+v", first)
	}
	if second.End != noon.Add(-time.Hour+32*time.Second) || second.Start != noon.Add(-time.Hour) || second.Segments != 10 {
		t.Errorf("second range %+v", second)
	}
	empty, err := w.Coverage(t.Context(), "cam1", noon.Add(-20*time.Minute), noon.Add(time.Hour))
	if err != nil || len(empty.Ranges) != 0 {
		t.Errorf("%+v, %v; want no ranges and no error", empty, err)
	}
}

func TestCoverageOfLongRangesIsCoarseAndBounded(t *testing.T) {
	w := newWorld(t)
	day := 24 * time.Hour
	today := noon.Truncate(day)
	for _, d := range []int{-400, -20, -19, -3, 0} {
		w.every("cam1", today.Add(time.Duration(d)*day+7*time.Hour+30*time.Minute), 3*time.Second, 1500) // into the hour after next
	}
	tests := []struct {
		name       string
		start      time.Time
		resolution time.Duration
		want       []playback.Range
		maxLists   int
	}{
		{"a month, by the hour", today.Add(-30 * day), time.Hour, []playback.Range{
			{Start: today.Add(-20*day + 7*time.Hour), End: today.Add(-20*day + 9*time.Hour)},
			{Start: today.Add(-19*day + 7*time.Hour), End: today.Add(-19*day + 9*time.Hour)},
			{Start: today.Add(-3*day + 7*time.Hour), End: today.Add(-3*day + 9*time.Hour)},
			{Start: today.Add(7 * time.Hour), End: today.Add(9 * time.Hour)},
		}, 6},
		{"two years, by the day", today.Add(-730 * day), day, []playback.Range{
			{Start: today.Add(-400 * day), End: today.Add(-399 * day)},
			{Start: today.Add(-20 * day), End: today.Add(-18 * day)},
			{Start: today.Add(-3 * day), End: today.Add(-2 * day)},
			{Start: today, End: noon.Add(2 * time.Minute)},
		}, 26},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := w.Coverage(t.Context(), "cam1", tt.start, noon.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if c.Resolution != tt.resolution || !slices.Equal(c.Ranges, tt.want) {
				t.Errorf("resolution %v, ranges\n%v\nwant\n%v", c.Resolution, c.Ranges, tt.want)
			}
			if lists, _, walks, _ := w.counts(); lists+walks > tt.maxLists {
				t.Errorf("%d listings, want at most %d", lists+walks, tt.maxLists)
			}
		})
	}
	if _, err := w.Coverage(t.Context(), "cam1", time.Unix(0, 0), noon); !errors.As(err, new(*playback.RangeError)) {
		t.Errorf("56 years: %v, want a RangeError", err)
	}
}
