// SPDX-License-Identifier: Apache-2.0

package h264

// sarTable is Table E-1, from aspect_ratio_idc 1 on.
var sarTable = [...][2]int{
	{1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11}, {80, 33}, {18, 11}, {15, 11}, {64, 33},
	{160, 99}, {4, 3}, {3, 2}, {2, 1},
}

// vui reads vui_parameters, E.1.1. Where it ends too early the fields read from beyond the end are left out.
func (s *SPS) vui(r *bitReader) {
	before := *s
	const extendedSAR = 255
	if r.flag() { // aspect_ratio_info_present_flag
		switch idc := int(r.u(8)); {
		case idc == extendedSAR:
			s.SARWidth, s.SARHeight = int(r.u(16)), int(r.u(16))
		case idc >= 1 && idc <= len(sarTable):
			s.SARWidth, s.SARHeight = sarTable[idc-1][0], sarTable[idc-1][1]
		}
	}
	if r.flag() { // overscan_info_present_flag
		r.flag()
	}
	if r.flag() { // video_signal_type_present_flag
		r.u(3) // video_format
		s.FullRange = r.flag()
		if r.flag() { // colour_description_present_flag
			r.u(24)
		}
	}
	if r.flag() { // chroma_loc_info_present_flag
		r.ue()
		r.ue()
	}
	if r.flag() { // timing_info_present_flag
		s.NumUnitsInTick, s.TimeScale = r.u(32), r.u(32)
		s.FixedFrameRate = r.flag()
	}
	if r.err != nil {
		*s = before
		s.VUITruncated = true
		return
	}
	// A tick is a field, a frame lasts two of them (E.2.1, DeltaTfiDivisor).
	s.FrameRate = reduced(uint64(s.TimeScale), 2*uint64(s.NumUnitsInTick))

	nal := r.flag()
	if nal {
		hrd(r)
	}
	vcl := r.flag()
	if vcl {
		hrd(r)
	}
	if nal || vcl {
		r.flag() // low_delay_hrd_flag
	}
	r.flag() // pic_struct_present_flag
	if r.flag() {
		r.flag() // motion_vectors_over_pic_boundaries_flag
		for range 4 {
			r.ue() // max_bytes_per_pic_denom to log2_max_mv_length_vertical
		}
		reorder, buffering := r.ue(), r.ue()
		if r.err == nil && reorder <= buffering && buffering <= maxReorder {
			s.BitstreamRestriction = true
			s.MaxNumReorder, s.MaxDecFrameBuffering = int(reorder), int(buffering)
		}
	}
	s.VUITruncated = r.err != nil
}

// hrd skips hrd_parameters, E.1.2.
func hrd(r *bitReader) {
	n := 1 + int(r.ueMax("cpb_cnt_minus1", 31))
	r.u(8) // bit_rate_scale, cpb_size_scale
	for range n {
		r.ue()
		r.ue()
		r.flag()
	}
	r.u(20) // four lengths of 5 bits
}
