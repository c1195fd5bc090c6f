// SPDX-License-Identifier: Apache-2.0

package mpegts

import "errors"

// AnalyzerOptions tunes an Analyzer. The zero value is the strict check of one segment.
type AnalyzerOptions struct {
	// Stream says that the input is a piece of a stream that may begin and end anywhere, not a segment that stands alone. Then
	// nothing is said about what the input begins with.
	Stream bool

	// MaxFindings is how many findings of each code are kept with their text; further ones are counted. 0 is DefaultMaxFindings.
	MaxFindings int
}

// DefaultMaxFindings is the number of findings of each code that are kept.
const DefaultMaxFindings = 10

// ErrReported says that Write was called after Report.
var ErrReported = errors.New("mpegts: write after report")

const (
	analyzerWindow = 64 * PacketSize
	maxPIDs        = 64 // PIDs that are followed; a segment has about five
)

// Analyzer checks a transport stream that is written into it, and describes what is in it. It looks at every packet header, at the
// tables, the clock, the PES headers, and far enough into the elementary streams to know pictures and frames; it decodes
// nothing. It takes packets of 188 bytes of one program, as HLS has them. One damage gives one finding where that can be told.
//
// Memory is bounded (see the package comment) for input of any length. Not safe for concurrent use. Use NewAnalyzer.
type Analyzer struct {
	opts   AnalyzerOptions
	found  findings
	report Report
	done   bool

	buf    []byte // what is not looked at yet: less than a packet, or what is no packet
	lost   bool   // looking for packets
	stride int    // their distance, when it is not 188
	packet int64  // number of the packet that is looked at

	pids map[uint16]*pidState
	pcr  pcrState
	prog programState
}

// pidState follows the packets of one PID.
type pidState struct {
	pid     uint16
	packets int64
	cc      byte
	hasCC   bool
	repeats int              // how often the last packet came again
	last    [PacketSize]byte // the last packet with payload
	first   int64            // number of the first packet
	es      *esState         // set for streams that the PMT names
	pes     bool             // the start of an audio or video PES packet was seen here
}

// NewAnalyzer returns an Analyzer that has seen nothing.
func NewAnalyzer(opts AnalyzerOptions) *Analyzer {
	if opts.MaxFindings <= 0 {
		opts.MaxFindings = DefaultMaxFindings
	}
	return &Analyzer{
		opts: opts, found: findings{limit: int64(opts.MaxFindings)},
		buf:  make([]byte, 0, analyzerWindow),
		pids: map[uint16]*pidState{},
	}
}

// Write looks at the next bytes of the stream; a packet may be split over calls. b is not kept. The error is nil, or ErrReported.
func (a *Analyzer) Write(b []byte) (int, error) {
	if a.done {
		return 0, ErrReported
	}
	written := len(b)
	for len(b) > 0 {
		n := min(len(b), cap(a.buf)-len(a.buf))
		a.buf = append(a.buf, b[:n]...)
		b = b[n:]
		a.report.Bytes += int64(n)
		a.consume(false)
	}
	return written, nil
}

// Report ends the analysis and says what was found. Calling it again gives the same.
func (a *Analyzer) Report() Report {
	if !a.done {
		a.done = true
		a.consume(true)
		a.finish()
	}
	return a.report
}

// consume looks at all whole packets in buf, and moves what is left to its start.
func (a *Analyzer) consume(atEnd bool) {
	b := a.buf
	for len(b) > 0 {
		if b[0] == syncByte && !a.lost {
			if len(b) < PacketSize {
				break
			}
			a.add(b[:PacketSize])
			b = b[PacketSize:]
			continue
		}
		// The whole way to the next packet is one finding. Judging no place before enough follows makes the report the same
		// however the input is cut.
		if !atEnd && len(b) <= syncReach+PacketSize {
			break
		}
		offset, stride, ok := findSync(b, !a.lost, atEnd)
		if !a.lost {
			a.syncLost(b[0])
		}
		switch {
		case ok:
			a.lost = false
		case atEnd:
			offset = len(b)
		default:
			offset = len(b) - syncReach
		}
		a.report.SkippedBytes += int64(offset)
		b = b[offset:]
		if stride > PacketSize {
			a.add(b[:PacketSize])
			b = b[PacketSize:]
			a.spaced(stride)
		}
	}
	if atEnd && len(b) > 0 {
		a.report.SkippedBytes += int64(len(b))
		a.found.add(CodePartialPacket, a.packet, noPID, "the stream ends with %s of a packet of 188", count(len(b), "byte", "bytes"))
		b = nil
	}
	a.buf = a.buf[:copy(a.buf, b)]
}

func (a *Analyzer) syncLost(got byte) {
	a.lost = true
	a.found.add(CodeSync, a.packet, noPID, "where packet %d should begin there is %#02x, not the sync byte 0x47", a.packet, got)
	for _, s := range a.pids {
		s.interrupt()
	}
	a.prog.interrupt()
}

