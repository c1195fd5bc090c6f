// SPDX-License-Identifier: Apache-2.0

package push_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/push"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/mpegts"
)

// pes is one PES packet to be put into transport packets.
type pes struct {
	audio    bool
	pts, dts int64 // -1: none
	data     []byte
}

// mux puts PES packets into transport packets in the simplest way there is, so that tests can lay them out as other muxers
// do. videoType replaces the stream type of the video.
func mux(videoType byte, packets ...pes) []byte {
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	out := m.AppendTables(nil)
	if videoType != mpegts.StreamTypeH264 {
		pmt := out[188:]
		at := bytes.IndexByte(pmt[17:], mpegts.StreamTypeH264) + 17
		pmt[at] = videoType
		end := 8 + int(pmt[6]&15)<<8 + int(pmt[7]) // section_length counts from behind itself
		crc := uint32(0xffffffff)                  // ISO/IEC 13818-1 annex A
		for _, c := range pmt[5 : end-4] {
			crc ^= uint32(c) << 24
			for range 8 {
				if crc&(1<<31) != 0 {
					crc = crc<<1 ^ 0x04c11db7
				} else {
					crc <<= 1
				}
			}
		}
		pmt[end-4], pmt[end-3], pmt[end-2], pmt[end-1] = byte(crc>>24), byte(crc>>16), byte(crc>>8), byte(crc)
	}
	var cc [2]byte
	for _, p := range packets {
		id, pid, n := byte(0xe0), 0x100, 0
		if p.audio {
			id, pid, n = 0xc0, 0x101, 1
		}
		header := []byte{0, 0, 1, id, 0, 0, 0x80, 0, 0}
		stamp := func(marker byte, t int64) {
			header = append(header, marker<<4|byte(t>>29)&14|1, byte(t>>22), byte(t>>14)|1, byte(t>>7), byte(t<<1)|1)
		}
		switch {
		case p.pts >= 0 && p.dts >= 0 && p.dts != p.pts:
			header[7], header[8] = 0xc0, 10
			stamp(3, p.pts)
			stamp(1, p.dts)
		case p.pts >= 0:
			header[7], header[8] = 0x80, 5
			stamp(2, p.pts)
		}
		if size := len(header) - 6 + len(p.data); p.audio {
			header[4], header[5] = byte(size>>8), byte(size)
		}
		rest, start := append(header, p.data...), byte(0x40)
		for len(rest) > 0 {
			head := []byte{0x47, start | byte(pid>>8), byte(pid), 0x10 | cc[n]&15}
			cc[n]++
			start = 0
			if room := 184 - len(rest); room > 0 { // stuffing in the adaptation field
				head[3] |= 0x20
				head = append(head, byte(room-1))
				if room > 1 {
					head = append(append(head, 0), bytes.Repeat([]byte{0xff}, room-2)...)
				}
			}
			k := min(188-len(head), len(rest))
			out = append(append(out, head...), rest[:k]...)
			rest = rest[k:]
		}
	}
	return out
}

// clip gives the pictures and sounds of two seconds of the front door.
func clip(t testing.TB) (pictures, sounds [][]byte) {
	t.Helper()
	s := h264.NewScanner(bytes.NewReader(simcam.FrontDoor().Video), 0)
	for range 30 {
		au, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, bytes.Clone(au))
	}
	a := aac.NewScanner(bytes.NewReader(simcam.FrontDoor().Audio))
	for range 62 {
		frame, _, err := a.Next()
		if err != nil {
			t.Fatal(err)
		}
		sounds = append(sounds, bytes.Clone(frame))
	}
	return pictures, sounds
}

const (
	pictureTicks = 6000 // at 15 per second
	soundTicks   = 2880 // 1024 samples at 32 kHz
)

