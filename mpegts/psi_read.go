// SPDX-License-Identifier: Apache-2.0

package mpegts

import "encoding/binary"

// sections puts the PSI sections of one PID together (§2.4.4). It holds one section. For each packet: push, then next until nil.
type sections struct {
	buf     [maxSectionBytes]byte
	n       int    // bytes of the section that is being read
	reading bool   // between a section's start and its end
	before  []byte // of the last packet: what belongs to the section that began in a packet before
	after   []byte // and what begins a new one
	fresh   bool   // after was not looked at yet
	bad     bool   // pointer_field or section_length of the last packet is impossible
}

// sectionFault is what is wrong with a section.
type sectionFault uint8

const (
	sectionOK     sectionFault = iota
	sectionOther               // another table, or one that is not valid yet (current_next_indicator 0): to be ignored
	sectionSyntax              // lengths or fixed bits are wrong
	sectionCRC
)

// reset forgets the section that is being read, after packets were lost.
func (s *sections) reset() { s.n, s.reading = 0, false }

// feed gives a packet of tables to s, which starts anew where packets are missing. False: a duplicate, to be left out.
func (s *sections) feed(p *packet, cc *byte) bool {
	if s.reading && !p.unitStart {
		if p.cc == *cc {
			return false
		}
		if p.cc != (*cc+1)&15 {
			s.reset()
		}
	}
	*cc = p.cc
	s.push(p.payload, p.unitStart)
	return true
}

// push takes the payload of the next packet, which must stay unchanged until next has returned nil.
func (s *sections) push(payload []byte, unitStart bool) {
	s.before, s.after, s.fresh, s.bad = payload, nil, false, false
	if !unitStart {
		return
	}
	if len(payload) == 0 || 1+int(payload[0]) > len(payload) {
		s.reset()
		s.before, s.bad = nil, true
		return
	}
	start := 1 + int(payload[0])
	s.before, s.after, s.fresh = payload[1:start], payload[start:], true
}

// next gives the next section that is complete, valid until the next call; nil when the packet is used up.
func (s *sections) next() []byte {
	for {
		if len(s.before) == 0 || !s.reading {
			if !s.fresh {
				return nil
			}
			s.before, s.after, s.fresh = s.after, nil, false
			s.n, s.reading = 0, true
			continue
		}
		if s.n == 0 && s.before[0] == 0xFF { // stuffing up to the end of the packet
			s.reading = false
			continue
		}
		if section := s.add(); section != nil {
			return section
		}
	}
}

// add takes from before what belongs to the current section, and gives the section when it is complete.
func (s *sections) add() []byte {
	if s.n < 3 {
		k := copy(s.buf[s.n:3], s.before)
		s.n, s.before = s.n+k, s.before[k:]
		if s.n < 3 {
			return nil
		}
	}
	size := 3 + int(binary.BigEndian.Uint16(s.buf[1:])&0xFFF)
	if size > maxSectionBytes {
		s.reset()
		s.bad = true
		return nil
	}
	k := copy(s.buf[s.n:size], s.before)
	s.n, s.before = s.n+k, s.before[k:]
	if s.n < size {
		return nil
	}
	s.n = 0
	return s.buf[:size]
}

// checkSection tells whether section is a whole and current one of the table.
func checkSection(section []byte, table byte) sectionFault {
	if section[0] != table {
		return sectionOther
	}
	// section_syntax_indicator 1, '0'; header of 8 bytes, CRC of 4
	if section[1]&0xC0 != 0x80 || len(section) < 12 {
		return sectionSyntax
	}
	if crc32(section) != 0 {
		return sectionCRC
	}
	if section[5]&1 == 0 {
		return sectionOther
	}
	return sectionOK
}

// patPrograms gives the entries of a PAT that was checked, 4 bytes each: program_number, 3 reserved bits, PID. ok is false when
// the length does not fit.
func patPrograms(section []byte) (entries []byte, ok bool) {
	entries = section[8 : len(section)-4]
	return entries[:len(entries)/4*4], len(entries)%4 == 0
}

// patEntry reads one entry. Program 0 is the network information table's PID.
func patEntry(b []byte) (program, pid uint16) {
	return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]) & 0x1FFF
}

// maxStreams is the number of streams of a program that are looked at. A PMT has room for about 200.
const maxStreams = 32

// pmt is what a program map table says.
type pmt struct {
	program uint16
	version byte
	pcrPID  uint16
	streams [maxStreams]pmtStream
	n       int
}

type pmtStream struct {
	typ byte
	pid uint16
}

// read takes a PMT apart that was checked (§2.4.4.8); false means that its inner lengths do not fit.
func (m *pmt) read(section []byte) bool {
	*m = pmt{}
	m.program = binary.BigEndian.Uint16(section[3:])
	m.version = section[5] >> 1 & 31
	b := section[8 : len(section)-4]
	if len(b) < 4 {
		return false
	}
	m.pcrPID = binary.BigEndian.Uint16(b) & 0x1FFF
	info := int(binary.BigEndian.Uint16(b[2:]) & 0xFFF)
	if 4+info > len(b) {
		return false
	}
	for b = b[4+info:]; len(b) > 0; {
		if len(b) < 5 {
			return false
		}
		info := int(binary.BigEndian.Uint16(b[3:]) & 0xFFF)
		if 5+info > len(b) {
			return false
		}
		if m.n < maxStreams {
			m.streams[m.n] = pmtStream{b[0], binary.BigEndian.Uint16(b[1:]) & 0x1FFF}
			m.n++
		}
		b = b[5+info:]
	}
	return true
}

// Kind is what an elementary stream carries.
type Kind uint8

// The kinds of streams.
const (
	Other Kind = iota
	Video
	Audio
)

// String gives "video", "audio" or "other".
func (k Kind) String() string {
	switch k {
	case Video:
		return "video"
	case Audio:
		return "audio"
	}
	return "other"
}

// MarshalText gives the same words to JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads them back; any other word is Other.
func (k *Kind) UnmarshalText(b []byte) error {
	switch string(b) {
	case "video":
		*k = Video
	case "audio":
		*k = Audio
	default:
		*k = Other
	}
	return nil
}

// describeType says what a stream_type stands for (Table 2-34 and its user private part).
func describeType(typ byte) (codec string, kind Kind) {
	switch typ {
	case 0x01:
		return "MPEG-1 video", Video
	case 0x02:
		return "MPEG-2 video", Video
	case 0x03, 0x04:
		return "MPEG audio (MP3)", Audio
	case 0x05, 0x06:
		return "private data", Other
	case StreamTypeAAC:
		return "AAC", Audio
	case 0x10:
		return "MPEG-4 video", Video
	case 0x11:
		return "AAC in LATM", Audio
	case 0x15:
		return "timed metadata", Other
	case StreamTypeH264:
		return "H.264", Video
	case 0x24:
		return "H.265", Video
	case 0x33:
		return "H.266", Video
	case 0x81:
		return "AC-3", Audio
	case 0x86:
		return "SCTE 35", Other
	case 0x87:
		return "E-AC-3", Audio
	}
	return "unknown", Other
}
