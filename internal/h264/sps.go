// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"errors"
	"fmt"
)

// The largest picture of any level (Table A-1, level 6.2): 139264 macroblocks, and no side beyond sqrt(8 * 139264) of them.
const (
	maxFrameMbs = 139264
	maxSideMbs  = 1055
)

// SPS is a sequence parameter set (7.3.2.1.1) with the parts of its VUI (E.1.1) that matter for recording.
type SPS struct {
	ID             int // seq_parameter_set_id, 0..31
	ProfileIDC     int
	ConstraintSets int // the byte after profile_idc: constraint_set0_flag is 0x80
	LevelIDC       int

	Width, Height           int // what is shown: coded size less cropping, in luma samples
	CodedWidth, CodedHeight int

	ChromaFormat                int // chroma_format_idc: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4
	SeparateColourPlanes        bool
	BitDepthLuma                int
	BitDepthChroma              int
	FrameMbsOnly                bool // no field pictures and no MBAFF
	MaxNumRefFrames             int
	GapsInFrameNumAllowed       bool
	Log2MaxFrameNum             uint
	POCType                     int // pic_order_cnt_type
	Log2MaxPOCLsb               uint
	DeltaPicOrderAlwaysZero     bool
	OffsetForNonRefPic          int32
	OffsetForTopToBottomField   int32
	OffsetForRefFrame           []int32
	SARWidth, SARHeight         int  // sample aspect ratio, 0:0 = not said
	FullRange                   bool // video_full_range_flag
	FrameRate                   Rate // from the VUI timing; zero when absent or nonsense
	FixedFrameRate              bool // fixed_frame_rate_flag
	NumUnitsInTick, TimeScale   uint32
	BitstreamRestriction        bool // MaxNumReorder and MaxDecFrameBuffering come from the VUI
	MaxDecFrameBuffering        int
	VUITruncated                bool // the VUI ended too early; what is not certain was left out
	picWidthInMbs, frameHeightM int

	// MaxNumReorder is how many frames, at most, precede a picture in decoding order and follow it in output order: 0 without
	// reordering. It is max_num_reorder_frames of the VUI; without that it is what profile, level and picture order count
	// type allow (E.2.1, A.3.1), which a decoder has to assume.
	MaxNumReorder int
}

// ParseSPS reads a sequence parameter set NAL unit, without start code. nal is not kept. A VUI that ends too early (seen from
// cameras) is no error: the size and the order of pictures do not depend on it.
func ParseSPS(nal []byte) (SPS, error) {
	s, err := parseSPS(nal)
	if err != nil {
		return SPS{}, fmt.Errorf("SPS: %w", err)
	}
	return s, nil
}

var errNotSPS = errors.New("not a sequence parameter set")

func parseSPS(nal []byte) (SPS, error) {
	nal = trimZeros(nal)
	if NALType(nal) != TypeSPS || nal[0]&0x80 != 0 {
		return SPS{}, errNotSPS
	}
	r := bitReader{b: nal[1:]}
	s := SPS{ChromaFormat: 1, BitDepthLuma: 8, BitDepthChroma: 8}
	s.ProfileIDC = int(r.u(8))
	s.ConstraintSets = int(r.u(8))
	s.LevelIDC = int(r.u(8))
	s.ID = int(r.ueMax("seq_parameter_set_id", 31))
	if hasChromaFormat(s.ProfileIDC) {
		s.chroma(&r)
	}
	s.Log2MaxFrameNum = 4 + uint(r.ueMax("log2_max_frame_num_minus4", 12))
	s.picOrderCnt(&r)
	s.MaxNumRefFrames = int(r.ueMax("max_num_ref_frames", 16))
	s.GapsInFrameNumAllowed = r.flag()
	s.size(&r)
	if r.err != nil {
		return s, r.err
	}
	if vui := r.flag(); vui {
		s.vui(&r)
	}
	s.MaxNumReorder = s.reorderDepth()
	return s, nil
}

// hasChromaFormat lists the profiles whose SPS begins with chroma_format_idc (7.3.2.1.1).
func hasChromaFormat(profileIDC int) bool {
	switch profileIDC {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		return true
	}
	return false
}

func (s *SPS) chroma(r *bitReader) {
	s.ChromaFormat = int(r.ueMax("chroma_format_idc", 3))
	if s.ChromaFormat == 3 {
		s.SeparateColourPlanes = r.flag()
	}
	s.BitDepthLuma = 8 + int(r.ueMax("bit_depth_luma_minus8", 6))
	s.BitDepthChroma = 8 + int(r.ueMax("bit_depth_chroma_minus8", 6))
	r.flag() // qpprime_y_zero_transform_bypass_flag
	if r.flag() {
		lists := 8
		if s.ChromaFormat == 3 {
			lists = 12
		}
		for i := range lists {
			if r.flag() {
				scalingList(r, i)
			}
		}
	}
}

// scalingList skips list i, 7.3.2.1.1.1.
func scalingList(r *bitReader, i int) {
	size := 16
	if i >= 6 {
		size = 64
	}
	last, next := int32(8), int32(8)
	for range size {
		if next != 0 {
			delta := r.se()
			if r.err == nil && (delta < -128 || delta > 127) {
				r.fail(fmt.Errorf("delta_scale is %d, -128..127 is legal", delta))
				return
			}
			next = (last + delta + 256) % 256
		}
		if next != 0 {
			last = next
		}
	}
}

