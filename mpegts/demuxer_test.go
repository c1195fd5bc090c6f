// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/s3cam/s3cam/mpegts"
)

type gotUnit struct {
	mpegts.Unit
	data []byte
}

// demux reads everything; errors that do not end the reading are collected.
func demux(t testing.TB, r io.Reader) (units []gotUnit, refused []string, end error) {
	t.Helper()
	d := mpegts.NewDemuxer(r)
	for {
		u, err := d.Next()
		var unsupported *mpegts.UnsupportedError
		switch {
		case errors.As(err, &unsupported):
			refused = append(refused, err.Error())
		case err != nil:
			return units, refused, err
		default:
			units = append(units, gotUnit{u, bytes.Clone(u.Data)})
		}
	}
}

// join gives the bytes of one kind.
func join(units []gotUnit, kind mpegts.Kind) []byte {
	var b []byte
	for _, u := range units {
		if u.Kind == kind {
			b = append(b, u.data...)
		}
	}
	return b
}

// sample is a small stream of two segments: 8 pictures and some sound.
func sample(t testing.TB) (ts, video, audio []byte) {
	t.Helper()
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	for i := range int64(8) {
		if i%4 == 0 {
			ts = m.FlushAudio(ts)
			ts = m.AppendTables(ts)
		}
		data := append(bytes.Clone(aud), au(700+int(i)*97, i%4 == 0, byte(i))...)
		video = append(video, data...)
		ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(data), PTS: i*3600 + 7200, DTS: i * 3600, RandomAccess: i%4 == 0, HasAUD: true})
		sound := adts(150, byte(i))
		audio = append(audio, sound...)
		var err error
		ts, err = m.AppendAudio(ts, sound, i*3600)
		ts = must(t, ts, err)
	}
	return m.FlushAudio(ts), video, audio
}

func TestDemuxerGivesBackWhatTheMuxerTook(t *testing.T) {
	ts, video, audio := sample(t)
	units, refused, err := demux(t, iotest.OneByteReader(bytes.NewReader(ts)))
	if err != io.EOF || refused != nil {
		t.Fatalf("end %v, refused %v", err, refused)
	}
	if !bytes.Equal(join(units, mpegts.Video), video) || !bytes.Equal(join(units, mpegts.Audio), audio) {
		t.Error("bytes differ")
	}
	i := int64(0)
	for _, u := range units {
		if u.Discontinuity || u.Damaged || !u.HasPTS {
			t.Errorf("unit %+v", u.Unit)
		}
		if u.Kind != mpegts.Video {
			continue
		}
		if u.DTS != i*3600 || u.PTS != i*3600+7200 || !u.HasDTS || u.RandomAccess != (i%4 == 0) || u.PID != mpegts.PIDVideo {
			t.Errorf("picture %d: %+v", i, u.Unit)
		}
		if ts[u.Offset] != 0x47 || ts[u.Offset+1]&0x40 == 0 {
			t.Errorf("picture %d: offset %d is not the start of its packet", i, u.Offset)
		}
		i++
	}
}

