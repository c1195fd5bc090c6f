// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/mediatest"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/uploader"
)

// md5of decodes one stream ("v" or "a") of a file with ffmpeg. Messages of the decoder are returned too.
func md5of(t testing.TB, path, stream string) (sum, messages string) {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skipf("SKIPPED: ffmpeg is not installed: %v", err)
	}
	var out, msg bytes.Buffer
	cmd := exec.Command(ffmpeg, "-v", "warning", "-i", path, "-map", "0:"+stream, "-fps_mode", "passthrough", "-f", "md5", "-")
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", path, err, msg.Bytes())
	}
	return strings.TrimPrefix(strings.TrimSpace(out.String()), "MD5="), msg.String()
}

// footage is a file as a camera would give it.
type footage struct {
	frames []h264.Frame
	audio  [][]byte
	times  []time.Duration // of audio
}

func load(t testing.TB, dir, video, audio string, fps h264.Rate) footage {
	t.Helper()
	var f footage
	b, err := os.ReadFile(filepath.Join(dir, video))
	if err != nil {
		t.Fatal(err)
	}
	ro, err := h264.NewReorderer(h264.ReorderConfig{FrameRate: fps})
	if err != nil {
		t.Fatal(err)
	}
	for frame, err := range ro.Frames(h264.NewScanner(bytes.NewReader(b), 0)) {
		if err == nil {
			f.frames = append(f.frames, frame)
		}
	}
	if audio == "" {
		return f
	}
	if b, err = os.ReadFile(filepath.Join(dir, audio)); err != nil {
		t.Fatal(err)
	}
	s := aac.NewScanner(bytes.NewReader(b))
	for at := time.Duration(0); ; {
		frame, h, err := s.Next()
		if errors.Is(err, io.EOF) {
			return f
		} else if err != nil {
			t.Fatal(err)
		}
		f.audio = append(f.audio, bytes.Clone(frame))
		f.times = append(f.times, at)
		at = time.Duration(len(f.audio)*h.Samples) * time.Second / time.Duration(h.SampleRate)
	}
}

