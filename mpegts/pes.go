// SPDX-License-Identifier: Apache-2.0

package mpegts

import "encoding/binary"

const (
	pesFixedBytes  = 9 // packet_start_code_prefix to PES_header_data_length
	pesPTSBytes    = pesFixedBytes + 5
	pesPTSDTSBytes = pesFixedBytes + 10

	pesAligned  = 0x84 // '10', not scrambled, data_alignment_indicator 1: the payload starts with an AUD or an ADTS header
	pesFlagsPTS = 0x80
	pesFlagsDTS = 0xC0 // both PTS and DTS: §2.4.3.7 forbids a DTS alone
)

// putPESHeader writes a PES header (§2.4.3.6) into b and returns its length, 14 bytes when dts equals pts, else 19:
//
//	0      3   4      6   7   8   9       14      19
//	+------+---+------+---+---+---+-------+-------+
//	|000001| id|length|84h|flg|len|  PTS  | (DTS) |
//	+------+---+------+---+---+---+-------+-------+
//
// payload is the number of bytes that follow, or 0 to leave the length open, which is allowed for video only (§2.4.3.7).
func putPESHeader(b []byte, streamID byte, payload int, pts, dts uint64) int {
	n := pesPTSBytes
	if pts != dts {
		n = pesPTSDTSBytes
	}
	b = b[:n]
	binary.BigEndian.PutUint32(b, 1<<8|uint32(streamID))
	length := 0
	if payload > 0 {
		length = payload + n - 6
	}
	binary.BigEndian.PutUint16(b[4:], uint16(length))
	b[6] = pesAligned
	b[8] = byte(n - pesFixedBytes)
	if pts == dts {
		b[7] = pesFlagsPTS
		putTimestamp(b[9:], 2, pts)
		return n
	}
	b[7] = pesFlagsDTS
	putTimestamp(b[9:], 3, pts)
	putTimestamp(b[14:], 1, dts)
	return n
}
