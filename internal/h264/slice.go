// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"errors"
	"fmt"
)

// sliceHeader holds the fields of slice_header() (7.3.3) that tell pictures apart and order them.
type sliceHeader struct {
	refIDC         uint8
	idr            bool
	typ            SliceType
	firstMB        uint32
	ppsID          uint32
	complete       bool // its parameter sets are known; without them the fields below are not read
	spsID          int
	pocType        int
	colourPlane    uint8
	frameNum       uint32
	field, bottom  bool
	idrPicID       uint32
	pocLsb         uint32
	deltaPOCBottom int32
	deltaPOC       [2]int32
	redundant      uint32 // redundant_pic_cnt, 0 for the primary picture
	mmco5          bool   // memory_management_control_operation 5 (only after parseMarking)
}

// parseSlice reads the header of a slice or slice data partition A NAL unit up to redundant_pic_cnt. When the parameter
// sets are not known it reads what does not depend on them and leaves complete false. The reader is left behind what was read.
func (p *ParameterSets) parseSlice(nal []byte, h *sliceHeader, r *bitReader) error {
	*h = sliceHeader{refIDC: nal[0] >> 5 & 3, idr: nal[0]&0x1f == TypeIDR}
	*r = bitReader{b: nal[1:]}
	h.firstMB = r.ueMax("first_mb_in_slice", maxFrameMbs-1)
	h.typ = SliceType(r.ueMax("slice_type", 9) % 5)
	h.ppsID = r.ueMax("pic_parameter_set_id", 255)
	if r.err != nil {
		return fmt.Errorf("slice header: %w", r.err)
	}
	sps, pps := p.forPPS(int(h.ppsID))
	if sps == nil {
		return nil
	}
	h.spsID, h.pocType = sps.ID, sps.POCType
	if sps.SeparateColourPlanes {
		h.colourPlane = uint8(r.u(2))
	}
	h.frameNum = r.u(sps.Log2MaxFrameNum)
	if !sps.FrameMbsOnly {
		if h.field = r.flag(); h.field {
			h.bottom = r.flag()
		}
	}
	if h.idr {
		h.idrPicID = r.ueMax("idr_pic_id", 65535)
	}
	switch sps.POCType {
	case 0:
		h.pocLsb = r.u(sps.Log2MaxPOCLsb)
		if pps.bottomFieldPOC && !h.field {
			h.deltaPOCBottom = r.se()
		}
	case 1:
		if !sps.DeltaPicOrderAlwaysZero {
			h.deltaPOC[0] = r.se()
			if pps.bottomFieldPOC && !h.field {
				h.deltaPOC[1] = r.se()
			}
		}
	}
	if pps.redundantPicCntPresent {
		h.redundant = r.ueMax("redundant_pic_cnt", 127)
	}
	if r.err != nil {
		return fmt.Errorf("slice header: %w", r.err)
	}
	h.complete = true
	return nil
}

// parseMarking goes on from parseSlice to dec_ref_pic_marking (7.3.3.3), to find memory_management_control_operation 5.
func (p *ParameterSets) parseMarking(h *sliceHeader, r *bitReader) error {
	if h.refIDC == 0 || h.idr || !h.complete {
		return nil
	}
	sps, pps := p.forPPS(int(h.ppsID))
	if h.typ == SliceB {
		r.flag() // direct_spatial_mv_pred_flag
	}
	lists := 0
	switch h.typ {
	case SliceP, SliceSP:
		lists = 1
	case SliceB:
		lists = 2
	}
	refs := [2]int{int(pps.refIdxL0), int(pps.refIdxL1)}
	if lists > 0 && r.flag() { // num_ref_idx_active_override_flag
		for i := range lists {
			refs[i] = 1 + int(r.ueMax("num_ref_idx_active_minus1", 31))
		}
	}
	for range lists {
		refPicListModification(r)
	}
	if pps.weightedPred && lists == 1 || pps.weightedBipredIDC == 1 && lists == 2 {
		predWeightTable(r, sps, refs[:lists])
	}
	if r.flag() { // adaptive_ref_pic_marking_mode_flag
		h.mmco5 = hasMMCO5(r)
	}
	if r.err != nil {
		return fmt.Errorf("slice header: %w", r.err)
	}
	return nil
}

// maxOperations bounds the two lists of operations in a slice header; a legal one has at most one per reference field and an end.
const maxOperations = 66

func refPicListModification(r *bitReader) {
	if !r.flag() {
		return
	}
	for range maxOperations {
		if r.ueMax("modification_of_pic_nums_idc", 3) == 3 || r.err != nil {
			return
		}
		r.ue()
	}
	r.fail(errors.New("reference list modification has no end"))
}

func predWeightTable(r *bitReader, sps *SPS, refs []int) {
	chroma := sps.ChromaFormat != 0 && !sps.SeparateColourPlanes
	r.ue() // luma_log2_weight_denom
	if chroma {
		r.ue()
	}
	for _, n := range refs {
		for range n {
			if r.flag() {
				r.se()
				r.se()
			}
			if chroma && r.flag() {
				for range 4 {
					r.se()
				}
			}
		}
	}
}

func hasMMCO5(r *bitReader) bool {
	found := false
	for range maxOperations {
		op := r.ueMax("memory_management_control_operation", 6)
		switch op {
		case 0:
			return found && r.err == nil
		case 5:
			found = true
		case 3:
			r.ue()
			r.ue()
		default:
			r.ue()
		}
	}
	r.fail(errors.New("memory management operations have no end"))
	return false
}

// firstOfNew reports whether slice h begins another primary coded picture than slice prev belongs to, 7.4.1.2.4. Without known
// parameter sets it compares what it has and takes first_mb_in_slice 0 for a beginning.
func (h *sliceHeader) firstOfNew(prev *sliceHeader) bool {
	if h.redundant > 0 {
		return false
	}
	if h.ppsID != prev.ppsID || (h.refIDC == 0) != (prev.refIDC == 0) || h.idr != prev.idr {
		return true
	}
	if !h.complete || !prev.complete {
		return h.firstMB == 0 || h.complete != prev.complete
	}
	return h.frameNum != prev.frameNum || h.spsID != prev.spsID || h.field != prev.field || h.bottom != prev.bottom ||
		h.pocLsb != prev.pocLsb || h.deltaPOCBottom != prev.deltaPOCBottom || h.deltaPOC != prev.deltaPOC ||
		h.idr && h.idrPicID != prev.idrPicID
}
