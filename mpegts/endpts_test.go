// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/mpegts"
)

// pictures is a segment whose pictures, of size bytes each, have these PTS, in decoding order.
func pictures(size int, pts ...int64) []byte {
	m := mpegts.NewMuxer()
	ts := m.AppendTables(nil)
	for i, p := range pts {
		ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(size, i == 0, byte(i))), PTS: p, DTS: pts[0] + int64(i) - 9000, RandomAccess: i == 0})
	}
	return ts
}

func TestEndPTS(t *testing.T) {
	const wrap = int64(1) << 33
	var many []int64
	for i := range int64(100) {
		many = append(many, 1000+i*3600)
	}
	steady := pictures(500, 90000, 93600, 97200, 100800)
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	audio := m.AppendTables(nil)
	for i := range int64(20) {
		var err error
		audio, err = m.AppendAudio(audio, adts(700, byte(i)), i*1920)
		audio = must(t, audio, err)
	}
	audio = m.FlushAudio(audio)
	videoThenAudio := append(bytes.Clone(steady), audio[376:]...)
	broken := edit(steady, func(n int, p []byte) []byte { // the last beginning of a picture has no PTS
		if at := bytes.Index(p, []byte{0, 0, 1, 0xE0}); at >= 0 && n > 10 {
			p[at+7] = 0
		}
		return p
	})
	big := pictures(40_000, 90000, 93600, 97200)
	tests := []struct {
		name string
		tail []byte
		want int64
		ok   bool
	}{
		{"a whole segment", steady, 104400, true},
		{"a tail cut inside a packet", steady[377:], 104400, true},
		{"a tail cut behind a sync byte", steady[189:], 104400, true},
		{"more pictures than are kept", pictures(300, many...), 1000 + 100*3600, true},
		{"pictures shown out of order", pictures(300, 10000, 21000, 14000, 17500), 24500, true},
		{"the picture shown last is 16 places before the end", pictures(200, 0, 17*3600, 3600, 7200, 10800, 14400, 18000, 21600, 25200, 28800, 32400, 36000, 39600, 43200, 46800, 50400, 54000, 57600), 18 * 3600, true},
		{"the wrap between pictures", pictures(300, wrap-3600, wrap, wrap+3600), 7200, true},
		{"the wrap at the end", pictures(300, wrap-7200, wrap-3600), 0, true},
		{"the wrap between pictures shown out of order", pictures(300, wrap-3600, wrap+3600, wrap), 7200, true},
		{"two pictures with one PTS", pictures(300, 5000, 8600, 8600), 12200, true},
		{"one far off, as from another run", pictures(300, 95443000, 1000, 4600), 8200, true},
		{"a single picture", pictures(300, 5000), 0, false},
		{"large pictures, two beginnings", big[len(big)-65424:], 100800, true},
		{"large pictures, one beginning and the rest of another", big[len(big)-45_120:], 97200 + 3600, true},
		{"large pictures, no beginning", big[len(big)-20_116:], 0, false},
		{"audio behind the video", videoThenAudio, 104400, true},
		{"nothing but audio", audio, 0, false},
		{"a picture without PTS at the end", broken, 100800, true},
		{"an unfinished packet at the end", steady[:len(steady)-100], 104400, true},
		{"garbage in front", append([]byte("some garbage"), steady...), 104400, true},
		{"garbage in the middle", append(append(bytes.Clone(steady), "some garbage"...), pictures(500, 104400, 108000)[376:]...), 111600, true},
		{"packets of 192 bytes", edit(steady, func(n int, p []byte) []byte { return append([]byte{0, 1, 2, 3}, p...) }), 0, false},
		{"one packet", steady[:188], 0, false},
		{"nothing", nil, 0, false},
		{"text", []byte(strings.Repeat("GET / HTTP/1.1 ", 5000)), 0, false},
		{"sync bytes alone", bytes.Repeat([]byte{0x47}, 65536), 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if end, ok := mpegts.EndPTS(tt.tail); end != tt.want || ok != tt.ok {
				t.Errorf("end %d, %v; want %d, %v", end, ok, tt.want, tt.ok)
			}
		})
	}
	if n := testing.AllocsPerRun(100, func() { mpegts.EndPTS(steady) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// FuzzEndPTS wants a time of 33 bits or none, and the same again when packets without a beginning follow.
func FuzzEndPTS(f *testing.F) {
	seedStreams(f)
	f.Add(pictures(300, 1<<33-3600, 3600, 0))
	f.Add(pictures(40_000, 90000, 93600)[20_000:])
	f.Fuzz(func(t *testing.T, tail []byte) {
		end, ok := mpegts.EndPTS(tail)
		if end>>33 != 0 || !ok && end != 0 {
			t.Fatalf("end %d, %v", end, ok)
		}
		if whole := len(tail) / 188 * 188; ok && bytes.Count(tail, []byte{0x47}) == whole/188 && whole == len(tail) && tail[0] == 0x47 {
			padding := append([]byte{0x47, 0x1F, 0xFF, 0x10}, bytes.Repeat([]byte{0xFF}, 184)...)
			if again, ok := mpegts.EndPTS(append(bytes.Clone(tail), padding...)); !ok || again != end {
				t.Fatalf("end %d, then %d, %v", end, again, ok)
			}
		}
	})
}

// TestEndPTSOfRealFootage compares with what the Demuxer reads of whole segments, and each end with the next beginning.
func TestEndPTSOfRealFootage(t *testing.T) {
	tests := []struct {
		video, audio string
		fps          h264.Rate
		rate         int
	}{
		{"camera/intel_car_768x432_12_5.h264", "camera/intel_car_768x432_12_5.aac", h264.Rate{Num: 25, Den: 2}, 48000},
		{"camera/mdn_rabbit_320x240.h264", "camera/mdn_rabbit_320x240.aac", h264.Rate{Num: 30, Den: 1}, 44100},
		{"camera/gopro_max_848x480.h264", "camera/gopro_max_848x480.aac", h264.Rate{Num: 30000, Den: 1001}, 48000},
		{"camera/kvs_street_640x480_25.h264", "", h264.Rate{Num: 25, Den: 1}, 0},
		{"features/openh264_Cisco_Men_whisper_640x320_CABAC_Bframe_9.h264", "", h264.Rate{Num: 25, Den: 1}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.video, func(t *testing.T) {
			video := readMedia(t, tt.video)
			var audio []byte
			if tt.audio != "" {
				audio = readMedia(t, tt.audio)
			}
			segments, frames := muxFile(t, video, audio, tt.fps, tt.rate)
			interval := int64(90000 * tt.fps.Den / tt.fps.Num)
			var last int64
			for i, s := range segments {
				units, _, err := demux(t, bytes.NewReader(s))
				if err != io.EOF {
					t.Fatal(err)
				}
				want := int64(0)
				for _, u := range units {
					if u.Kind == mpegts.Video {
						want = max(want, u.PTS+interval)
					}
				}
				end, ok := mpegts.EndPTS(s[max(0, len(s)-65424):])
				if off := end - want; !ok || off < -1 || off > 1 { // frame intervals are not whole ticks everywhere
					t.Errorf("segment %d ends at %d, %v; want %d", i, end, ok, want)
				}
				if start, ok := mpegts.FirstPTS(s); i > 0 && (!ok || start-last < -1 || start-last > 1) {
					t.Errorf("segment %d begins at %d, the one before it ended at %d", i, start, last)
				}
				last = end
			}
			first, _ := mpegts.FirstPTS(segments[0])
			t.Logf("%d segments, %d frames, %.3f s", len(segments), frames, float64(last-first)/90000)
		})
	}
}
