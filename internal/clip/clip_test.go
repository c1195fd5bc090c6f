// SPDX-License-Identifier: Apache-2.0

package clip_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/clip"
	"github.com/s3cam/s3cam/internal/clip/cliptest"
	"github.com/s3cam/s3cam/internal/mp4/mp4test"
	"github.com/s3cam/s3cam/segment"
)

// put stores a segment.
func (s *store) put(start time.Time, data []byte) {
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	s.objects[segment.Key(camera, start)] = data
}

// film stores n segments of 3 s and gives the time behind them.
func (s *store) film(cam *cliptest.Camera, start time.Time, n int) time.Time {
	for range n {
		s.put(start, cam.Segment(start, 75))
		start = start.Add(3 * time.Second)
	}
	return start
}

// cut makes a clip and reads it.
func cut(t *testing.T, cfg clip.Config) (*mp4test.File, *clip.Clip, clip.Result) {
	t.Helper()
	c, err := clip.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	res, err := c.WriteMP4(t.Context(), &b)
	if err != nil {
		t.Fatalf("%v after %+v", err, res)
	}
	f, err := mp4test.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(f.Video().Samples)) != res.Pictures {
		t.Errorf("%d pictures in the file, %d in the result", len(f.Video().Samples), res.Pictures)
	}
	whole := res.Skipped+int(res.Unheard) == 0
	if estimate := float64(c.EstimatedBytes()); whole && (estimate < 0.8*float64(b.Len()) || estimate > 1.3*float64(b.Len())) {
		t.Errorf("estimated %.0f bytes, made %d", estimate, b.Len())
	}
	return f, c, res
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func TestClipIsCutAtGOPs(t *testing.T) {
	first := morning() // 09:30:00.4
	at := seconds
	tests := []struct {
		name       string
		start, end time.Duration // from the first picture
		from, to   float64       // seconds
		segments   int
	}{
		{"at IDR pictures", at(5), at(8), 5, 8, 2},
		{"between IDR pictures", at(5.5), at(7.2), 5, 8, 2},
		{"one tick behind and before", at(5) + 12*time.Microsecond, at(8) + 12*time.Microsecond, 5, 9, 2},
		{"within one GOP", at(5.1), at(5.2), 5, 6, 1},
		{"at the bounds of segments", at(3), at(6), 3, 6, 1},
		{"in the second of a key, but before its first picture", at(5.7), at(6.3), 5, 7, 2},
		{"from before the first to behind the last", at(-20), at(100), 0, 30, 10},
		{"the last second", at(29.5), at(40), 29, 30, 1},
	}
	for _, reorder := range []bool{false, true} {
		var s store
		s.film(&cliptest.Camera{Reorder: reorder}, first, 10)
		shown := first
		if reorder {
			shown = first.Add(40 * time.Millisecond) // the first picture is shown one interval after it is decoded
		}
		for _, tt := range tests {
			name := tt.name
			if reorder {
				name += ", with B pictures"
			}
			t.Run(name, func(t *testing.T) {
				f, c, res := cut(t, s.config(shown.Add(tt.start), shown.Add(tt.end)))
				if want := shown.Add(at(tt.from)); !near(c.Start(), want) {
					t.Errorf("begins at %v, want %v", c.Start(), want)
				}
				v := f.Video()
				if want := int(25*(tt.to-tt.from) + 0.5); len(v.Samples) != want || res.Segments != tt.segments || c.Segments() != tt.segments {
					t.Errorf("%d pictures of %d segments, want %d of %d", len(v.Samples), res.Segments, want, tt.segments)
				}
				if got := c.End().Sub(c.Start()); (got-seconds(tt.to-tt.from)).Abs() > 90*time.Millisecond || f.Duration == 0 {
					t.Errorf("lasts %v, want %v", got, seconds(tt.to-tt.from))
				}
				if v.Samples[0].DTS != 0 || v.Samples[0].PTS != v.MediaTime || !v.Samples[0].Sync {
					t.Errorf("first picture: %+v with an edit of %d", v.Samples[0].PTS, v.MediaTime)
				}
				for i, x := range v.Samples {
					if x.DTS != int64(i)*3600 || x.Sync != (i%25 == 0) {
						t.Fatalf("picture %d at %d, sync %v", i, x.DTS, x.Sync)
					}
				}
				sounds := f.Sound().Samples
				end := sounds[len(sounds)-1].DTS + 1024 - f.Sound().MediaTime
				if off := float64(end)/48000 - (tt.to - tt.from); off > 0.08 || off < -0.08 || f.Sound().MediaTime >= 1024 {
					t.Errorf("sound ends %v s off, skips %d samples", off, f.Sound().MediaTime)
				}
			})
		}
	}
}

