// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/hls/hlstest"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// smart gives the lengths of the segments of a camera that sets key frames where it likes: 2 s mostly, up to 6.9 s.
func smart(i int) time.Duration {
	lengths := []time.Duration{2, 2, 2, 6, 2, 2, 4, 2, 2, 2, 2, 6, 2, 5, 2, 2}
	return lengths[i%len(lengths)]*time.Second + time.Duration(i*37%900)*time.Millisecond
}

func breaks(p hls.Playlist) (n int) {
	for _, s := range p.Segments {
		if s.Discontinuity {
			n++
		}
	}
	return n
}

func TestRule09LongSegmentsOfAnIrregularCameraAreNoGaps(t *testing.T) { // 4.4.4.3
	for _, tails := range []bool{true, false} {
		w := newWorld(t)
		if !tails {
			w = newWorld(t, withoutTails)
		}
		c := w.camera(noon.Add(321 * time.Millisecond))
		var live, event hlstest.Reloads
		found := map[string]int{}
		for i := range 200 {
			c.record(smart(i))
			if i < 20 {
				continue
			}
			l, e := w.live(t), w.replay(t, noon, time.Time{})
			for name, r := range map[string]error{"live": live.AddPlaylist(l), "event": event.AddPlaylist(e)} {
				if r != nil {
					t.Fatalf("%s: %v", name, r)
				}
			}
			found["live"] += breaks(l)
			found["event"] = breaks(e)
			for name, p := range map[string]hls.Playlist{"live": l, "event": e} {
				// Only the start of the newest one is counted from a guess.
				last := len(p.Segments) - 2
				if off := dates(p)[last].Sub(w.exact[segment.Key("cam1", keys(p)[last])]); tails && off.Abs() > 7*time.Second {
					t.Fatalf("%s: segment %d is dated %v off", name, last, off)
				}
			}
		}
		p := w.replay(t, noon, noon.Add(2*time.Minute))
		found["vod"] = breaks(p)
		if tails {
			for i, s := range p.Segments {
				// What fits a line by its keys is not read.
				if off := s.Duration - smart(i); off.Abs() > 250*time.Millisecond {
					t.Errorf("segment %d lasts %v, want %v", i, s.Duration, smart(i))
				}
			}
		}
		t.Logf("tails %v: discontinuities %v", tails, found)
		for name, n := range found {
			if (n > 0) == tails {
				t.Errorf("with tails %v, %s has %d discontinuities where nothing is missing", tails, name, n)
			}
		}
	}
}

func TestRule09AGapOfAnIrregularCameraIsStillADiscontinuity(t *testing.T) {
	for _, gap := range []time.Duration{600 * time.Millisecond, 4 * time.Second, time.Minute} {
		w := newWorld(t)
		c := w.camera(noon.Add(321 * time.Millisecond))
		for i := range 40 {
			c.record(smart(i))
		}
		w.live(t)
		w.replay(t, noon, time.Time{})
		c.record(5 * time.Second) // long, and the camera restarts after it
		end := c.next
		w.live(t)
		w.replay(t, noon, time.Time{})
		c.next = c.next.Add(gap)
		c.record(2 * time.Second)
		c.record(2 * time.Second)
		for name, p := range map[string]hls.Playlist{"live": w.live(t), "event": w.replay(t, noon, time.Time{}), "vod": w.replay(t, noon, w.Now())} {
			at := slices.IndexFunc(p.Segments, func(s hls.Segment) bool { return s.Discontinuity })
			if breaks(p) != 1 || at != len(p.Segments)-2 || !p.Segments[at].ProgramDateTime.Equal(end.Add(gap)) {
				t.Errorf("%s: after a gap of %v: %d discontinuities, the first at %d of %d\n%s", name, gap, breaks(p), at, len(p.Segments), text(p))
				continue
			}
			if before := p.Segments[at-1]; name == "vod" && before.Duration != 5*time.Second {
				t.Errorf("%s: the segment before the gap lasts %v, want 5s", name, before.Duration)
			}
		}
	}
}

func TestRule15TheSegmentBeforeAGapAndTheLastOneLastAsLongAsTheyDo(t *testing.T) { // 4.4.4.1
	w := newWorld(t)
	c := w.camera(noon.Add(-time.Hour + 400*time.Millisecond))
	for range 20 {
		c.record(4800 * time.Millisecond)
	}
	short := len(w.bucket.keys)
	c.record(1360 * time.Millisecond) // the end of a file that is pushed
	c.next = c.next.Add(time.Minute)
	for range 10 {
		c.record(4800 * time.Millisecond)
	}
	c.record(3360 * time.Millisecond)
	w.set(noon)
	for name, p := range map[string]hls.Playlist{"vod": w.replay(t, noon.Add(-time.Hour), noon), "event": w.replay(t, noon.Add(-time.Hour), time.Time{})} {
		want := 30*4800*time.Millisecond + 1360*time.Millisecond + 3360*time.Millisecond
		if p.Duration() != want || breaks(p) != 1 {
			t.Errorf("%s: %v with %d discontinuities, want %v with 1\n%s", name, p.Duration(), breaks(p), want, text(p))
		}
		if got := p.Segments[short].Duration; got != 1360*time.Millisecond {
			t.Errorf("%s: the segment before the gap lasts %v, want 1.36s", name, got)
		}
	}
	if n := len(w.tails); n != 2 { // the second time from memory
		t.Errorf("%d tails read, want 2: %v", n, w.tails)
	}
}

