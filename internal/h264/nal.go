// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"bytes"
	"errors"
	"iter"
)

// NAL unit types, Table 7-1.
const (
	TypeSlice       = 1
	TypePartitionA  = 2
	TypePartitionB  = 3
	TypePartitionC  = 4
	TypeIDR         = 5
	TypeSEI         = 6
	TypeSPS         = 7
	TypePPS         = 8
	TypeAUD         = 9
	TypeEndOfSeq    = 10
	TypeEndOfStream = 11
	TypeFiller      = 12
	TypePrefix      = 14
)

// Errors that a caller may test with errors.Is.
var (
	// ErrNoStartCode: the data does not begin with 00 00 01 or 00 00 00 01, so it is not an Annex B byte stream.
	ErrNoStartCode = errors.New("no Annex B start code")
	// ErrNoSlice: the access unit holds no coded slice before it ends.
	ErrNoSlice = errors.New("no slice in the access unit")
	// ErrTruncated: a NAL unit ends in the middle of a field that is needed.
	ErrTruncated = errors.New("NAL unit is truncated")
	// ErrTooLarge: something is larger than its limit.
	ErrTooLarge = errors.New("too large")
	// ErrNoParameterSets: a slice refers to a picture or sequence parameter set that did not come.
	ErrNoParameterSets = errors.New("no parameter sets")
	// ErrNoFrameRate: neither the caller nor the stream says how many frames there are in a second.
	ErrNoFrameRate = errors.New("no frame rate in the stream")
)

// NALType returns nal_unit_type of a NAL unit without start code, 0 (unspecified) for an empty one.
func NALType(nal []byte) int {
	if len(nal) == 0 {
		return 0
	}
	return int(nal[0] & 0x1f)
}

// NALUnits iterates over the NAL units of an Annex B buffer. The units come without start code (3 or 4 bytes) and without
// trailing zero bytes, and are parts of b. Bytes before the first start code and empty NAL units are left out.
// Nothing is allocated.
func NALUnits(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, nal := range Offsets(b) {
			if !yield(nal) {
				return
			}
		}
	}
}

// Offsets is NALUnits with the place of each unit: the index in b of the first byte of its start code, which is the zero_byte
// where there is one. So b[offset:] is again an Annex B buffer that begins with this unit.
func Offsets(b []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		at := indexStartCode(b)
		for at >= 0 {
			start := at + 3
			next, end := indexStartCode(b[start:]), len(b)
			if next >= 0 {
				next += start
				end = next
			}
			if nal := trimZeros(b[start:end]); len(nal) > 0 {
				if at > 0 && b[at-1] == 0 {
					at--
				}
				if !yield(at, nal) {
					return
				}
			}
			at = next
		}
	}
}

// indexStartCode returns where the first 00 00 01 in b begins, or -1. It looks for the 01, because zero bytes are frequent in
// headers and padding, and 00 00 is rare before a 01 that ends no start code.
func indexStartCode(b []byte) int {
	for i := 2; i < len(b); i += 3 {
		j := bytes.IndexByte(b[i:], 1)
		if j < 0 {
			return -1
		}
		i += j
		if b[i-1]|b[i-2] == 0 {
			return i - 2
		}
	}
	return -1
}

// trimZeros drops trailing_zero_8bits; a NAL unit itself never ends in a zero byte (7.4.1).
func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}