func TestTransportLayouts(t *testing.T) {
	pictures, sounds := clip(t)
	join := func(parts [][]byte) []byte { return bytes.Join(parts, nil) }
	at := func(i int) int64 { return 1000000 + int64(i)*pictureTicks }
	each := func(times func(i int) (pts, dts int64)) (list []pes) {
		for i, p := range pictures {
			pts, dts := times(i)
			list = append(list, pes{pts: pts, dts: dts, data: p})
		}
		return list
	}
	plain := each(func(i int) (int64, int64) { return at(i), -1 })

	var several, split, untimed []pes
	for i := 0; i < 30; i += 3 {
		several = append(several, pes{pts: at(i), dts: -1, data: join(pictures[i : i+3])})
	}
	for i, p := range pictures {
		half := len(p) / 2
		split = append(split, pes{pts: at(i), dts: -1, data: p[:half]}, pes{pts: -1, dts: -1, data: p[half:]})
		pts := int64(-1)
		if i%5 == 0 || i == 1 { // the distance is learned from the first two
			pts = at(i)
		}
		untimed = append(untimed, pes{pts: pts, dts: -1, data: p})
	}
	tests := []struct {
		name string
		in   []pes
	}{
		{"a picture in each PES packet", plain},
		{"three pictures in each", several},
		{"pictures in two each", split},
		{"times on some pictures only", untimed},
		{"times that wrap at 33 bits", each(func(i int) (int64, int64) { return (1<<33 - 50000 + int64(i)*pictureTicks) & (1<<33 - 1), -1 })},
		{"decoding times too", each(func(i int) (int64, int64) { return at(i), at(i) - 3000 })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, push.Input{Video: bytes.NewReader(mux(mpegts.StreamTypeH264, tt.in...))})
			for i := 0; ; i++ {
				f, err := s.Next()
				if err == io.EOF {
					if i != 30 {
						t.Errorf("%d pictures, want 30", i)
					}
					break
				} else if err != nil {
					t.Fatal(err)
				}
				want := time.Duration(i) * time.Second / 15
				if !f.Video || !bytes.Equal(f.Data, pictures[i]) || (f.PTS-want).Abs() > 20*time.Microsecond {
					t.Fatalf("picture %d: %d bytes at %v; want %d at %v", i, len(f.Data), f.PTS, len(pictures[i]), want)
				}
			}
			if notes := s.Notes(); len(notes) > 0 {
				t.Errorf("notes %q", notes)
			}
		})
	}

	// Sound beside it: frames that cross from one PES packet into the next, and some before the first picture.
	stream := join(sounds)
	var both []pes
	done := 0
	for i, p := range plain {
		both = append(both, p)
		if end := len(stream) * (i + 1) / 30; end > done {
			// The time is that of the first frame that begins in the packet.
			begin, n := 0, 0
			for begin < done {
				begin += len(sounds[n])
				n++
			}
			both = append(both, pes{audio: true, pts: 1000000 + int64(n)*soundTicks, dts: -1, data: stream[done:end]})
			done = end
		}
	}
	s := open(t, push.Input{Video: bytes.NewReader(mux(mpegts.StreamTypeH264, both...))})
	if !s.Info.Audio {
		t.Error("the sound is not announced")
	}
	var last time.Duration
	var heard int
	for {
		f, err := s.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if f.DTS < last {
			t.Errorf("a frame at %v comes after %v", f.DTS, last)
		}
		last = f.DTS
		if f.Video {
			continue
		}
		want := time.Duration(heard) * 32 * time.Millisecond
		if !bytes.Equal(f.Data, sounds[heard]) || (f.PTS-want).Abs() > 20*time.Microsecond {
			t.Fatalf("sound %d: %d bytes at %v; want %d at %v", heard, len(f.Data), f.PTS, len(sounds[heard]), want)
		}
		heard++
	}
	if heard != len(sounds) {
		t.Errorf("%d sounds, want %d", heard, len(sounds))
	}
}

// A new clock in mid-stream goes on right behind the old one, for both streams, also when they change over one after the
// other.
func TestTransportWithANewClock(t *testing.T) {
	pictures, sounds := clip(t)
	var in []pes
	for i := range 30 {
		video, audio := int64(5_000_000_000), int64(5_000_000_000)
		if i >= 15 {
			video = 90000
		}
		if i >= 17 {
			audio = 90000
		}
		in = append(in, pes{pts: video + int64(i)*pictureTicks, dts: -1, data: pictures[i]},
			pes{audio: true, pts: audio + int64(i)*pictureTicks, dts: -1, data: bytes.Join(sounds[2*i:2*i+2], nil)})
	}
	s := open(t, push.Input{Video: bytes.NewReader(mux(mpegts.StreamTypeH264, in...))})
	for {
		f, err := s.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if f.PTS < 0 || f.PTS > 3*time.Second {
			t.Fatalf("a frame (video %v) is at %v, want all within 3 s", f.Video, f.PTS)
		}
	}
}

func TestTransportsThatCannotWork(t *testing.T) {
	pictures, sounds := clip(t)
	tests := []struct {
		name string
		in   []byte
		says string
	}{
		{"H.265 video", mux(0x24, pes{pts: 0, dts: -1, data: pictures[0]}), "no H.264 video"},
		{"sound alone", mux(mpegts.StreamTypeH264, pes{audio: true, pts: 0, dts: -1, data: bytes.Join(sounds, nil)}), "no video"},
		{"tables alone", mux(mpegts.StreamTypeH264), "no video"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.in
			for len(in) < 4*188 { // null packets, so that it is recognised
				in = append(append(in, 0x47, 0x1f, 0xff, 0x10), make([]byte, 184)...)
			}
			if _, err := push.Open(push.Input{Video: bytes.NewReader(in)}); !errors.Is(err, push.ErrInput) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v; want ErrInput with %q", err, tt.says)
			}
		})
	}
	whole := mux(mpegts.StreamTypeH264, pes{pts: 0, dts: -1, data: pictures[0]})
	if _, err := push.Open(push.Input{Video: bytes.NewReader(whole), Audio: bytes.NewReader(sounds[0])}); !errors.Is(err, push.ErrInput) {
		t.Errorf("a transport stream with an audio file: %v, want ErrInput", err)
	}
}

// Whatever is read, it ends, and without a panic.
func FuzzSource(f *testing.F) {
	pictures, sounds := clip(f)
	f.Add(mux(mpegts.StreamTypeH264, pes{pts: 5, dts: 2, data: pictures[0]}, pes{audio: true, pts: 1, dts: -1, data: sounds[0]}), []byte(nil))
	f.Add(bytes.Join(pictures[:2], nil), bytes.Join(sounds[:2], nil))
	f.Add([]byte("\x00\x00\x01\x67"), []byte("\xff\xf1"))
	f.Fuzz(func(t *testing.T, video, audio []byte) {
		in := push.Input{Video: bytes.NewReader(video)}
		if len(audio) > 0 {
			in.Audio = bytes.NewReader(audio)
		}
		s, err := push.Open(in)
		if err != nil {
			return
		}
		for range 1 + len(video) + len(audio) {
			if _, err := s.Next(); err != nil {
				return
			}
		}
		t.Error("more frames than bytes")
	})
}
