// SPDX-License-Identifier: Apache-2.0

package aac_test

import (
	"errors"
	"io"
	"os"
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
			n, bytes := 0, 0
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
				bytes += len(frame)
			}
			if n != tt.frames || s.Skipped() != 0 {
				t.Errorf("%d frames of %d bytes, %d skipped, want %d frames and 0", n, bytes, s.Skipped(), tt.frames)
			}
		})
	}
}
