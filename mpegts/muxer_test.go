// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/s3cam/s3cam/mpegts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// adts makes an ADTS frame of n bytes in all: AAC-LC, 16 kHz, mono.
func adts(n int, payload byte) []byte {
	b := bytes.Repeat([]byte{payload}, n)
	copy(b, []byte{0xFF, 0xF1, 0x60, 0x40 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1F, 0xFC})
	return b
}

// au makes something like an access unit of n bytes that does not look like the one before.
func au(n int, idr bool, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*7 + seed | 1
	}
	head := []byte{0, 0, 0, 1, 0x41, 0x9A}
	if idr {
		head = []byte{0, 0, 0, 1, 0x67, 0x42, 0, 0x0A, 0xF8, 0x41, 0xA2, 0, 0, 0, 1, 0x68, 0xCE, 0x38, 0x80, 0, 0, 0, 1, 0x65, 0x88}
	}
	copy(b, head)
	return b
}

var aud = []byte{0, 0, 0, 1, 9, 0xF0}

func one(b []byte) [][]byte { return [][]byte{b} }

func must(t testing.TB, dst []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return dst
}

func TestMuxerGolden(t *testing.T) {
	const start = 1<<33 - 9000 // wraps in the second segment
	tests := []struct {
		name string
		make func(t *testing.T) []byte
	}{
		{"video_only", func(t *testing.T) []byte {
			m := mpegts.NewMuxer()
			ts := m.AppendTables(nil)
			ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(400, true, 1)), PTS: 900000, DTS: 900000, RandomAccess: true})
			ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(20, false, 2)), PTS: 903600, DTS: 903600})
			withAUD := append(bytes.Clone(aud), au(176-14-6, false, 3)...)
			return m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(withAUD), PTS: 907200, DTS: 907200, HasAUD: true})
		}},
		{"b_frames_audio_wrap_two_segments", func(t *testing.T) []byte {
			m := mpegts.NewMuxer()
			m.SetAudio(true)
			var ts []byte
			for s := range int64(2) {
				ts = m.AppendTables(ts)
				for i, shift := range []int64{2, 4, 0, 0} {
					n := s*4 + int64(i)
					f := mpegts.VideoFrame{Parts: one(au(200, i == 0, byte(n))), DTS: start + n*3600, PTS: start + (n+shift)*3600}
					f.RandomAccess = i == 0
					ts = m.AppendVideo(ts, &f)
					var err error
					ts, err = m.AppendAudio(ts, adts(64, byte(n)), start+n*3600)
					ts = must(t, ts, err)
				}
				ts = m.FlushAudio(ts)
			}
			return ts
		}},
		{"slow_camera_and_time_jumps", func(t *testing.T) []byte {
			m := mpegts.NewMuxer()
			ts := m.AppendTables(nil)
			for i, dts := range []int64{90000, 90000 + 9000, 90000 + 18001, 90000 + 63001, 50000, 50000 + 900001} {
				ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(30, i == 0, byte(i))), PTS: dts, DTS: dts, RandomAccess: i == 0})
			}
			m.SetAudio(true)
			ts = m.AppendTables(ts)
			return m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(30, true, 9)), PTS: 1000000, DTS: 1000000, RandomAccess: true})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.make(t)
			parsePES(t, parsePackets(t, got))
			golden(t, tt.name+".mpegts", got) // .ts is TypeScript here
			golden(t, tt.name+".txt", []byte(dump(t, got)))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the golden file; after a wanted change run go test -update\ngot:\n%s", path, dumpOr(t, got))
	}
}

func dumpOr(t *testing.T, b []byte) string {
	if len(b)%188 == 0 && len(b) > 0 && b[0] == 0x47 {
		return dump(t, b)
	}
	return string(b)
}

