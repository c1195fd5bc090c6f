// SPDX-License-Identifier: Apache-2.0

package mpegts

// programState follows PAT and PMT.
type programState struct {
	pats, pmts     sections
	hasPAT, hasPMT bool
	sawPAT, sawPMT bool // a packet of theirs was there, however broken
	number, pmtPID uint16
	programs       int
	pmt            pmt
	patCount       int64
	pmtCount       int64
	patClock       uint64 // the first PCR behind the last PAT
	patTimed       bool   // patClock is set
	patWaits       bool   // for its PCR
	maxInterval    int64  // 27 MHz
	positionGiven  bool
	streams        []*esState // in the order of the PMT, those that left at the end
}

func (g *programState) interrupt() { g.pats.reset(); g.pmts.reset() }

func (g *programState) lostPacket(pid uint16) {
	if pid == PIDPAT {
		g.pats.reset()
	} else if g.hasPAT && pid == g.pmtPID {
		g.pmts.reset()
	}
}

// position checks that a segment begins with PAT and PMT (RFC 8216 §3), PMT by the PAT before it.
func (a *Analyzer) position(p *packet) {
	if a.opts.Stream || a.prog.positionGiven || a.packet > 1 {
		return
	}
	switch {
	case a.packet == 0 && p.pid != PIDPAT:
		a.prog.positionGiven = true
		a.found.add(CodePosition, 0, int(p.pid), "the first packet is on PID %#04x; a segment should begin with PAT and PMT", p.pid)
	case a.packet == 1 && a.prog.hasPAT && p.pid != a.prog.pmtPID:
		a.prog.positionGiven = true
		a.found.add(CodePosition, 1, int(p.pid), "the second packet is on PID %#04x; a segment should begin with PAT and PMT", p.pid)
	}
}

func (a *Analyzer) pat(p *packet) {
	g := &a.prog
	g.sawPAT = true
	if !p.hasPayload {
		return
	}
	g.pats.push(p.payload, p.unitStart)
	for s := g.pats.next(); s != nil; s = g.pats.next() {
		if a.checkTable(s, tablePAT, "PAT", PIDPAT) {
			a.readPAT(s)
		}
	}
	if g.pats.bad {
		a.found.add(CodeSection, a.packet, PIDPAT, "the PAT's pointer_field or section_length is impossible")
	}
}

// checkTable reports what is wrong with a section; true when it is to be read.
func (a *Analyzer) checkTable(section []byte, table byte, name string, pid uint16) bool {
	switch checkSection(section, table) {
	case sectionOK:
		return true
	case sectionSyntax:
		a.found.add(CodeSection, a.packet, int(pid), "the %s's length or its fixed bits are wrong", name)
	case sectionCRC:
		a.found.add(CodeCRC, a.packet, int(pid), "the %s's checksum is wrong", name)
	case sectionOther:
		if section[0] != table && (table != tablePMT || section[0] < 0x40) { // private sections may share the PMT's PID
			a.found.add(CodeSection, a.packet, int(pid), "a section with table_id %#02x on the %s's PID", section[0], name)
		}
	}
	return false
}

func (a *Analyzer) readPAT(section []byte) {
	g := &a.prog
	g.patCount++
	g.patWaits = true
	entries, ok := patPrograms(section)
	if !ok {
		a.found.add(CodeSection, a.packet, PIDPAT, "the PAT's length is no multiple of its entries' length")
	}
	programs := 0
	for ; len(entries) > 0; entries = entries[4:] {
		number, pid := patEntry(entries)
		if number == 0 {
			continue // where the network information table is
		}
		programs++
		if programs > 1 {
			continue
		}
		if g.hasPAT && pid != g.pmtPID {
			a.found.add(CodePMTChanged, a.packet, PIDPAT, "the PMT moves from PID %#04x to PID %#04x", g.pmtPID, pid)
			g.pmts.reset()
		}
		g.number, g.pmtPID, g.hasPAT = number, pid, true
	}
	if programs != 1 && (programs != g.programs || g.patCount == 1) {
		a.found.add(CodePrograms, a.packet, PIDPAT, "the PAT names %d programs; HLS needs exactly one (RFC 8216 §3.1)", programs)
	}
	g.programs = programs
}

func (a *Analyzer) pmt(p *packet) {
	g := &a.prog
	g.sawPMT = true
	if !p.hasPayload {
		return
	}
	g.pmts.push(p.payload, p.unitStart)
	for s := g.pmts.next(); s != nil; s = g.pmts.next() {
		if !a.checkTable(s, tablePMT, "PMT", g.pmtPID) {
			continue
		}
		var m pmt
		if !m.read(s) {
			a.found.add(CodeSection, a.packet, int(g.pmtPID), "the PMT's inner lengths do not fit")
			continue
		}
		if m.program == g.number {
			a.readPMT(&m)
		}
	}
	if g.pmts.bad {
		a.found.add(CodeSection, a.packet, int(g.pmtPID), "the PMT's pointer_field or section_length is impossible")
	}
}

