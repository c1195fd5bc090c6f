// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/h264"
)

// units reads all access units of a file.
func units(t *testing.T, path string) (aus [][]byte, offsets []int64, sets *h264.ParameterSets) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := h264.NewScanner(f, 0)
	for {
		au, err := s.Next()
		if errors.Is(err, io.EOF) {
			return aus, offsets, s.ParameterSets()
		}
		if err != nil {
			t.Fatal(err)
		}
		aus = append(aus, slices.Clone(au))
		offsets = append(offsets, s.Offset())
	}
}

// fact is what the manifest says about a stream.
type fact struct {
	pictures, idr, firstIDR, withAUD int
	slicesMin, slicesMax             int
	withSets                         int // IDR pictures with SPS and PPS before them
	gop                              [2]int
	sizes                            []string // of the distinct SPS, "480x640 480x640" shown and coded
	recoverable                      bool     // has SEI type 6
}

var (
	rePictures = regexp.MustCompile(`pictures (\d+) \(field pictures 0\).*slices/picture (\d+)\.\.(\d+), IDR (\d+) \(first at (\d+)\), GOP (\d+)\.\.(\d+).*SPS\+PPS before (\d+) of`)
	reAUD      = regexp.MustCompile(`AUD on (\d+), SEI types (.*), NAL types`)
	reSize     = regexp.MustCompile(`L\d+ (\d+x\d+) \(coded (\d+x\d+)\)`)
)

// manifest reads the facts about every H.264 elementary stream.
func manifest(t *testing.T) map[string]fact {
	t.Helper()
	f, err := os.Open(media(t, "MANIFEST.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	num := func(s string) int { n, _ := strconv.Atoi(s); return n }
	facts := map[string]fact{}
	name := ""
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := sc.Text()
		if rest, ok := strings.CutPrefix(line, "### "); ok {
			name = rest
		}
		if !strings.HasSuffix(name, ".h264") {
			continue
		}
		v := facts[name]
		if m := rePictures.FindStringSubmatch(line); m != nil {
			v.pictures, v.slicesMin, v.slicesMax, v.idr, v.firstIDR = num(m[1]), num(m[2]), num(m[3]), num(m[4]), num(m[5])
			v.gop, v.withSets = [2]int{num(m[6]), num(m[7])}, num(m[8])
		}
		if m := reAUD.FindStringSubmatch(line); m != nil {
			v.withAUD, v.recoverable = num(m[1]), strings.Contains(m[2], "'6'")
		}
		if strings.HasPrefix(line, "- SPS:") {
			for _, m := range reSize.FindAllStringSubmatch(line, -1) {
				v.sizes = append(v.sizes, m[1]+" "+m[2])
			}
		}
		facts[name] = v
	}
	if len(facts) < 20 {
		t.Fatalf("only %d streams in the manifest", len(facts))
	}
	return facts
}

// brokenSPS: the second SPS of this stream was patched by hand (id 4) and is illegal from there on. libavcodec refuses it too; no
// slice uses it. The manifest shows what a lenient reader makes of it.
var brokenSPS = map[string]bool{"features/membrane_input-30-240p-vp-sps-pps.h264": true}

func TestFootageIsAsItsManifestSays(t *testing.T) {
	for name, want := range manifest(t) {
		t.Run(name, func(t *testing.T) {
			path := media(t, name)
			aus, _, _ := units(t, path)
			got := fact{pictures: len(aus), firstIDR: -1, slicesMin: 1 << 30, gop: [2]int{1 << 30, 0}}
			lastIDR, total := -1, 0
			gop := func(n int) { got.gop = [2]int{min(got.gop[0], n), max(got.gop[1], n)} }
			for i, au := range aus {
				info, err := h264.Inspect(au)
				if err != nil {
					t.Fatalf("access unit %d: %v", i, err)
				}
				if info.HasAUD {
					got.withAUD++
				}
				got.recoverable = got.recoverable || info.RecoveryPoint
				if info.IDR {
					if lastIDR < 0 {
						got.firstIDR = i
					} else {
						gop(i - lastIDR)
					}
					lastIDR = i
					got.idr++
					if info.HasSPS && info.HasPPS {
						got.withSets++
					}
				}
				n := 0
				for nal := range h264.NALUnits(au) {
					switch h264.NALType(nal) {
					case h264.TypeSlice, h264.TypeIDR:
						n++
					case h264.TypeSPS:
						s, err := h264.ParseSPS(nal)
						if err != nil && brokenSPS[name] {
							t.Logf("access unit %d: %v", i, err)
							got.sizes = append(got.sizes, want.sizes[len(got.sizes)])
							continue
						}
						if err != nil {
							t.Fatal(err)
						}
						size := fmt.Sprintf("%dx%d %dx%d", s.Width, s.Height, s.CodedWidth, s.CodedHeight)
						if !slices.Contains(got.sizes, size) {
							got.sizes = append(got.sizes, size)
						}
					}
				}
				got.slicesMin, got.slicesMax = min(got.slicesMin, n), max(got.slicesMax, n)
				total += len(au)
			}
			gop(len(aus) - lastIDR)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("\ngot  %+v\nwant %+v", got, want)
			}
			if st, err := os.Stat(path); err != nil || int64(total) != st.Size() {
				t.Errorf("the access units hold %d bytes of %d", total, st.Size())
			}
		})
	}
}