func TestTablesCarryAudioOnlyWhenAsked(t *testing.T) {
	m := mpegts.NewMuxer()
	ts := m.AppendTables(nil)
	m.SetAudio(true)
	ts = m.AppendTables(ts)
	ts = m.AppendTables(ts)
	m.SetAudio(false)
	ts = m.AppendTables(ts)
	var version, types []int
	for _, p := range parsePackets(t, ts) {
		if p.pid != 0x1000 {
			continue
		}
		b := p.payload
		version = append(version, int(b[6]>>1&31))
		types = append(types, (int(b[2]&15)<<8|int(b[3])-13)/5) // section_length less what is not a stream
	}
	if want := []int{0, 1, 1, 2}; !slices.Equal(version, want) {
		t.Errorf("PMT versions %v, want %v", version, want)
	}
	if want := []int{1, 2, 2, 1}; !slices.Equal(types, want) {
		t.Errorf("streams in the PMT %v, want %v", types, want)
	}
}

func TestContinuityCountersRunOnFromSegmentToSegment(t *testing.T) {
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	var ts []byte
	for s := range int64(40) {
		ts = m.AppendTables(ts)
		ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(1000, true, 1)), PTS: s * 9000, DTS: s * 9000, RandomAccess: true})
		var err error
		ts, err = m.AppendAudio(ts, adts(300, 1), s*9000)
		ts = m.FlushAudio(must(t, ts, err))
	}
	parsePES(t, parsePackets(t, ts)) // fails on a counter
}

func TestPCRIsNeverMoreThan100msApartWithinASegment(t *testing.T) {
	for _, step := range []int64{1, 3600, 9000, 9001, 18000, 18001, 90000, 900000} {
		m := mpegts.NewMuxer()
		ts := m.AppendTables(nil)
		dts := int64(1<<33 - step)
		for range 3 {
			f := &mpegts.VideoFrame{Parts: one(au(100, false, 1)), PTS: dts, DTS: dts}
			before, want := len(ts), m.VideoBytes(f)
			ts = m.AppendVideo(ts, f)
			if len(ts)-before != want {
				t.Errorf("step %d: appended %d bytes, VideoBytes said %d", step, len(ts)-before, want)
			}
			dts += step
		}
		packets := parsePackets(t, ts)
		parsePES(t, packets)
		var last uint64
		seen := false
		for i, p := range packets {
			if !p.hasPCR {
				continue
			}
			if gap := (p.pcr - last) & (1<<33 - 1); seen && (gap == 0 || gap > 9000) {
				t.Errorf("step %d, packet %d: PCR moves by %d", step, i, gap)
			}
			if p.hasPayload && p.unitStart {
				dts := stamp(p.payload[9:], 2)
				if (dts-p.pcr)&(1<<33-1) != mpegts.PCRDelay {
					t.Errorf("step %d, packet %d: DTS %d, PCR %d", step, i, dts, p.pcr)
				}
			}
			last, seen = p.pcr, true
		}
	}
}

func TestTimeJumpsAreMarkedAndCostNoPackets(t *testing.T) {
	tests := []struct {
		name string
		step int64
		want bool
	}{
		{"a step back", -1, true},
		{"a long step back", -1 << 40, false}, // a multiple of 2^33: no step at all on the wire
		{"a jump of more than 10 s", 900001, true},
		{"a jump of half the clock's range", 1 << 32, true},
		{"ten seconds exactly", 900000, false},
		{"no step", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mpegts.NewMuxer()
			ts := m.AppendTables(nil)
			ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(50, true, 1)), PTS: 5, DTS: 5})
			ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(50, true, 1)), PTS: 5 + tt.step, DTS: 5 + tt.step})
			packets := parsePackets(t, ts)
			if got := packets[len(packets)-1].discontinuity; got != tt.want {
				t.Errorf("discontinuity_indicator %v, want %v", got, tt.want)
			}
			if len(packets) > 2+2+99 {
				t.Errorf("%d packets", len(packets))
			}
		})
	}
}

