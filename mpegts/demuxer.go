// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"errors"
	"fmt"
	"io"
)

// MaxUnitBytes is the most that a Demuxer keeps of one PES packet. What a PES has beyond is left out and the unit is marked as
// damaged. The largest access unit of H.264 level 5.1 in practice is far below.
const MaxUnitBytes = 8 << 20

// ErrNoProgram says that the input ended without a PAT and PMT that name a program, so nothing in it can be told apart.
// The original SDK left such objects behind: 21 bytes of a packet, or audio before the first tables.
var ErrNoProgram = errors.New("mpegts: no PAT and PMT, so the streams are unknown")

// UnsupportedError says that the program has an audio or video stream that the Demuxer does not read.
type UnsupportedError struct {
	PID        uint16
	StreamType byte
}

func (e *UnsupportedError) Error() string {
	codec, kind := describeType(e.StreamType)
	return fmt.Sprintf("mpegts: stream on PID %#04x is %s (type %#02x); %s is read as %s only", e.PID, codec, e.StreamType, kind,
		map[Kind]string{Video: "H.264", Audio: "AAC in ADTS"}[kind])
}

// Unit is the payload of one PES packet. In what the Muxer writes this is one access unit, or a few ADTS frames; other
// muxers put several access units into one PES, or let ADTS frames cross from one to the next.
type Unit struct {
	Kind Kind // Video or Audio
	PID  uint16
	Data []byte // valid until the next call of Next

	// PTS and DTS are 33-bit times in 90 kHz ticks. When the header has no DTS, DTS equals PTS.
	PTS, DTS       int64
	HasPTS, HasDTS bool

	RandomAccess  bool  // random_access_indicator was set
	Discontinuity bool  // before this unit something was lost, or the stream announced a new clock
	Damaged       bool  // inside this unit something was lost, or its length is not the announced one
	Offset        int64 // where in the input its first packet begins
}

// StreamInfo is a stream that the program map table announces.
type StreamInfo struct {
	PID        uint16
	StreamType byte
	Kind       Kind
	Codec      string
}

// Demuxer takes a transport stream apart into the PES packets of its first program's first H.264 and first AAC stream. It reads
// what other muxers write: any PIDs, tables that come late or change, packets of 188, 192 or 204 bytes, garbage between packets,
// a packet cut at the end, streams without PCR, audio under a video stream id, streams that are announced but absent. Units of
// the two streams come in the order in which they end.
//
// It buffers 64 kB of input, and up to MaxUnitBytes of each stream in buffers that are used again. Not safe for concurrent use.
type Demuxer struct {
	r         io.Reader
	readErr   error
	buf       []byte
	pos       int
	offset    int64 // of buf[0] in the input
	stride    int   // distance of packets, 0 when it is not known
	searching bool  // for packets, past the place where one was expected
	skipped   int64

	pat, pmt     sections
	patCC, pmtCC byte
	pmtPID       uint16 // 0 until a PAT was read
	program      pmt
	hasProgram   bool
	next         pmt // a new PMT, which waits until the open units of streams that end are given out
	hasNext      bool
	refused      []UnsupportedError
	reported     int

	streams [2]elementary
	given   *elementary // its unit was given out, and its buffer may be used again at the next call
	ended   int         // streams that were flushed at the end
}

const demuxBuffer = 348 * PacketSize

// NewDemuxer returns a Demuxer that reads r, in pieces of up to 64 kB and no further than it needs.
func NewDemuxer(r io.Reader) *Demuxer {
	d := &Demuxer{r: r, buf: make([]byte, 0, demuxBuffer)}
	d.streams[0].kind, d.streams[1].kind = Video, Audio
	return d
}

// ResetBytes makes d read data as a new input, from its beginning, as a new Demuxer would. Its buffers for units are used again,
// and data is read in place, without a copy, so it must stay unchanged as long as d reads it. With this a day of segments
// is taken apart without an allocation for each.
func (d *Demuxer) ResetBytes(data []byte) {
	video, audio := d.streams[0].buf, d.streams[1].buf
	*d = Demuxer{buf: data, readErr: io.EOF, refused: d.refused[:0]}
	d.streams[0].kind, d.streams[0].buf = Video, video[:0]
	d.streams[1].kind, d.streams[1].buf = Audio, audio[:0]
}