func near(a, b time.Time) bool { return a.Sub(b).Abs() < 12*time.Microsecond }

func TestClipThroughTheWrapOfTimeStamps(t *testing.T) {
	ticks := segment.Ticks(morning())
	wrap := segment.TimeOfTicks(ticks + 1<<33 - ticks%(1<<33)).UTC()
	var s store
	start := wrap.Add(-7500 * time.Millisecond)
	s.film(&cliptest.Camera{Reorder: true}, start, 6)
	f, c, res := cut(t, s.config(start, start.Add(time.Minute)))
	if res.Pictures != 450 || res.Gaps != 0 || !near(c.Start(), start.Add(40*time.Millisecond)) {
		t.Fatalf("%+v from %v", res, c.Start())
	}
	for i, x := range f.Video().Samples {
		if x.DTS != int64(i)*3600 {
			t.Fatalf("picture %d at %d", i, x.DTS)
		}
	}
	if n := len(f.Sound().Samples); n < 840 || n > 845 || res.Unheard > 0 {
		t.Errorf("%d frames of sound, %+v", n, res)
	}
}

func TestGapsKeepTheirLengthUnlessTheyAreCut(t *testing.T) {
	var s store
	var cam cliptest.Camera
	end := s.film(&cam, morning(), 3)
	again := end.Add(1000 * time.Second)
	s.film(&cam, again, 2)
	cfg := s.config(morning(), again.Add(time.Hour))
	f, c, res := cut(t, cfg)
	v := f.Video().Samples
	if res.Gaps != 1 || len(v) != 375 || v[225].DTS != 1009*90000 || v[224].Duration != 90000*1000+3600 || f.Duration != 1015*90000 {
		t.Errorf("%+v, picture behind the gap at %d, the one before it lasts %d, duration %d", res, v[225].DTS, v[224].Duration, f.Duration)
	}
	if got := c.End().Sub(c.Start()); got.Round(time.Millisecond) != 1015*time.Second {
		t.Errorf("lasts %v", got)
	}
	// Sound stays with its pictures.
	for _, cutGaps := range []bool{false, true} {
		cfg.CutGaps = cutGaps
		f, _, _ := cut(t, cfg)
		v, a := f.Video().Samples, f.Sound().Samples
		at, found := float64(v[225].DTS)/90000, false
		for _, x := range a {
			found = found || float64(x.DTS)/48000-at < 0.03 && float64(x.DTS)/48000-at > -0.03
		}
		if !found {
			t.Errorf("cut %v: no sound within 30 ms of %v s", cutGaps, at)
		}
		if cutGaps && (v[225].DTS != 9*90000 || f.Duration != 0 || len(v) != 375) {
			t.Errorf("cut: picture behind the gap at %d, duration %d", v[225].DTS, f.Duration)
		}
	}
}

func TestAClockThatWentBackIsNotFollowed(t *testing.T) {
	var s store
	var cam cliptest.Camera
	end := s.film(&cam, morning(), 3)
	back := end.Add(-400 * time.Millisecond) // keys still rise
	after := s.film(&cam, back, 2)
	s.film(&cam, after.Add(400*time.Millisecond), 1) // and it is right again
	f, _, res := cut(t, s.config(morning(), morning().Add(time.Hour)))
	v := f.Video().Samples
	if len(v) != 450 || res.Gaps != 0 {
		t.Fatalf("%+v", res)
	}
	for i, x := range v {
		if x.DTS != int64(i)*3600 {
			t.Fatalf("picture %d at %d", i, x.DTS)
		}
	}
}

func TestTimeStampsThatAreNotUTC(t *testing.T) {
	var s store
	cam := cliptest.Camera{Foreign: true, Silent: true}
	s.film(&cam, morning(), 4)
	f, c, res := cut(t, s.config(morning().Add(4*time.Second), morning().Add(8*time.Second)))
	if off := c.Start().Sub(morning().Add(4 * time.Second)).Abs(); off > time.Second || res.Gaps > 0 || f.Sound() != nil {
		t.Errorf("begins %v off, %+v", off, res)
	}
	for i, x := range f.Video().Samples {
		if x.DTS != int64(i)*3600 {
			t.Fatalf("picture %d at %d", i, x.DTS)
		}
	}
}

