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
	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// The numbers are those of the HLS checklist that the design follows; the sections those of RFC 8216bis. What concerns only
// the text of a playlist (rules 16, 17) is tested in package hls, HTTP (18, 22) in internal/httpapi, TS (20) in mpegts.

// camera stores segments in real time: each when it is complete, delay later.
type camera struct {
	w     *world
	next  time.Time // start of its next segment
	delay time.Duration
}

func (w *world) camera(start time.Time) *camera {
	return &camera{w: w, next: start, delay: 200 * time.Millisecond}
}

// record moves the clock to when the next segment, of length d, is in the bucket.
func (c *camera) record(d time.Duration) segment.Segment {
	seg := c.w.putWhole("cam1", c.next, c.next.Add(d))
	c.next = c.next.Add(d)
	c.w.set(c.next.Add(c.delay))
	return seg
}

func durations(p hls.Playlist) (out []time.Duration) {
	for _, s := range p.Segments {
		out = append(out, s.Duration)
	}
	return out
}

// dates returns what the playlist says about when each segment starts.
func dates(p hls.Playlist) (out []time.Time) {
	var date time.Time
	for _, s := range p.Segments {
		if !s.ProgramDateTime.IsZero() {
			date = s.ProgramDateTime
		}
		out = append(out, date)
		date = date.Add(s.Duration)
	}
	return out
}

func TestRule01MediaSequenceRisesByOnePerRemovedSegmentWhoeverAsks(t *testing.T) {
	w := newWorld(t)
	second := w.another(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	first := w.live(t)
	for i := range 20 {
		c.record(3 * time.Second)
		s := w.Service
		if i%2 == 1 {
			s = second
		}
		p, err := s.Live(t.Context(), "cam1")
		if err != nil {
			t.Fatal(err)
		}
		if want := first.MediaSequence + int64(i) + 1; p.MediaSequence != want {
			t.Errorf("after %d segments: media sequence %d, want %d", i+1, p.MediaSequence, want)
		}
		if want := c.next.Add(-3 * time.Second).Unix(); p.Segments[len(p.Segments)-1].Key != want {
			t.Errorf("newest %d, want %d", p.Segments[len(p.Segments)-1].Key, want)
		}
	}
}

func TestRule01NumbersNeverGoBackWhenTheCacheIsLost(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 3200 * time.Millisecond, 10 * time.Second} {
		w := newWorld(t)
		c := w.camera(noon.Add(300 * time.Millisecond))
		var last hls.Playlist
		for i := range 400 {
			c.record(length)
			if i%7 == 6 {
				c.next = c.next.Add(5 * time.Second) // discontinuities
			}
			if i < 4 {
				continue
			}
			lost := i%40 == 39
			if lost {
				w.cfg.Windows = cache.NewMemory(cache.MemoryConfig{Now: w.Now})
				w.Service = w.another(t)
			}
			p := w.live(t)
			// A break every few segments is more often than the discontinuity sequence can bear a lost cache: it is small
			// for hls.js's sake (see firstBreaks).
			if p.MediaSequence < last.MediaSequence || !lost && p.DiscontinuitySequence < last.DiscontinuitySequence {
				t.Fatalf("%v, segment %d: numbers %d, %d after %d, %d", length, i, p.MediaSequence, p.DiscontinuitySequence, last.MediaSequence, last.DiscontinuitySequence)
			}
			last = p
		}
	}
}

func TestRule01NumbersNeverGoBackWhenNobodyWatchedForLong(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	before := w.live(t)
	for range 400 {
		c.record(3 * time.Second)
	}
	after := w.live(t)
	if after.MediaSequence < before.MediaSequence+int64(len(before.Segments)) || after.DiscontinuitySequence < before.DiscontinuitySequence {
		t.Errorf("numbers %d, %d after %d, %d", after.MediaSequence, after.DiscontinuitySequence, before.MediaSequence, before.DiscontinuitySequence)
	}
	if after.Segments[0].Discontinuity {
		t.Error("a new window begins with a discontinuity")
	}
}

