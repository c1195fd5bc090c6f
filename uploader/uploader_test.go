// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"slices"
	"testing"

	"github.com/s3cam/s3cam/uploader"
)

func TestHappyPath(t *testing.T) {
	b := &bucket{t: t}
	u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch})
	e := &encoder{fps: 25, gop: 25, size: 2000}
	for range 25 * 10 {
		mustWrite(t, u, e.next())
	}
	mustClose(t, u)
	if got, want := seconds(t, epoch, b.all()), []int{0, 3, 6, 9}; !slices.Equal(got, want) {
		t.Errorf("segments start at %v, want %v", got, want)
	}
	s := u.Stats()
	if s.Stored.Segments != 4 || s.Stored.Frames != 250 || s.Stored.Duration.Seconds() != 10 {
		t.Errorf("stored %+v, want 4 segments, 250 pictures, 10 s", s.Stored)
	}
}
