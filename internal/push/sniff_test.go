// SPDX-License-Identifier: Apache-2.0

package push

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/hint"
)

func TestSniff(t *testing.T) {
	packet := append([]byte{0x47}, make([]byte, 187)...)
	tests := []struct {
		name string
		in   []byte
		want Format
		err  string
	}{
		{"a byte stream with a 4 byte start code", []byte("\x00\x00\x00\x01\x67\x42\x00\x1e"), H264, ""},
		{"a byte stream with a 3 byte start code", []byte("\x00\x00\x01\x65\x88\x84"), H264, ""},
		{"a byte stream joined in the middle of a slice", []byte("\xab\xcd\xef\x00\x00\x01\x41\x9a\x00"), H264, ""},
		{"transport packets", bytes.Repeat(packet, 4), TS, ""},
		{"transport packets joined within one", append(make([]byte, 100), bytes.Repeat(packet, 5)...), TS, ""},
		{"one transport packet", packet, TS, ""},
		{"nothing", nil, 0, "empty"},
		{"MP4", []byte("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00"), 0, "MP4"},
		{"Matroska", []byte("\x1aE\xdf\xa3\x01\x00"), 0, "Matroska"},
		{"H.265 with a VPS first", []byte("\x00\x00\x00\x01\x40\x01\x0c\x01"), 0, "H.265"},
		{"H.265 with a delimiter first", []byte("\x00\x00\x00\x01\x46\x01\x10\x00"), 0, "H.265"},
		{"AAC", []byte("\xff\xf1\x50\x80\x0e\x7f\xfc"), 0, "sound"},
		{"AAC behind a tag", []byte("ID3\x04\x00\x00\x00\x00\x00\x3f"), 0, "sound"},
		{"text", []byte("#EXTM3U\n#EXT-X-VERSION:3\n"), 0, "neither"},
		{"zeros", make([]byte, 4096), 0, "neither"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sniff(tt.in)
			if got != tt.want || (err == nil) != (tt.err == "") {
				t.Fatalf("sniff = %v, %v; want %v, error with %q", got, err, tt.want, tt.err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tt.err) || !errors.Is(err, ErrInput) || hint.Of(err) == "" {
					t.Errorf("error %v; want ErrInput with %q and a hint", err, tt.err)
				}
			}
		})
	}
}