func TestSlicesInPacketsOfTheirOwnAreOnePicture(t *testing.T) {
	var together, apart store
	together.film(&cliptest.Camera{Slices: 4, Bytes: 8000, Silent: true}, morning(), 3)
	apart.film(&cliptest.Camera{Slices: 4, Bytes: 8000, Silent: true, Apart: true}, morning(), 3)
	want, _, _ := cut(t, together.config(morning(), morning().Add(time.Minute)))
	got, _, _ := cut(t, apart.config(morning(), morning().Add(time.Minute)))
	a, b := want.Video().Samples, got.Video().Samples
	if len(a) != 225 || len(b) != len(a) {
		t.Fatalf("%d pictures, want %d", len(b), len(a))
	}
	for i := range a {
		if a[i].DTS != b[i].DTS || !bytes.Equal(a[i].Data, b[i].Data) {
			t.Fatalf("picture %d differs", i)
		}
	}
}

func TestSoundThatComesAndGoes(t *testing.T) {
	loud, silent, fast := cliptest.Camera{}, cliptest.Camera{Silent: true}, cliptest.Camera{Rate: 44100}
	tests := []struct {
		name    string
		cameras []*cliptest.Camera
		track   bool
		unheard bool
	}{
		{"never", []*cliptest.Camera{&silent, &silent, &silent}, false, false},
		{"from the start, then not", []*cliptest.Camera{&loud, &silent, &silent}, true, false},
		{"only at the end", []*cliptest.Camera{&silent, &silent, &loud}, true, false},
		{"only in the middle", []*cliptest.Camera{&silent, &loud, &silent}, false, true},
		{"pauses", []*cliptest.Camera{&loud, &silent, &loud}, true, false},
		{"another sample rate", []*cliptest.Camera{&loud, &fast, &loud}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s store
			at := morning()
			for _, cam := range tt.cameras {
				cam.Reset()
				at = s.film(cam, at, 1)
			}
			f, _, res := cut(t, s.config(morning(), at))
			if (f.Sound() != nil) != tt.track || (res.Unheard > 0) != tt.unheard || res.Pictures != 225 {
				t.Errorf("sound track %v, %+v", f.Sound() != nil, res)
			}
			if f.Sound() == nil {
				return
			}
			// Sound is where its segment is.
			for _, x := range f.Sound().Samples {
				if i := int((x.DTS - f.Sound().MediaTime) / 48000 / 3); i < 3 && tt.cameras[i] == &silent && x.DTS%(3*48000) > 4096 {
					t.Fatalf("sound at %.2f s, where there was none", float64(x.DTS)/48000)
				}
			}
		})
	}
}

func TestParameterSetsThatChange(t *testing.T) {
	small, large := cliptest.Camera{}, cliptest.Camera{Other: true}
	for _, tt := range []struct {
		name    string
		cameras []*cliptest.Camera
		entry   string
	}{
		{"for a while", []*cliptest.Camera{&small, &large, &small}, "avc1"},
		{"for good", []*cliptest.Camera{&small, &small, &large}, "avc3"},
	} {
		var s store
		at := morning()
		for _, cam := range tt.cameras {
			cam.Reset()
			at = s.film(cam, at, 1)
		}
		f, _, _ := cut(t, s.config(morning(), at))
		if v := f.Video(); v.Entry != tt.entry || v.Width != 640<<16 || len(v.Samples) != 225 {
			t.Errorf("%s: entry %s, width %d", tt.name, v.Entry, v.Width>>16)
		}
	}
}

