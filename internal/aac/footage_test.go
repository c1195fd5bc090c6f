// SPDX-License-Identifier: Apache-2.0

package aac_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/aac"
)

func TestScannerReadsEveryFileOfTheFootage(t *testing.T) {
	tests := []struct {
		file              string
		frames            int
		rate, ch, profile int
	}{
		{"aac/exo_16k_mono.aac", 17, 16000, 1, aac.ProfileLC},
		{"aac/exo_44k_mono.aac", 144, 44100, 1, aac.ProfileLC},
		{"aac/exo_44k_mono_id3.aac", 144, 44100, 1, aac.ProfileLC}, // ID3 also after the first frame
		{"aac/exo_8k_mono.aac", 25, 8000, 1, aac.ProfileSSR},       // marked SSR although it is LC
		{"aac/kvs_48k_stereo.aac", 582, 48000, 2, aac.ProfileLC},
		{"aac/shaka_packed_22k_0.aac", 215, 22050, 2, aac.ProfileLC},
		{"aac/shaka_packed_22k_1.aac", 215, 22050, 2, aac.ProfileLC},
		{"camera/gopro_max_848x480.aac", 493, 48000, 2, aac.ProfileLC},
		{"camera/intel_car_768x432_12_5.aac", 1414, 48000, 2, aac.ProfileLC},
		{"camera/mdn_rabbit_320x240.aac", 335, 44100, 2, aac.ProfileLC},
		{"features/exo_12_5fps_720p.aac", 46, 44100, 2, aac.ProfileLC},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			f, err := os.Open(media(t, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			s := aac.NewScanner(f)
			n, total := 0, 0
			for {
				frame, h, err := s.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("frame %d: %v", n, err)
				}
				if len(frame) != h.FrameBytes || h.SampleRate != tt.rate || h.Channels != tt.ch || h.Profile != tt.profile {
					t.Fatalf("frame %d: %d bytes, header %+v", n, len(frame), h)
				}
				n++
				total += len(frame)
			}
			if n != tt.frames || s.Skipped() != 0 {
				t.Errorf("%d frames of %d bytes, %d skipped, want %d frames and 0", n, total, s.Skipped(), tt.frames)
			}
		})
	}
}

func TestPackedAudioOfTheFootageFollowsOn(t *testing.T) {
	var end int64
	for i, name := range []string{"aac/shaka_packed_22k_0.aac", "aac/shaka_packed_22k_1.aac"} {
		b, err := os.ReadFile(media(t, name))
		if err != nil {
			t.Fatal(err)
		}
		s := aac.NewScanner(bytes.NewReader(b))
		samples := int64(0)
		for {
			_, h, err := s.Next()
			if err != nil {
				break
			}
			samples += int64(h.Samples)
		}
		pts, ok := s.Timestamp()
		if !ok {
			t.Fatalf("%s has no timestamp", name)
		}
		// Apple's packager counts in frames of its own rounding; a frame is 4180 ticks.
		if d := pts - end; i > 0 && (d < -100 || d > 100) {
			t.Errorf("%s begins at %d, the one before it ends at %d", name, pts, end)
		}
		end = pts + aac.Ticks(samples, 22050)
	}
}

// TestHeadersOfTheFootageAreRemade: the header that AppendHeader makes differs from the encoder's at most in buffer fullness and
// private bits, so it says the same.
func TestHeadersOfTheFootageAreRemade(t *testing.T) {
	f, err := os.Open(media(t, "aac/kvs_48k_stereo.aac"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := aac.NewScanner(f)
	n := 0
	for {
		frame, h, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		made, err := aac.AppendHeader(nil, h.Profile, h.SampleRate, h.Channels, h.FrameBytes-h.HeaderBytes)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made[:5], frame[:5]) || made[5]&0xe0 != frame[5]&0xe0 {
			t.Fatalf("frame %d: made %x, read %x", n, made, frame[:7])
		}
		n++
	}
	if n != 582 {
		t.Errorf("%d frames", n)
	}
}

// TestFFmpegFindsTheSameFrames encodes sound in several layouts and compares the frames with ffprobe's packets.
func TestFFmpegFindsTheSameFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("comparison with ffmpeg is left out by -short")
	}
	for _, tool := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %s is not installed", tool)
		}
	}
	for _, tt := range []struct{ name, rate, channels, said string }{
		{"mono 8 kHz", "8000", "1", "1"}, {"stereo 44.1 kHz", "44100", "2", "2"}, {"2.1, said in the payload", "48000", "3", "0"}, {"5.1", "48000", "6", "6"},
		{"7.1", "96000", "8", "8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.aac")
			if out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=f=440:d=2", "-ar", tt.rate, "-ac", tt.channels, "-c:a", "aac", path).CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
			out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "packet=size,pos", "-of", "csv=p=0", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Fields(string(out))
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			s := aac.NewScanner(f)
			for i := 0; ; i++ {
				frame, h, err := s.Next()
				if errors.Is(err, io.EOF) {
					if i != len(want) || i == 0 {
						t.Errorf("%d frames, ffprobe has %d", i, len(want))
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := strconv.Itoa(len(frame)) + "," + strconv.FormatInt(s.Offset(), 10); i >= len(want) || strings.TrimSuffix(want[i], ",") != got {
					t.Fatalf("frame %d: size, position %s, ffprobe: %s", i, got, want[min(i, len(want)-1)])
				}
				if strconv.Itoa(h.SampleRate) != tt.rate || strconv.Itoa(h.Channels) != tt.said {
					t.Fatalf("%+v", h)
				}
			}
		})
	}
}
