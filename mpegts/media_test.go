// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/mediatest"
	"github.com/s3cam/s3cam/mpegts"
)

func readMedia(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(mediatest.Dir(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// manifest gives what MANIFEST.md says about a file: number and md5 of its decoded frames.
func manifest(t testing.TB, name string) (frames int, sum string) {
	t.Helper()
	e := mediatest.Lookup(t, name)
	if e.MD5 == "" {
		t.Fatalf("MANIFEST.md has no md5 for %s", name)
	}
	return e.Frames, e.MD5
}

// tool runs ffmpeg or ffprobe and returns what it wrote, or skips the test when it is not installed.
func tool(t testing.TB, name string, stdin []byte, args ...string) (stdout, stderr []byte) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed: %v", name, err)
	}
	var out, msg bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, msg.Bytes())
	}
	return out.Bytes(), msg.Bytes()
}

func writeTemp(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func decodedVideo(t testing.TB, path string) (sum string, messages []byte) {
	t.Helper()
	out, msg := tool(t, "ffmpeg", nil, "-v", "warning", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "md5", "-")
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "MD5="), msg
}

func decodedAudio(t testing.TB, path string) (sum string, messages []byte) {
	t.Helper()
	out, msg := tool(t, "ffmpeg", nil, "-v", "warning", "-i", path, "-map", "0:a", "-f", "md5", "-")
	return string(out), msg
}

// muxFile makes segments of at least 3 s, cut at IDR pictures, out of elementary streams with a steady rate. Each segment's first
// picture gets the parameter sets in front when it has none.
func muxFile(t testing.TB, video, audio []byte, fps h264.Rate, sampleRate int) (segments [][]byte, frames int) {
	t.Helper()
	const start = 1767225600 * 90000
	ro, err := h264.NewReorderer(h264.ReorderConfig{FrameRate: fps})
	if err != nil {
		t.Fatal(err)
	}
	m := mpegts.NewMuxer()
	m.SetAudio(audio != nil)
	var (
		cur    []byte
		began  int64
		sets   h264.ParameterSets
		sounds = aac.NewScanner(bytes.NewReader(audio))
		played int64
	)
	playUntil := func(until int64) {
		for audio != nil {
			pts := aac.Ticks(played*1024, sampleRate)
			if pts >= until {
				return
			}
			frame, _, err := sounds.Next()
			if err != nil {
				return
			}
			cur, err = m.AppendAudio(cur, frame, start+pts)
			cur = must(t, cur, err)
			played++
		}
	}
	write := func(f h264.Frame) {
		info, err := h264.Inspect(f.Data)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = sets.Update(f.Data) // what cannot be read is passed on, and the Analyzer says so
		if cur == nil || info.IDR && f.PTS-began >= 3*90000 {
			if cur = m.FlushAudio(cur); cur != nil {
				segments = append(segments, cur)
			}
			cur, began = m.AppendTables(nil), f.PTS
		}
		playUntil(f.DTS)
		third := len(f.Data) / 3
		vf := mpegts.VideoFrame{Parts: [][]byte{f.Data[:third], f.Data[third:]}, PTS: start + f.PTS, DTS: start + f.DTS}
		vf.RandomAccess, vf.HasAUD = info.IDR, info.AUDBytes > 0
		if info.IDR && !(info.HasSPS && info.HasPPS) {
			vf.Parts = [][]byte{f.Data[:info.AUDBytes], sets.Append(nil), f.Data[info.AUDBytes:third], f.Data[third:]}
		}
		cur = m.AppendVideo(cur, &vf)
		frames++
	}
	sc := h264.NewScanner(bytes.NewReader(video), 0)
	for {
		unit, err := sc.Next()
		if err == nil {
			err = ro.Push(unit)
		} else if err == io.EOF {
			err = ro.Flush()
			unit = nil
		}
		if err != nil {
			t.Fatal(err)
		}
		for f, ok := ro.Next(); ok; f, ok = ro.Next() {
			write(f)
		}
		if unit == nil {
			break
		}
	}
	playUntil(1 << 40)
	return append(segments, m.FlushAudio(cur)), frames
}

