// SPDX-License-Identifier: Apache-2.0

package h264

import "fmt"

// SliceType is slice_type modulo 5, Table 7-6.
type SliceType uint8

// The slice types.
const (
	SliceP SliceType = iota
	SliceB
	SliceI
	SliceSP
	SliceSI
)

// String gives the letter of Table 7-6.
func (t SliceType) String() string {
	switch t {
	case SliceP:
		return "P"
	case SliceB:
		return "B"
	case SliceI:
		return "I"
	case SliceSP:
		return "SP"
	case SliceSI:
		return "SI"
	}
	return "?"
}

// Info says what an access unit is.
type Info struct {
	HasAUD        bool // an access unit delimiter comes before the first slice
	HasSPS        bool // likewise a sequence parameter set
	HasPPS        bool // likewise a picture parameter set
	HasSlice      bool // there is a slice; the next five fields are about the first one
	IDR           bool
	Intra         bool      // the first slice is I or SI. Further slices are not looked at
	Reference     bool      // nal_ref_idc is not 0: other pictures may refer to this one
	FirstMB       int       // first_mb_in_slice; not 0 means that the picture begins elsewhere (or uses arbitrary slice order)
	SliceType     SliceType // of the first slice
	RecoveryPoint bool      // an SEI message says that decoding may start here (D.2.8)
	EndOfSequence bool      // the unit ends in an end of sequence or end of stream NAL unit

	// AUDBytes is the length of the access unit delimiters at the very beginning with their start codes, 0 = none. au[AUDBytes:]
	// begins with the start code of the next NAL unit. An AUD further behind (after an SPS) sets HasAUD only.
	AUDBytes int
	// SliceOffset is where the start code of the first slice begins; len(au) without a slice. All NAL units before it are
	// delimiters, parameter sets, SEI and the like.
	SliceOffset int
}

// Inspect looks at an access unit, or at a single NAL unit of one, in Annex B form. It reads up to the first slice header and,
// for EndOfSequence, the last few bytes, so its cost does not grow with the frame. It does not need parameter sets.
//
// Without a slice the error is ErrNoSlice and Info holds what was there, so parameter sets that come as an item of their
// own can be told. au must begin with a start code (zero bytes may precede it): ErrNoStartCode.
// Nothing is kept and nothing allocated when there is no error.
func Inspect(au []byte) (Info, error) {
	info := Info{SliceOffset: len(au)}
	at, ok := startCodeAt(au)
	if !ok {
		return info, ErrNoStartCode
	}
	leading := true
	for pos := 0; pos < len(au); {
		start := at + 3
		if start >= len(au) {
			break
		}
		typ := au[start] & 0x1f
		if typ == TypeSlice || typ == TypeIDR || typ == TypePartitionA {
			info.SliceOffset = pos
			if err := info.slice(au[start:min(len(au), start+sliceProbe)]); err != nil {
				return info, err
			}
			info.EndOfSequence = EndsSequence(au)
			return info, nil
		}
		// The unit ends where the next start code begins, zero_byte included.
		next, end := indexStartCode(au[start:]), len(au)
		if next >= 0 {
			next += start
			if end = next; end > start && au[end-1] == 0 {
				end--
			}
		}
		leading = leading && typ == TypeAUD
		switch typ {
		case TypeAUD:
			info.HasAUD = true
			if leading {
				info.AUDBytes = end
			}
		case TypeSPS:
			info.HasSPS = true
		case TypePPS:
			info.HasPPS = true
		case TypeSEI:
			info.RecoveryPoint = info.RecoveryPoint || hasRecoveryPoint(au[start:end])
		}
		if next < 0 {
			break
		}
		at, pos = next, end
	}
	info.EndOfSequence = EndsSequence(au)
	return info, ErrNoSlice
}

// sliceProbe is how many bytes of a slice Inspect reads: NAL header, two Exp-Golomb codes of at most 63 bits, and the
// emulation prevention bytes among them.
const sliceProbe = 32

func (info *Info) slice(nal []byte) error {
	r := bitReader{b: nal[1:]}
	firstMB := r.ueMax("first_mb_in_slice", maxFrameMbs-1)
	typ := r.ueMax("slice_type", 9)
	if r.err != nil {
		return fmt.Errorf("slice header: %w", r.err)
	}
	info.HasSlice = true
	info.IDR = nal[0]&0x1f == TypeIDR
	info.Reference = nal[0]&0x60 != 0
	info.FirstMB = int(firstMB)
	info.SliceType = SliceType(typ % 5)
	info.Intra = info.SliceType == SliceI || info.SliceType == SliceSI
	return nil
}

// startCodeAt returns where 00 00 01 begins in data that starts with zero bytes and a start code.
func startCodeAt(b []byte) (int, bool) {
	for i, c := range b {
		if c != 0 {
			return i - 2, c == 1 && i >= 2
		}
	}
	return 0, false
}

// EndsSequence reports whether the last NAL unit of an Annex B buffer is an end of sequence or end of stream NAL unit. They have
// no payload, so this looks at the last few bytes only (and at trailing zero bytes).
func EndsSequence(au []byte) bool {
	au = trimZeros(au)
	n := len(au)
	if n < 4 || au[n-2] != 1 || au[n-3]|au[n-4] != 0 {
		return false
	}
	typ := au[n-1] & 0x1f
	return typ == TypeEndOfSeq || typ == TypeEndOfStream
}

// hasRecoveryPoint walks over the messages of an SEI NAL unit (7.3.2.3) in search of payload type 6.
func hasRecoveryPoint(nal []byte) bool {
	const recoveryPoint = 6
	r := bitReader{b: trimZeros(nal)[1:]}
	for len(r.b) > 1 && r.err == nil { // the last byte is rbsp_trailing_bits
		typ, size := r.ffCoded(), r.ffCoded()
		if typ == recoveryPoint && r.err == nil {
			return true
		}
		r.skipBytes(size)
	}
	return false
}

// ffCoded reads a number written as ff bytes and a last byte, all to be added (7.3.2.3.1).
func (r *bitReader) ffCoded() int {
	v := 0
	for {
		c := int(r.u(8))
		if v += c; c != 0xff || v > 1<<24 {
			return v
		}
	}
}
