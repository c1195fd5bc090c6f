// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"bytes"
	"strconv"

	"github.com/s3cam/s3cam/internal/h264"
)

const (
	maxNALHead = 1024 // how much of a NAL unit is kept: enough for every parameter set seen in cameras
	sliceHead  = 2    // of slices only the NAL header and the first bit of first_mb_in_slice are needed
)

// h264State walks over an H.264 byte stream that comes in pieces.
type h264State struct {
	last2 uint16 // the last two bytes, to find start codes that cross pieces
	inNAL bool
	whole bool // head holds all of the NAL unit so far
	known bool // the NAL unit was looked at
	head  [maxNALHead]byte
	used  int

	frames, idrs int64
	delimited    bool // an AUD came since the last picture
	unsure       bool // packets may be missing since then
	sps          h264.SPS
	hasSPS       bool

	// What came before the first picture of the PES packet that is open, and that picture.
	aud, sets, pps, recover bool
	picture, idr            bool
}

func (v *h264State) reset() { v.last2, v.inNAL, v.used = 0xFFFF, false, 0 }

func (v *h264State) interrupt() { v.reset(); v.unsure = true }

// begin notes that a PES packet begins. What came before the first picture counts for it, in whatever PES packet it was.
func (v *h264State) begin() {
	if v.picture {
		v.aud, v.sets, v.pps, v.recover = false, false, false, false
	}
	v.picture, v.idr = false, false
}

// h264 looks at the next bytes of the stream.
func (a *Analyzer) h264(e *esState, b []byte) {
	v := &e.video
	from := 0 // where the current NAL unit's bytes begin in b
	for i := 0; i < len(b); i++ {
		j := bytes.IndexByte(b[i:], 1)
		if j < 0 {
			break
		}
		i += j
		var before uint16
		switch i {
		case 0:
			before = v.last2
		case 1:
			before = v.last2<<8 | uint16(b[0])
		default:
			before = uint16(b[i-2])<<8 | uint16(b[i-1])
		}
		if before != 0 {
			continue
		}
		a.moreNAL(e, b[from:max(from, i-2)])
		a.endNAL(e)
		v.inNAL, v.whole, v.known, v.used = true, true, false, 0
		from = i + 1
	}
	a.moreNAL(e, b[from:])
	for _, x := range b[max(0, len(b)-2):] {
		v.last2 = v.last2<<8 | uint16(x)
	}
}

// moreNAL adds bytes to the current NAL unit, and looks at it as soon as there is enough of it.
func (a *Analyzer) moreNAL(e *esState, b []byte) {
	v := &e.video
	if !v.inNAL || v.known || len(b) == 0 {
		return
	}
	n := copy(v.head[v.used:], b)
	v.used += n
	v.whole = v.whole && n == len(b)
	switch v.head[0] & 31 {
	case h264.TypeSlice, h264.TypePartitionA, h264.TypeIDR:
		if v.used >= sliceHead {
			a.nal(e, v.head[:v.used])
		}
	}
}

// endNAL looks at the NAL unit that ends here. Zeros that belong to the next start code or that trail are cut off.
func (a *Analyzer) endNAL(e *esState) {
	v := &e.video
	if v.inNAL && !v.known && v.used > 0 {
		nal := v.head[:v.used]
		if v.whole {
			nal = bytes.TrimRight(nal, "\x00")
		}
		if len(nal) > 0 {
			a.nal(e, nal)
		}
	}
	v.inNAL = false
}

