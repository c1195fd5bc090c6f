// SPDX-License-Identifier: Apache-2.0

package mp4_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/clip/cliptest"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/mp4"
	"github.com/s3cam/s3cam/internal/mp4/mp4test"
)

func mono() *mp4.Audio { return &mp4.Audio{Profile: aac.ProfileLC, SampleRate: 48000, Channels: 1} }

// file is what write puts behind a header.
func file(t testing.TB, h mp4.Header, write func(w *mp4.Writer)) *mp4test.File {
	t.Helper()
	var b bytes.Buffer
	w := mp4.NewWriter(&b)
	if h.ParameterSets == nil {
		h.ParameterSets = cliptest.ParameterSets(false)
	}
	if err := w.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	write(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Written() != int64(b.Len()) {
		t.Errorf("Written says %d, there are %d bytes", w.Written(), b.Len())
	}
	f, err := mp4test.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t testing.TB, w *mp4.Writer, au []byte, pts, dts int64, idr bool) {
	t.Helper()
	if err := w.WriteVideo(au, pts, dts, idr); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, w *mp4.Writer, pts int64, want bool) {
	t.Helper()
	if taken, err := w.WriteAudio([]byte{1, 2, 3, byte(pts)}, pts); err != nil || taken != want {
		t.Errorf("sound at %d: taken %v, %v; want %v", pts, taken, err, want)
	}
}

func TestPicturesComeBackWithTheirTimes(t *testing.T) {
	var cam cliptest.Camera
	cam.Bytes = 300
	cam.Slices = 3
	order := []int64{1, 4, 2, 3, 7, 5, 6} // presentation order of a stream with B pictures, IDR first
	f := file(t, mp4.Header{VideoDelay: 3000, Duration: 7 * 3000, Created: time.Unix(1, 0)}, func(w *mp4.Writer) {
		for i, p := range order {
			put(t, w, cam.Picture(uint32(i), i == 0), (p-1)*3000, int64(i-1)*3000, i == 0)
		}
	})
	v := f.Video()
	if v.Entry != "avc1" || v.Timescale != 90000 || v.MediaTime != 3000 || v.Width != 640<<16 || v.Height != 360<<16 || f.Duration != 21000 || f.Sound() != nil {
		t.Errorf("track %+v, duration %d", v, f.Duration)
	}
	if len(v.Samples) != len(order) {
		t.Fatalf("%d samples", len(v.Samples))
	}
	for i, s := range v.Samples {
		if s.DTS != int64(i)*3000 || s.PTS-v.MediaTime != (order[i]-1)*3000 || s.Duration != 3000 || s.Sync != (i == 0) {
			t.Errorf("sample %d: DTS %d, PTS %d, duration %d, sync %v", i, s.DTS, s.PTS, s.Duration, s.Sync)
		}
		units, err := mp4test.NALUnits(s.Data)
		if err != nil {
			t.Fatal(err)
		}
		var want [][]byte // without delimiter and parameter sets
		for nal := range h264.NALUnits(cam.Picture(uint32(i), i == 0)) {
			if typ := h264.NALType(nal); typ == h264.TypeSlice || typ == h264.TypeIDR || typ == h264.TypeSEI {
				want = append(want, nal)
			}
		}
		if len(units) != len(want) || len(want) != 4 {
			t.Fatalf("sample %d: %d NAL units, want %d", i, len(units), len(want))
		}
		for j := range want {
			if !bytes.Equal(units[j], want[j]) {
				t.Errorf("sample %d: NAL unit %d differs", i, j)
			}
		}
	}
	if c := v.Config; c[0] != 1 || c[1] != 0x4D || c[4] != 0xFF || c[5] != 0xE1 {
		t.Errorf("avcC % x", c)
	}
}

func TestFragmentsBeginAtAnIDRAfterASecond(t *testing.T) {
	var cam cliptest.Camera
	f := file(t, mp4.Header{}, func(w *mp4.Writer) {
		for i := range int64(100) { // GOP of 0.4 s
			put(t, w, cam.Picture(uint32(i), i%10 == 0), i*3600, i*3600, i%10 == 0)
		}
	})
	if f.Fragments != 4 { // of 1.2 s, the last of 0.4
		t.Errorf("%d fragments", f.Fragments)
	}
	for i, s := range f.Video().Samples {
		if s.Sync != (i%10 == 0) || s.DTS != int64(i)*3600 {
			t.Errorf("sample %d: sync %v at %d", i, s.Sync, s.DTS)
		}
	}
	if len(f.Index) != 4 || f.Index[1].Time != 30*3600 {
		t.Errorf("index %v", f.Index)
	}
}

func TestFragmentsAreBoundedWithoutIDR(t *testing.T) {
	var cam cliptest.Camera
	cam.Bytes = 200_000
	big := cam.Picture(1, false)
	first := cam.Picture(0, true)
	largest := 0
	w := mp4.NewWriter(writerFunc(func(b []byte) (int, error) { largest = max(largest, len(b)); return len(b), nil }))
	if err := w.WriteHeader(mp4.Header{ParameterSets: cliptest.ParameterSets(false)}); err != nil {
		t.Fatal(err)
	}
	for i := range int64(200) {
		au := big
		if i == 0 {
			au = first
		}
		put(t, w, au, i*3600, i*3600, i == 0)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if largest > mp4.MaxFragmentBytes+300_000 {
		t.Errorf("a write of %d bytes", largest)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestGapsKeepTheirLength(t *testing.T) {
	var cam cliptest.Camera
	starts := []int64{0, 3600, 90000 * 60, 90000*60 + 3600, 90000*3600*20 + 17}
	f := file(t, mp4.Header{Audio: mono()}, func(w *mp4.Writer) {
		for i, at := range starts {
			put(t, w, cam.Picture(uint32(i), true), at, at, true)
			hear(t, w, at, true)
		}
	})
	for i, s := range f.Video().Samples {
		if s.DTS != starts[i] {
			t.Errorf("picture %d at %d, want %d", i, s.DTS, starts[i])
		}
		if i+1 < len(starts) && s.Duration != min(starts[i+1]-starts[i], math.MaxUint32) { // a gap of 20 h fits no duration
			t.Errorf("picture %d lasts %d", i, s.Duration)
		}
	}
	for i, s := range f.Sound().Samples {
		if want := mp4.Samples(starts[i], 48000); s.DTS != want && i != 1 && i != 3 { // those two follow closely
			t.Errorf("sound %d at %d, want %d", i, s.DTS, want)
		}
	}
}

func TestSoundRunsOnWithoutRounding(t *testing.T) {
	var cam cliptest.Camera
	sound := &mp4.Audio{Profile: aac.ProfileLC, SampleRate: 44100, Channels: 2}
	f := file(t, mp4.Header{Audio: sound, AudioSkip: 512}, func(w *mp4.Writer) {
		put(t, w, cam.Picture(0, true), 0, 0, true)
		hear(t, w, -5000, false) // ends before the start
		for i := range int64(3000) {
			hear(t, w, aac.Ticks(i*1024-512, 44100)+i%2, true) // jitter of time stamps
		}
		hear(t, w, aac.Ticks(2990*1024, 44100), false) // the clock went back
		hear(t, w, aac.Ticks(3003*1024, 44100), true)  // a little is missing
	})
	s := f.Sound()
	if s.Timescale != 44100 || s.MediaTime != 512 || s.Entry != "mp4a" || len(s.Samples) != 3001 {
		t.Fatalf("timescale %d, skip %d, %d samples", s.Timescale, s.MediaTime, len(s.Samples))
	}
	for i, x := range s.Samples[:3000] {
		if x.DTS != int64(i)*1024 {
			t.Fatalf("frame %d at %d", i, x.DTS)
		}
	}
	if got, want := s.Samples[3000].DTS, int64(3003*1024+512); got != want {
		t.Errorf("sound after what is missing at %d, want %d", got, want)
	}
	// ES_Descriptor with AudioSpecificConfig: AAC LC, 44.1 kHz, 2 channels
	if !bytes.Contains(s.Config, []byte{5, 2, 0x12, 0x10}) {
		t.Errorf("esds % x", s.Config)
	}
}

func TestOtherParameterSetsStayInTheSamples(t *testing.T) {
	one, other := cliptest.Camera{}, cliptest.Camera{Other: true}
	count := func(f *mp4test.File) (counts []int) {
		for _, s := range f.Video().Samples {
			n := 0
			units, _ := mp4test.NALUnits(s.Data)
			for _, u := range units {
				if typ := h264.NALType(u); typ == h264.TypeSPS || typ == h264.TypePPS {
					n++
				}
			}
			counts = append(counts, n)
		}
		return counts
	}
	write := func(w *mp4.Writer) {
		put(t, w, one.Picture(0, true), 0, 0, true)
		put(t, w, other.Picture(1, true), 3600, 3600, true)
		put(t, w, one.Picture(2, true), 7200, 7200, true) // back to the first ones: they have to be said again
	}
	for _, tt := range []struct {
		inBand bool
		entry  string
		want   [3]int
	}{{false, "avc1", [3]int{0, 2, 2}}, {true, "avc3", [3]int{2, 2, 2}}} {
		f := file(t, mp4.Header{InBand: tt.inBand}, write)
		// The PPS is the same in both, but it belongs to the SPS that is new.
		if got := count(f); f.Video().Entry != tt.entry || [3]int(got) != tt.want {
			t.Errorf("in band %v: entry %s, sets in samples %v, want %v", tt.inBand, f.Video().Entry, got, tt.want)
		}
	}
}

func TestMisuseIsAnError(t *testing.T) {
	sets := cliptest.ParameterSets(false)
	var cam cliptest.Camera
	w := mp4.NewWriter(io.Discard)
	if err := w.WriteVideo(cam.Picture(0, true), 0, 0, true); !errors.Is(err, mp4.ErrHeader) {
		t.Errorf("picture before the header: %v", err)
	}
	if err := mp4.NewWriter(io.Discard).WriteHeader(mp4.Header{ParameterSets: sets[:20]}); !errors.Is(err, mp4.ErrNoParameterSets) {
		t.Errorf("no parameter sets: %v", err)
	}
	if err := mp4.NewWriter(io.Discard).WriteHeader(mp4.Header{ParameterSets: sets, Audio: &mp4.Audio{Profile: 2, SampleRate: 12345, Channels: 1}}); err == nil {
		t.Error("a sample rate that AAC has not is no error")
	}
	w = mp4.NewWriter(io.Discard)
	if err := w.WriteHeader(mp4.Header{ParameterSets: sets}); err != nil {
		t.Fatal(err)
	}
	put(t, w, cam.Picture(0, true), 100, 100, true)
	if err := w.WriteVideo(cam.Picture(1, false), 200, 100, false); !errors.Is(err, mp4.ErrOrder) {
		t.Errorf("DTS that does not rise: %v", err)
	}
	put(t, w, []byte{0, 0, 0, 1, 9, 0xF0}, 300, 300, false) // no slice: nothing
	full := errors.New("disk full")
	w = mp4.NewWriter(writerFunc(func(b []byte) (int, error) { return 0, full }))
	if err := w.WriteHeader(mp4.Header{ParameterSets: sets}); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("and later: %v", err)
	}
}

func TestIndexIsBounded(t *testing.T) {
	var cam cliptest.Camera
	cam.Bytes = 8
	f := file(t, mp4.Header{}, func(w *mp4.Writer) {
		for i := range int64(20_000) {
			put(t, w, cam.Picture(uint32(i), true), i*90000, i*90000, true)
		}
	})
	n := len(f.Index)
	if f.Fragments != 20_000 || n > 4096 || n < 2000 || f.Index[n-1].Time < 19_900*90000 {
		t.Errorf("%d fragments, %d points, the last at %d", f.Fragments, n, f.Index[n-1].Time)
	}
	for i := 2; i < n; i++ {
		if f.Index[i].Time-f.Index[i-1].Time != f.Index[1].Time-f.Index[0].Time {
			t.Fatalf("points are not evenly spaced at %d", i)
		}
	}
}

func TestNothingIsAllocatedForAFrame(t *testing.T) {
	var cam cliptest.Camera
	cam.Bytes = 5000
	first, next := cam.Picture(0, true), cam.Picture(1, false)
	w := mp4.NewWriter(io.Discard)
	if err := w.WriteHeader(mp4.Header{ParameterSets: cliptest.ParameterSets(false), Audio: mono()}); err != nil {
		t.Fatal(err)
	}
	i, sound := int64(0), make([]byte, 200)
	second := func() {
		for range 25 {
			au := next
			if i%25 == 0 {
				au = first
			}
			put(t, w, au, i*3600, i*3600, i%25 == 0)
			for k := range int64(2) {
				if _, err := w.WriteAudio(sound, i*3600+k*1920); err != nil {
					t.Fatal(err)
				}
			}
			i++
		}
	}
	for range 5 {
		second()
	}
	if n := testing.AllocsPerRun(100, second); n > 0.5 { // the index grows now and then
		t.Errorf("%v allocations for 25 pictures and their sound", n)
	}
}

// Whatever an access unit holds, the file can be read, and every NAL unit that belongs into it is there.
func FuzzWriteVideo(f *testing.F) {
	var cam cliptest.Camera
	f.Add(cam.Picture(1, true), cam.Picture(2, false), int64(3600), int64(-5))
	f.Add([]byte{0, 0, 1, 0x65}, []byte{0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x41, 0x9A}, int64(1)<<40, int64(1)<<62)
	f.Add([]byte{0, 0, 1, 9, 0, 0, 1, 12, 255, 128, 0, 0, 1, 5}, []byte{}, int64(0), int64(-1)<<63)
	f.Fuzz(func(t *testing.T, a, b []byte, step, offset int64) {
		step = min(max(step, -1<<40), 1<<40)
		offset = min(max(offset, -1<<40), 1<<40)
		var out bytes.Buffer
		w := mp4.NewWriter(&out)
		if err := w.WriteHeader(mp4.Header{ParameterSets: cliptest.ParameterSets(false), Audio: mono()}); err != nil {
			t.Fatal(err)
		}
		want := 0
		for i, au := range [][]byte{a, b, a, b} {
			at := int64(i) * step
			slice := false
			for nal := range h264.NALUnits(au) {
				typ := h264.NALType(nal)
				slice = slice || typ == h264.TypeSlice || typ == h264.TypeIDR || typ == h264.TypePartitionA
			}
			if err := w.WriteVideo(au, at+offset, at, i%2 == 0); err == nil && slice {
				want++
			}
			if len(au) > 0 {
				if _, err := w.WriteAudio(au, at+offset); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		file, err := mp4test.Read(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(file.Video().Samples); got != want {
			t.Errorf("%d samples, want %d", got, want)
		}
		for _, s := range file.Video().Samples {
			if _, err := mp4test.NALUnits(s.Data); err != nil {
				t.Error(err)
			}
		}
	})
}