func TestDemuxerReadsWhatOthersWrite(t *testing.T) {
	ts, video, audio := sample(t)
	other := bytes.Repeat([]byte{0xAB, 0x00, 0x47, 0x11}, 60)
	tests := []struct {
		name     string
		in       []byte
		video    []byte
		audio    []byte
		end      error
		refused  string
		skipped  int64
		damaged  int // units
		jumps    int // units with Discontinuity
		complete bool
	}{
		{name: "as it is", in: ts, video: video, audio: audio},
		{name: "other PIDs", in: edit(ts, func(n int, p []byte) []byte {
			switch pidOf(p) {
			case 0:
				return pat(n, 0, 0x10, 7, 0x20)
			case 0x1000:
				return pmt(0x20, n, 0, 0x33, 0x0F, 0x34, 0x1B, 0x33)
			case 0x100:
				return setPID(p, 0x33)
			default:
				return setPID(p, 0x34)
			}
		}), video: video, audio: audio},
		{name: "a leading time stamp of 4 bytes, 192 in all", in: edit(ts, func(n int, p []byte) []byte {
			return append([]byte{0x47, 0, 0, 0}, p...)
		}), video: video, audio: audio, skipped: 4},
		{name: "16 bytes of error correction, 204 in all", in: edit(ts, func(n int, p []byte) []byte {
			return append(p, other[:16]...)
		}), video: video, audio: audio},
		{name: "garbage in front", in: append(bytes.Clone(other), ts...), video: video, audio: audio, skipped: 240},
		{name: "garbage between packets", in: edit(ts, func(n int, p []byte) []byte {
			if n == 4 {
				return append(p, other...)
			}
			return p
		}), video: video, audio: audio, skipped: 240, damaged: 1, jumps: 2},
		{name: "a packet cut at the end", in: append(bytes.Clone(ts), ts[:100]...), video: video, audio: audio, skipped: 100},
		{name: "audio under the video stream id, as the original SDK", in: edit(ts, func(n int, p []byte) []byte {
			if pidOf(p) == 0x101 && p[1]&0x40 != 0 {
				at := bytes.Index(p, []byte{0, 0, 1, 0xC0})
				p[at+3] = 0xE0
			}
			return p
		}), video: video, audio: audio},
		{name: "no PCR", in: edit(ts, func(n int, p []byte) []byte {
			if pidOf(p) == 0x100 && p[3]&0x20 != 0 && p[4] > 0 {
				p[5] &^= 0x10
			}
			return p
		}), video: video, audio: audio},
		{name: "announced audio is absent", in: edit(ts, func(n int, p []byte) []byte {
			if pidOf(p) == 0x101 {
				return nil
			}
			return p
		}), video: video},
		{name: "duplicate packets", in: edit(ts, func(n int, p []byte) []byte { return append(p, p...) }), video: video, audio: audio},
		{name: "null packets and other PIDs between", in: edit(ts, func(n int, p []byte) []byte {
			return append(p, setPID(bytes.Clone(p), []int{0x1FFF, 0x55}[n%2])...)
		}), video: video, audio: audio},
		{name: "no PAT", in: edit(ts, func(n int, p []byte) []byte {
			if pidOf(p) == 0 {
				return nil
			}
			return p
		}), end: mpegts.ErrNoProgram},
		{name: "21 bytes of a packet", in: ts[188*2 : 188*2+21], end: mpegts.ErrNoProgram, skipped: 21},
		{name: "376 bytes of audio before any table", in: ts[188*30 : 188*32], end: mpegts.ErrNoProgram},
		{name: "nothing", in: nil, end: mpegts.ErrNoProgram},
		{name: "no packet at all", in: []byte(strings.Repeat("G is the sync byte, but this is text. ", 100)), end: mpegts.ErrNoProgram, skipped: 3610}, // the last 190 bytes begin with a G
		{name: "HE-AAC in LATM", in: edit(ts, func(n int, p []byte) []byte {
			if pidOf(p) == 0x1000 {
				return pmt(0x1000, n, 0, 0x100, 0x1B, 0x100, 0x11, 0x101)
			}
			return p
		}), video: video, refused: "AAC in LATM (type 0x11); audio is read as AAC in ADTS only"},
		{name: "H.265", in: edit(ts, func(n int, p []byte) []byte {
			if pidOf(p) == 0x1000 {
				return pmt(0x1000, n, 0, 0x100, 0x24, 0x100, 0x0F, 0x101)
			}
			return p
		}), audio: audio, refused: "H.265 (type 0x24); video is read as H.264 only"},
		{name: "a PAT with a broken CRC first", in: append(func() []byte { p := pat(15, 1, 0x55); p[20] ^= 1; return p }(), ts...), video: video, audio: audio},
		{name: "the tables come again and again", in: edit(ts, func(n int, p []byte) []byte {
			return append(p, append(pat(n, 1, 0x1000), pmt(0x1000, n, 1, 0x100, 0x1B, 0x100, 0x0F, 0x101)...)...)
		}), video: video, audio: audio},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.end == nil {
				tt.end = io.EOF
			}
			d := mpegts.NewDemuxer(iotest.HalfReader(bytes.NewReader(tt.in)))
			var units []gotUnit
			refused := ""
			for {
				u, err := d.Next()
				var e *mpegts.UnsupportedError
				if errors.As(err, &e) {
					refused += err.Error()
					continue
				}
				if err != nil {
					if !errors.Is(err, tt.end) {
						t.Errorf("ended with %v, want %v", err, tt.end)
					}
					break
				}
				units = append(units, gotUnit{u, bytes.Clone(u.Data)})
			}
			if got := join(units, mpegts.Video); !bytes.Equal(got, tt.video) {
				t.Errorf("%d bytes of video, want %d", len(got), len(tt.video))
			}
			if got := join(units, mpegts.Audio); !bytes.Equal(got, tt.audio) {
				t.Errorf("%d bytes of audio, want %d", len(got), len(tt.audio))
			}
			if !strings.HasSuffix(refused, tt.refused) || (refused == "") != (tt.refused == "") {
				t.Errorf("refused %q, want %q", refused, tt.refused)
			}
			if d.Skipped() != tt.skipped {
				t.Errorf("skipped %d bytes, want %d", d.Skipped(), tt.skipped)
			}
			damaged, jumps := 0, 0
			for _, u := range units {
				if u.Damaged {
					damaged++
				}
				if u.Discontinuity {
					jumps++
				}
			}
			if damaged != tt.damaged || jumps != tt.jumps {
				t.Errorf("%d units damaged, %d after a discontinuity; want %d and %d", damaged, jumps, tt.damaged, tt.jumps)
			}
		})
	}
}

