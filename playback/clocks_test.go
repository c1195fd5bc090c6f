// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"errors"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls/hlstest"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

func TestAYoungCameraIsShownFromItsSecondSegmentOn(t *testing.T) {
	// From one segment nobody can tell how long the others will be, and the target duration must stand.
	for _, length := range []time.Duration{time.Second, 3 * time.Second, 4 * time.Second, 6500 * time.Millisecond} {
		w := newWorld(t)
		c := w.camera(noon.Add(300 * time.Millisecond))
		c.record(length)
		if _, err := w.Live(t.Context(), "cam1"); !errors.Is(err, playback.ErrNoSegments) {
			t.Errorf("%v: one segment: %v, want ErrNoSegments", length, err)
		}
		var r hlstest.Reloads
		for range 20 {
			c.record(length)
			p := w.live(t)
			if err := r.AddPlaylist(p); err != nil {
				t.Fatal(err)
			}
			for i, d := range durations(p) {
				if d != length {
					t.Errorf("%v: segment %d lasts %v\n%s", length, i, d, text(p))
				}
			}
		}
	}
	w := newWorld(t)
	w.camera(noon).record(3 * time.Second)
	w.add(20 * time.Second) // it stopped: that was all
	if p := w.live(t); len(p.Segments) != 1 || p.TargetDuration != 3 {
		t.Errorf("a single old segment:\n%s", text(p))
	}
}

func TestASlowCameraClockIsToleratedWithinThePrecedingPeriod(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-4*time.Minute), 3*time.Second, 43) // its clock is 110 s behind
	if p := w.live(t); len(p.Segments) != 3 {                    // all that lies within the period
		t.Errorf("%d segments", len(p.Segments))
	}
	w = newWorld(t)
	w.every("cam1", noon.Add(-5*time.Minute), 3*time.Second, 59) // 123 s behind
	if _, err := w.Live(t.Context(), "cam1"); !errors.Is(err, playback.ErrNoSegments) {
		t.Errorf("%v, want ErrNoSegments", err)
	}
}

func TestKeysFromTheFutureDoNotBlockLive(t *testing.T) {
	w := newWorld(t)
	w.put("cam1", time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC))
	w.put("cam1", noon.Add(10*time.Minute)) // the same day's folder
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	for range 30 {
		p := w.live(t)
		if got, want := keys(p)[len(p.Segments)-1], c.next.Add(-3*time.Second); got != want {
			t.Fatalf("newest %v, want %v", got, want)
		}
		c.record(3 * time.Second)
	}
}

func TestAClockStepBackIsWaitedOut(t *testing.T) {
	// The camera was a minute ahead and is put right: what it stores for a minute is older than what was shown.
	w := newWorld(t)
	skew := time.Minute
	var r hlstest.Reloads
	var stuck time.Duration
	newest := time.Time{}
	for i := range 100 {
		start := noon.Add(time.Duration(i) * 3 * time.Second)
		if i == 40 {
			skew = 0
		}
		w.put("cam1", start.Add(skew))
		w.set(start.Add(3200 * time.Millisecond))
		if i < 5 {
			continue
		}
		p := w.live(t)
		if err := r.AddPlaylist(p); err != nil {
			t.Fatal(err)
		}
		if last := keys(p)[len(p.Segments)-1]; last.After(newest) {
			newest = last
		} else {
			stuck += 3 * time.Second
		}
	}
	if stuck < 55*time.Second || stuck > 65*time.Second {
		t.Errorf("nothing new for %v, want about the minute", stuck)
	}
}

func TestALateSegmentIsNeverInsertedInLiveButReplayed(t *testing.T) { // as KVS
	w := newWorld(t)
	c := w.camera(noon)
	for range 8 {
		c.record(3 * time.Second)
	}
	late := c.next
	c.next = c.next.Add(3 * time.Second)
	c.record(3 * time.Second)
	before := w.live(t)
	w.put("cam1", late)
	w.Stored("cam1", segment.Segment{Key: late, Size: someSize})
	w.add(time.Second)
	if got := w.live(t); text(got) != text(before) {
		t.Errorf("live changed to\n%s", text(got))
	}
	if !before.Segments[len(before.Segments)-1].Discontinuity {
		t.Error("no discontinuity where it is missing")
	}
	p := w.replay(t, noon, w.Now())
	if len(p.Segments) != 10 {
		t.Errorf("replay has %d segments, want 10", len(p.Segments))
	}
	for i, s := range p.Segments {
		if s.Discontinuity {
			t.Errorf("replay: discontinuity at %d", i)
		}
	}
}