// hls.js walks an array from 0 to the discontinuity sequence number after each reload.
func TestRule02DiscontinuitySequenceIsSmall(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	if got, years := w.live(t).DiscontinuitySequence, int64(w.Now().Year()-2025); got > years*53_000 {
		t.Errorf("discontinuity sequence %d, want at most %d", got, years*53_000)
	}
}

func TestRule02DiscontinuitySequenceIsAlwaysThereAndRisesWhenTheTagLeaves(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	before := w.live(t).DiscontinuitySequence
	c.next = c.next.Add(20 * time.Second)
	for i := range 10 {
		c.record(3 * time.Second)
		p := w.live(t)
		if !strings.Contains(text(p), "\n#EXT-X-DISCONTINUITY-SEQUENCE:") {
			t.Error("no EXT-X-DISCONTINUITY-SEQUENCE")
		}
		tagged := slices.IndexFunc(p.Segments, func(s hls.Segment) bool { return s.Discontinuity })
		left := int64(0)
		if i >= 6 {
			left = 1
		}
		if got := p.DiscontinuitySequence - before; got != left || (tagged >= 0) == (left == 1) {
			t.Errorf("segment %d after the gap: sequence +%d, tag at %d; want +%d", i, got, tagged, left)
		}
	}
}

func TestRule03And11NothingPublishedChanges(t *testing.T) {
	// A camera without any beat: what is published for the newest segment is a guess that has to stand.
	w := newWorld(t)
	c := w.camera(noon.Add(123 * time.Millisecond))
	var r hlstest.Reloads
	lengths := []time.Duration{3, 5, 3, 4, 7, 3, 3, 6, 3, 3}
	for i := range 200 {
		c.record(lengths[i*7%10]*time.Second + time.Duration(i*37%400)*time.Millisecond)
		if i < 3 {
			continue
		}
		if err := r.Add([]byte(text(w.live(t)))); err != nil {
			t.Fatal(err)
		}
	}
	if r.Changes < 190 || r.Jumps != 0 {
		t.Errorf("%d changes, %d jumps", r.Changes, r.Jumps)
	}
}

func TestRule04TargetDurationIsTheSmallestLegalOne(t *testing.T) { // D1
	ms := time.Millisecond
	tests := []struct {
		name   string
		length time.Duration
		want   int
	}{
		{"the usual 3 s", 3000 * ms, 3},
		{"3.2 s, whose keys are 3 or 4 s apart", 3200 * ms, 3},
		{"3.6 s rounds up", 3600 * ms, 4},
		{"1 s", 1000 * ms, 1},
		{"NTSC", 3003 * ms, 3},
		{"just below the parameter's limit", 9400 * ms, 9},
		{"longer than the parameter: a legal playlist comes first", 12_000 * ms, 12},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.camera(noon.Add(-110*time.Second + 777*ms))
			for c.next.Before(noon) {
				c.record(tt.length)
			}
			if p := w.live(t); p.TargetDuration != tt.want {
				t.Errorf("live: target duration %d, want %d", p.TargetDuration, tt.want)
			}
			if p := w.replay(t, noon.Add(-time.Minute), noon); p.TargetDuration != tt.want {
				t.Errorf("replay: target duration %d, want %d", p.TargetDuration, tt.want)
			}
		})
	}
}

