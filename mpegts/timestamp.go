// SPDX-License-Identifier: Apache-2.0

package mpegts

import "encoding/binary"

const (
	// Timescale is the number of ticks per second of PTS, DTS and the PCR base (§2.4.2.2: 27 MHz / 300).
	Timescale = 90000

	timestampBits = 33
	timestampMask = 1<<timestampBits - 1
	noTimestamp   = -1
)

// wrapTimestamp reduces a time of any size to the 33 bits of the wire. Negative times count back from the wrap.
func wrapTimestamp(t int64) uint64 { return uint64(t) & timestampMask }

// timestampDiff gives a-b for two 33-bit times, taking the shorter way round: -2^32 to 2^32-1.
func timestampDiff(a, b uint64) int64 {
	const unused = 64 - timestampBits
	return int64((a-b)<<unused) >> unused
}

// putTimestamp writes a PTS or DTS field (§2.4.3.6). marker is the leading 4 bits: 2 PTS alone, 3 PTS before a DTS, 1 that DTS.
//
//	 7  6  5  4   3  2  1   0
//	+-----------+---------+---+
//	|  marker   | 32..30  | 1 |
//	|      29..22             |
//	|      21..15         | 1 |
//	|      14..7              |
//	|       6..0          | 1 |
//	+---------------------+---+
func putTimestamp(b []byte, marker byte, t uint64) {
	_ = b[4]
	b[0] = marker<<4 | byte(t>>29)&0x0E | 1
	b[1] = byte(t >> 22)
	b[2] = byte(t>>14) | 1
	b[3] = byte(t >> 7)
	b[4] = byte(t<<1) | 1
}

// getTimestamp reads a PTS or DTS field; ok tells whether its three marker bits are set, as they must be.
func getTimestamp(b []byte) (t uint64, ok bool) {
	_ = b[4]
	t = uint64(b[0]>>1&7)<<30 | uint64(b[1])<<22 | uint64(b[2]>>1)<<15 | uint64(b[3])<<7 | uint64(b[4]>>1)
	return t, b[0]&b[2]&b[4]&1 == 1
}

// putPCR writes a program clock reference with extension 0 (§2.4.3.4): 33 bits base, 6 reserved bits of 1, 9 bits extension.
func putPCR(b []byte, base uint64) {
	binary.BigEndian.PutUint32(b, uint32(base>>1))
	b[4] = byte(base<<7) | 0x7E
	b[5] = 0
}

// getPCR reads a program clock reference: its 90 kHz base and its 27 MHz extension (0 to 299 in a correct stream).
func getPCR(b []byte) (base uint64, extension int) {
	base = uint64(binary.BigEndian.Uint32(b))<<1 | uint64(b[4]>>7)
	return base, int(b[4]&1)<<8 | int(b[5])
}
