// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"hash/crc32"
	"time"

	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// shift moves everything in the ring by whole seconds: the clock was found to be wrong before anything was stored. A camera
// without a battery-backed clock boots in 1970 and hears the time with the first answer; so nothing is stored under a wrong
// name. Whole seconds keep the names apart. Nobody may be reading the ring. It reports
// whether it did so; a time without names stays.
func (u *Uploader) shift(seconds int64) (shifted bool) {
	move := seconds * segment.Timescale
	if len(u.queue) > 0 && !validSecond(u.queue[0].key+seconds) || u.lastKey >= 0 && !validSecond(u.lastKey+seconds) {
		return false
	}
	if u.isOpen {
		u.copyIn(u.mux.FlushAudio(u.scratch[:0])) // what the muxer holds has its old time
	}
	for i := range u.queue {
		u.shiftEntry(&u.queue[i], seconds)
	}
	if u.isOpen {
		u.shiftEntry(&u.open, seconds)
	}
	if u.lastKey >= 0 {
		u.lastKey += seconds
	}
	u.mux.Moved(move)
	u.lastAudio += move
	u.time.base += move
	u.time.lastDTS += move
	u.time.lastPTS += move
	u.time.lastNow = u.time.lastNow.Add(time.Duration(seconds) * time.Second)
	u.spool.moved += seconds
	u.spool.run = 0 // what is spooled from now on has moved
	return true
}

func (u *Uploader) shiftEntry(e *entry, seconds int64) {
	move := seconds * segment.Timescale
	e.key += seconds
	if e.nextKey != 0 {
		e.nextKey += seconds
	}
	e.start += move
	e.end += move
	e.startDTS += move
	e.maybe = false // under its new name
	e.crc = 0
	for _, part := range u.ring.parts(e.pos, e.inRing()) {
		shiftPackets(part, move)
		e.crc = crc32.Update(e.crc, castagnoli(), part)
	}
}

// shiftPackets adds move ticks to each PCR, PTS and DTS in packets of mpegts.Muxer, which puts a PES header into one packet.
func shiftPackets(packets []byte, move int64) {
	for ; len(packets) >= mpegts.PacketSize; packets = packets[mpegts.PacketSize:] {
		p := packets[:mpegts.PacketSize]
		pid := int(p[1]&0x1F)<<8 | int(p[2])
		if pid != mpegts.PIDVideo && pid != mpegts.PIDAudio {
			continue
		}
		payload := 4
		if p[3]&0x20 != 0 { // adaptation field, ISO/IEC 13818-1 2.4.3.4
			payload = 5 + int(p[4])
			if p[4] > 0 && p[5]&0x10 != 0 {
				pcr := uint64(p[6])<<25 | uint64(p[7])<<17 | uint64(p[8])<<9 | uint64(p[9])<<1 | uint64(p[10])>>7
				pcr += uint64(move)
				p[6], p[7], p[8], p[9] = byte(pcr>>25), byte(pcr>>17), byte(pcr>>9), byte(pcr>>1)
				p[10] = byte(pcr<<7) | p[10]&0x7F
			}
		}
		if p[1]&0x40 == 0 || payload+19 > len(p) {
			continue // no PES header
		}
		pes := p[payload:]
		if pes[7]&0x80 != 0 {
			shiftTimestamp(pes[9:14], move)
		}
		if pes[7]&0x40 != 0 {
			shiftTimestamp(pes[14:19], move)
		}
	}
}

// shiftTimestamp adds to a PTS or DTS field, 2.4.3.6: 4 bits marker, 3 bits, 1, 15 bits, 1, 15 bits, 1.
func shiftTimestamp(b []byte, move int64) {
	t := uint64(b[0]>>1&7)<<30 | uint64(b[1])<<22 | uint64(b[2]>>1)<<15 | uint64(b[3])<<7 | uint64(b[4]>>1)
	t += uint64(move)
	b[0] = b[0]&0xF1 | byte(t>>29)&0x0E
	b[1] = byte(t >> 22)
	b[2] = byte(t>>14) | 1
	b[3] = byte(t >> 7)
	b[4] = byte(t<<1) | 1
}
