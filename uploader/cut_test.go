// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/uploader"
)

// picture is one input of a cutting test.
type picture struct {
	at  time.Duration
	idr bool
}

// stream returns pictures at fps for length, with an IDR at each of the numbers in idr.
func stream(fps, count int, idr func(n int) bool) []picture {
	var list []picture
	for n := range count {
		list = append(list, picture{time.Duration(n) * time.Second / time.Duration(fps), idr(n)})
	}
	return list
}

func every(k int) func(int) bool { return func(n int) bool { return n%k == 0 } }
func at(ns ...int) func(int) bool {
	return func(n int) bool { return slices.Contains(ns, n) }
}

func TestCut(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		name    string
		epoch   time.Duration // after epoch
		target  time.Duration
		in      []picture
		want    []int // seconds of the keys after epoch
		dropped int64
	}{
		{"a GOP as long as the target", 0, 3 * time.Second, stream(25, 225, every(75)), []int{0, 3, 6}, 0},
		{"three GOPs a segment", 0, 3 * time.Second, stream(25, 225, every(25)), []int{0, 3, 6}, 0},
		{"every picture an IDR", 0, 3 * time.Second, stream(25, 150, every(1)), []int{0, 3}, 0},
		{"every picture an IDR, one second each", 0, time.Second, stream(25, 75, every(1)), []int{0, 1, 2}, 0},
		{"a GOP longer than the target", 0, 3 * time.Second, stream(25, 500, every(250)), []int{0, 10}, 0},
		{"a GOP just under the target: the second IDR cuts", 0, 3 * time.Second, stream(25, 300, every(74)), []int{0, 5, 11}, 0},
		{"an irregular GOP", 0, 3 * time.Second, stream(10, 150, at(0, 12, 33, 40, 41, 99, 140)), []int{0, 3, 9, 14}, 0},
		{"29.97 pictures a second", 0, 3 * time.Second, func() []picture {
			var list []picture
			for n := range 300 {
				list = append(list, picture{time.Duration(n) * 1001 * time.Second / 30000, n%30 == 0})
			}
			return list
		}(), []int{0, 3, 6, 9}, 0},
		{"timestamps rounded to milliseconds do not double a segment", 0, 3 * time.Second, func() []picture {
			var list []picture
			for n := range 270 {
				list = append(list, picture{(time.Duration(n) * time.Second / 30).Truncate(ms) + time.Duration(n%90/89)*ms, n%90 == 0})
			}
			return list
		}(), []int{0, 3, 6}, 0},
		{"the start is floored", 999 * ms, 3 * time.Second, stream(25, 150, every(75)), []int{0, 3}, 0},
		{"two IDR in one second do not start two segments", 0, time.Second, stream(25, 100, every(12)), []int{0, 1, 2}, 0},
		{"an IDR in the second of the last start does not cut", 0, time.Second, []picture{
			{0, true}, {500 * ms, false}, {990 * ms, true}, {1500 * ms, true}, {1900 * ms, false}}, []int{0, 1}, 0},
		{"pictures before the first IDR are dropped", 0, 3 * time.Second, stream(25, 150, at(30, 105)), []int{1, 4}, 30},
		{"no IDR at all", 0, 3 * time.Second, stream(25, 50, at()), nil, 50},
		{"one single picture", 0, 3 * time.Second, stream(25, 1, at(0)), []int{0}, 0},
		{"ten seconds without pictures end a segment", 0, 3 * time.Second, []picture{
			{0, true}, {time.Second, false}, {12 * time.Second, false}, {13 * time.Second, true}, {14 * time.Second, false}}, []int{0, 13}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bucket{t: t}
			u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch.Add(tt.epoch), SegmentDuration: tt.target})
			var fed [][]byte
			for n, p := range tt.in {
				data := join(start4, slice(p.idr, n, 100))
				fed = append(fed, data)
				if p.idr {
					data = join(sets(), data)
				}
				mustWrite(t, u, uploader.AccessUnit{Data: data, PTS: p.at, DTS: p.at})
			}
			err := u.Close(context.Background())
			if tt.want == nil {
				if !errors.Is(err, uploader.ErrNoIDR) {
					t.Errorf("Close = %v, want ErrNoIDR", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if got := seconds(t, epoch, b.all()); !slices.Equal(got, tt.want) {
				t.Errorf("segments start at %v, want %v", got, tt.want)
			}
			s := u.Stats()
			checkSums(t, s)
			if s.DroppedBeforeIDR != tt.dropped {
				t.Errorf("%d pictures dropped before an IDR, want %d", s.DroppedBeforeIDR, tt.dropped)
			}
			if tt.name == "ten seconds without pictures end a segment" {
				return // one in the middle is missing
			}
			got := slicesOf(t, readAll(t, b.all()))
			if want := fed[tt.dropped:]; !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%d pictures came out, want the %d fed from %d on, unchanged", len(got), len(want), tt.dropped)
			}
		})
	}
}

