// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"bytes"
	"encoding/binary"
)

// elementary puts the PES packets of one stream together.
type elementary struct {
	kind Kind
	pid  uint16 // 0: the program has no such stream

	cc     byte // of the last packet with payload
	hasCC  bool
	broken bool // something was lost, or the clock changed, since the last unit began

	open    bool   // a PES has begun
	buf     []byte // of the PES from its header on
	header  pesHeader
	headed  bool // header is complete
	random  bool
	discont bool
	damaged bool
	full    bool // the PES is beyond MaxUnitBytes
	offset  int64

	last     [payloadBytes]byte // payload of the packet that completed a PES by its length, to know a duplicate of it
	lastUsed int
}

// clear ends the current PES, whose buffer is used again.
func (s *elementary) clear() {
	s.open, s.headed, s.damaged, s.full = false, false, false, false
	s.buf = s.buf[:0]
}

// deliverable tells whether there is a unit with data.
func (s *elementary) deliverable() bool {
	return s.open && s.headed && s.end() > s.header.dataAt
}

// end is where the PES ends in buf. What follows in its last packet belongs to nothing.
func (s *elementary) end() int {
	if s.header.length > 0 {
		return min(len(s.buf), 6+s.header.length)
	}
	return len(s.buf)
}

// duplicate tells whether p repeats the packet before it, which is allowed once (§2.4.3.3).
func (s *elementary) duplicate(p *packet) bool {
	if !s.hasCC || p.cc != s.cc || len(p.payload) == 0 {
		return false
	}
	if s.open {
		return bytes.HasSuffix(s.buf, p.payload)
	}
	return bytes.Equal(s.last[:s.lastUsed], p.payload)
}

// lost tells whether packets are missing before p.
func (s *elementary) lost(p *packet) bool {
	return s.hasCC && p.cc != (s.cc+1)&15 && !p.discontinuity
}

// endsBefore tells whether the unit that is open ends because p starts another. p is not used up.
func (s *elementary) endsBefore(p *packet) bool {
	if !p.hasPayload || !p.unitStart || !s.open || s.duplicate(p) {
		return false
	}
	s.damaged = s.damaged || s.lost(p)
	return true
}

// interrupt notes that something is missing here.
func (s *elementary) interrupt() {
	s.broken = true
	s.damaged = s.damaged || s.open
}

// add uses up a packet of the stream, which begins at offset in the input, and tells whether the unit is now complete.
func (s *elementary) add(p *packet, offset int64) (whole bool) {
	if p.discontinuity {
		s.broken = true
	}
	if !p.hasPayload || s.duplicate(p) {
		return false
	}
	if s.lost(p) {
		s.interrupt()
	}
	s.cc, s.hasCC = p.cc, true
	if p.unitStart {
		s.clear()
		s.open, s.offset = true, offset
		s.random, s.discont = p.randomAccess, s.broken
		s.broken = false
	}
	if !s.open {
		return false // the rest of a PES whose start was not seen, or behind its announced end
	}
	if !s.append(p.payload) {
		return false
	}
	s.lastUsed = copy(s.last[:], p.payload)
	return true
}

func (s *elementary) append(payload []byte) (whole bool) {
	if len(s.buf)+len(payload) > MaxUnitBytes {
		s.full, s.damaged = true, true
	}
	if s.full {
		return false
	}
	s.buf = append(s.buf, payload...)
	if !s.headed {
		switch s.header.read(s.buf) {
		case pesOK, pesStamp:
			s.headed = true
		case pesFlags:
			s.headed, s.damaged = true, true
		case pesShort:
			return false
		default:
			s.clear() // not a PES, or one without time and purpose for us
			return false
		}
	}
	return s.header.length > 0 && len(s.buf) >= 6+s.header.length
}

// run adds packets from b as long as they are the next of this PES, full of payload, and not its last; it returns the bytes used.
// Nearly all packets of a picture go this way.
func (s *elementary) run(b []byte, stride int) int {
	if !s.open || !s.headed || s.full {
		return 0
	}
	room := MaxUnitBytes
	if s.header.length > 0 {
		room = 6 + s.header.length - 1 // the packet that completes the PES is not for here
	}
	want := headerSync | headerPayload | uint32(s.pid)<<headerPIDShift
	cc, buf, used := uint32(s.cc), s.buf, 0
	for len(b) >= stride && len(buf)+payloadBytes <= room && binary.BigEndian.Uint32(b) == want|(cc+1)&15 {
		buf = append(buf, b[headerBytes:PacketSize]...)
		cc++
		used += stride
		b = b[stride:]
	}
	s.cc, s.buf = byte(cc)&15, buf
	return used
}

// unit describes what is in the buffer.
func (s *elementary) unit() Unit {
	end := s.end()
	damaged := s.damaged || s.header.length > 0 && end < 6+s.header.length
	return Unit{
		Kind: s.kind, PID: s.pid, Data: s.buf[s.header.dataAt:end],
		PTS: int64(s.header.pts), DTS: int64(s.header.dts), HasPTS: s.header.hasPTS, HasDTS: s.header.hasDTS,
		RandomAccess: s.random, Discontinuity: s.discont, Damaged: damaged, Offset: s.offset,
	}
}
