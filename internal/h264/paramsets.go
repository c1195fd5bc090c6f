// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of ParameterSets. Real sets are 10 to 200 bytes; a slice group map of type 6 may be longer.
const (
	MaxSetBytes  = 16 << 10 // one SPS or PPS
	MaxSetsBytes = 64 << 10 // all of them
)

// ParameterSets remembers the sequence and picture parameter sets of a stream by their id. The zero value is empty and ready.
type ParameterSets struct {
	sps   [32]*storedSPS
	pps   [256]*storedPPS
	bytes int // NAL units stored, without start codes
}

type storedSPS struct {
	nal []byte
	SPS
}

type storedPPS struct {
	nal []byte
	PPS
}

// Update takes over the parameter sets of an access unit (or of any Annex B buffer, such as sprop-parameter-sets with start
// codes) up to its first slice; it reads no further. au is not kept. changed tells whether a set is new or has other bytes than
// before, such as the same id with another picture size. When the sets are known already nothing is allocated.
//
// A set that is broken or beyond the limits is not taken and gives an error; the other sets of the access unit are taken all the same.
func (p *ParameterSets) Update(au []byte) (changed bool, err error) {
	var errs []error
	for pos := indexStartCode(au); pos >= 0; {
		start := pos + 3
		if start >= len(au) {
			break
		}
		typ := au[start] & 0x1f
		if typ == TypeSlice || typ == TypeIDR || typ == TypePartitionA {
			break
		}
		next, end := indexStartCode(au[start:]), len(au)
		if next >= 0 {
			next += start
			end = next
		}
		if typ == TypeSPS || typ == TypePPS {
			c, err := p.Add(au[start:end])
			changed = changed || c
			if err != nil {
				errs = append(errs, err)
			}
		}
		pos = next
	}
	return changed, errors.Join(errs...)
}

// Add takes over one parameter set NAL unit without start code, as Update does. Other NAL units are ignored.
func (p *ParameterSets) Add(nal []byte) (changed bool, err error) {
	nal = trimZeros(nal)
	typ := NALType(nal)
	if typ != TypeSPS && typ != TypePPS {
		return false, nil
	}
	if p.known(nal, typ) {
		return false, nil
	}
	if len(nal) > MaxSetBytes {
		return false, fmt.Errorf("parameter set of %d bytes, limit %d: %w", len(nal), MaxSetBytes, ErrTooLarge)
	}
	if typ == TypeSPS {
		sps, err := ParseSPS(nal)
		if err != nil {
			return false, err
		}
		old := 0
		if have := p.sps[sps.ID]; have != nil {
			old = len(have.nal)
		}
		if err := p.account(len(nal) - old); err != nil {
			return false, err
		}
		p.sps[sps.ID] = &storedSPS{bytes.Clone(nal), sps}
		return true, nil
	}
	pps, err := ParsePPS(nal)
	if err != nil {
		return false, err
	}
	old := 0
	if have := p.pps[pps.ID]; have != nil {
		old = len(have.nal)
	}
	if err := p.account(len(nal) - old); err != nil {
		return false, err
	}
	p.pps[pps.ID] = &storedPPS{bytes.Clone(nal), pps}
	return true, nil
}

// known reports whether exactly this set is stored. It reads only the id.
func (p *ParameterSets) known(nal []byte, typ int) bool {
	r := bitReader{b: nal[1:]}
	if typ == TypePPS {
		id := r.ue()
		return r.err == nil && id < 256 && p.pps[id] != nil && bytes.Equal(p.pps[id].nal, nal)
	}
	r.skip(24)
	id := r.ue()
	return r.err == nil && id < 32 && p.sps[id] != nil && bytes.Equal(p.sps[id].nal, nal)
}

func (p *ParameterSets) account(more int) error {
	if p.bytes+more > MaxSetsBytes {
		return fmt.Errorf("parameter sets of %d bytes in all, limit %d: %w", p.bytes+more, MaxSetsBytes, ErrTooLarge)
	}
	p.bytes += more
	return nil
}

// Append appends all known sets to dst in Annex B form with 4-byte start codes, first the sequence, then the picture
// parameter sets, by rising id.
func (p *ParameterSets) Append(dst []byte) []byte {
	for _, s := range &p.sps {
		if s != nil {
			dst = append(append(dst, 0, 0, 0, 1), s.nal...)
		}
	}
	for _, s := range &p.pps {
		if s != nil {
			dst = append(append(dst, 0, 0, 0, 1), s.nal...)
		}
	}
	return dst
}

// Complete reports whether there is a picture parameter set whose sequence parameter set is there too.
func (p *ParameterSets) Complete() bool {
	for _, s := range &p.pps {
		if s != nil && p.sps[s.SPSID] != nil {
			return true
		}
	}
	return false
}

// SPS returns the sequence parameter set with this id.
func (p *ParameterSets) SPS(id int) (SPS, bool) {
	if id < 0 || id >= len(p.sps) || p.sps[id] == nil {
		return SPS{}, false
	}
	return p.sps[id].SPS, true
}

// PPS returns the picture parameter set with this id.
func (p *ParameterSets) PPS(id int) (PPS, bool) {
	if id < 0 || id >= len(p.pps) || p.pps[id] == nil {
		return PPS{}, false
	}
	return p.pps[id].PPS, true
}

// First returns the sequence parameter set that the lowest complete picture parameter set refers to: in a stream with one of
// each, the one in use.
func (p *ParameterSets) First() (SPS, bool) {
	for _, s := range &p.pps {
		if s != nil && p.sps[s.SPSID] != nil {
			return p.sps[s.SPSID].SPS, true
		}
	}
	return SPS{}, false
}

// forPPS returns the pair of sets that a slice with this pic_parameter_set_id uses, nil when one is missing.
func (p *ParameterSets) forPPS(id int) (*SPS, *PPS) {
	if id >= len(p.pps) || p.pps[id] == nil || p.sps[p.pps[id].SPSID] == nil {
		return nil, nil
	}
	pps := &p.pps[id].PPS
	return &p.sps[pps.SPSID].SPS, pps
}
