// SPDX-License-Identifier: Apache-2.0

package mpegts

// FirstPTS gives the PTS of the first video PES in the first bytes of a segment, in 90 kHz ticks, 0 to 2^33-1. head may be cut anywhere;
// in a segment of the Muxer 600 bytes are enough (PAT, PMT, first video packet), other muxers need a few packets more. The video is
// the first video stream of the program, whatever its codec. ok is false when head does not hold the tables and a video PES
// header with a PTS. Nothing is allocated and head is not kept.
func FirstPTS(head []byte) (pts90k int64, ok bool) {
	if len(head) > 0 && head[0] != syncByte {
		at, stride, found := findSync(head, true, true)
		if !found || stride != PacketSize {
			return 0, false
		}
		head = head[at:]
	}
	var f headFinder
	for ; len(head) >= PacketSize; head = head[PacketSize:] {
		if head[0] != syncByte {
			return 0, false
		}
		var p packet
		p.read(head)
		if !p.hasPayload || p.transportErr || p.scrambling != 0 {
			continue
		}
		switch {
		case p.pid == PIDPAT:
			f.pat.feed(&p, &f.patCC)
			for section := f.pat.next(); section != nil; section = f.pat.next() {
				f.readPAT(section)
			}
		case p.pid == f.pmtPID && f.pmtPID != 0:
			f.pmt.feed(&p, &f.pmtCC)
			for section := f.pmt.next(); section != nil; section = f.pmt.next() {
				f.readPMT(section)
			}
		default:
			if pts90k, ok = f.readPES(&p, p.payload); ok {
				return pts90k, true
			}
		}
	}
	if len(head) > headerBytes && head[0] == syncByte {
		var b [PacketSize]byte // what is missing reads as zeros, and is taken off again
		missing := PacketSize - copy(b[:], head)
		var p packet
		p.read(b[:])
		return f.readPES(&p, p.payload[:max(0, len(p.payload)-missing)])
	}
	return 0, false
}

// headFinder follows the tables to the video stream.
type headFinder struct {
	pat, pmt         sections
	patCC, pmtCC     byte
	pmtPID, videoPID uint16
	program          pmt
}

func (f *headFinder) readPAT(section []byte) {
	if checkSection(section, tablePAT) != sectionOK {
		return
	}
	entries, _ := patPrograms(section)
	for ; len(entries) > 0; entries = entries[4:] {
		if program, pid := patEntry(entries); program != 0 {
			f.pmtPID = pid
			return
		}
	}
}

func (f *headFinder) readPMT(section []byte) {
	if checkSection(section, tablePMT) != sectionOK || !f.program.read(section) {
		return
	}
	for _, s := range f.program.streams[:f.program.n] {
		if _, kind := describeType(s.typ); kind == Video {
			f.videoPID = s.pid
			return
		}
	}
}

// readPES gives the PTS of a packet that begins a video PES.
func (f *headFinder) readPES(p *packet, payload []byte) (pts90k int64, ok bool) {
	if f.videoPID == 0 || p.pid != f.videoPID || !p.unitStart || !p.hasPayload || p.transportErr || p.scrambling != 0 {
		return 0, false
	}
	var header pesHeader
	if fault := header.read(payload); fault != pesOK && fault != pesStamp {
		return 0, false
	}
	return int64(header.pts), header.hasPTS
}
