// SPDX-License-Identifier: Apache-2.0

package clip_test

import (
	"io"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/clip"
)

// BenchmarkMP4 defends the budget of docs/design/performance.md: nothing is allocated for a frame.
func BenchmarkMP4(b *testing.B) {
	video, audio := synthetic(b, 30, "1280x720", "keyint=25:min-keyint=25:scenecut=0:bframes=0")
	var s store
	s.record(b, morning(), 3*time.Second, video, audio, "25")
	cfg := s.config(morning(), morning().Add(time.Hour))
	bytes := int64(0)
	for _, g := range cfg.Segments {
		bytes += g.Size
	}
	b.SetBytes(bytes)
	b.ReportAllocs()
	for b.Loop() {
		c, err := clip.Open(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.WriteMP4(b.Context(), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