func TestTimestampsWrapAt33Bits(t *testing.T) {
	for _, base := range []int64{-1 << 33, 0, 1 << 33, 7 << 33, 1767225600 * 90000 &^ (1<<33 - 1)} {
		for _, at := range []int64{-63001, -63000, -1, 0, 1, 62999, 63000, 1<<32 - 1, 1 << 32} {
			m := mpegts.NewMuxer()
			m.SetAudio(true)
			ts := m.AppendTables(nil)
			ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(50, true, 1)), PTS: base + at + 3600, DTS: base + at})
			ts, err := m.AppendAudio(ts, adts(50, 1), base+at)
			all := parsePES(t, parsePackets(t, m.FlushAudio(must(t, ts, err))))
			wrap := func(x int64) uint64 { return uint64((x%(1<<33) + 1<<33) % (1 << 33)) }
			if v := all[0]; v.dts != wrap(at) || v.pts != wrap(at+3600) || v.pcr != wrap(at-63000) {
				t.Errorf("base %d at %d: PTS %d DTS %d PCR %d", base, at, v.pts, v.dts, v.pcr)
			}
			if a := all[1]; a.pts != wrap(at) {
				t.Errorf("base %d at %d: audio PTS %d", base, at, a.pts)
			}
		}
	}
}

func TestAudioIsPackedUpTo100msOr2930Bytes(t *testing.T) {
	tests := []struct {
		name   string
		size   int
		step   int64
		frames int
		perPES int
	}{
		{"48 kHz: five frames", 150, 1920, 20, 5},
		{"16 kHz: two frames", 150, 5760, 20, 2},
		{"8 kHz: one frame of 128 ms", 150, 11520, 20, 1},
		{"large frames: by size", 1000, 100, 20, 2},
		{"the largest frame", 8191, 1920, 4, 1},
		{"the smallest frame", 8, 90, 200, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mpegts.NewMuxer()
			m.SetAudio(true)
			ts := m.AppendTables(nil)
			const start = 1<<33 - 5000
			var want []byte
			for i := range tt.frames {
				frame := adts(tt.size, byte(i))
				want = append(want, frame...)
				before, bound := len(ts), m.AudioBytes(len(frame))
				var err error
				ts, err = m.AppendAudio(ts, frame, start+int64(i)*tt.step)
				ts = must(t, ts, err)
				if got := len(ts) - before + m.AudioBytes(0); got > bound {
					t.Fatalf("frame %d took %d bytes, AudioBytes said %d", i, got, bound)
				}
			}
			before, left := len(ts), m.AudioBytes(0)
			ts = m.FlushAudio(ts)
			if len(ts)-before != left {
				t.Errorf("FlushAudio appended %d bytes, AudioBytes(0) said %d", len(ts)-before, left)
			}
			if got := m.FlushAudio(ts); len(got) != len(ts) || m.AudioBytes(0) != 0 {
				t.Errorf("a second FlushAudio appended %d bytes", len(got)-len(ts))
			}
			var got []byte
			for i, p := range parsePES(t, parsePackets(t, ts)) {
				got = append(got, p.data...)
				if n := len(p.data) / tt.size; n != min(tt.perPES, tt.frames-i*tt.perPES) {
					t.Errorf("PES %d has %d frames, want %d", i, n, tt.perPES)
				}
				if want := uint64(start+int64(i*tt.perPES)*tt.step) & (1<<33 - 1); p.pts != want || p.id != 0xC0 || p.hasDTS {
					t.Errorf("PES %d: PTS %d id %#x, want PTS %d", i, p.pts, p.id, want)
				}
			}
			if !bytes.Equal(got, want) {
				t.Error("audio bytes differ")
			}
		})
	}
}

func TestAudioThatStepsBackStartsANewPES(t *testing.T) {
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	ts := m.AppendTables(nil)
	for _, pts := range []int64{9000, 10000, 5000} {
		var err error
		ts, err = m.AppendAudio(ts, adts(20, 1), pts)
		ts = must(t, ts, err)
	}
	all := parsePES(t, parsePackets(t, m.FlushAudio(ts)))
	if len(all) != 2 || all[0].pts != 9000 || all[1].pts != 5000 {
		t.Errorf("got %d PES packets", len(all))
	}
}

