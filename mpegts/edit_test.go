// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import "bytes"

// edit lets tests change a stream packet by packet: f gives what replaces packet n.
func edit(ts []byte, f func(n int, p []byte) []byte) []byte {
	var out []byte
	for n := 0; n*188 < len(ts); n++ {
		out = append(out, f(n, bytes.Clone(ts[n*188:n*188+188]))...)
	}
	return out
}

func pidOf(p []byte) int { return int(p[1]&31)<<8 | int(p[2]) }

func setPID(p []byte, pid int) []byte {
	p[1], p[2] = p[1]&0xE0|byte(pid>>8), byte(pid)
	return p
}

// crc is the checksum of PSI, written once more for the tests.
func crc(b []byte) []byte {
	c := uint32(0xFFFFFFFF)
	for _, x := range b {
		for i := 7; i >= 0; i-- {
			bit := c>>31 ^ uint32(x>>i)&1
			c <<= 1
			if bit == 1 {
				c ^= 0x04C11DB7
			}
		}
	}
	return []byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)}
}

// psi makes a packet with one section.
func psi(pid, cc int, table byte, id, version int, body []byte) []byte {
	s := []byte{table, 0xB0 | byte((len(body)+9)>>8), byte(len(body) + 9), byte(id >> 8), byte(id), 0xC1 | byte(version<<1), 0, 0}
	s = append(s, body...)
	s = append(s, crc(s)...)
	p := append([]byte{0x47, 0x40 | byte(pid>>8), byte(pid), 0x10 | byte(cc), 0}, s...)
	return append(p, bytes.Repeat([]byte{0xFF}, 188-len(p))...)
}

func pat(cc int, entries ...int) []byte {
	var body []byte
	for i := 0; i < len(entries); i += 2 {
		body = append(body, byte(entries[i]>>8), byte(entries[i]), 0xE0|byte(entries[i+1]>>8), byte(entries[i+1]))
	}
	return psi(0, cc, 0, 1, 0, body)
}

func pmt(pid, cc, version, pcrPID int, streams ...int) []byte {
	body := []byte{0xE0 | byte(pcrPID>>8), byte(pcrPID), 0xF0, 0}
	for i := 0; i < len(streams); i += 2 {
		body = append(body, byte(streams[i]), 0xE0|byte(streams[i+1]>>8), byte(streams[i+1]), 0xF0, 0)
	}
	return psi(pid, cc, 2, 1, version, body)
}
