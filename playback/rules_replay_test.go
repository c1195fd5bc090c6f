// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/hls/hlstest"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

func TestRule12AReplayIsCompleteAndAlwaysTheSame(t *testing.T) { // 4.4.3.4, 4.4.3.5
	w := newWorld(t)
	w.every("cam1", noon.Add(-2*time.Hour), 3*time.Second, 2400)
	first := text(w.replay(t, noon.Add(-90*time.Minute), noon.Add(-30*time.Minute)))
	for _, want := range []string{"#EXT-X-PLAYLIST-TYPE:VOD\n", "#EXT-X-ENDLIST\n", "#EXT-X-VERSION:3\n", "#EXT-X-INDEPENDENT-SEGMENTS\n"} {
		if strings.Count(first, want) != 1 {
			t.Errorf("%d times %q", strings.Count(first, want), want)
		}
	}
	if n := strings.Count(first, "#EXTINF:3,\n"); n != 1200 {
		t.Errorf("%d segments of 3 s, want 1200", n)
	}
	w.Service = w.another(t)
	w.add(24 * time.Hour)
	if again := text(w.replay(t, noon.Add(-90*time.Minute), noon.Add(-30*time.Minute))); again != first {
		t.Error("a day later, from another server, the text differs")
	}
}

func TestRule13AnEventPlaylistOnlyGrows(t *testing.T) { // 6.2.1
	w := newWorld(t)
	second := w.another(t)
	c := w.camera(noon)
	var missing time.Time
	for i := range 40 {
		if i == 20 {
			missing = c.next
			c.next = c.next.Add(3 * time.Second)
			continue
		}
		c.record(3 * time.Second)
	}
	start := noon.Add(31 * time.Second)
	var r hlstest.Reloads
	for i := range 30 {
		s := w.Service
		if i%3 == 2 {
			s = second
		}
		p, err := s.Replay(t.Context(), "cam1", start, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Add([]byte(text(p))); err != nil {
			t.Fatal(err)
		}
		if p.Type != hls.Event || p.Ended || p.MediaSequence != 0 || keys(p)[0] != noon.Add(30*time.Second) || p.StartOffset != time.Second {
			t.Fatalf("type %v, ended %v, media sequence %d, first %v, start %v", p.Type, p.Ended, p.MediaSequence, keys(p)[0], p.StartOffset)
		}
		if i == 5 {
			w.put("cam1", missing) // back from the spool
		}
		if slices.Contains(keys(p), missing) {
			t.Fatal("a late segment was inserted")
		}
		c.record(3 * time.Second)
	}
	if r.Changes != 29 {
		t.Errorf("%d changes, want 29", r.Changes)
	}
	if p := w.replay(t, start, w.Now()); !slices.Contains(keys(p), missing) {
		t.Error("the replay of the range lacks the segment that came late")
	}
	// The camera stops: after a while the recording is taken to be over.
	for c.next.Add(playback.DefaultNearRealtimeReplayCachePeriod - time.Minute).After(w.Now()) {
		w.add(time.Minute)
		if p := w.replay(t, start, time.Time{}); p.Ended {
			t.Errorf("ended after %v of silence", w.Now().Sub(c.next))
		}
	}
	w.add(2 * time.Minute)
	p := w.replay(t, start, time.Time{})
	if err := r.Add([]byte(text(p))); err != nil || !p.Ended {
		t.Errorf("ended %v, %v", p.Ended, err)
	}
}

func TestRule14AReplayStartsInsideASegment(t *testing.T) { // 4.4.2.2
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Hour+400*time.Millisecond), 3*time.Second, 100) // 11:00:00.4 ...
	at := func(s string) time.Time {
		tt, err := time.Parse("15:04:05.000", s)
		if err != nil {
			t.Fatal(err)
		}
		return noon.Truncate(24 * time.Hour).Add(tt.Sub(tt.Truncate(24 * time.Hour)))
	}
	tests := []struct {
		name, start, end string
		first, last      string
		offset           time.Duration
	}{
		{"inside the second segment", "11:00:05.000", "11:00:10.000", "11:00:03.000", "11:00:09.000", 1600 * time.Millisecond},
		{"on a segment's start", "11:00:03.400", "11:00:06.400", "11:00:03.000", "11:00:03.000", 0},
		{"a little later", "11:00:03.401", "11:00:06.401", "11:00:03.000", "11:00:06.000", time.Millisecond},
		{"before the first segment", "10:59:00.000", "11:00:01.000", "11:00:00.000", "11:00:00.000", 0},
		{"inside the last segment", "11:04:59.000", "11:10:00.000", "11:04:57.000", "11:04:57.000", 1600 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := w.replay(t, at(tt.start), at(tt.end))
			got := keys(p)
			if got[0] != at(tt.first) || got[len(got)-1] != at(tt.last) || p.StartOffset != tt.offset || p.HasStart != (tt.offset > 0) {
				t.Errorf("%v..%v, start %v %v; want %s..%s, %v", got[0], got[len(got)-1], p.HasStart, p.StartOffset, tt.first, tt.last, tt.offset)
			}
		})
	}
	if _, err := w.Replay(t.Context(), "cam1", at("11:05:01.000"), at("11:10:00.000")); !errors.Is(err, playback.ErrNoSegments) {
		t.Errorf("after the last segment: %v, want ErrNoSegments", err)
	}
}

