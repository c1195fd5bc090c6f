// SPDX-License-Identifier: Apache-2.0

//go:build !race

package wire_test

import (
	"bytes"
	"testing"

	"github.com/s3cam/s3cam/internal/wire"
)

func TestReadingMediaAllocatesNothing(t *testing.T) {
	var in []byte
	for range 200 {
		in = must(wire.AppendMedia(in, wire.TypeVideo, 0, 0, make([]byte, 9000)))
		in = must(wire.AppendMedia(in, wire.TypeAudio, 0, 0, make([]byte, 170)))
	}
	r := wire.NewReader(bytes.NewReader(in))
	buf := make([]byte, 64<<10)
	if got := testing.AllocsPerRun(150, func() {
		for range 2 {
			m, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Media(buf[:m.Size]); err != nil {
				t.Fatal(err)
			}
		}
	}); got != 0 {
		t.Errorf("a picture and an audio frame allocate %v times, want 0", got)
	}
}