func TestRule04TargetDurationNeverChangesInAWindowsLife(t *testing.T) { // 6.2.1
	w := newWorld(t)
	c := w.camera(noon.Add(250 * time.Millisecond))
	var r hlstest.Reloads
	for i := range 120 {
		switch {
		case i == 20:
			c.record(4200 * time.Millisecond) // one late key frame
		case i >= 60:
			c.record(8 * time.Second) // the camera was set to something else
		default:
			c.record(3 * time.Second)
		}
		if i < 5 {
			continue
		}
		p := w.live(t)
		if err := r.AddPlaylist(p); err != nil {
			t.Fatal(err)
		}
		if p.TargetDuration != 3 {
			t.Fatalf("segment %d: target duration %d", i, p.TargetDuration)
		}
		// The published time follows the true one all the same.
		newest := len(p.Segments) - 1
		if off := dates(p)[newest].Sub(w.exact[segment.Key("cam1", time.Unix(p.Segments[newest].Key, 0))]); off.Abs() > 1500*time.Millisecond {
			t.Fatalf("segment %d is dated %v off its start", i, off)
		}
	}
	// When nobody has the old window any more, the new one fits the camera.
	for range 100 {
		c.record(8 * time.Second)
	}
	if p := w.live(t); p.TargetDuration != 8 {
		t.Errorf("new window: target duration %d, want 8", p.TargetDuration)
	}
}

func TestRule05TheWindowHoldsThreeTargetDurations(t *testing.T) { // 6.2.2
	for _, tt := range []struct {
		length time.Duration
		items  int
		want   int
	}{
		{3 * time.Second, 6, 6}, {3 * time.Second, 1, 3}, {2600 * time.Millisecond, 2, 4}, {time.Second, 6, 6}, {9 * time.Second, 2, 3},
	} {
		w := newWorld(t, func(c *playback.Config) { c.ItemInPlaylist = tt.items })
		c := w.camera(noon)
		for range 40 {
			c.record(tt.length)
		}
		for range 20 {
			p := w.live(t)
			if len(p.Segments) != tt.want || p.Duration() < 3*time.Duration(p.TargetDuration)*time.Second {
				t.Errorf("%v, ItemInPlaylist %d: %d segments, %v, target duration %d; want %d segments", tt.length, tt.items, len(p.Segments), p.Duration(), p.TargetDuration, tt.want)
			}
			c.record(tt.length)
		}
	}
}

func TestRule06ASilentCameraKeepsItsPlaylist(t *testing.T) { // D7
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	want := text(w.live(t))
	w.counts()
	for range 1200 { // an hour
		w.add(3 * time.Second)
		if got := text(w.live(t)); got != want {
			t.Fatalf("after %v of silence:\n%s\nwant\n%s", w.Now().Sub(c.next), got, want)
		}
	}
	if lists, _, _, reads := w.counts(); lists > 1200 || reads > 0 {
		t.Errorf("%d listings and %d reads in 1200 polls of a silent camera", lists, reads)
	}
	var r hlstest.Reloads
	if err := r.Add([]byte(want)); err != nil {
		t.Fatal(err)
	}
	c.next = w.Now()
	for range 10 {
		c.record(3 * time.Second)
		if err := r.AddPlaylist(keyed(w.live(t))); err != nil {
			t.Fatal(err)
		}
	}
	if r.Changes == 0 {
		t.Error("the camera is back and nothing new was published")
	}
}

// keyed returns p with its addresses filled in, as Parse would give it.
func keyed(p hls.Playlist) hls.Playlist {
	back, err := hls.Parse([]byte(text(p)))
	if err != nil {
		panic(err)
	}
	return back
}

func TestRule06AWindowThatNobodyAskedForIsGivenUp(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	w.live(t)
	w.add(playback.DefaultNearRealtimeReplayCachePeriod)
	if p, err := w.Live(t.Context(), "cam1"); !errors.Is(err, playback.ErrNoSegments) {
		t.Errorf("a viewer of a camera that stopped 10 minutes ago gets %+v, %v; want ErrNoSegments", p, err)
	}
}

func TestRule07LiveHasNoTypeAndNoEnd(t *testing.T) { // 6.2.2
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Minute), 3*time.Second, 19)
	if got := text(w.live(t)); strings.Contains(got, "PLAYLIST-TYPE") || strings.Contains(got, "ENDLIST") {
		t.Errorf("got\n%s", got)
	}
}

