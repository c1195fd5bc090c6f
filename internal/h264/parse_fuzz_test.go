// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"testing"

	"github.com/s3cam/s3cam/internal/h264"
)

// FuzzParsePPS: any bytes are a picture parameter set with its numbers in range, or an error.
func FuzzParsePPS(f *testing.F) {
	for _, s := range []string{"\x68\xce\x3c\x80", "\x68\xee\x3c\x80", "\x68", "\x68\xff\xff\xff", "\x68\x00\x00\x03\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, nal []byte) {
		if p, err := h264.ParsePPS(nal); err == nil && (p.ID > 255 || p.SPSID > 31) {
			t.Errorf("%x: %+v", nal, p)
		}
	})
}

// FuzzParseRate: what an operator writes is a rate above zero, or an error.
func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"25", "30000/1001", "29.97", "0", "-1", "1/0", "1e9", "", "99999999999999999999/3", "0.0000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := h264.ParseRate(s); err == nil && (r.Num == 0 || r.Den == 0) {
			t.Errorf("%q: %+v", s, r)
		}
	})
}