func TestRule14AReplayThatBeginsAtAGapHasNoDiscontinuityBeforeIt(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Minute), 3*time.Second, 10) // until 30 s ago
	w.every("cam1", noon.Add(-23*time.Second), 3*time.Second, 7)
	for _, end := range []time.Time{noon, {}} {
		p := w.replay(t, noon.Add(-26*time.Second), end)
		if p.Segments[0].Discontinuity || keys(p)[0] != noon.Add(-23*time.Second) || p.StartOffset != 0 {
			t.Errorf("got\n%s", text(p))
		}
	}
}

func TestRule13AnEventPlaylistEndsAtTheLongestReplay(t *testing.T) {
	w := newWorld(t, func(c *playback.Config) { c.MaxReplay = 10 * time.Minute })
	c := w.camera(noon)
	var r hlstest.Reloads
	for i := range 250 {
		c.record(3 * time.Second)
		if i < 3 {
			continue
		}
		p := w.replay(t, noon, time.Time{})
		if err := r.AddPlaylist(p); err != nil {
			t.Fatal(err)
		}
		if length := p.Duration(); p.Ended != (length >= 10*time.Minute) || length > 10*time.Minute+9*time.Second {
			t.Fatalf("ended %v after %v", p.Ended, length)
		}
	}
	// So does one of long ago, such as the demo recording.
	w.set(noon.Add(100 * time.Hour))
	if p := w.replay(t, noon, time.Time{}); !p.Ended || len(p.Segments) != 200 {
		t.Errorf("ended %v, %d segments; want 10 minutes", p.Ended, len(p.Segments))
	}
}

func TestRule15SumsOfDurationsAreExact(t *testing.T) { // D6, 4.4.4.1
	ms := time.Millisecond
	tests := []struct {
		name   string
		length time.Duration
		heads  bool
		each   time.Duration // how far a duration may be off
		dated  time.Duration // how far a date may be off
		reads  int           // at most, for 1 h
	}{
		{"3 s: exact from keys and one read", 3000 * ms, true, 0, 0, 1},
		{"3 s without reading: dates by key", 3000 * ms, false, 0, time.Second, 0},
		{"3.2 s: exact from two reads", 3200 * ms, true, time.Microsecond, 11 * time.Microsecond, 3},
		{"3.2 s without reading: smooth all the same", 3200 * ms, false, 200 * ms, time.Second, 0},
		{"NTSC", 3003 * ms, true, time.Microsecond, 11 * time.Microsecond, 8},
		{"29.97 with 90 frames, not a whole number of microseconds", 3003003 * time.Microsecond, true, time.Microsecond, 11 * time.Microsecond, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if !tt.heads {
				w = newWorld(t, withoutHeads)
			}
			start := noon.Add(-2*time.Hour + 700*ms)
			w.every("cam1", start, tt.length, int(2*time.Hour/tt.length)-1)
			p := w.replay(t, noon.Add(-90*time.Minute), noon.Add(-30*time.Minute))
			for i, s := range p.Segments {
				if off := (s.Duration - tt.length).Abs(); off > tt.each {
					t.Errorf("segment %d lasts %v, want %v", i, s.Duration, tt.length)
				}
			}
			for i, date := range dates(p) {
				truth := w.exact[segment.Key("cam1", time.Unix(p.Segments[i].Key, 0))]
				if off := truth.Sub(date).Abs(); off > tt.dated {
					t.Errorf("segment %d is dated %v off", i, off)
				}
			}
			if _, _, _, reads := w.counts(); reads > tt.reads {
				t.Errorf("%d reads, want at most %d", reads, tt.reads)
			}
		})
	}
}