// Whatever form an access unit has, the segment starts with AUD, SPS, PPS, IDR and holds the picture once.
func TestParameterSets(t *testing.T) {
	idr, p := slice(true, 1, 300), slice(false, 2, 200)
	s, q := sps(0, 20, 15), pps(0, 0)
	sei := []byte{6, 5, 1, 0xAA, 0x80}
	big := sps(0, 40, 30)
	second := pps(1, 0)
	a := func(nals ...[]byte) []byte {
		var b []byte
		for _, n := range nals {
			b = append(append(b, start4...), n...)
		}
		return b
	}
	a3 := func(nals ...[]byte) []byte {
		var b []byte
		for _, n := range nals {
			b = append(append(b, start3...), n...)
		}
		return b
	}
	delimiter := []byte{9, 0x10}
	for _, tt := range []struct {
		name  string
		extra []byte // Config.ParameterSets
		in    [][]byte
		want  [][]int // NAL unit types of the pictures stored
	}{
		{"in the access unit", nil, [][]byte{a(s, q, idr), a(p)}, [][]int{{9, 7, 8, 5}, {9, 1}}},
		{"with 3-byte start codes", nil, [][]byte{a3(s, q, idr), a3(p)}, [][]int{{9, 7, 8, 5}, {9, 1}}},
		{"a delimiter is not doubled", nil, [][]byte{a(delimiter, s, q, idr), a(delimiter, p)}, [][]int{{9, 7, 8, 5}, {9, 1}}},
		{"in a call of their own", nil, [][]byte{a(s), a(q), a(idr), a(p)}, [][]int{{9, 7, 8, 5}, {9, 1}}},
		{"in a call of their own, then an IDR with a delimiter and SEI", nil, [][]byte{a(s, q), a3(delimiter, sei, idr), a(p)}, [][]int{{9, 7, 8, 6, 5}, {9, 1}}},
		{"out of band", a(s, q), [][]byte{a(idr), a(p)}, [][]int{{9, 7, 8, 5}, {9, 1}}},
		{"the PPS is missing in the access unit", a(s, q), [][]byte{a(s, idr)}, [][]int{{9, 7, 8, 7, 5}}},
		{"a second PPS came before", nil, [][]byte{a(second), a(s, q, idr), a(p)}, [][]int{{9, 7, 8, 8, 7, 8, 5}, {9, 1}}},
		{"a PPS alone in the middle goes before the next picture", nil, [][]byte{a(s, q, idr), a(second), a(p), a(p)},
			[][]int{{9, 7, 8, 5}, {9, 7, 8, 8, 1}, {9, 1}}},
		{"the same PPS again alone changes nothing", nil, [][]byte{a(s, q, idr), a(q), a(p)}, [][]int{{9, 7, 8, 5}, {9, 1}}},
		{"SEI alone is no picture", nil, [][]byte{a(s, q, idr), a(sei), a(p)}, [][]int{{9, 7, 8, 5}, {9, 1}}},
		{"a new SPS out of the access unit replaces the one out of band", a(s, q), [][]byte{a(big, q, idr)}, [][]int{{9, 7, 8, 5}}},
		{"no sets: nothing", nil, [][]byte{a(idr), a(p)}, nil},
		{"an SPS alone is not enough", nil, [][]byte{a(s, idr), a(p)}, nil},
		{"zero bytes in front and behind", nil, [][]byte{join([]byte{0, 0}, a(s, q, idr), []byte{0, 0, 0}), a(p)}, [][]int{{9, 7, 8, 5}, {9, 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bucket{t: t}
			u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, ParameterSets: tt.extra})
			for n, au := range tt.in {
				at := time.Duration(n) * 40 * time.Millisecond
				mustWrite(t, u, uploader.AccessUnit{Data: au, PTS: at, DTS: at})
			}
			err := u.Close(context.Background())
			if tt.want == nil {
				if !errors.Is(err, uploader.ErrNoParameterSets) {
					t.Errorf("Close = %v, want ErrNoParameterSets", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got [][]int
			for _, c := range readAll(t, b.all()) {
				for _, v := range c.video {
					got = append(got, types(v.data))
				}
			}
			if !slices.EqualFunc(got, tt.want, slices.Equal) {
				t.Errorf("pictures %v, want %v", got, tt.want)
			}
			checkSums(t, u.Stats())
		})
	}
}

// The two parts of a wrapped access unit may be split anywhere; the result is the same, byte for byte.
func TestSplitAnywhere(t *testing.T) {
	au := join(aud, sets(), start3, slice(true, 7, 600))
	bare := join(start3, slice(true, 7, 300)) // needs sets inserted
	run := func(cut int, data []byte) []byte {
		b := &bucket{t: t}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, ParameterSets: sets()})
		mustWrite(t, u, uploader.AccessUnit{Data: data[:cut], Tail: data[cut:]})
		mustWrite(t, u, uploader.AccessUnit{Data: join(start4, slice(false, 8, 100)), PTS: 40 * time.Millisecond, DTS: 40 * time.Millisecond})
		mustClose(t, u)
		return b.bytes()
	}
	for _, data := range [][]byte{au, bare} {
		want := run(len(data), data)
		for cut := range data {
			if got := run(cut, data); !bytes.Equal(got, want) {
				t.Fatalf("split at %d of %d gives another segment", cut, len(data))
			}
		}
	}
	// A first part beyond what is looked at, and a huge second one.
	large := join(sets(), start4, slice(true, 1, 200<<10))
	want := run(len(large), large)
	for _, cut := range []int{3, 70 << 10, 199 << 10} {
		if got := run(cut, large); !bytes.Equal(got, want) {
			t.Errorf("split at %d of a large picture gives another segment", cut)
		}
	}
}

