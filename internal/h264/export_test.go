// SPDX-License-Identifier: Apache-2.0

package h264

// What black-box tests need to compare the inner readings with an outside judge.

type SliceFields struct {
	FirstMB, SliceType, PPSID, FrameNum, IDRPicID, POCLsb uint32
	DeltaPOCBottom                                        int32
	DeltaPOC                                              [2]int32
	Field, Bottom, MMCO5, Complete                        bool
}

// ReadSlice reads a slice header to dec_ref_pic_marking with the sets of p.
func ReadSlice(p *ParameterSets, nal []byte) (SliceFields, error) {
	var h sliceHeader
	var r bitReader
	err := p.parseSlice(nal, &h, &r)
	if err == nil {
		err = p.parseMarking(&h, &r)
	}
	return SliceFields{h.firstMB, uint32(h.typ), h.ppsID, h.frameNum, h.idrPicID, h.pocLsb, h.deltaPOCBottom, h.deltaPOC,
		h.field, h.bottom, h.mmco5, h.complete}, err
}