func TestDamageIsNeverSilent(t *testing.T) {
	whole := func() *store {
		var s store
		var cam cliptest.Camera
		s.film(&cam, morning(), 10)
		return &s
	}
	key := func(i int) string {
		return segment.Key(camera, morning().Add(time.Duration(i)*3*time.Second))
	}
	lose := func(s *store, i, packet, n int) {
		b := s.objects[key(i)]
		s.objects[key(i)] = slices.Concat(b[:188*packet], b[188*(packet+n):])
	}
	tests := []struct {
		name     string
		damage   func(s *store)
		skipped  int
		pictures int64 // left with Partial
	}{
		{"packets of video are missing", func(s *store) { lose(s, 5, 60, 2) }, 0, 725},
		{"the beginning of a segment's first picture is missing", func(s *store) { lose(s, 5, 2, 1) }, 0, 725},
		{"a segment is missing", func(s *store) { delete(s.objects, key(5)) }, 1, 675},
		{"the first is missing", func(s *store) { delete(s.objects, key(0)) }, 1, 675},
		{"the last is missing", func(s *store) { delete(s.objects, key(9)) }, 1, 675},
		{"something else is stored there", func(s *store) { s.objects[key(5)] = bytes.Repeat([]byte("no video"), len(s.objects[key(5)])/8) }, 1, 675},
		{"only the tables are left", func(s *store) { s.objects[key(5)] = s.objects[key(5)][:376] }, 1, 675},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := whole()
			cfg := s.config(morning(), morning().Add(30*time.Second)) // listed before it went wrong
			tt.damage(s)
			for i := range cfg.Segments {
				if b, ok := s.objects[segment.Key(camera, cfg.Segments[i].Key)]; ok {
					cfg.Segments[i].Size = int64(len(b))
				}
			}
			var bad *clip.SegmentError
			c, err := clip.Open(t.Context(), cfg)
			var b bytes.Buffer
			if err == nil {
				_, err = c.WriteMP4(t.Context(), &b)
			}
			if !errors.As(err, &bad) || !errors.Is(err, clip.ErrMissing) && !errors.Is(err, clip.ErrDamaged) {
				t.Errorf("error %v, want a SegmentError", err)
			}
			if bytes.Contains(b.Bytes(), []byte("mfro")) {
				t.Error("the file has an end")
			}
			cfg.Partial = true
			_, _, res := cut(t, cfg)
			if res.Skipped != tt.skipped || res.Pictures < tt.pictures || res.Pictures > tt.pictures+24 || tt.skipped == 0 && res.Damaged == 0 && res.Unheard == 0 {
				t.Errorf("partial: %+v", res)
			}
		})
	}
	// A segment that is shorter than listed, as TS and as MP4.
	s := whole()
	cfg := s.config(morning(), morning().Add(30*time.Second))
	cfg.Segments[4].Size += 188
	for _, ts := range []bool{true, false} {
		c, err := clip.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		write := c.WriteMP4
		if ts {
			write = c.WriteTS
		}
		if _, err := write(t.Context(), &bytes.Buffer{}); !errors.Is(err, clip.ErrDamaged) {
			t.Errorf("shorter than listed, TS %v: %v", ts, err)
		}
	}
}

func TestNoFootage(t *testing.T) {
	var s store
	var cam cliptest.Camera
	s.film(&cam, morning(), 3)
	for name, cfg := range map[string]clip.Config{
		"before":      s.config(morning().Add(-time.Hour), morning().Add(-time.Minute)),
		"behind":      s.config(morning().Add(time.Hour), morning().Add(2*time.Hour)),
		"no segments": {Camera: camera, Start: morning(), End: morning().Add(time.Hour), Fetch: s.fetch},
	} {
		if _, err := clip.Open(t.Context(), cfg); !errors.Is(err, clip.ErrNoFootage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A broken store, and a reader that goes away, end the clip; nothing is read behind it.
func TestErrorsEndTheReading(t *testing.T) {
	var s store
	var cam cliptest.Camera
	s.film(&cam, morning(), 40)
	cfg := s.config(morning(), morning().Add(2*time.Minute))
	down := errors.New("store is down")
	n := 0
	cfg.Fetch = func(ctx context.Context, key string, size int64, dst []byte) ([]byte, error) {
		if n++; n == 8 {
			return dst, down
		}
		return s.fetch(ctx, key, size, dst)
	}
	cfg.Partial = true // is for damage, not for a store that is down
	c, err := clip.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteMP4(t.Context(), &bytes.Buffer{}); !errors.Is(err, down) || n != 8 {
		t.Errorf("%v after %d reads", err, n)
	}
	n = 100
	gone := errors.New("client is gone")
	if c, err = clip.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteMP4(t.Context(), limited{new(int), gone}); !errors.Is(err, gone) || n > 108 {
		t.Errorf("%v after %d reads", err, n-100)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if c, err = clip.Open(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := c.WriteMP4(ctx, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// limited fails after 100 kB.
type limited struct {
	n   *int
	err error
}

func (l limited) Write(b []byte) (int, error) {
	if *l.n += len(b); *l.n > 100_000 {
		return 0, l.err
	}
	return len(b), nil
}