func TestDatesFollowACameraWithoutDrift(t *testing.T) {
	// 90 frames at 29.97 a second last 3.003 s: by keys alone that shows after 17 minutes.
	w := newWorld(t)
	c := w.camera(noon.Add(500 * time.Millisecond))
	var worst time.Duration
	for i := range 1200 {
		c.record(3003003 * time.Microsecond)
		if i < 10 {
			continue
		}
		p := w.live(t)
		for j, date := range dates(p) {
			worst = max(worst, date.Sub(w.exact[segment.Key("cam1", keys(p)[j])]).Abs())
		}
	}
	_, _, _, reads := w.counts()
	t.Logf("worst date %v off, %d reads for 1200 segments", worst, reads)
	if worst > 100*time.Millisecond || reads > 120 {
		t.Errorf("dates up to %v off, %d reads", worst, reads)
	}
}

func TestDatesFollowACameraWithoutABeat(t *testing.T) {
	// 2.7 and 3.3 s in turn stay within the seconds that 3 s would give: only reading shows it.
	w := newWorld(t)
	c := w.camera(noon.Add(350 * time.Millisecond))
	wrong, n := 0, 0
	for i := range 200 {
		c.record(time.Duration(2700+600*(i%2)) * time.Millisecond)
		if i < 45 { // until it was noticed
			if i > 5 {
				w.live(t)
			}
			continue
		}
		p := w.live(t)
		last := len(p.Segments) - 1
		n++
		// The start of the newest is counted from a guess for the one before: one length for the other.
		if off := dates(p)[last].Sub(c.next.Add(-time.Duration(2700+600*(i%2)) * time.Millisecond)).Abs(); off > 601*time.Millisecond {
			wrong++
		}
	}
	if _, _, _, reads := w.counts(); reads < 150 || wrong > 0 {
		t.Errorf("%d reads for 200 segments, %d of %d dates off by more than one guess", reads, wrong, n)
	}
}

func TestReadingStopsWhenTimestampsCeaseToBeWallClock(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
		if w.Now().After(noon.Add(10 * time.Second)) {
			w.live(t)
		}
	}
	w.counts()
	for range 100 { // the camera was replaced by one with the original SDK
		seg := c.record(3300 * time.Millisecond)
		delete(w.exact, segment.Key("cam1", seg.Key))
		w.live(t)
	}
	if _, _, _, reads := w.counts(); reads > 4 {
		t.Errorf("%d reads of timestamps that say nothing", reads)
	}
}

func TestABurstAfterAnOutageIsSeenByEverybody(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	var fast, slow hlstest.Reloads
	both := func() {
		t.Helper()
		p := w.live(t)
		for _, r := range []*hlstest.Reloads{&fast, &slow} {
			if err := r.AddPlaylist(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	both()
	var held []time.Time
	for range 10 { // the uplink is down for 30 s, then everything comes at once
		held = append(held, c.next)
		c.next = c.next.Add(3 * time.Second)
	}
	w.set(c.next)
	for _, at := range held {
		w.put("cam1", at)
	}
	for i := range 12 {
		w.add(500 * time.Millisecond)
		if err := fast.AddPlaylist(w.live(t)); err != nil {
			t.Fatal(err)
		}
		if i%6 == 5 { // reloads once per target duration
			both()
		}
	}
	for name, r := range map[string]*hlstest.Reloads{"fast": &fast, "slow": &slow} {
		if uris, _ := r.URIs(); r.Jumps != 0 || len(uris) < 16 {
			t.Errorf("%s: %d segments seen, %d jumps; want all 16", name, len(uris), r.Jumps)
		}
	}
	for range 4 {
		c.record(3 * time.Second)
		both()
	}
	if p := w.live(t); len(p.Segments) > 8 {
		t.Errorf("the window still has %d segments", len(p.Segments))
	}
}