func TestRealFootage(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short")
	}
	dir := mediatest.Dir(t)
	fps := func(num, den uint32) h264.Rate { return h264.Rate{Num: num, Den: den} }
	for _, tt := range []struct {
		video, audio string
		fps          h264.Rate
		segments     int
		before       int64 // pictures before the first IDR
		complains    bool  // the source itself is broken, so judges complain
	}{
		{"camera/axis_480x640_25_vfr.h264", "", fps(25, 1), 3, 0, false},
		{"camera/gopro_max_848x480.h264", "camera/gopro_max_848x480.aac", fps(30000, 1001), 4, 0, false},
		{"camera/intel_car_768x432_12_5.h264", "camera/intel_car_768x432_12_5.aac", fps(25, 2), 7, 0, false},
		{"camera/kvs_street_640x480_25.h264", "", fps(25, 1), 5, 0, false},
		{"camera/mdn_rabbit_320x240.h264", "camera/mdn_rabbit_320x240.aac", fps(30, 1), 2, 0, true},
		{"features/exo_12_5fps_720p.h264", "features/exo_12_5fps_720p.aac", fps(25, 2), 1, 0, false},
		{"features/exo_iframes_only.h264", "", fps(30, 1), 1, 0, false},
		{"features/membrane_input-100-240p.h264", "", fps(30, 1), 1, 0, false},
		{"features/membrane_input-30-240p-vp-sps-pps.h264", "", fps(30, 1), 1, 0, true},
		{"features/membrane_input-sps-pps-non-idr.h264", "", fps(25, 1), 1, 5, true},
		{"features/minimp4_foreman_4slices.h264", "", fps(30, 1), 3, 0, false},
		{"features/openh264_BA_MW_D_IDR_LOST.h264", "", fps(25, 1), 1, 27, true},
		{"features/openh264_CVFC1_Sony_C.h264", "", fps(25, 1), 1, 0, false},
		{"features/openh264_Cisco_Men_whisper_640x320_CABAC_Bframe_9.h264", "", fps(25, 1), 1, 0, false},
		{"features/openh264_MIDR_MW_D.h264", "", fps(25, 1), 1, 0, false},
		{"features/openh264_MPS_MW_A.h264", "", fps(25, 1), 2, 0, false},
		{"features/openh264_SVA_Base_B.h264", "", fps(25, 1), 1, 0, false},
		{"features/openh264_SarVui.h264", "", fps(25, 1), 1, 0, false},
		{"features/openh264_Static.h264", "", fps(25, 1), 1, 0, false},
		{"features/openh264_test_cif_P_CABAC_slice.h264", "", fps(30, 1), 1, 0, false},
		{"features/res_change_848x464_to_424x232.h264", "", fps(24, 1), 1, 0, false},
	} {
		t.Run(tt.video, func(t *testing.T) {
			src := load(t, dir, tt.video, tt.audio, tt.fps)
			b := &bucket{t: t}
			u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: tt.audio != "", RingBytes: 32 << 20})
			a := 0
			for n, f := range src.frames {
				at := func(ticks int64) time.Duration { return time.Duration(ticks) * 100000 / 9 }
				for a < len(src.audio) && src.times[a] <= at(f.PTS) {
					if err := u.WriteAudio(uploader.AudioFrame{Data: src.audio[a], PTS: src.times[a]}); err != nil {
						t.Fatal(err)
					}
					a++
				}
				k := n * 37 % len(f.Data) // a camera's buffer wraps anywhere
				mustWrite(t, u, uploader.AccessUnit{Data: f.Data[:k], Tail: f.Data[k:], PTS: at(f.PTS), DTS: at(f.DTS)})
			}
			for ; a < len(src.audio); a++ {
				if err := u.WriteAudio(uploader.AudioFrame{Data: src.audio[a], PTS: src.times[a]}); err != nil {
					t.Fatal(err)
				}
			}
			mustClose(t, u)
			s := u.Stats()
			objects := b.all()
			if len(objects) != tt.segments || s.DroppedBeforeIDR != tt.before || s.DroppedAudio != 0 {
				t.Errorf("%d segments, %d pictures before the first IDR, %d audio frames dropped; want %d, %d, 0",
					len(objects), s.DroppedBeforeIDR, s.DroppedAudio, tt.segments, tt.before)
			}
			readAll(t, objects)
			for _, o := range objects {
				an := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
				_, _ = an.Write(o.data)
				if r := an.Report(); r.Errors+r.Warnings > 0 && !tt.complains {
					t.Errorf("%s: %+v", o.key, r.Findings)
				}
			}
			path := filepath.Join(t.TempDir(), "all.ts")
			if err := os.WriteFile(path, b.bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			entry := mediatest.Lookup(t, tt.video)
			frames, want := entry.Frames, entry.MD5
			got, messages := md5of(t, path, "v")
			if tt.before == 0 && (got != want || s.Stored.Frames != int64(frames)) {
				t.Errorf("%d pictures, md5 %s; want %d, %s", s.Stored.Frames, got, frames, want)
			}
			if messages != "" && !tt.complains {
				t.Errorf("ffmpeg says:\n%s", messages)
			}
			if tt.audio != "" {
				want, _ := md5of(t, filepath.Join(dir, tt.audio), "a")
				if got, _ := md5of(t, path, "a"); got != want {
					t.Errorf("md5 of the sound is %s, want %s", got, want)
				}
			}
		})
	}
}

func TestFootageThatCannotWork(t *testing.T) {
	dir := mediatest.Dir(t)
	for name, want := range map[string]error{
		"features/membrane_input-10-no-pps-sps.h264":       uploader.ErrNoParameterSets,
		"features/membrane_input-idr-sps-pps-non-idr.h264": uploader.ErrNoParameterSets,
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		u := mustNew(t, uploader.Config{Putter: &bucket{t: t}, Epoch: epoch})
		s := h264.NewScanner(bytes.NewReader(b), 0)
		for at := time.Duration(0); ; at += 40 * time.Millisecond {
			au, err := s.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			mustWrite(t, u, uploader.AccessUnit{Data: au, PTS: at, DTS: at})
		}
		if err := u.Close(context.Background()); !errors.Is(err, want) {
			t.Errorf("%s: Close = %v, want %v", name, err, want)
		}
	}
}
