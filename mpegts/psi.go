// SPDX-License-Identifier: Apache-2.0

package mpegts

import "encoding/binary"

const (
	tablePAT = 0x00 // table_id of program_association_section, Table 2-31
	tablePMT = 0x02 // table_id of TS_program_map_section

	transportStreamID = 1 // as the original SDK writes it
	programNumber     = 1

	tablesBytes = 2 * PacketSize // what AppendTables appends: one packet each

	maxSectionBytes = 1024 // PAT and PMT, header and CRC included: section_length is at most 1021 (§2.4.4.4, §2.4.4.9)
)

// crc32 is the checksum at the end of every PSI section (Annex A): polynomial 04C11DB7h, most significant bit first, start value
// all ones, no final inversion. Over a section with its CRC it gives 0. Sections are short and rare, so it goes without a table.
func crc32(b []byte) uint32 {
	crc := uint32(0xFFFFFFFF)
	for _, x := range b {
		crc ^= uint32(x) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04C11DB7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// putSection fills packet p with one PSI section that starts and ends in it: header, pointer_field 0, table_id, length, the two
// bytes id, version, section 0 of 0, body, CRC, and stuffing up to the end (§2.4.4). The continuity counter is 0.
func putSection(p []byte, pid uint32, table byte, id uint16, version byte, body []byte) {
	const (
		start    = headerBytes + 1 // after the pointer_field
		overhead = 5 + 4           // what section_length counts besides body: id to last_section_number, CRC
	)
	p = p[:PacketSize]
	fill(p[headerBytes:])
	binary.BigEndian.PutUint32(p, headerSync|headerUnitStart|pid<<headerPIDShift|headerPayload)
	p[headerBytes] = 0
	s := p[start : start+3+overhead+len(body)]
	s[0] = table
	binary.BigEndian.PutUint16(s[1:], 0xB000|uint16(overhead+len(body))) // section_syntax_indicator 1, '0', reserved 11
	binary.BigEndian.PutUint16(s[3:], id)
	s[5] = 0xC0 | version<<1 | 1 // reserved 11, version, current_next_indicator 1
	s[6], s[7] = 0, 0            // section_number, last_section_number
	copy(s[8:], body)
	end := len(s) - 4
	binary.BigEndian.PutUint32(s[end:], crc32(s[:end]))
}

// putTables fills p with the PAT and PMT packets that open a segment. version is the PMT's; it changes when audio does (§2.4.4.9).
func putTables(p []byte, audio bool, version byte) {
	putSection(p, PIDPAT, tablePAT, transportStreamID, 0, []byte{
		0, programNumber, 0xE0 | PIDPMT>>8, PIDPMT & 0xFF,
	})
	body := []byte{
		0xE0 | PIDVideo>>8, PIDVideo & 0xFF, // PCR_PID
		0xF0, 0, // program_info_length 0
		StreamTypeH264, 0xE0 | PIDVideo>>8, PIDVideo & 0xFF, 0xF0, 0, // ES_info_length 0
		StreamTypeAAC, 0xE0 | PIDAudio>>8, PIDAudio & 0xFF, 0xF0, 0,
	}
	if !audio {
		body = body[:len(body)-5]
	}
	putSection(p[PacketSize:], PIDPMT, tablePMT, programNumber, version, body)
}