func TestRule08OnlyPlayableStoredSegmentsAreListed(t *testing.T) { // 6.2.1
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	now := w.Now()
	for key, size := range map[string]int64{ // what buckets of the original SDK and of people hold
		segment.Key("cam1", now.Add(-2*time.Second)):   21,
		segment.Key("cam1", now.Add(-time.Second)):     376,
		segment.Key("cam1", now):                       0,
		"cam1/2026/11/20/12/00/note.txt":               5000,
		"cam1/2026/11/20/12/00/31.ts.bak":              5000,
		"cam1/2026/11/20/12/00/61.ts":                  5000,
		"cam1/2026/11/20/2026/11/20/12/00/28.ts":       5000, // another camera's
		"cam1/2989665/11/20/12/00/28.ts":               5000,
		segment.Key("cam1", time.Unix(0, 0)):           5000,
		"cam10/2026/11/20/12/00/29.ts":                 5000,
		segment.Key("cam1", now.Add(100*24*time.Hour)): 5000,
	} {
		w.putObject(key, size)
	}
	for _, p := range []hls.Playlist{w.live(t), w.replay(t, noon, noon.Add(time.Hour)), w.replay(t, noon, time.Time{})} {
		if got := keys(p); got[len(got)-1] != noon.Add(27*time.Second) {
			t.Errorf("newest segment %v, want %v\n%s", got[len(got)-1], noon.Add(27*time.Second), text(p))
		}
	}
}

func TestRule08SegmentsNearExpiryAreNotListed(t *testing.T) { // D7
	w := newWorld(t, func(c *playback.Config) { c.Retention = 24 * time.Hour })
	w.every("cam1", noon.Add(-26*time.Hour), 3*time.Second, 26*1200)
	p := w.replay(t, noon.Add(-26*time.Hour), noon)
	if got, want := keys(p)[0], noon.Add(-23*time.Hour); got != want {
		t.Errorf("replay begins at %v, want %v: an hour away from deletion", got, want)
	}
	e := w.replay(t, noon.Add(-26*time.Hour), time.Time{})
	w.add(9 * time.Minute)
	if again := w.replay(t, noon.Add(-26*time.Hour), time.Time{}); again.Segments[0] != e.Segments[0] {
		t.Errorf("EVENT began with %v and now with %v", e.Segments[0], again.Segments[0])
	}
}

func TestRule08ASilentCameraIsNotShownUpToItsDeletion(t *testing.T) { // D7
	w := newWorld(t, func(c *playback.Config) { c.Retention = time.Hour })
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	var err error
	for err == nil && w.Now().Before(noon.Add(2*time.Hour)) {
		w.add(time.Minute)
		_, err = w.Live(t.Context(), "cam1")
	}
	if silence := w.Now().Sub(c.next); !errors.Is(err, playback.ErrNoSegments) || silence < 40*time.Minute || silence > 50*time.Minute {
		t.Errorf("after %v of silence: %v; want ErrNoSegments a quarter of an hour before deletion", silence, err)
	}
}

func TestRule09And19AGapIsADiscontinuityWithADate(t *testing.T) { // D2
	for _, exact := range []bool{true, false} {
		w := newWorld(t)
		if !exact {
			w = newWorld(t, withoutHeads)
		}
		c := w.camera(noon.Add(400 * time.Millisecond))
		for range 10 {
			c.record(3 * time.Second)
		}
		w.live(t)
		c.next = c.next.Add(9*time.Second + 300*time.Millisecond)
		after := c.next
		c.record(3 * time.Second)
		for name, p := range map[string]hls.Playlist{"live": w.live(t), "vod": w.replay(t, noon, after.Add(time.Minute)), "event": w.replay(t, noon, time.Time{})} {
			last := p.Segments[len(p.Segments)-1]
			want := after
			if !exact {
				want = after.Truncate(time.Second)
			}
			if !last.Discontinuity || !last.ProgramDateTime.Equal(want) {
				t.Errorf("%s: segment after a gap %+v, want a discontinuity dated %v", name, last, want)
			}
			if before := p.Segments[len(p.Segments)-2]; before.Duration != 3*time.Second {
				t.Errorf("%s: segment before the gap lasts %v, want 3s", name, before.Duration)
			}
			if strings.Contains(text(p), "EXT-X-GAP") {
				t.Errorf("%s: has EXT-X-GAP", name)
			}
		}
	}
}

