// SPDX-License-Identifier: Apache-2.0

package h264

// pocDecoder works out picture order counts (8.2.1) of pictures in decoding order.
type pocDecoder struct {
	prevMsb, prevLsb int64  // of the previous reference picture, type 0
	prevFrameNum     uint32 // of the previous picture, types 1 and 2
	prevOffset       int64
}

// next returns PicOrderCnt of the picture with this slice header: the smaller of its two fields' counts for a frame. For a picture with
// memory_management_control_operation 5 it is the value after that operation (0 for a field), with which it is put out.
func (d *pocDecoder) next(sps *SPS, h *sliceHeader) int64 {
	var top, bottom int64
	if h.idr {
		*d = pocDecoder{}
	}
	if sps.POCType == 0 {
		top, bottom = d.type0(sps, h)
	} else {
		top, bottom = d.fromFrameNum(sps, h)
	}
	poc := min(top, bottom)
	if h.field {
		poc = top
		if h.bottom {
			poc = bottom
		}
	}
	if !h.mmco5 {
		return poc
	}
	// 8.2.1: tempPicOrderCnt is subtracted, and the next picture sees this one as one with frame_num 0 and without an offset.
	*d = pocDecoder{}
	if h.field {
		return 0
	}
	d.prevLsb = top - poc
	return 0
}

// type0 is 8.2.1.1.
func (d *pocDecoder) type0(sps *SPS, h *sliceHeader) (top, bottom int64) {
	period := int64(1) << sps.Log2MaxPOCLsb
	lsb, msb := int64(h.pocLsb), d.prevMsb
	switch {
	case lsb < d.prevLsb && d.prevLsb-lsb >= period/2:
		msb += period
	case lsb > d.prevLsb && lsb-d.prevLsb > period/2:
		msb -= period
	}
	if h.refIDC != 0 {
		d.prevMsb, d.prevLsb = msb, lsb
	}
	return msb + lsb, msb + lsb + int64(h.deltaPOCBottom)
}

// fromFrameNum is 8.2.1.2 and 8.2.1.3.
func (d *pocDecoder) fromFrameNum(sps *SPS, h *sliceHeader) (top, bottom int64) {
	offset := d.prevOffset
	if d.prevFrameNum > h.frameNum {
		offset += 1 << sps.Log2MaxFrameNum
	}
	d.prevFrameNum, d.prevOffset = h.frameNum, offset
	abs := offset + int64(h.frameNum)

	if sps.POCType == 2 {
		poc := 2 * abs
		if h.refIDC == 0 {
			poc--
		}
		return poc, poc
	}

	cycle := int64(len(sps.OffsetForRefFrame))
	if cycle == 0 {
		abs = 0
	}
	if h.refIDC == 0 && abs > 0 {
		abs--
	}
	expected := int64(0)
	if abs > 0 {
		full, part := (abs-1)/cycle, (abs-1)%cycle
		for i, o := range sps.OffsetForRefFrame {
			expected += full * int64(o)
			if int64(i) <= part {
				expected += int64(o)
			}
		}
	}
	if h.refIDC == 0 {
		expected += int64(sps.OffsetForNonRefPic)
	}
	top = expected + int64(h.deltaPOC[0])
	bottom = top + int64(sps.OffsetForTopToBottomField)
	if !h.field {
		bottom += int64(h.deltaPOC[1])
	}
	return top, bottom
}