func TestAppendAudioRefusesWhatIsNotOneADTSFrame(t *testing.T) {
	good := adts(100, 1)
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"one frame", good, nil},
		{"nothing", nil, mpegts.ErrNotADTS},
		{"a header cut short", good[:6], mpegts.ErrNotADTS},
		{"a frame cut short", good[:99], mpegts.ErrNotADTS},
		{"two frames", append(bytes.Clone(good), good...), mpegts.ErrNotADTS},
		{"raw AAC", bytes.Repeat([]byte{0x21}, 50), mpegts.ErrNotADTS},
		{"MP3, layer not 0", append([]byte{0xFF, 0xFB}, good[2:]...), mpegts.ErrNotADTS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mpegts.NewMuxer()
			m.SetAudio(true)
			m.AppendTables(nil)
			dst, err := m.AppendAudio([]byte{1}, tt.in, 0)
			if !errors.Is(err, tt.want) || len(dst) != 1 {
				t.Errorf("error %v and %d bytes, want %v", err, len(dst), tt.want)
			}
		})
	}
	m := mpegts.NewMuxer()
	m.SetAudio(true) // not in the tables yet
	if _, err := m.AppendAudio(nil, good, 0); !errors.Is(err, mpegts.ErrAudioNotAnnounced) {
		t.Errorf("audio before the tables: %v", err)
	}
}

// cut splits b into random pieces, some of them empty.
func cut(r *rand.Rand, b []byte) [][]byte {
	var parts [][]byte
	for len(b) > 0 {
		n := 0
		switch r.IntN(5) {
		case 0:
		case 1:
			n = 1 + r.IntN(4)
		case 2:
			n = 184
		default:
			n = r.IntN(2000)
		}
		n = min(n, len(b))
		parts = append(parts, b[:n])
		b = b[n:]
	}
	if r.IntN(3) == 0 {
		parts = append(parts, nil)
	}
	return parts
}

// TestMuxerProperty: whatever the frames and however they are cut, the same bytes come out again, and the two ways to write are equal.
func TestMuxerProperty(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		whole, pieces := mpegts.NewMuxer(), mpegts.NewMuxer()
		var a, b, tmp []byte
		type unit struct {
			data     []byte
			pts, dts int64
		}
		var want []unit
		dts := r.Int64() - r.Int64()
		tmp = make([]byte, 188*50)
		for i := range 60 {
			if i == 0 || r.IntN(20) == 0 {
				a, b = whole.AppendTables(a), pieces.AppendTables(b)
			}
			size := 1 + r.IntN(3000)
			if r.IntN(3) == 0 {
				size = 1 + r.IntN(400) // around the ends of the first two packets
			}
			if r.IntN(20) == 0 {
				size = 70000 + r.IntN(5000)
			}
			data := au(max(size, 25), r.IntN(2) == 0, byte(i))
			f := mpegts.VideoFrame{Parts: cut(r, data), DTS: dts, PTS: dts, RandomAccess: r.IntN(2) == 0, HasAUD: r.IntN(2) == 0}
			if r.IntN(2) == 0 {
				f.PTS += int64(r.IntN(4)) * 3600
			}
			u := unit{pts: f.PTS, dts: f.DTS, data: data}
			if !f.HasAUD {
				u.data = append(bytes.Clone(aud), data...)
			}
			want = append(want, u)
			dts += int64(r.IntN(20000))

			n, before := whole.VideoBytes(&f), len(a)
			a = whole.AppendVideo(a, &f)
			if len(a)-before != n {
				t.Fatalf("seed %d frame %d: appended %d bytes, VideoBytes said %d", seed, i, len(a)-before, n)
			}
			pieces.BeginVideo(&f)
			if pieces.VideoLeft() != n {
				t.Fatalf("seed %d frame %d: VideoLeft %d, want %d", seed, i, pieces.VideoLeft(), n)
			}
			for pieces.VideoLeft() > 0 {
				dst := tmp[:r.IntN(len(tmp))]
				left := pieces.VideoLeft()
				k := pieces.Fill(dst)
				if k != min(len(dst)/188*188, left) || pieces.VideoLeft() != left-k {
					t.Fatalf("seed %d frame %d: Fill(%d) with %d left wrote %d", seed, i, len(dst), left, k)
				}
				b = append(b, dst[:k]...)
			}
			if pieces.Fill(tmp) != 0 {
				t.Fatalf("seed %d frame %d: Fill wrote after the end", seed, i)
			}
		}
		if !bytes.Equal(a, b) {
			t.Fatalf("seed %d: AppendVideo and Fill differ", seed)
		}
		got := parsePES(t, parsePackets(t, a))
		if len(got) != len(want) {
			t.Fatalf("seed %d: %d PES packets, want %d", seed, len(got), len(want))
		}
		for i, p := range got {
			w := want[i]
			if !bytes.Equal(p.data, w.data) || p.pts != uint64(w.pts)&(1<<33-1) || p.dts != uint64(w.dts)&(1<<33-1) || !p.aligned || p.id != 0xE0 {
				t.Fatalf("seed %d frame %d: %d bytes pts %d dts %d, want %d bytes %d %d", seed, i, len(p.data), p.pts, p.dts, len(w.data), w.pts, w.dts)
			}
		}
	}
}

