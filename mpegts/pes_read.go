// SPDX-License-Identifier: Apache-2.0

package mpegts

import "encoding/binary"

// pesHeader is a PES header taken apart (§2.4.3.6).
type pesHeader struct {
	streamID       byte
	length         int // PES_packet_length: bytes behind that field, 0 = open
	aligned        bool
	scrambled      bool
	hasPTS, hasDTS bool
	pts, dts       uint64
	dataAt         int // where the payload begins
}

// pesFault is what is wrong with a PES header.
type pesFault uint8

const (
	pesOK       pesFault = iota
	pesShort             // more bytes are needed
	pesNoStart           // no 00 00 01
	pesNoHeader          // a stream id that has no time stamps: padding, private_stream_2, maps (§2.4.3.7)
	pesMarker            // the two bits '10' are missing
	pesLengths           // the header is longer than the packet, or too short for its time stamps
	pesFlags             // a DTS without PTS, which is forbidden
	pesStamp             // the marker bits in a time stamp are wrong; everything was read nevertheless
)

// read takes the header at the start of b apart. After pesStamp and pesFlags the rest is right.
func (h *pesHeader) read(b []byte) pesFault {
	*h = pesHeader{}
	for i := 0; i < min(len(b), 3); i++ {
		if b[i] != byte(i>>1) { // 0, 0, 1
			return pesNoStart
		}
	}
	if len(b) < 6 {
		return pesShort
	}
	h.streamID = b[3]
	h.length = int(binary.BigEndian.Uint16(b[4:]))
	switch h.streamID {
	case 0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF:
		h.dataAt = 6
		return pesNoHeader
	}
	if len(b) < pesFixedBytes {
		return pesShort
	}
	if b[6]>>6 != 2 {
		return pesMarker
	}
	h.scrambled = b[6]&0x30 != 0
	h.aligned = b[6]&0x04 != 0
	size := int(b[8])
	h.dataAt = pesFixedBytes + size
	if h.length > 0 && h.length < 3+size {
		return pesLengths
	}
	if len(b) < h.dataAt {
		return pesShort
	}
	fault := pesOK
	switch b[7] >> 6 {
	case 1:
		return pesFlags
	case 2:
		if size < 5 {
			return pesLengths
		}
		h.hasPTS = true
	case 3:
		if size < 10 {
			return pesLengths
		}
		h.hasPTS, h.hasDTS = true, true
		var ok bool
		if h.dts, ok = getTimestamp(b[14:]); !ok || b[14]>>4 != 1 {
			fault = pesStamp
		}
	}
	if h.hasPTS {
		var ok bool
		if h.pts, ok = getTimestamp(b[9:]); !ok || b[9]>>4 != b[7]>>6 {
			fault = pesStamp
		}
		if !h.hasDTS {
			h.dts = h.pts
		}
	}
	return fault
}