func TestRule09ASegmentMissingFromASteadyCameraIsAGapEvenIfShort(t *testing.T) {
	// One of the 1 s segments is lost: 2 s between neighbours is within what keys allow, but not what their PTS say.
	w := newWorld(t)
	c := w.camera(noon.Add(400 * time.Millisecond))
	for i := range 30 {
		if i == 20 {
			c.next = c.next.Add(time.Second)
		}
		c.record(time.Second)
		if i > 5 {
			w.live(t)
		}
	}
	for name, p := range map[string]hls.Playlist{"live": w.live(t), "vod": w.replay(t, noon, c.next)} {
		n := 0
		for _, s := range p.Segments {
			if s.Discontinuity {
				n++
			}
		}
		if want := map[string]int{"live": 0, "vod": 1}[name]; n != want && name == "vod" {
			t.Errorf("%s: %d discontinuities, want %d\n%s", name, n, want, text(p))
		}
	}
}

func TestRule09NoTagAtThePTSWrap(t *testing.T) { // D2
	wrap := segment.TimeOfTicks(segment.Ticks(noon) &^ (segment.PTSModulus - 1)) // the clock's last wrap before noon
	w := newWorld(t)
	w.set(wrap.Add(time.Hour))
	w.every("cam1", wrap.Add(-31*time.Second-500*time.Millisecond), 3200*time.Millisecond, 20)
	p := w.replay(t, wrap.Add(-time.Minute), wrap.Add(time.Minute))
	for i, s := range p.Segments {
		if s.Discontinuity || s.Duration != 3200*time.Millisecond {
			t.Errorf("segment %d: %+v", i, s)
		}
	}
	if len(p.Segments) != 20 {
		t.Errorf("%d segments, want 20", len(p.Segments))
	}
}

func TestRule10DatesStandOnTheFirstSegmentAndAfterDiscontinuities(t *testing.T) { // 6.2.1, 4.4.4.6
	w := newWorld(t)
	c := w.camera(noon.Add(456 * time.Millisecond))
	for i := range 20 {
		c.record(3 * time.Second)
		if i == 16 {
			c.next = c.next.Add(11 * time.Second)
		}
	}
	p := w.live(t)
	for i, s := range p.Segments {
		if dated := !s.ProgramDateTime.IsZero(); dated != (i == 0 || s.Discontinuity) {
			t.Errorf("segment %d: date %v, discontinuity %v", i, s.ProgramDateTime, s.Discontinuity)
		}
	}
	if want := "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:42.456Z\n"; !strings.Contains(text(p), want) {
		t.Errorf("no %q in\n%s", want, text(p))
	}
}

func TestRule10DatesOfAnEarlySegmentOverlapByLessThanASecond(t *testing.T) {
	// The published end of the newest segment is a guess; the next one begins 4 s before it.
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(5 * time.Second)
	}
	w.live(t)
	c.record(time.Second) // flushed at a restart
	w.add(4 * time.Second)
	w.live(t)
	c.record(5 * time.Second)
	w.add(4 * time.Second)
	p := w.live(t) // Validate checks the overlap
	last := p.Segments[len(p.Segments)-1]
	if !last.Discontinuity {
		t.Errorf("%+v after a segment of 1 s published as 5 s: want a discontinuity", last)
	}
	if off := last.ProgramDateTime.Sub(c.next.Add(-5 * time.Second)); off < 0 || off > 4*time.Second {
		t.Errorf("dated %v late", off)
	}
}