func TestRule15OnlyTheEndOfARecordingIsReadAtTheEndOfAReplay(t *testing.T) {
	tests := []struct {
		name       string
		start, end time.Duration // from noon; the recording is 11:00:00 to 11:05:00, and the day before until midnight
		now        time.Duration
		want       int
	}{
		{"a range inside the recording", -time.Hour, -58 * time.Minute, 0, 0},
		{"a range that ends with the recording", -time.Hour, -55 * time.Minute, 0, 1},
		{"a range beyond the recording", -time.Hour, 0, 0, 1},
		{"the recording goes on", -time.Hour, -50 * time.Minute, -55*time.Minute + 3*time.Second, 0},
		{"a range up to midnight, where the day after goes on", -14 * time.Hour, -12 * time.Hour, 0, 0},
		{"a recording up to midnight, and nothing the day after", -86 * time.Hour, -83 * time.Hour, 0, 1},
		{"a range before all", -14 * time.Hour, -13 * time.Hour, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.every("cam1", noon.Add(-time.Hour), 3*time.Second, 100)
			w.every("cam1", noon.Add(-12*time.Hour-10*time.Minute), 3*time.Second, 220)
			w.every("cam1", noon.Add(-84*time.Hour-10*time.Minute), 3*time.Second, 200)
			w.set(noon.Add(tt.now))
			_, err := w.Replay(t.Context(), "cam1", noon.Add(tt.start), noon.Add(tt.end))
			if err != nil && !errors.Is(err, playback.ErrNoSegments) {
				t.Fatal(err)
			}
			if len(w.tails) != tt.want {
				t.Errorf("tails read: %v, want %d", w.tails, tt.want)
			}
		})
	}
}

// TestARegularCameraCostsNoTails counts in live, EVENT and VOD; what heads cost is asserted in cost_test.go, whose counts have tails in
// them too.
func TestARegularCameraCostsNoTails(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 3 * time.Second, 3003003 * time.Microsecond, 3200 * time.Millisecond, 7300 * time.Millisecond} {
		w := newWorld(t)
		c := w.camera(noon.Add(400 * time.Millisecond))
		for i := range 300 {
			c.record(length)
			if i > 5 {
				w.live(t)
				w.replay(t, noon, time.Time{})
			}
		}
		w.replay(t, noon, c.next.Add(-time.Minute))
		w.replay(t, noon, w.Now())
		if len(w.tails) > 0 {
			t.Errorf("%v: tails read: %v", length, w.tails)
		}
	}
}

func TestTailsAreReadOnceAndAreBounded(t *testing.T) {
	w := newWorld(t)
	at := noon.Add(-3 * time.Hour)
	for i := range 500 { // a segment per event
		w.putWhole("cam1", at, at.Add(2500*time.Millisecond))
		at = at.Add(time.Duration(11+i*7%18) * time.Second)
	}
	p := w.replay(t, noon.Add(-3*time.Hour), noon)
	if len(w.tails) > 49 || len(w.tails) < 40 {
		t.Errorf("%d tails read, want some 48", len(w.tails))
	}
	for i, s := range p.Segments[:40] {
		if s.Duration != 2500*time.Millisecond || s.Discontinuity != (i > 0) {
			t.Errorf("segment %d lasts %v, discontinuity %v; want 2.5s", i, s.Duration, s.Discontinuity)
		}
	}
	w.counts()
	if again := w.replay(t, noon.Add(-3*time.Hour), noon); text(again) != text(p) || len(w.reads) > 0 {
		t.Errorf("the second time %d reads, the same text %v", len(w.reads), text(again) == text(p))
	}
}

func TestALivePollReadsFewTails(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon.Add(321 * time.Millisecond))
	for i := range 20 {
		c.record(smart(i))
	}
	w.live(t)
	w.counts()
	n := 0
	for i := 20; i < 220; i++ {
		w.putObject(segment.Key("cam1", c.record(smart(i)).Key), someSize+int64(i)*188) // the bucket wants the right place of its end
		w.live(t)
		if smart(i) > 3900*time.Millisecond {
			n++
		}
		w.live(t)
	}
	if got := len(w.tails); got > n || got < n/2 {
		t.Errorf("%d tails for %d long segments", got, n)
	}
}