// nal looks at one NAL unit, of which a slice may be cut.
func (a *Analyzer) nal(e *esState, nal []byte) {
	v := &e.video
	v.known = true
	switch typ := nal[0] & 31; typ {
	case h264.TypeAUD:
		v.delimited, v.unsure = true, false
		v.aud = v.aud || !v.picture
	case h264.TypeSPS:
		v.sets = v.sets || !v.picture
		a.readSPS(e, nal)
	case h264.TypePPS:
		v.pps = v.pps || !v.picture
	case h264.TypeSEI:
		if !v.picture && !v.recover {
			info, _ := h264.Inspect(append([]byte{0, 0, 1}, nal...))
			v.recover = info.RecoveryPoint
		}
	case h264.TypeSlice, h264.TypePartitionA, h264.TypeIDR:
		if len(nal) < sliceHead || nal[1]&0x80 == 0 {
			return // first_mb_in_slice is not 0: the picture began before
		}
		v.frames++
		if typ == h264.TypeIDR {
			v.idrs++
		}
		if !v.delimited && !v.unsure && (v.frames > 1 || a.opts.Stream) {
			a.found.add(CodeAUD, a.packet, int(e.pid), "a picture without access unit delimiter in front")
		}
		if !v.picture {
			v.picture, v.idr = true, typ == h264.TypeIDR
		}
		v.delimited, v.unsure = false, false
	}
}

func (a *Analyzer) readSPS(e *esState, nal []byte) {
	v := &e.video
	if !v.whole {
		return // longer than what is kept
	}
	sps, err := h264.ParseSPS(nal)
	if err != nil {
		a.found.add(CodeSPS, a.packet, int(e.pid), "the sequence parameter set cannot be read: %v", err)
		return
	}
	if !v.hasSPS {
		v.sps, v.hasSPS = sps, true
	}
}

// endPicture judges the picture of a PES packet that is complete.
func (a *Analyzer) endPicture(e *esState) {
	v, pid := &e.video, int(e.pid)
	if !v.picture {
		a.found.add(CodeNoPicture, e.start, pid, "no picture begins in the PES packet")
		return
	}
	if v.frames > 0 && v.framesBefore(e) == 0 && !e.late && !a.opts.Stream {
		if !v.aud {
			a.found.add(CodeStartAUD, e.start, pid, "the first picture has no access unit delimiter in front")
		}
		if !v.sets || !v.pps {
			a.found.add(CodeStartSets, e.start, pid, "the first picture has no SPS and PPS in front, so the segment cannot be decoded alone")
		}
		if !v.idr {
			how := "the segment cannot be decoded from its start"
			if v.recover {
				how = "only a recovery point, where a decoder shows nothing at first"
			}
			a.found.add(CodeStartIDR, e.start, pid, "the first picture is no IDR picture: %s", how)
		}
	}
	switch {
	case v.idr && !e.random:
		a.found.add(CodeRandomUnset, e.start, pid, "an IDR picture without random_access_indicator")
	case e.random && !v.idr && !v.recover:
		a.found.add(CodeRandomFalse, e.start, pid, "random_access_indicator on a picture that is neither IDR nor recovery point")
	}
}

// framesBefore gives the number of pictures before the PES packet that is open.
func (v *h264State) framesBefore(e *esState) int64 {
	if e.header.hasPTS {
		return e.framesAtDTS
	}
	return v.frames - 1
}

// profileName gives the name of profile_idc (H.264 Annex A).
func profileName(sps *h264.SPS) string {
	switch sps.ProfileIDC {
	case 66:
		if sps.ConstraintSets&0x40 != 0 {
			return "Constrained Baseline"
		}
		return "Baseline"
	case 77:
		return "Main"
	case 88:
		return "Extended"
	case 100:
		return "High"
	case 110:
		return "High 10"
	case 122:
		return "High 4:2:2"
	case 244:
		return "High 4:4:4 Predictive"
	}
	return "profile " + strconv.Itoa(sps.ProfileIDC)
}

// levelName gives level_idc as people write it.
func levelName(sps *h264.SPS) string {
	if sps.LevelIDC == 11 && sps.ConstraintSets&0x10 != 0 && sps.ProfileIDC <= 88 {
		return "1b"
	}
	return strconv.Itoa(sps.LevelIDC/10) + "." + strconv.Itoa(sps.LevelIDC%10)
}