func TestRealFootageDecodesUnchanged(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	fps := func(num, den uint32) h264.Rate { return h264.Rate{Num: num, Den: den} }
	tests := []struct {
		video, audio string
		fps          h264.Rate
		rate         int
		findings     string // what the Analyzer says of all segments in a row
	}{
		{"camera/axis_480x640_25_vfr.h264", "", fps(25, 1), 0, ""},
		{"camera/gopro_max_848x480.h264", "camera/gopro_max_848x480.aac", fps(30000, 1001), 48000, ""},
		{"camera/intel_car_768x432_12_5.h264", "camera/intel_car_768x432_12_5.aac", fps(25, 2), 48000, ""},
		{"camera/kvs_street_640x480_25.h264", "", fps(25, 1), 0, ""},
		{"camera/mdn_rabbit_320x240.h264", "camera/mdn_rabbit_320x240.aac", fps(30, 1), 44100, ""},
		{"features/exo_12_5fps_720p.h264", "features/exo_12_5fps_720p.aac", fps(25, 2), 44100, ""},
		{"features/exo_iframes_only.h264", "", fps(30, 1), 0, ""},
		{"features/membrane_input-100-240p.h264", "", fps(30, 1), 0, ""},
		{"features/membrane_input-30-240p-vp-sps-pps.h264", "", fps(30, 1), 0, "error sps"}, // its second SPS is nonsense
		// At 5 per second the Muxer adds PCR packets, but not from segment to segment.
		{"features/minimp4_foreman_4slices.h264", "", fps(5, 1), 0, "error pcr_interval x10"},
		{"features/openh264_CVFC1_Sony_C.h264", "", fps(25, 1), 0, ""},
		{"features/openh264_Cisco_Men_whisper_640x320_CABAC_Bframe_9.h264", "", fps(25, 1), 0, ""},
		{"features/openh264_MIDR_MW_D.h264", "", fps(25, 1), 0, ""},
		{"features/openh264_MPS_MW_A.h264", "", fps(25, 1), 0, ""},
		{"features/openh264_SVA_Base_B.h264", "", fps(25, 1), 0, ""},
		{"features/openh264_SarVui.h264", "", fps(25, 1), 0, ""},
		{"features/openh264_Static.h264", "", fps(25, 1), 0, ""},
		{"features/openh264_test_cif_P_CABAC_slice.h264", "", fps(25, 1), 0, ""},
		{"features/res_change_848x464_to_424x232.h264", "", fps(24, 1), 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.video, func(t *testing.T) {
			video := readMedia(t, tt.video)
			var audio []byte
			if tt.audio != "" {
				audio = readMedia(t, tt.audio)
			}
			wantFrames, wantSum := manifest(t, tt.video)
			judge := func(who string, messages []byte) { // what it says of the source too is not ours
				t.Helper()
				if len(messages) > 0 {
					if _, source := decodedVideo(t, readMediaPath(t, tt.video)); len(source) == 0 {
						t.Errorf("%s says:\n%s", who, messages)
					}
				}
			}
			segments, frames := muxFile(t, video, audio, tt.fps, tt.rate)
			if frames != wantFrames {
				t.Errorf("%d access units, the manifest has %d frames", frames, wantFrames)
			}
			all := bytes.Join(segments, nil)
			path := writeTemp(t, "all.ts", all)
			sum, messages := decodedVideo(t, path)
			if sum != wantSum {
				t.Errorf("md5 of the decoded frames is %s, want %s", sum, wantSum)
			}
			judge("ffmpeg", messages)
			if audio != nil {
				want, _ := decodedAudio(t, filepath.Join(mediatest.Dir(t), tt.audio))
				got, messages := decodedAudio(t, path)
				if got != want {
					t.Errorf("md5 of the decoded audio is %s, want %s", got, want)
				}
				judge("ffmpeg", messages)
			}
			for i, s := range segments {
				_, msg := tool(t, "ffprobe", nil, "-v", "warning", "-show_packets", writeTemp(t, "one.ts", s))
				judge("ffprobe", msg)
				r := analyze(t, s, mpegts.AnalyzerOptions{})
				if got := codes(r); got != "" && (len(segments) > 1 || got != tt.findings) {
					t.Errorf("Analyzer says of segment %d:\n%s", i, r.AppendText(nil))
				}
				if _, ok := mpegts.FirstPTS(s[:600]); !ok {
					t.Errorf("segment %d: no PTS in its first 600 bytes", i)
				}
			}
			r := analyze(t, all, mpegts.AnalyzerOptions{})
			if got := codes(r); got != tt.findings {
				t.Errorf("Analyzer says:\n%s", r.AppendText(nil))
			}
			want := float64(tt.fps.Num) / float64(tt.fps.Den)
			if v := r.Streams[0]; v.Frames != int64(frames) || math.Abs(v.FPS-want) > 0.01 {
				t.Errorf("%d pictures at %v per second, want %d at %v", v.Frames, v.FPS, frames, want)
			}
			units, _, err := demux(t, bytes.NewReader(all))
			if err != io.EOF {
				t.Fatal(err)
			}
			if got := join(units, mpegts.Audio); audio != nil && !bytes.Equal(got, audio) {
				t.Errorf("the Demuxer gives %d bytes of audio, want %d", len(got), len(audio))
			}
		})
	}
}

func readMediaPath(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(mediatest.Dir(t), name)
}
