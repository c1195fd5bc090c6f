// SPDX-License-Identifier: Apache-2.0

package push

import (
	"bytes"
	"errors"

	"github.com/s3cam/s3cam/internal/hint"
)

// Format is what an input holds.
type Format int

// The formats that can be pushed.
const (
	H264 Format = iota + 1 // Annex B byte stream
	TS                     // MPEG transport stream
)

// String returns the name for people.
func (f Format) String() string {
	switch f {
	case H264:
		return "H.264"
	case TS:
		return "MPEG-TS"
	}
	return "unknown"
}

// ErrInput is wrapped by every error about an input that cannot be pushed, however often it is tried. Such errors have
// a remedy ([hint.Of]).
var ErrInput = errors.New("input")

// ErrAudio is wrapped, besides ErrInput, by the errors about [Input.Audio].
var ErrAudio = errors.New("audio")

type audioError struct{ error }

func (a audioError) Unwrap() []error { return []error{a.error, ErrAudio} }

func badInput(advice, format string, args ...any) error {
	return hint.Errorf(ErrInput, advice, format, args...)
}

const convertHint = "let ffmpeg repackage it without loss: ffmpeg -i FILE -c copy -bsf:v h264_mp4toannexb -f mpegts - | s3cam push --input - ..."

// sniffBytes is how much of the input [sniff] wants to see.
const sniffBytes = 4096

// sniff tells the format from the first bytes. Containers that people are likely to try are named in the error.
func sniff(head []byte) (Format, error) {
	if len(head) == 0 {
		return 0, badInput("check that the camera or program before it really writes something", "the input is empty")
	}
	for _, c := range []struct {
		at           int
		magic, named string
	}{
		{4, "ftyp", "MP4"}, {4, "moov", "MP4"}, {0, "\x1aE\xdf\xa3", "Matroska or WebM"}, {0, "FLV", "FLV"}, {0, "RIFF", "AVI or WAV"},
		{0, "\x00\x00\x01\xba", "an MPEG program stream"}, {0, "OggS", "Ogg"},
	} {
		if len(head) >= c.at+len(c.magic) && string(head[c.at:c.at+len(c.magic)]) == c.magic {
			return 0, badInput(convertHint, "the input is %s, not H.264 or MPEG-TS", c.named)
		}
	}
	if isTS(head) {
		return TS, nil
	}
	if len(head) >= 2 && head[0] == 0xff && head[1]&0xf6 == 0xf0 || bytes.HasPrefix(head, []byte("ID3")) {
		return 0, badInput("give the video with --input and this file with --audio", "the input is sound, not video")
	}
	// Annex B: an optional run of zeros, then a start code. A few bytes of something else may precede it when a stream was
	// joined in its middle.
	if at := bytes.Index(head, []byte{0, 0, 1}); at >= 0 && at+4 < len(head) {
		first := head[at+3]
		switch {
		case first == 0x40 && head[at+4] == 1, first == 0x46 && head[at+4] == 1:
			// nal_unit_type 32 (VPS) or 35 (AUD) of H.265 7.3.1.2; as H.264 both would be of a type that does not exist.
			return 0, badInput("set the camera's encoder to H.264", "the input is H.265 (HEVC), which is not supported")
		case first&0x80 == 0:
			return H264, nil
		}
	}
	return 0, badInput("the input must be an H.264 byte stream (Annex B) or MPEG-TS", "the input is neither H.264 nor MPEG-TS")
}

// isTS wants sync bytes at the distance of packets; the stream may begin within one.
func isTS(head []byte) bool {
	const packet = 188
	for at := 0; at < packet && at < len(head); at++ {
		n := 0
		for p := at; p < len(head) && head[p] == 0x47; p += packet {
			n++
		}
		// A packet alone, or as many in a row as there are bytes for and no less than three.
		if fit := (len(head) - at + packet - 1) / packet; n == fit && (n >= 3 || at == 0) {
			return true
		}
	}
	return false
}
