// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/mpegts"
)

func TestFirstPTS(t *testing.T) {
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	ts := m.AppendTables(nil)
	ts, err := m.AppendAudio(ts, adts(100, 1), 555)
	ts = m.FlushAudio(must(t, ts, err))
	ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(5000, true, 1)), PTS: 1<<33 + 1234567, DTS: 1<<33 + 1230000, RandomAccess: true})
	ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(5000, false, 1)), PTS: 1<<33 + 1244567, DTS: 1<<33 + 1240000})
	const enough = 3*188 + 12 + 19 // tables, audio, then the header of the video PES
	for n := range len(ts) + 1 {
		pts, ok := mpegts.FirstPTS(ts[:n])
		if ok != (n >= enough) || ok && pts != 1234567 {
			t.Fatalf("first %d bytes: PTS %d, %v", n, pts, ok)
		}
	}
	tests := []struct {
		name string
		head []byte
		want int64
		ok   bool
	}{
		{"garbage in front", append([]byte("some garbage"), ts...), 1234567, true},
		{"no PAT", ts[188:], 0, false},
		{"no PMT", append(bytes.Clone(ts[:188]), ts[376:]...), 0, false},
		{"21 bytes", ts[:21], 0, false},
		{"nothing", nil, 0, false},
		{"text", []byte(strings.Repeat("GET / HTTP/1.1 ", 100)), 0, false},
		{"sync lost", append(bytes.Clone(ts[:376]), append([]byte{1}, ts[376:]...)...), 0, false},
		{"a PES without PTS first", edit(ts[:188*8], func(n int, p []byte) []byte {
			if n == 3 {
				at := bytes.Index(p, []byte{0, 0, 1, 0xE0})
				p[at+7] = 0
			}
			return p
		}), 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if pts, ok := mpegts.FirstPTS(tt.head); pts != tt.want || ok != tt.ok {
				t.Errorf("PTS %d, %v; want %d, %v", pts, ok, tt.want, tt.ok)
			}
		})
	}
	if n := testing.AllocsPerRun(100, func() { mpegts.FirstPTS(ts) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestFirstPTSOfReferenceSegments(t *testing.T) {
	for name, want := range map[string]int64{
		"ts_reference/apple_bipbop0.ts": 0, "ts_reference/shaka_bframes_1.ts": 0, "ts_reference/shaka_h264_aac_0.ts": 0, "features/exo_iframes_only.ts": 0,
	} {
		ts := readMedia(t, name)
		units, _, _ := demux(t, bytes.NewReader(ts))
		for _, u := range units {
			if u.Kind == mpegts.Video {
				want = u.PTS
				break
			}
		}
		if pts, ok := mpegts.FirstPTS(ts[:1128]); !ok || pts != want {
			t.Errorf("%s: %d, %v; want %d", name, pts, ok, want)
		}
	}
}