// Skipped gives the number of bytes so far that belonged to no whole packet: garbage, and a packet cut at the end.
func (d *Demuxer) Skipped() int64 { return d.skipped }

// Streams gives what the program map table read last announces; nil before the first.
func (d *Demuxer) Streams() []StreamInfo {
	var list []StreamInfo
	for _, s := range d.program.streams[:d.program.n] {
		codec, kind := describeType(s.typ)
		list = append(list, StreamInfo{PID: s.pid, StreamType: s.typ, Kind: kind, Codec: codec})
	}
	return list
}

// Next gives the next PES packet. At the end of the input the error is io.EOF, or ErrNoProgram when there was no program in it, or what
// the reader said, wrapped. An error of type *UnsupportedError is reported once for each stream concerned, and reading goes on
// with the next call.
func (d *Demuxer) Next() (Unit, error) {
	if d.given != nil {
		d.given.clear()
		d.given = nil
	}
	for {
		if d.hasNext {
			if s := d.retired(); s != nil {
				return d.give(s), nil
			}
			d.adopt()
		}
		if d.reported < len(d.refused) {
			d.reported++
			e := d.refused[d.reported-1]
			return Unit{}, &e
		}
		b := d.packetBytes()
		if b == nil {
			return d.finish()
		}
		var p packet
		p.read(b)
		if p.transportErr || p.scrambling != 0 {
			d.pos += d.stride
			continue
		}
		// PIDs of elementary streams are never 0, so an unset one matches no packet that gets here.
		s := &d.streams[0]
		if p.pid != s.pid {
			s = &d.streams[1]
		}
		if p.pid == s.pid && p.pid != PIDPAT {
			if s.endsBefore(&p) {
				if u, ok := d.offer(s); ok {
					return u, nil
				}
			}
			whole := s.add(&p, d.offset+int64(d.pos))
			d.pos += d.stride
			if !whole {
				d.pos += s.run(d.buf[min(d.pos, len(d.buf)):], d.stride)
			}
			if whole {
				if u, ok := d.offer(s); ok {
					return u, nil
				}
			}
			continue
		}
		d.pos += d.stride
		switch {
		case p.pid == PIDPAT && p.hasPayload:
			if d.pat.feed(&p, &d.patCC) {
				for section := d.pat.next(); section != nil; section = d.pat.next() {
					d.readPAT(section)
				}
			}
		case p.pid == d.pmtPID && p.hasPayload && d.pmtPID != 0:
			if d.pmt.feed(&p, &d.pmtCC) {
				for section := d.pmt.next(); section != nil; section = d.pmt.next() {
					d.readPMT(section)
				}
			}
		}
	}
}

func (d *Demuxer) readPAT(section []byte) {
	if checkSection(section, tablePAT) != sectionOK {
		return
	}
	entries, _ := patPrograms(section)
	for ; len(entries) > 0; entries = entries[4:] {
		program, pid := patEntry(entries)
		if program != 0 && pid != 0 && pid != PIDNull {
			if pid != d.pmtPID {
				d.pmtPID = pid
				d.pmt.reset()
			}
			return
		}
	}
}

func (d *Demuxer) readPMT(section []byte) {
	if checkSection(section, tablePMT) != sectionOK {
		return
	}
	d.hasNext = d.next.read(section) && !(d.hasProgram && d.next == d.program)
}

// choose gives the PID that a program has for a stream that the Demuxer reads, 0 for none.
func (m *pmt) choose(kind Kind) uint16 {
	want := byte(StreamTypeH264)
	if kind == Audio {
		want = StreamTypeAAC
	}
	for _, s := range m.streams[:m.n] {
		if s.typ == want && s.pid != PIDPAT && s.pid != PIDNull {
			return s.pid
		}
	}
	return 0
}

