// SPDX-License-Identifier: Apache-2.0

package h264_test

// bitWriter writes the syntax elements of a NAL unit: an independent counterpart of what the package reads.
type bitWriter struct {
	b    []byte
	free uint // unused low bits of the last byte
}

func (w *bitWriter) u(k uint, v uint64) *bitWriter {
	for k > 0 {
		k--
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>k&1) << w.free
	}
	return w
}

func (w *bitWriter) flag(v bool) *bitWriter {
	if v {
		return w.u(1, 1)
	}
	return w.u(1, 0)
}

func (w *bitWriter) ue(v uint64) *bitWriter {
	bits := uint(0)
	for (v+1)>>(bits+1) > 0 {
		bits++
	}
	return w.u(bits, 0).u(bits+1, v+1)
}

func (w *bitWriter) se(v int64) *bitWriter {
	if v > 0 {
		return w.ue(uint64(2*v - 1))
	}
	return w.ue(uint64(-2 * v))
}

// nal closes the RBSP and puts emulation prevention bytes in.
func (w *bitWriter) nal(header byte) []byte {
	w.u(1, 1)
	return append([]byte{header}, escape(w.b)...)
}

func escape(rbsp []byte) []byte {
	var out []byte
	zeros := 0
	for _, c := range rbsp {
		if zeros >= 2 && c <= 3 {
			out, zeros = append(out, 3), 0
		}
		if out = append(out, c); c == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return out
}

// sps describes a sequence parameter set to write.
type sps struct {
	id, level    uint64
	profile      uint64 // 0 = 66
	constraints  uint64
	pocType      uint64
	lsbBits      uint64 // log2_max_pic_order_cnt_lsb, 0 = 6
	frameNumBits uint64 // log2_max_frame_num, 0 = 4
	refs         uint64
	mbsW, mbsH   uint64 // 0 = 11x9
	interlaced   bool
	offsetNonRef int64
	topToBottom  int64
	offsets      []int64
	deltaZero    bool
	reorder      int // max_num_reorder_frames + 1; 0 = no VUI
	units, scale uint64
}

func or(v, fallback uint64) uint64 {
	if v == 0 {
		return fallback
	}
	return v
}

func (s sps) nal() []byte {
	w := &bitWriter{}
	w.u(8, or(s.profile, 66)).u(8, s.constraints).u(8, or(s.level, 30)).ue(s.id)
	if s.profile == 100 {
		w.ue(1).ue(0).ue(0).u(2, 0)
	}
	w.ue(or(s.frameNumBits, 4) - 4).ue(s.pocType)
	switch s.pocType {
	case 0:
		w.ue(or(s.lsbBits, 6) - 4)
	case 1:
		w.flag(s.deltaZero).se(s.offsetNonRef).se(s.topToBottom).ue(uint64(len(s.offsets)))
		for _, o := range s.offsets {
			w.se(o)
		}
	}
	h := or(s.mbsH, 9)
	if s.interlaced {
		h = (h + 1) / 2
	}
	w.ue(or(s.refs, 1)).u(1, 0).ue(or(s.mbsW, 11) - 1).ue(h - 1).flag(!s.interlaced)
	if s.interlaced {
		w.u(1, 0)
	}
	w.u(1, 1).u(1, 0) // direct_8x8_inference, no cropping
	if s.reorder == 0 && s.scale == 0 {
		return w.u(1, 0).nal(0x67)
	}
	w.u(1, 1).u(4, 0).flag(s.scale > 0)
	if s.scale > 0 {
		w.u(32, s.units).u(32, s.scale).u(1, 1)
	}
	w.u(3, 0).flag(s.reorder > 0)
	if s.reorder > 0 {
		w.u(1, 1).ue(0).ue(0).ue(9).ue(9).ue(uint64(s.reorder - 1)).ue(uint64(max(s.reorder-1, 1)))
	}
	return w.nal(0x67)
}

// pps writes a picture parameter set.
func pps(id, spsID uint64, bottomFieldPOC, redundant bool) []byte {
	w := &bitWriter{}
	w.ue(id).ue(spsID).u(1, 0).flag(bottomFieldPOC).ue(0).ue(0).ue(0).u(3, 0).se(0).se(0).se(0).u(2, 0).flag(redundant)
	return w.nal(0x68)
}

// slice describes a slice to write; sps must be the one it will be read with.
type slice struct {
	sps
	nalType, refIDC  byte // nalType 0 = 1
	firstMB, typ     uint64
	pps              uint64
	frameNum         uint64
	field, bottom    bool
	idrPicID         uint64
	lsb              uint64
	bottomFieldPOC   bool // of the PPS
	deltaBottom      int64
	delta            [2]int64
	redundantPresent bool // of the PPS
	redundant        uint64
	mmco             []uint64 // adaptive reference marking: operations with operands, without the final 0
	payload          int      // bytes of slice data
}

func (s slice) nal() []byte {
	w := &bitWriter{}
	if s.nalType == 0 {
		s.nalType = 1
	}
	w.ue(s.firstMB).ue(s.typ).ue(s.pps).u(uint(or(s.frameNumBits, 4)), s.frameNum)
	if s.interlaced {
		if w.flag(s.field); s.field {
			w.flag(s.bottom)
		}
	}
	if s.nalType == 5 {
		w.ue(s.idrPicID)
	}
	switch s.pocType {
	case 0:
		w.u(uint(or(s.lsbBits, 6)), s.lsb)
		if s.bottomFieldPOC && !s.field {
			w.se(s.deltaBottom)
		}
	case 1:
		if !s.deltaZero {
			w.se(s.delta[0])
			if s.bottomFieldPOC && !s.field {
				w.se(s.delta[1])
			}
		}
	}
	if s.redundantPresent {
		w.ue(s.redundant)
	}
	if s.typ%5 == 1 {
		w.u(1, 1) // direct_spatial_mv_pred_flag
	}
	if s.typ%5 < 2 {
		w.u(1, 0).u(1, 0) // no override, no list modification
		if s.typ%5 == 1 {
			w.u(1, 0)
		}
	}
	switch {
	case s.refIDC == 0:
	case s.nalType == 5:
		w.u(2, 0)
	default:
		if w.flag(s.mmco != nil); s.mmco != nil {
			for _, v := range s.mmco {
				w.ue(v)
			}
			w.ue(0)
		}
	}
	w.se(0)
	for i := range s.payload {
		w.u(8, uint64(i*37+1)&0xff)
	}
	return w.nal(s.refIDC<<5 | s.nalType)
}

// annexB joins NAL units with 4-byte start codes.
func annexB(nals ...[]byte) []byte {
	var b []byte
	for _, n := range nals {
		b = append(append(b, 0, 0, 0, 1), n...)
	}
	return b
}

// annexB3 joins NAL units with 3-byte start codes.
func annexB3(nals ...[]byte) []byte {
	var b []byte
	for _, n := range nals {
		b = append(append(b, 0, 0, 1), n...)
	}
	return b
}

var (
	aud      = []byte{9, 0xf0}
	endSeq   = []byte{10}
	sei      = []byte{6, 5, 2, 0xaa, 0xbb, 0x80}
	recovery = []byte{6, 6, 1, 0xc4, 0x80}
)