func (a *Analyzer) readPMT(m *pmt) {
	g := &a.prog
	g.pmtCount++
	if g.hasPMT {
		if *m == g.pmt {
			return
		}
		same := *m
		same.version = g.pmt.version
		switch {
		case same == g.pmt: // only the version is new
			g.pmt = *m
			return
		case m.version == g.pmt.version:
			a.found.add(CodePMTVersion, a.packet, int(g.pmtPID), "the PMT changed, but its version_number is %d as before", m.version)
		default:
			a.found.add(CodePMTChanged, a.packet, int(g.pmtPID), "the PMT changed: %d streams, before %d", m.n, g.pmt.n)
		}
	}
	first := !g.hasPMT
	g.pmt, g.hasPMT = *m, true
	if m.pcrPID == PIDNull {
		a.found.add(CodePCRPID, a.packet, int(g.pmtPID), "the PMT names no PID for the PCR")
	}
	for _, s := range m.streams[:m.n] {
		a.announce(s, first)
	}
	for pid, s := range sortedPIDs(a.pids) {
		if s.es != nil && !m.names(pid, s.es.typ) {
			a.endPES(s.es)
			s.es = nil
		}
	}
}

// announce begins to follow a stream that the PMT names.
func (a *Analyzer) announce(s pmtStream, firstPMT bool) {
	state := a.pids[s.pid]
	if state == nil {
		if len(a.pids) == maxPIDs {
			return
		}
		state = &pidState{pid: s.pid, first: -1}
		a.pids[s.pid] = state
	}
	if state.es != nil && state.es.typ == s.typ {
		return
	}
	if state.packets > 0 && firstPMT && !a.opts.Stream {
		a.found.add(CodeBeforeTables, state.first, int(s.pid), "%s before the PAT and PMT that say what they are",
			count(int(state.packets), "packet comes", "packets come"))
	}
	e := newESState(s)
	e.late = state.packets > 0
	if len(a.prog.streams) < maxStreams {
		a.prog.streams = append(a.prog.streams, e)
	}
	state.es = e
	if e.typ != StreamTypeH264 && e.typ != StreamTypeAAC && e.kind != Other {
		a.found.add(CodeUnsupported, a.packet, int(s.pid), "the stream is %s (type %#02x), which s3cam does not play", e.codec, s.typ)
	}
}

// names tells whether the PMT has this stream.
func (m *pmt) names(pid uint16, typ byte) bool {
	for _, s := range m.streams[:m.n] {
		if s.pid == pid && s.typ == typ {
			return true
		}
	}
	return false
}

// timePAT measures the time between PATs.
func (g *programState) timePAT(pcr uint64) {
	if !g.patWaits {
		return
	}
	if g.patTimed {
		g.maxInterval = max(g.maxInterval, pcrDiff(pcr, g.patClock))
	}
	g.patClock, g.patTimed, g.patWaits = pcr, true, false
}

// finishTables judges what is missing at the end.
func (a *Analyzer) finishTables() {
	g, r := &a.prog, &a.report
	r.Program, r.PMTPID, r.PCRPID = -1, noPID, noPID
	r.PATs, r.PMTs = g.patCount, g.pmtCount
	r.TableIntervalMaxMS = float64(g.maxInterval) / pcrPerMS
	switch {
	case !g.hasPAT && !g.sawPAT:
		a.found.add(CodePATMissing, wholeStream, PIDPAT, "there is no PAT, so nothing in the stream can be played")
	case g.hasPAT && !g.sawPMT:
		a.found.add(CodePMTMissing, wholeStream, int(g.pmtPID), "there is no PMT on PID %#04x, where the PAT says it is", g.pmtPID)
	}
	if g.hasPAT {
		r.Program, r.PMTPID = int(g.number), int(g.pmtPID)
	}
	if !g.hasPMT {
		return
	}
	r.PCRPID = int(g.pmt.pcrPID)
	video := false
	for _, e := range g.streams {
		video = video || e.typ == StreamTypeH264
		switch {
		case e.packets > 0 || e.kind == Other:
		case e.kind == Video:
			a.found.addAs(Error, CodeAbsent, wholeStream, int(e.pid), "the PMT announces %s on PID %#04x, but it has no packets", e.codec, e.pid)
		default:
			a.found.add(CodeAbsent, wholeStream, int(e.pid), "the PMT announces %s on PID %#04x, but it has no packets: players wait for it", e.codec, e.pid)
		}
	}
	if !video {
		a.found.add(CodeNoVideo, wholeStream, int(g.pmtPID), "the program has no H.264 stream")
	}
}

// finishPIDs reports PIDs that no table names. With several programs that cannot be told.
func (a *Analyzer) finishPIDs() {
	if !a.prog.hasPMT || a.prog.programs > 1 {
		return
	}
	for pid, s := range sortedPIDs(a.pids) {
		known := pid <= 0x1F || pid == a.prog.pmtPID || pid == a.prog.pmt.pcrPID // below 0x20: tables of MPEG and DVB
		for _, e := range a.prog.streams {
			known = known || e.pid == pid
		}
		switch {
		case known:
		case s.pes:
			a.found.add(CodeUnannounced, s.first, int(pid), "%s of audio or video on PID %#04x, which the PMT does not name", count(int(s.packets), "packet", "packets"), pid)
		default:
			a.found.add(CodeUnknownPID, s.first, int(pid), "%s on PID %#04x, which no table names", count(int(s.packets), "packet", "packets"), pid)
		}
	}
}