// TestFootageInEncoderCallbacks: the scanner finds the boundaries that the encoder's callbacks had.
func TestFootageInEncoderCallbacks(t *testing.T) {
	const name = "camera/kvs_street_640x480_25.h264"
	_, offsets, _ := units(t, media(t, name))
	b, err := os.ReadFile(media(t, name+".frames.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var want []int64
	header := strings.Split(strings.SplitN(string(b), "\n", 2)[0], ",")
	col := slices.Index(header, "offset")
	if col < 0 {
		t.Fatalf("columns %q", header)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
		v, err := strconv.ParseInt(strings.Split(line, ",")[col], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, v)
	}
	if !slices.Equal(offsets, want) {
		t.Errorf("%d access units, %d callbacks, or at other places", len(offsets), len(want))
	}
}

// times runs a stream through a Reorderer.
func times(t *testing.T, aus [][]byte, rate h264.Rate) []h264.Frame {
	t.Helper()
	frames, _ := run(t, h264.ReorderConfig{FrameRate: rate}, aus)
	return frames
}

func TestFootageKeepsTheTimesOfItsContainer(t *testing.T) {
	tests := []struct {
		name string
		rate string // empty: as the stream says
	}{
		{"camera/gopro_max_848x480", ""},
		{"camera/intel_car_768x432_12_5", ""},
		{"camera/mdn_rabbit_320x240", "30"},
		{"features/exo_iframes_only", ""},
		{"features/exo_12_5fps_720p", "12.5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			aus, _, _ := units(t, media(t, tt.name+".h264"))
			rate := h264.Rate{}
			if tt.rate != "" {
				rate, _ = h264.ParseRate(tt.rate)
			}
			frames := times(t, aus, rate)
			pts, dts := containerTimes(t, media(t, tt.name+".packets.csv"))
			if len(pts) != len(frames) {
				t.Fatalf("%d packets, %d frames", len(pts), len(frames))
			}
			for i, f := range frames {
				// Encoders of phones stamp with jitter; half a frame is the most that keeps the order.
				if d := f.PTS - (pts[i] - pts[0]); d > 3600 || d < -3600 || pts[i] != dts[i] || f.PTS != f.DTS {
					t.Fatalf("frame %d: PTS %d DTS %d, in the container %d, %d", i, f.PTS, f.DTS, pts[i]-pts[0], dts[i]-pts[0])
				}
				if !strings.HasPrefix(tt.name, "features/exo_12") && f.PTS != pts[i]-pts[0] {
					t.Fatalf("frame %d: PTS %d, in the container %d", i, f.PTS, pts[i]-pts[0])
				}
			}
		})
	}
}

// containerTimes reads the video packets of a packets.csv in 90 kHz ticks.
func containerTimes(t *testing.T, path string) (pts, dts []int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`stream(\d)=h264@(\d+)/(\d+)`).FindStringSubmatch(string(b))
	if m == nil {
		t.Fatalf("%s names no H.264 stream", path)
	}
	num, _ := strconv.ParseInt(m[2], 10, 64)
	den, _ := strconv.ParseInt(m[3], 10, 64)
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Split(line, ",")
		if len(f) < 5 || f[0] != m[1] {
			continue
		}
		p, err1 := strconv.ParseInt(f[1], 10, 64)
		d, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil {
			t.Fatal(line)
		}
		pts, dts = append(pts, p*90000*num/den), append(dts, d*90000*num/den)
	}
	return pts, dts
}

func TestParameterSetsOfRealRTSPCameras(t *testing.T) {
	want := map[string]string{
		"retina_bunny_describe.txt":                "240x160",
		"retina_dahua_describe_h264_aac_onvif.txt": "704x480",
		"retina_foscam_describe.txt":               "1280x720",
		"retina_hikvision_describe.txt":            "1920x1080",
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(media(t, "rtsp/retina_bunny_describe.txt")), "*describe*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	re := regexp.MustCompile(`sprop-parameter-sets=([^;,\s]+),([^;,\s]+)`)
	seen := 0
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range re.FindAllStringSubmatch(string(b), -1) {
			var p h264.ParameterSets
			for _, s := range m[1:] {
				nal, err := base64.StdEncoding.DecodeString(s)
				if err != nil {
					t.Fatal(err)
				}
				if changed, err := p.Add(nal); !changed || err != nil {
					t.Errorf("%s: %x: %v", filepath.Base(path), nal, err)
				}
			}
			s, ok := p.First()
			if !ok {
				t.Errorf("%s: not complete", filepath.Base(path))
			}
			seen++
			t.Logf("%s: %dx%d, %v frames per second, reordering %d", filepath.Base(path), s.Width, s.Height, s.FrameRate, s.MaxNumReorder)
			if w, ok := want[filepath.Base(path)]; ok && w != fmt.Sprintf("%dx%d", s.Width, s.Height) {
				t.Errorf("%s: %dx%d, want %s", filepath.Base(path), s.Width, s.Height, w)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d descriptions with parameter sets", seen)
	}
}
