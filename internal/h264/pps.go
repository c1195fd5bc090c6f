// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"errors"
	"fmt"
	"math/bits"
)

// PPS is as much of a picture parameter set (7.3.2.2) as reading slice headers takes.
type PPS struct {
	ID, SPSID              int
	CABAC                  bool // entropy_coding_mode_flag
	bottomFieldPOC         bool // bottom_field_pic_order_in_frame_present_flag
	weightedPred           bool
	weightedBipredIDC      uint8
	refIdxL0, refIdxL1     uint8 // num_ref_idx_l0/l1_default_active_minus1 + 1
	redundantPicCntPresent bool
}

var errNotPPS = errors.New("not a picture parameter set")

// ParsePPS reads a picture parameter set NAL unit, without start code. nal is not kept.
func ParsePPS(nal []byte) (PPS, error) {
	p, err := parsePPS(nal)
	if err != nil {
		return PPS{}, fmt.Errorf("PPS: %w", err)
	}
	return p, nil
}

func parsePPS(nal []byte) (PPS, error) {
	nal = trimZeros(nal)
	if NALType(nal) != TypePPS || nal[0]&0x80 != 0 {
		return PPS{}, errNotPPS
	}
	r := bitReader{b: nal[1:]}
	p := PPS{}
	p.ID = int(r.ueMax("pic_parameter_set_id", 255))
	p.SPSID = int(r.ueMax("seq_parameter_set_id", 31))
	p.CABAC = r.flag()
	p.bottomFieldPOC = r.flag()
	if groups := 1 + r.ueMax("num_slice_groups_minus1", 7); groups > 1 {
		sliceGroups(&r, groups)
	}
	p.refIdxL0 = 1 + uint8(r.ueMax("num_ref_idx_l0_default_active_minus1", 31))
	p.refIdxL1 = 1 + uint8(r.ueMax("num_ref_idx_l1_default_active_minus1", 31))
	p.weightedPred = r.flag()
	p.weightedBipredIDC = uint8(r.u(2))
	r.se()    // pic_init_qp_minus26
	r.se()    // pic_init_qs_minus26
	r.se()    // chroma_qp_index_offset
	r.skip(2) // deblocking_filter_control_present_flag, constrained_intra_pred_flag
	p.redundantPicCntPresent = r.flag()
	return p, r.err
}

// sliceGroups skips the slice group map of flexible macroblock ordering.
func sliceGroups(r *bitReader, groups uint32) {
	switch typ := r.ueMax("slice_group_map_type", 6); typ {
	case 0:
		for range groups {
			r.ue()
		}
	case 2:
		for range groups - 1 {
			r.ue()
			r.ue()
		}
	case 3, 4, 5:
		r.flag()
		r.ue()
	case 6:
		width := uint(bits.Len32(groups - 1)) // Ceil(Log2(groups)) bits each
		for n := 1 + r.ueMax("pic_size_in_map_units_minus1", maxFrameMbs-1); n > 0 && r.err == nil; n-- {
			r.u(width)
		}
	}
}