func TestAFrameWithoutBytesAppendsNothing(t *testing.T) {
	m := mpegts.NewMuxer()
	for _, parts := range [][][]byte{nil, {nil}, {{}, nil}} {
		f := &mpegts.VideoFrame{Parts: parts}
		if n, got := m.VideoBytes(f), m.AppendVideo(nil, f); n != 0 || len(got) != 0 {
			t.Errorf("%v: VideoBytes %d, appended %d", parts, n, len(got))
		}
	}
}

func TestBeginVideoDropsWhatWasLeftOfTheFrameBefore(t *testing.T) {
	m := mpegts.NewMuxer()
	ts := m.AppendTables(nil)
	m.BeginVideo(&mpegts.VideoFrame{Parts: one(au(5000, true, 1))})
	buf := make([]byte, 188*3)
	ts = append(ts, buf[:m.Fill(buf)]...)
	ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(300, true, 2)), PTS: 3600, DTS: 3600})
	all := parsePES(t, parsePackets(t, ts))
	if len(all) != 2 || len(all[1].data) != 306 {
		t.Errorf("%d PES packets, the last with %d bytes", len(all), len(all[1].data))
	}
}

func TestMuxerAllocatesNothingPerFrame(t *testing.T) {
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	buf := make([]byte, 0, 200000)
	data := au(25000, true, 1)
	f := mpegts.VideoFrame{Parts: [][]byte{data[:10001], data[10001:]}}
	sound := adts(200, 1)
	step := func() {
		f.DTS += 18000 // with PCR packets
		f.PTS = f.DTS + 3600
		dst := m.AppendTables(buf[:0])
		dst = m.AppendVideo(dst, &f)
		for i := range int64(9) {
			var err error
			if dst, err = m.AppendAudio(dst, sound, f.DTS+i*2000); err != nil {
				t.Fatal(err)
			}
		}
		m.BeginVideo(&f)
		m.Fill(buf[:18800])
		m.Fill(buf[:cap(buf)])
		_ = m.VideoBytes(&f)
		m.FlushAudio(dst)
	}
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%v allocations per frame, want 0", n)
	}
}

func BenchmarkMuxer(b *testing.B) {
	// 5 Mbit/s at 25 frames per second; the instruction budget (1.0 per byte) is measured by valgrind, see bench/.
	for _, parts := range []int{1, 2} {
		b.Run(fmt.Sprintf("parts=%d", parts), func(b *testing.B) {
			m := mpegts.NewMuxer()
			data := au(25000, true, 1)
			f := mpegts.VideoFrame{Parts: [][]byte{data}}
			if parts == 2 {
				f.Parts = [][]byte{data[:12345], data[12345:]}
			}
			dst := make([]byte, 0, 30000)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				f.DTS += 3600
				f.PTS = f.DTS
				dst = m.AppendVideo(dst[:0], &f)
			}
		})
	}
}