func (s *SPS) picOrderCnt(r *bitReader) {
	s.POCType = int(r.ueMax("pic_order_cnt_type", 2))
	switch s.POCType {
	case 0:
		s.Log2MaxPOCLsb = 4 + uint(r.ueMax("log2_max_pic_order_cnt_lsb_minus4", 12))
	case 1:
		s.DeltaPicOrderAlwaysZero = r.flag()
		s.OffsetForNonRefPic = r.se()
		s.OffsetForTopToBottomField = r.se()
		n := int(r.ueMax("num_ref_frames_in_pic_order_cnt_cycle", 255))
		if n > 8*len(r.b)+int(r.n) { // a bit each at least
			r.fail(ErrTruncated)
			return
		}
		s.OffsetForRefFrame = make([]int32, n)
		for i := range s.OffsetForRefFrame {
			s.OffsetForRefFrame[i] = r.se()
		}
	}
}

func (s *SPS) size(r *bitReader) {
	s.picWidthInMbs = 1 + int(r.ueMax("pic_width_in_mbs_minus1", maxSideMbs-1))
	mapUnits := 1 + int(r.ueMax("pic_height_in_map_units_minus1", maxSideMbs-1))
	s.FrameMbsOnly = r.flag()
	s.frameHeightM = mapUnits
	if !s.FrameMbsOnly {
		s.frameHeightM = 2 * mapUnits
		r.flag() // mb_adaptive_frame_field_flag
	}
	if s.picWidthInMbs*s.frameHeightM > maxFrameMbs || s.frameHeightM > maxSideMbs {
		r.fail(fmt.Errorf("picture of %dx%d: %w", 16*s.picWidthInMbs, 16*s.frameHeightM, ErrTooLarge))
		return
	}
	r.flag() // direct_8x8_inference_flag
	s.CodedWidth, s.CodedHeight = 16*s.picWidthInMbs, 16*s.frameHeightM
	s.Width, s.Height = s.CodedWidth, s.CodedHeight
	if !r.flag() { // frame_cropping_flag
		return
	}
	// CropUnitX, CropUnitY: equations 7-19 to 7-22.
	unitX, unitY := 1, 1
	if !s.SeparateColourPlanes {
		if s.ChromaFormat == 1 || s.ChromaFormat == 2 {
			unitX = 2
		}
		if s.ChromaFormat == 1 {
			unitY = 2
		}
	}
	if !s.FrameMbsOnly {
		unitY *= 2
	}
	left, right := int64(r.ue()), int64(r.ue())
	top, bottom := int64(r.ue()), int64(r.ue())
	w := int64(s.CodedWidth) - int64(unitX)*(left+right)
	h := int64(s.CodedHeight) - int64(unitY)*(top+bottom)
	if r.err != nil {
		return
	}
	if w <= 0 || h <= 0 {
		r.fail(fmt.Errorf("cropping leaves no picture of %dx%d", s.CodedWidth, s.CodedHeight))
		return
	}
	s.Width, s.Height = int(w), int(h)
}

// reorderDepth works out MaxNumReorder.
func (s *SPS) reorderDepth() int {
	const constraintSet3 = 0x10
	switch {
	case s.POCType == 2: // output order is decoding order (8.2.1.3)
		return 0
	case s.BitstreamRestriction:
		return s.MaxNumReorder
	case s.MaxNumRefFrames == 0: // nothing a B picture could refer to
		return 0
	}
	switch s.ProfileIDC {
	case 44, 86, 100, 110, 122, 244:
		if s.ConstraintSets&constraintSet3 != 0 { // intra only
			return 0
		}
	}
	return min(max(s.maxDpbFrames(), s.MaxNumRefFrames), maxReorder)
}

// maxReorder is the largest decoded picture buffer of any level, in frames (A.3.1).
const maxReorder = 16

// maxDpbFrames is MaxDpbFrames of A.3.1 from Table A-1.
func (s *SPS) maxDpbFrames() int {
	maxDpbMbs := 0
	switch s.LevelIDC {
	case 9, 10: // 9 is level 1b
		maxDpbMbs = 396
	case 11:
		maxDpbMbs = 900
		if s.ConstraintSets&0x10 != 0 && (s.ProfileIDC == 66 || s.ProfileIDC == 77 || s.ProfileIDC == 88) {
			maxDpbMbs = 396 // level 1b
		}
	case 12, 13, 20:
		maxDpbMbs = 2376
	case 21:
		maxDpbMbs = 4752
	case 22, 30:
		maxDpbMbs = 8100
	case 31:
		maxDpbMbs = 18000
	case 32:
		maxDpbMbs = 20480
	case 40, 41:
		maxDpbMbs = 32768
	case 42:
		maxDpbMbs = 34816
	case 50:
		maxDpbMbs = 110400
	case 51, 52:
		maxDpbMbs = 184320
	case 60, 61, 62:
		maxDpbMbs = 696320
	default:
		return maxReorder
	}
	return min(maxDpbMbs/(s.picWidthInMbs*s.frameHeightM), maxReorder)
}