// spaced notes that what stands between packets is no loss of sync each time.
func (a *Analyzer) spaced(stride int) {
	a.lost = true
	if a.stride == 0 {
		a.stride = stride
		a.found.add(CodeSync, a.packet, noPID, "the packets have a distance of %d bytes; HLS needs 188", stride)
	}
}

// interrupt notes that packets may be missing for a reason that was already reported.
func (s *pidState) interrupt() {
	s.hasCC = false
	if s.es != nil {
		s.es.interrupt()
	}
}

// add looks at one packet.
func (a *Analyzer) add(b []byte) {
	defer func() { a.packet++ }()
	var p packet
	fault := p.read(b)
	a.position(&p)
	if p.transportErr {
		a.found.add(CodeTransport, a.packet, int(p.pid), "the packet is marked as damaged (transport_error_indicator)")
		if s := a.pids[p.pid]; s != nil {
			s.interrupt()
		}
		return
	}
	if p.pid == PIDNull {
		a.report.NullPackets++
		return
	}
	s := a.pids[p.pid]
	if s == nil {
		if len(a.pids) == maxPIDs {
			a.found.add(CodeTooManyPIDs, a.packet, int(p.pid), "more than %d PIDs; PID %#04x is not looked at", maxPIDs, p.pid)
			return
		}
		s = &pidState{pid: p.pid, first: a.packet}
		a.pids[p.pid] = s
	}
	s.packets++
	switch fault {
	case faultControl:
		a.found.add(CodeAdaptation, a.packet, int(p.pid), "adaptation_field_control is 0, which is reserved")
		s.interrupt()
		return
	case faultAdaptationLength:
		a.found.add(CodeAdaptation, a.packet, int(p.pid), "the adaptation field is %d bytes long, which does not fit the packet", b[4])
		s.interrupt()
		return
	case faultPCRLength:
		a.found.add(CodeAdaptation, a.packet, int(p.pid), "the adaptation field of %d bytes is too short for its PCR", b[4])
	}
	if !a.continuity(s, &p, b) {
		return
	}
	if p.scrambling != 0 {
		a.found.add(CodeScrambled, a.packet, int(p.pid), "the packet is encrypted (transport_scrambling_control %d)", p.scrambling)
		if s.es != nil {
			s.es.interrupt()
		}
		return
	}
	if p.hasPCR {
		a.clock(s, &p)
	}
	if p.unitStart && len(p.payload) >= 4 && p.payload[0]|p.payload[1] == 0 && p.payload[2] == 1 && p.payload[3]>>5 >= 6 && p.payload[3] <= 0xEF {
		s.pes = true // stream id 0xC0 to 0xEF: audio or video
	}
	switch {
	case p.pid == PIDPAT:
		a.pat(&p)
	case a.prog.hasPAT && p.pid == a.prog.pmtPID:
		a.pmt(&p)
	case s.es != nil:
		a.elementary(s.es, &p)
	}
}

// continuity checks the counter (§2.4.3.3); false for a duplicate, which is to be left out.
func (a *Analyzer) continuity(s *pidState, p *packet, b []byte) bool {
	defer func() {
		if p.hasPayload {
			s.cc, s.hasCC = p.cc, true
			copy(s.last[:], b)
		}
	}()
	if !s.hasCC || p.discontinuity {
		s.repeats, s.cc = 0, p.cc
		return true
	}
	if !p.hasPayload {
		if p.cc != s.cc {
			a.found.add(CodeContinuity, a.packet, int(s.pid),
				"the continuity counter is %d after %d in a packet without payload, where it must not change", p.cc, s.cc)
			s.cc = p.cc
		}
		return true
	}
	if p.cc == (s.cc+1)&15 {
		s.repeats = 0
		return true
	}
	if p.cc == s.cc {
		if s.repeats == 0 && samePacket(s.last[:], b) {
			s.repeats++
			a.report.DuplicatePackets++
			return false
		}
		a.found.add(CodeContinuity, a.packet, int(s.pid),
			"the continuity counter is %d again: a packet that is repeated more than once or changed, or 15 packets are missing", p.cc)
	} else {
		missing := (int(p.cc) - int(s.cc) - 1 + 16) & 15
		a.found.add(CodeContinuity, a.packet, int(s.pid), "the continuity counter jumps from %d to %d: at least %s missing, or packets are out of order",
			s.cc, p.cc, count(missing, "packet is", "packets are"))
	}
	s.repeats = 0
	if s.es != nil {
		s.es.interrupt()
	}
	a.prog.lostPacket(s.pid)
	return true
}

// samePacket compares two packets but for the PCR, which a duplicate may have anew.
func samePacket(x, y []byte) bool {
	from := headerBytes
	if x[3]&(headerAdaptation) != 0 && x[4] >= pcrFieldBytes-1 && x[5]&flagPCR != 0 {
		from = headerBytes + pcrFieldBytes
	}
	for i := 0; i < PacketSize; i++ {
		if x[i] != y[i] && (i < 6 || i >= from) {
			return false
		}
	}
	return true
}