func TestDemuxerMarksWhatIsLost(t *testing.T) {
	ts, _, _ := sample(t)
	// The video packets of the sample: picture 0 is packets 2 to 5, picture 1 begins with packet 6.
	tests := []struct {
		name             string
		edit             func(n int, p []byte) []byte
		damaged, jumps   []int // pictures by DTS / 3600
		pictures, sounds int
	}{
		{"nothing", func(n int, p []byte) []byte { return p }, nil, nil, 8, 4},
		{"a packet in the middle of a picture", func(n int, p []byte) []byte {
			if n == 4 {
				return nil
			}
			return p
		}, []int{0}, []int{1}, 8, 4},
		{"the first packet of a picture", func(n int, p []byte) []byte {
			if n == 6 {
				return nil
			}
			return p
		}, []int{0}, []int{2}, 7, 4},
		{"a packet with transport_error_indicator", func(n int, p []byte) []byte {
			if n == 4 {
				p[1] |= 0x80
			}
			return p
		}, []int{0}, []int{1}, 8, 4},
		{"a scrambled packet", func(n int, p []byte) []byte {
			if n == 4 {
				p[3] |= 0x80
			}
			return p
		}, []int{0}, []int{1}, 8, 4},
		{"a wrong sync byte", func(n int, p []byte) []byte {
			if n == 4 {
				p[0] = 0x46
			}
			return p
		}, []int{0}, []int{1}, 8, 4},
		{"a jump that the stream announces", func(n int, p []byte) []byte {
			if pidOf(p) == 0x100 && n >= 6 {
				p[3] = p[3]&0xF0 | (p[3]+5)&15
				if n == 6 {
					p[5] |= 0x80
				}
			}
			return p
		}, nil, []int{1}, 8, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			units, _, err := demux(t, bytes.NewReader(edit(ts, tt.edit)))
			if err != io.EOF {
				t.Fatal(err)
			}
			var damaged, jumps []int
			pictures, sounds := 0, 0
			for _, u := range units {
				if u.Kind == mpegts.Audio {
					sounds++
					continue
				}
				pictures++
				if u.Damaged {
					damaged = append(damaged, int(u.DTS/3600))
				}
				if u.Discontinuity {
					jumps = append(jumps, int(u.DTS/3600))
				}
			}
			if !equal(damaged, tt.damaged) || !equal(jumps, tt.jumps) || pictures != tt.pictures || sounds != tt.sounds {
				t.Errorf("damaged %v, discontinuity %v, %d pictures, %d sounds; want %v, %v, %d, %d", damaged, jumps, pictures, sounds,
					tt.damaged, tt.jumps, tt.pictures, tt.sounds)
			}
		})
	}
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestDemuxerFollowsANewPMT(t *testing.T) {
	first, video, audio := sample(t)
	second := edit(first, func(n int, p []byte) []byte {
		switch pidOf(p) {
		case 0:
			return pat(n+3, 1, 0x1000)
		case 0x1000:
			return pmt(0x1000, n+3, 5, 0x200, 0x1B, 0x200) // video moves, sound ends
		case 0x100:
			return setPID(p, 0x200)
		}
		return p
	})
	units, _, err := demux(t, bytes.NewReader(append(bytes.Clone(first), second...)))
	if err != io.EOF {
		t.Fatal(err)
	}
	if got := join(units, mpegts.Video); !bytes.Equal(got, append(bytes.Clone(video), video...)) {
		t.Errorf("%d bytes of video", len(got))
	}
	if got := join(units, mpegts.Audio); !bytes.Equal(got, audio) {
		t.Errorf("%d bytes of audio", len(got))
	}
	if u := units[len(units)-8]; !u.Discontinuity || u.PID != 0x200 {
		t.Errorf("first picture on the new PID: %+v", u.Unit)
	}
}

