// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/s3cam/s3cam/mpegts"
)

// mediaDir finds the real footage: S3CAM_MEDIA, or ../shared/media beside the repository.
func mediaDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("S3CAM_MEDIA")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			if filepath.Dir(root) == root {
				t.Fatal("no go.mod above the test's directory")
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "media")
	}
	if _, err := os.Stat(filepath.Join(dir, "MANIFEST.md")); err != nil {
		t.Skipf("SKIPPED: real footage is not there (set S3CAM_MEDIA): %v", err)
	}
	return dir
}

func readMedia(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(mediaDir(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// manifest gives what MANIFEST.md says about a file: number and md5 of its decoded frames, and lines the decoder prints.
func manifest(t testing.TB, name string) (frames int, sum string, messages int) {
	t.Helper()
	b := readMedia(t, "MANIFEST.md")
	at := bytes.Index(b, []byte("### "+name+"\n"))
	if at < 0 {
		t.Fatalf("%s is not in MANIFEST.md", name)
	}
	b = b[at:]
	if end := bytes.Index(b[4:], []byte("\n### ")); end >= 0 {
		b = b[:end+4]
	}
	m := regexp.MustCompile(`decoded frames (\d+), md5 of decoded frames ([0-9a-f]{32}), decoder messages (\d+)`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("MANIFEST.md has no md5 for %s", name)
	}
	frames, _ = strconv.Atoi(string(m[1]))
	messages, _ = strconv.Atoi(string(m[3]))
	return frames, string(m[2]), messages
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

func decodedVideo(t testing.TB, path string) (sum, messages string) {
	t.Helper()
	raw, msg := tool(t, "ffmpeg", nil, "-v", "warning", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
	h := md5.Sum(raw)
	return hex.EncodeToString(h[:]), string(msg)
}

func decodedAudio(t testing.TB, path string) (sum, messages string) {
	t.Helper()
	raw, msg := tool(t, "ffmpeg", nil, "-v", "warning", "-i", path, "-map", "0:a", "-f", "s16le", "-")
	h := md5.Sum(raw)
	return hex.EncodeToString(h[:]), string(msg)
}

// splitAccessUnits cuts a byte stream whose pictures begin with first_mb_in_slice 0 into access units. It is a judge of its own:
// internal/h264 does it properly.
func splitAccessUnits(b []byte) [][]byte {
	var units [][]byte
	start, picture := -1, false
	for i := 0; i+4 < len(b); i++ {
		if b[i] != 0 || b[i+1] != 0 || b[i+2] != 1 {
			continue
		}
		at := i
		if i > 0 && b[i-1] == 0 {
			at--
		}
		kind := b[i+3] & 31
		slice := kind == 1 || kind == 5
		begins := kind >= 6 && kind <= 9 || slice && b[i+4]&0x80 != 0
		if start < 0 {
			start = at
		} else if picture && begins {
			units = append(units, b[start:at])
			start, picture = at, false
		}
		picture = picture || slice
		i += 3
	}
	return append(units, b[start:])
}

func hasNAL(au []byte, kind byte) bool {
	for i := 0; i+3 < len(au); i++ {
		if au[i] == 0 && au[i+1] == 0 && au[i+2] == 1 && au[i+3]&31 == kind {
			return true
		}
	}
	return false
}

// parameterSets gives the bytes in front of the first slice: parameter sets, and whatever stands between them.
func parameterSets(au []byte) []byte {
	for i := 0; i+3 < len(au); i++ {
		if kind := au[i+3] & 31; au[i] == 0 && au[i+1] == 0 && au[i+2] == 1 && (kind == 1 || kind == 5) {
			return au[:i]
		}
	}
	return nil
}

func splitADTS(t testing.TB, b []byte) [][]byte {
	t.Helper()
	var frames [][]byte
	for len(b) > 0 {
		n := int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		frames = append(frames, b[:n])
		b = b[n:]
	}
	return frames
}

// muxFile makes segments of at least 3 s, cut at IDR pictures, out of elementary streams with a steady rate and without B-frames.
func muxFile(t testing.TB, video, audio []byte, ticksPerFrame, ticksPerAudio float64) [][]byte {
	t.Helper()
	const start = 1767225600 * 90000
	m := mpegts.NewMuxer()
	m.SetAudio(audio != nil)
	var segments [][]byte
	var cur []byte
	var began int64
	var sound [][]byte
	var sets []byte
	if audio != nil {
		sound = splitADTS(t, audio)
	}
	played := 0
	appendAudio := func(until int64) {
		for played < len(sound) {
			pts := int64(float64(played) * ticksPerAudio)
			if pts >= until {
				return
			}
			var err error
			cur, err = m.AppendAudio(cur, sound[played], start+pts)
			cur = must(t, cur, err)
			played++
		}
	}
	for i, unit := range splitAccessUnits(video) {
		pts := int64(float64(i) * ticksPerFrame)
		appendAudio(pts)
		idr := hasNAL(unit, 5)
		if cur == nil || idr && pts-began >= 3*90000 {
			if cur = m.FlushAudio(cur); cur != nil {
				segments = append(segments, cur)
			}
			cur, began = m.AppendTables(nil), pts
		}
		f := mpegts.VideoFrame{Parts: [][]byte{unit[:len(unit)/3], unit[len(unit)/3:]}, PTS: start + pts, DTS: start + pts, RandomAccess: idr}
		if i == 0 {
			sets = parameterSets(unit)
		} else if idr && !hasNAL(unit, 7) {
			f.Parts = append([][]byte{sets}, f.Parts...)
		}
		f.HasAUD = hasNAL(unit[:5], 9)
		cur = m.AppendVideo(cur, &f)
	}
	appendAudio(1 << 40)
	return append(segments, m.FlushAudio(cur))
}

func TestRealFootageDecodesUnchanged(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	tests := []struct {
		video, audio string
		fps          float64
		rate         float64
	}{
		{"camera/axis_480x640_25_vfr.h264", "", 25, 0},
		{"camera/gopro_max_848x480.h264", "camera/gopro_max_848x480.aac", 30000. / 1001, 48000},
		{"camera/intel_car_768x432_12_5.h264", "camera/intel_car_768x432_12_5.aac", 12.5, 48000},
		{"camera/kvs_street_640x480_25.h264", "", 25, 0},
		{"camera/mdn_rabbit_320x240.h264", "camera/mdn_rabbit_320x240.aac", 30, 44100},
		{"features/exo_12_5fps_720p.h264", "features/exo_12_5fps_720p.aac", 12.5, 44100},
		{"features/exo_iframes_only.h264", "", 30, 0},
		{"features/minimp4_foreman_4slices.h264", "", 5, 0}, // slow: needs PCR packets
		{"features/openh264_test_cif_P_CABAC_slice.h264", "", 25, 0},
		{"features/openh264_SarVui.h264", "", 25, 0},
	}
	for _, tt := range tests {
		t.Run(tt.video, func(t *testing.T) {
			video := readMedia(t, tt.video)
			var audio []byte
			if tt.audio != "" {
				audio = readMedia(t, tt.audio)
			}
			frames, wantSum, wantMessages := manifest(t, tt.video)
			if got := len(splitAccessUnits(video)); got != frames {
				t.Fatalf("the test's splitter found %d access units, the manifest has %d frames", got, frames)
			}
			segments := muxFile(t, video, audio, 90000/tt.fps, 1024*90000/max(tt.rate, 1))
			path := writeTemp(t, "all.ts", bytes.Join(segments, nil))
			sum, messages := decodedVideo(t, path)
			if sum != wantSum {
				t.Errorf("md5 of the decoded frames is %s, want %s", sum, wantSum)
			}
			if wantMessages == 0 && messages != "" {
				t.Errorf("ffmpeg says:\n%s", messages)
			}
			if audio != nil {
				want, _ := decodedAudio(t, filepath.Join(mediaDir(t), tt.audio))
				got, messages := decodedAudio(t, path)
				if got != want {
					t.Errorf("md5 of the decoded audio is %s, want %s", got, want)
				}
				if messages != "" && wantMessages == 0 {
					t.Errorf("ffmpeg says:\n%s", messages)
				}
			}
			for i, s := range segments {
				_, msg := tool(t, "ffprobe", nil, "-v", "warning", "-show_packets", writeTemp(t, "one.ts", s))
				if len(msg) > 0 && wantMessages == 0 {
					t.Errorf("ffprobe says of segment %d:\n%s", i, msg)
				}
			}
		})
	}
}

func readMediaPath(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(mediaDir(t), name)
}
