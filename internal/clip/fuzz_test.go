// SPDX-License-Identifier: Apache-2.0

package clip_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/clip"
	"github.com/s3cam/s3cam/internal/clip/cliptest"
	"github.com/s3cam/s3cam/internal/mp4/mp4test"
)

// Whatever lies in the bucket, a clip is a file that can be read, or an error that says why not.
func FuzzSegments(f *testing.F) {
	var cam cliptest.Camera
	good := cam.Segment(morning(), 3)
	reordered := (&cliptest.Camera{Reorder: true, Rate: 44100}).Segment(morning().Add(3*time.Second), 3)
	f.Add(good, reordered, uint16(0), uint16(5000))
	f.Add(reordered, good[:200], uint16(10), uint16(20))
	f.Add(bytes.Replace(good, []byte{0, 0, 1, 0x67}, []byte{0, 0, 1, 0x6C}, 1), good, uint16(0), uint16(9000)) // no SPS
	f.Add([]byte{}, []byte("G"), uint16(0), uint16(1))
	f.Fuzz(func(t *testing.T, a, b []byte, from, to uint16) {
		var s store
		s.put(morning(), a)
		s.put(morning().Add(3*time.Second), b)
		s.put(morning().Add(6*time.Second), good)
		for _, partial := range []bool{false, true} {
			start := morning().Add(time.Duration(from) * time.Millisecond)
			cfg := s.config(start, start.Add(time.Duration(to)*time.Millisecond))
			cfg.Partial, cfg.CutGaps = partial, to%2 == 1
			c, err := clip.Open(t.Context(), cfg)
			var out bytes.Buffer
			var res clip.Result
			if err == nil {
				res, err = c.WriteMP4(t.Context(), &out)
			}
			var bad *clip.SegmentError
			switch {
			case err == nil:
				file, err := mp4test.Read(out.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				if int64(len(file.Video().Samples)) != res.Pictures {
					t.Errorf("%d pictures in the file, %+v", len(file.Video().Samples), res)
				}
				if c.End().Before(c.Start()) {
					t.Errorf("from %v to %v", c.Start(), c.End())
				}
			case errors.As(err, &bad) && !partial, errors.Is(err, clip.ErrNoFootage), errors.Is(err, clip.ErrUnsupported):
			default:
				t.Errorf("partial %v: %v", partial, err)
			}
		}
	})
}