func TestDemuxerTellsWhatTheProgramHas(t *testing.T) {
	ts, _, _ := sample(t)
	d := mpegts.NewDemuxer(bytes.NewReader(ts))
	if d.Streams() != nil {
		t.Error("streams before anything was read")
	}
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	got := d.Streams()
	if len(got) != 2 || got[0].Codec != "H.264" || got[0].Kind != mpegts.Video || got[1].Codec != "AAC" || got[1].PID != 0x101 {
		t.Errorf("streams %+v", got)
	}
}

func TestDemuxerBoundsAnEndlessPES(t *testing.T) {
	m := mpegts.NewMuxer()
	head := m.AppendTables(nil)
	head = m.AppendVideo(head, &mpegts.VideoFrame{Parts: one(make([]byte, mpegts.MaxUnitBytes+100000)), RandomAccess: true})
	head = m.AppendVideo(head, &mpegts.VideoFrame{Parts: one(au(500, false, 1)), PTS: 3600, DTS: 3600})
	units, _, err := demux(t, bytes.NewReader(head))
	if err != io.EOF || len(units) != 2 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	if u := units[0]; !u.Damaged || len(u.data) > mpegts.MaxUnitBytes {
		t.Errorf("damaged %v, %d bytes", u.Damaged, len(u.data))
	}
	if u := units[1]; u.Damaged || u.Discontinuity || len(u.data) != 506 {
		t.Errorf("the picture after it: %+v", u.Unit)
	}
}

