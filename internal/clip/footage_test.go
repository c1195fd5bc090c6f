// SPDX-License-Identifier: Apache-2.0

package clip_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/mediatest"
)

func morning() time.Time { return time.Date(2026, 11, 25, 9, 30, 0, 400e6, time.UTC) }

// Everything that ffmpeg decodes from the footage it decodes from the clip of all of it: each picture, each sample of sound.
func TestRealFootageSurvivesAsMP4(t *testing.T) {
	need(t, "ffmpeg")
	for _, e := range mediatest.Manifest(t) {
		if !strings.HasSuffix(e.Name, ".h264") || e.MD5 == "" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			path := mediatest.Path(t, e.Name)
			var audio []byte
			sound := strings.TrimSuffix(path, ".h264") + ".aac"
			if b, err := os.ReadFile(sound); err == nil {
				audio = b
			}
			var s store
			s.record(t, morning(), 3*time.Second, read(t, path), audio, "")
			file, _, res := mp4(t, s.config(morning(), morning().Add(time.Hour)))
			want := decoded(t, path, "0:v")
			if got := decoded(t, file, "0:v"); !slices.Equal(got, want) {
				n := 0
				for n < min(len(got), len(want)) && got[n] == want[n] {
					n++
				}
				t.Errorf("%d decoded pictures, want %d; the first that differs is %d; result %+v", len(got), len(want), n, res)
			}
			if audio == nil {
				return
			}
			// Sound that goes on behind the last picture is left out.
			got, all := decoded(t, file, "0:a"), decoded(t, sound, "0:a")
			if len(got) == 0 || !slices.Equal(got, all[:min(len(got), len(all))]) {
				t.Errorf("%d frames of sound differ from the %d of the source; result %+v", len(got), len(all), res)
			}
			if len(got) < len(all) && !strings.Contains(e.Name, "exo_12_5fps") {
				t.Errorf("%d frames of sound, want all %d", len(got), len(all))
			}
		})
	}
}