// retired gives a stream with an open unit whose PID the new program does not use any more.
func (d *Demuxer) retired() *elementary {
	for i := range d.streams {
		if s := &d.streams[i]; s.pid != d.next.choose(s.kind) && s.deliverable() {
			return s
		}
	}
	return nil
}

// adopt makes the new PMT the current one.
func (d *Demuxer) adopt() {
	d.program, d.hasProgram, d.hasNext = d.next, true, false
	for i := range d.streams {
		s := &d.streams[i]
		if pid := d.program.choose(s.kind); pid != s.pid {
			s.clear()
			s.broken = s.pid != 0 // the stream went over to another PID
			s.pid, s.hasCC = pid, false
		}
	}
	for _, s := range d.program.streams[:d.program.n] {
		_, kind := describeType(s.typ)
		if kind == Other || d.program.choose(kind) != 0 || len(d.refused) >= maxStreams {
			continue
		}
		e := UnsupportedError{PID: s.pid, StreamType: s.typ}
		known := false
		for _, old := range d.refused {
			known = known || old == e
		}
		if !known {
			d.refused = append(d.refused, e)
		}
	}
}

// offer gives out the unit of s; ok is false when it has no data.
func (d *Demuxer) offer(s *elementary) (u Unit, ok bool) {
	if !s.deliverable() {
		s.clear()
		return Unit{}, false
	}
	return d.give(s), true
}

func (d *Demuxer) give(s *elementary) Unit {
	d.given = s
	return s.unit()
}

// finish gives out what is left in the streams, and then says how the input ended.
func (d *Demuxer) finish() (Unit, error) {
	for d.ended < len(d.streams) {
		s := &d.streams[d.ended]
		d.ended++
		if u, ok := d.offer(s); ok {
			return u, nil
		}
	}
	switch {
	case d.readErr != io.EOF:
		return Unit{}, fmt.Errorf("mpegts: read: %w", d.readErr)
	case !d.hasProgram:
		return Unit{}, ErrNoProgram
	}
	return Unit{}, io.EOF
}

// packetBytes gives the 188 bytes at pos, nil at the end of the input.
func (d *Demuxer) packetBytes() []byte {
	for {
		if d.stride != 0 && len(d.buf)-d.pos >= PacketSize {
			if b := d.buf[d.pos : d.pos+PacketSize]; b[0] == syncByte {
				return b
			}
			d.stride = 0 // the bytes that follow are not packets: look again
			for i := range d.streams {
				d.streams[i].interrupt()
			}
		}
		if d.stride == 0 && d.pos < len(d.buf) {
			offset, stride, ok := findSync(d.buf[d.pos:], !d.searching, d.readErr != nil)
			if ok {
				d.skip(offset)
				d.stride, d.searching = stride, false
				continue
			}
			if rest := len(d.buf) - d.pos; rest > syncReach+PacketSize {
				d.skip(rest - syncReach) // no packet begins there
				d.searching = true
			}
		}
		if d.readErr != nil {
			d.skip(max(0, len(d.buf)-d.pos))
			return nil
		}
		d.refill()
	}
}

func (d *Demuxer) skip(n int) {
	d.pos += n
	d.skipped += int64(n)
}

// refill drops what was used and reads on.
func (d *Demuxer) refill() {
	used := min(d.pos, len(d.buf)) // the space behind a packet may reach beyond what was read
	n := copy(d.buf, d.buf[used:])
	d.offset += int64(used)
	d.pos -= used
	d.buf = d.buf[:n]
	for range 100 { // as bufio does
		k, err := d.r.Read(d.buf[n:cap(d.buf)])
		if k < 0 || k > cap(d.buf)-n {
			d.readErr = errors.New("reader returned an impossible count")
			return
		}
		d.buf = d.buf[:n+k]
		if err != nil {
			d.readErr = err
			return
		}
		if k > 0 {
			return
		}
	}
	d.readErr = io.ErrNoProgress
}