func TestRefused(t *testing.T) {
	b := &bucket{t: t}
	u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch})
	for name, data := range map[string][]byte{
		"nothing":              {},
		"no start code":        []byte("hello world, this is no video"),
		"AVCC lengths":         join([]byte{0, 0, 0, 40}, slice(true, 0, 40)),
		"a slice without body": {0, 0, 0, 1, 0x65},
	} {
		if err := u.WriteVideo(uploader.AccessUnit{Data: data}); !errors.Is(err, uploader.ErrAccessUnit) {
			t.Errorf("%s: WriteVideo = %v, want ErrAccessUnit", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"nothing":        {},
		"no syncword":    []byte("this is no audio"),
		"a cut frame":    adts(1, 100)[:90],
		"bytes too many": append(adts(1, 100), 1, 2, 3),
		"MP3":            {0xFF, 0xFB, 0x90, 0x64, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		if err := u.WriteAudio(uploader.AudioFrame{Data: data}); !errors.Is(err, uploader.ErrAudioFrame) {
			t.Errorf("%s: WriteAudio = %v, want ErrAudioFrame", name, err)
		}
	}
	if err := u.WriteVideo(uploader.AccessUnit{Data: join(sets(), start4, slice(true, 0, 50)), PTS: -1e18, DTS: -1e18}); err != nil {
		t.Errorf("31 years ago: %v, want it taken (1994)", err)
	}
	if got := u.Stats(); got.InvalidFrames != 9 || got.VideoFrames != 1 {
		t.Errorf("%d refused, %d taken; want 9, 1", got.InvalidFrames, got.VideoFrames)
	}
	mustClose(t, u)

	u = mustNew(t, uploader.Config{Putter: &bucket{t: t}, Epoch: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
	au := uploader.AccessUnit{Data: join(sets(), start4, slice(true, 0, 50)), PTS: 1e18, DTS: 1e18}
	if err := u.WriteVideo(au); !errors.Is(err, uploader.ErrTime) {
		t.Errorf("year 10030: WriteVideo = %v, want ErrTime", err)
	}
	if err := u.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := u.WriteVideo(au); !errors.Is(err, uploader.ErrClosed) {
		t.Errorf("WriteVideo after Close = %v, want ErrClosed", err)
	}
	if err := u.WriteAudio(uploader.AudioFrame{Data: adts(0, 50)}); !errors.Is(err, uploader.ErrClosed) {
		t.Errorf("WriteAudio after Close = %v, want ErrClosed", err)
	}
	if err := u.Flush(); !errors.Is(err, uploader.ErrClosed) {
		t.Errorf("Flush after Close = %v, want ErrClosed", err)
	}
}

// Around the 33-bit wrap keys, PTS and order are as everywhere else.
func TestWrapOf33Bits(t *testing.T) {
	wrap := time.Unix(0, 0).Add(0)
	for k := int64(1); wrap.Before(epoch); k++ { // the first wrap after epoch
		wrap = time.Unix(k*(1<<33)/90000, 0).UTC()
	}
	start := wrap.Add(-4 * time.Second)
	b := &bucket{t: t}
	u := mustNew(t, uploader.Config{Putter: b, Epoch: start})
	e := &encoder{fps: 25, gop: 25, size: 500}
	for range 25 * 9 {
		mustWrite(t, u, e.next())
	}
	mustClose(t, u)
	if got, want := seconds(t, start, b.all()), []int{0, 3, 6}; !slices.Equal(got, want) {
		t.Errorf("segments start at %v, want %v", got, want)
	}
	n := 0
	for _, c := range readAll(t, b.all()) {
		for _, v := range c.video {
			if want := start.Add(e.time(n)); v.pts.Sub(want).Abs() > 6*time.Microsecond {
				t.Fatalf("picture %d has PTS %v, want %v", n, v.pts, want)
			}
			n++
		}
	}
}

// The types of NAL units that a stream has are what the helper says.
func TestFakeEncoderIsUnderstood(t *testing.T) {
	var ps h264.ParameterSets
	if _, err := ps.Update(sets()); err != nil || !ps.Complete() {
		t.Fatal(err)
	}
	if s, _ := ps.SPS(0); s.Width != 320 || s.Height != 240 {
		t.Errorf("%dx%d, want 320x240", s.Width, s.Height)
	}
}