func TestTailsThatCannotBeReadCostAccuracyOnly(t *testing.T) {
	tests := []struct {
		name string
		fail func(w *world)
	}{
		{"they fail", func(w *world) {
			w.cfg.Heads = tailsFail{w.bucket, func(ctx context.Context) error { return errDenied }}
		}},
		{"they hang", func(w *world) {
			w.cfg.StoreTimeout = 400 * time.Millisecond
			w.cfg.Heads = tailsFail{w.bucket, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		}},
		{"they say nothing", func(w *world) { clear(w.ends) }},
		{"they are not of this time", func(w *world) {
			for key, end := range w.ends {
				w.ends[key] = end.Add(-5 * time.Hour)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.camera(noon.Add(321 * time.Millisecond))
			for i := range 100 {
				c.record(smart(i))
			}
			plain := newWorld(t, withoutTails)
			plain.bucket.keys, plain.size, plain.exact = w.bucket.keys, w.size, w.exact
			plain.set(w.Now())
			tt.fail(w)
			w.Service = w.another(t)
			for name, got := range map[string][2]hls.Playlist{
				"live":  {w.live(t), plain.live(t)},
				"vod":   {w.replay(t, noon, w.Now()), plain.replay(t, noon, w.Now())},
				"event": {w.replay(t, noon, time.Time{}), plain.replay(t, noon, time.Time{})},
			} {
				if a, b := text(got[0]), text(got[1]); a != b {
					t.Errorf("%s: got\n%s\nwithout tails\n%s", name, a, b)
				}
			}
		})
	}
}

// tailsFail is a HeadReader whose tails cannot be read.
type tailsFail struct {
	*bucket
	fail func(ctx context.Context) error
}

func (f tailsFail) ReadRange(ctx context.Context, key string, offset, n int64) ([]byte, error) {
	if offset > 0 {
		return nil, f.fail(ctx)
	}
	return f.bucket.ReadRange(ctx, key, offset, n)
}

func TestFootageThatStepsBackAfterALongSegmentIsADiscontinuity(t *testing.T) {
	// Its clock is put back while it restarts: timestamps go back by a second, though the next key is late.
	w := newWorld(t)
	at := noon.Add(-time.Hour)
	w.every("cam1", at, 3*time.Second, 10)
	w.putWhole("cam1", at.Add(30*time.Second), at.Add(38*time.Second))
	w.every("cam1", at.Add(37*time.Second), 3*time.Second, 10)
	p := w.replay(t, at, noon)
	if breaks(p) != 1 || !p.Segments[11].Discontinuity || p.Segments[10].Duration != 7*time.Second {
		t.Errorf("got\n%s", text(p))
	}
}

func TestALongSegmentMakesTheNextOnesBeRead(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon.Add(400 * time.Millisecond))
	for i := range 30 {
		c.record(3 * time.Second)
		if i > 5 {
			w.live(t)
		}
	}
	c.record(5500 * time.Millisecond)
	w.live(t)
	w.counts()
	for range 10 {
		c.record(3 * time.Second)
		w.live(t)
	}
	if heads := len(w.reads) - len(w.tails); heads != 10 || len(w.tails) != 1 {
		t.Errorf("%d heads and %d tails read after a long segment, want 10 and 1", heads, len(w.tails))
	}
}

func TestNoTailsWhereTheyCannotHelp(t *testing.T) {
	w := newWorld(t, func(c *playback.Config) { c.MaxReplay = 10 * time.Minute })
	w.every("cam1", noon.Add(-time.Hour), 3*time.Second, 600)
	w.replay(t, noon.Add(-time.Hour), time.Time{})
	if len(w.tails) > 0 {
		t.Errorf("at the longest replay, where the recording goes on: %v", w.tails)
	}
	w = newWorld(t)
	w.every("cam1", noon.Add(-time.Hour), 3*time.Second, 100)
	w.every("cam1", noon.Add(-50*time.Minute), 3*time.Second, 100)
	clear(w.exact) // timestamps that are not wall-clock
	w.replay(t, noon.Add(-time.Hour), noon)
	if len(w.tails) > 0 {
		t.Errorf("of the original SDK: %v", w.tails)
	}
	var tried atomic.Int32
	w.cfg.Heads = tailsFail{w.bucket, func(context.Context) error { tried.Add(1); return errDenied }}
	w.Service = w.another(t)
	w.fail = func(op string) error {
		if op == "read" {
			return errDenied
		}
		return nil
	}
	w.replay(t, noon.Add(-time.Hour), noon)
	if n := tried.Load(); n > 0 {
		t.Errorf("%d tries where heads cannot be read", n)
	}
}

func TestALongSegmentThatANewWindowEndsWithIsNoGap(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon.Add(400 * time.Millisecond))
	for i := range 30 {
		c.record(smart(i))
	}
	c.record(6 * time.Second)
	w.live(t)
	c.record(2 * time.Second)
	if p := w.live(t); breaks(p) > 0 {
		t.Errorf("got\n%s", text(p))
	}
}

func TestEndPTSWithoutHeadsIsRefused(t *testing.T) {
	w := newWorld(t)
	w.cfg.Heads, w.cfg.FirstPTS = nil, nil
	if _, err := playback.New(w.cfg); err == nil || !strings.Contains(err.Error(), "EndPTS") {
		t.Errorf("New says %v, want that EndPTS goes with Heads", err)
	}
}