func TestDemuxerReportsTheReadersError(t *testing.T) {
	ts, _, _ := sample(t)
	broken := errors.New("cable cut")
	_, _, err := demux(t, io.MultiReader(bytes.NewReader(ts[:188*20]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
	if _, _, err := demux(t, stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never gives anything ended with %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestDemuxerReadsReferenceSegments(t *testing.T) {
	for _, name := range []string{"ts_reference/apple_bipbop0.ts", "ts_reference/shaka_bframes_1.ts", "ts_reference/shaka_h264_aac_0.ts", "features/exo_iframes_only.ts"} {
		t.Run(name, func(t *testing.T) {
			ts := readMedia(t, name)
			units, refused, err := demux(t, bytes.NewReader(ts))
			if err != io.EOF || refused != nil {
				t.Fatalf("end %v, refused %v", err, refused)
			}
			for _, u := range units {
				if u.Damaged || u.Discontinuity {
					t.Errorf("unit %+v", u.Unit)
				}
			}
			path := readMediaPath(t, name)
			// An elementary stream has no times, so ffmpeg leaves out the AUDs' neighbours in neither: bytes must be equal.
			want, _ := tool(t, "ffmpeg", nil, "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "h264", "-")
			if got := join(units, mpegts.Video); !bytes.Equal(got, want) {
				t.Errorf("video: %d bytes, ffmpeg has %d", len(got), len(want))
			}
			if sound := join(units, mpegts.Audio); sound != nil {
				want, _ := tool(t, "ffmpeg", nil, "-v", "error", "-i", path, "-map", "0:a", "-c", "copy", "-f", "adts", "-")
				if !bytes.Equal(sound, want) {
					t.Errorf("audio: %d bytes, ffmpeg has %d", len(sound), len(want))
				}
			}
		})
	}
}

func TestDemuxerAllocatesNothingPerUnit(t *testing.T) {
	ts, _, _ := sample(t)
	var long []byte
	for range 20 {
		long = append(long, ts...)
	}
	r := bytes.NewReader(nil)
	d := mpegts.NewDemuxer(&endless{r, long})
	for range 500 { // until the buffers have their size
		if _, err := d.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(500, func() {
		if _, err := d.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per unit, want 0", n)
	}
}

// endless reads data again and again.
type endless struct {
	*bytes.Reader
	data []byte
}

func (e *endless) Read(b []byte) (int, error) {
	if e.Len() == 0 {
		e.Reset(e.data)
	}
	return e.Reader.Read(b)
}

// TestMuxerDemuxerProperty: random frames in, the same frames out, whatever pieces the reader gives.
func TestMuxerDemuxerProperty(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		m := mpegts.NewMuxer()
		m.SetAudio(true)
		ts := m.AppendTables(nil)
		var video [][]byte
		var audio []byte
		dts := r.Int64N(1 << 34)
		for i := range 50 {
			data := append(bytes.Clone(aud), au(20+r.IntN(2500), i == 0, byte(i))...)
			video = append(video, data)
			ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: cut(r, data), PTS: dts + 3600, DTS: dts, HasAUD: true})
			dts += 1 + int64(r.IntN(20000))
			sound := adts(8+r.IntN(1000), byte(i))
			audio = append(audio, sound...)
			var err error
			ts, err = m.AppendAudio(ts, sound, dts)
			ts = must(t, ts, err)
		}
		ts = m.FlushAudio(ts)
		units, _, err := demux(t, iotest.DataErrReader(&pieces{r, ts}))
		if err != io.EOF {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !bytes.Equal(join(units, mpegts.Audio), audio) {
			t.Fatalf("seed %d: audio differs", seed)
		}
		i := 0
		for _, u := range units {
			if u.Damaged || u.Discontinuity {
				t.Fatalf("seed %d: %+v", seed, u.Unit)
			}
			if u.Kind == mpegts.Video {
				if !bytes.Equal(u.data, video[i]) {
					t.Fatalf("seed %d: picture %d differs", seed, i)
				}
				i++
			}
		}
		if i != len(video) {
			t.Fatalf("seed %d: %d pictures", seed, i)
		}
	}
}

// pieces reads data in random pieces.
type pieces struct {
	r    *rand.Rand
	data []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data[:min(len(p.data), 1+p.r.IntN(1000))])
	p.data = p.data[n:]
	return n, nil
}

func BenchmarkDemuxer(b *testing.B) {
	m := mpegts.NewMuxer()
	ts := m.AppendTables(nil)
	for i := range int64(75) {
		ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(25000, i == 0, 1)), PTS: i * 3600, DTS: i * 3600})
	}
	b.SetBytes(int64(len(ts)))
	b.ReportAllocs()
	d := mpegts.NewDemuxer(&endless{bytes.NewReader(nil), ts})
	for b.Loop() {
		for range 75 {
			if _, err := d.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