func TestRule15AWrongGuessIsMadeGoodByTheNextDuration(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon.Add(700 * time.Millisecond))
	for range 12 {
		c.record(3 * time.Second)
	}
	w.live(t)
	c.record(3400 * time.Millisecond) // published as 3 s before its end is known
	w.live(t)
	c.record(3 * time.Second)
	p := w.live(t)
	got := durations(p)[len(p.Segments)-2:]
	if want := []time.Duration{3 * time.Second, 3400 * time.Millisecond}; !slices.Equal(got, want) {
		t.Errorf("last durations %v, want %v", got, want)
	}
	c.record(3 * time.Second)
	p = w.live(t)
	if last := len(p.Segments) - 1; p.Segments[last].Duration != 3*time.Second || !dates(p)[last].Equal(c.next.Add(-3*time.Second)) {
		t.Errorf("then %v dated %v, want 3s at %v", p.Segments[last].Duration, dates(p)[last], c.next.Add(-3*time.Second))
	}
}

func TestRule15FootageOfTheOriginalSDKIsTimedByItsKeys(t *testing.T) {
	w := newWorld(t)
	for i := range 40 { // PTS that are not wall-clock
		w.putObject(segment.Key("cam1", noon.Add(time.Duration(i)*3300*time.Millisecond-130*time.Second)), someSize)
	}
	p := w.live(t)
	for i, date := range dates(p) {
		if off := date.Sub(keys(p)[i]); off < 0 || off >= time.Second {
			t.Errorf("segment %d is dated %v off its key", i, off)
		}
	}
	_, _, _, reads := w.counts()
	for i := range 20 {
		w.putObject(segment.Key("cam1", noon.Add(time.Duration(40+i)*3300*time.Millisecond-130*time.Second)), someSize)
		w.add(3300 * time.Millisecond)
		w.live(t)
	}
	if _, _, _, more := w.counts(); reads > 4 || more > 0 {
		t.Errorf("%d reads to learn that, then %d", reads, more)
	}
}

func TestRule15SingleSegmentsFarApartAreNotTakenForLongOnes(t *testing.T) {
	w := newWorld(t) // a camera that records a segment per event
	at := noon.Add(-5 * time.Minute)
	for _, pause := range []int{12, 25, 18, 29, 14, 22, 27, 10, 16} {
		w.put("cam1", at)
		at = at.Add(time.Duration(pause) * time.Second)
	}
	p := w.replay(t, noon.Add(-5*time.Minute), noon)
	for i, s := range p.Segments {
		if s.Duration != 3*time.Second || s.Discontinuity != (i > 0) {
			t.Errorf("segment %d: %v, discontinuity %v", i, s.Duration, s.Discontinuity)
		}
	}
}

func TestRule21EverySegmentIsIndependent(t *testing.T) { // 4.4.2.1
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Minute), 3*time.Second, 19)
	for _, p := range []hls.Playlist{w.live(t), w.replay(t, noon.Add(-time.Minute), noon), w.replay(t, noon.Add(-time.Minute), time.Time{})} {
		if !p.Independent {
			t.Errorf("type %v without EXT-X-INDEPENDENT-SEGMENTS", p.Type)
		}
	}
}
