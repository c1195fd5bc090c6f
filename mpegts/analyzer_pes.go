// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"iter"
	"maps"
	"slices"
)

const (
	maxDTSGap      = 10 * Timescale // as MaxPCRFill: beyond, the Muxer sets discontinuity_indicator
	maxPTSDistance = 3 * Timescale  // 16 pictures of reordering at 5.3 per second
	recentPTS      = 16             // pictures among which a PTS must not come twice: the largest reordering of H.264
)

// esState follows one elementary stream that the PMT names.
type esState struct {
	pmtStream
	codec string
	kind  Kind

	packets, pesCount, bytes int64
	late                     bool // packets came before the tables, so its start was not seen

	// The PES packet that is open.
	open        bool
	headed      bool
	headBuf     [pesFixedBytes + 255]byte
	headUsed    int
	header      pesHeader
	got         int64 // bytes behind PES_packet_length
	start       int64 // number of its first packet
	random      bool
	damaged     bool // packets may be missing in it, which was reported
	skip        bool // its header is broken, which was reported, or it is none of audio and video
	interrupted bool // packets may be missing since the last PES packet began
	moved       bool // a discontinuity_indicator allows the next jump in time

	// Times, in 90 kHz ticks.
	hasDTS, hasPTS   bool
	dts              uint64 // the last
	firstDTS         uint64
	clock            int64 // dts unwrapped
	firstClock       int64
	minPTS, maxPTS   int64 // unwrapped
	recent           [recentPTS]int64
	recentUsed       int
	framesAtDTS      int64 // pictures before the last DTS
	framesAtFirstDTS int64

	video h264State
	audio adtsState
}

func newESState(s pmtStream) *esState {
	codec, kind := describeType(s.typ)
	e := &esState{pmtStream: s, codec: codec, kind: kind}
	e.video.reset()
	e.audio.lost = true
	return e
}

// forgive uses up the permission to jump in time.
func (e *esState) forgive() bool {
	was := e.moved
	e.moved = false
	return was
}

// interrupt notes that packets may be missing, which was reported.
func (e *esState) interrupt() {
	e.damaged, e.interrupted = true, true
	e.audio.interrupt()
	e.video.interrupt()
}

// elementary looks at a packet of a stream.
func (a *Analyzer) elementary(e *esState, p *packet) {
	e.packets++
	e.moved = e.moved || p.discontinuity
	if !p.hasPayload || e.kind == Other {
		return
	}
	if p.unitStart {
		a.endPES(e)
		e.open, e.headed, e.headUsed, e.got, e.start = true, false, 0, 0, a.packet
		e.random, e.damaged, e.skip = p.randomAccess, false, false
		e.pesCount++
	}
	if !e.open {
		if e.pesCount == 0 && e.packets == 1 && !e.late && !a.opts.Stream {
			a.found.add(CodePESRest, a.packet, int(e.pid), "the stream begins in the middle of a PES packet")
		}
		return
	}
	data := p.payload
	if !e.headed {
		if data = a.readPESHeader(e, data); !e.headed {
			return
		}
	}
	if e.skip {
		return
	}
	e.got += int64(len(data))
	e.bytes += int64(len(data))
	switch e.typ {
	case StreamTypeH264:
		a.h264(e, data)
	case StreamTypeAAC:
		a.adts(e, data)
	}
}

// readPESHeader collects the header, which may go over several packets, and returns the payload behind it.
func (a *Analyzer) readPESHeader(e *esState, data []byte) []byte {
	before := e.headUsed
	e.headUsed += copy(e.headBuf[before:], data)
	h := &e.header
	fault := h.read(e.headBuf[:e.headUsed])
	if fault == pesShort {
		return nil
	}
	e.headed = true
	pid := int(e.pid)
	e.interrupted = e.interrupted || fault != pesOK && fault != pesStamp && fault != pesFlags || h.scrambled
	switch fault {
	case pesNoStart:
		e.skip = true
		a.found.add(CodePESStart, a.packet, pid, "the PES packet does not begin with 00 00 01")
		return nil
	case pesNoHeader:
		e.skip = true
		if h.streamID != 0xBE { // padding
			a.found.add(CodeStreamID, a.packet, pid, "stream id %#02x carries no %s", h.streamID, e.kind)
		}
		return nil
	case pesMarker:
		e.skip = true
		a.found.add(CodePESHeader, a.packet, pid, "the two bits '10' behind PES_packet_length are missing")
		return nil
	case pesLengths:
		e.skip = true
		a.found.add(CodePESHeader, a.packet, pid, "the PES header's length does not fit the packet or its time stamps")
		return nil
	case pesFlags:
		a.found.add(CodePESHeader, a.packet, pid, "PTS_DTS_flags is 1, which is forbidden")
	case pesStamp:
		a.found.add(CodePESHeader, a.packet, pid, "the marker bits of a time stamp are wrong")
	}
	if h.scrambled {
		e.skip = true
		a.found.add(CodeScrambled, a.packet, pid, "the PES packet is encrypted (PES_scrambling_control)")
		return nil
	}
	switch {
	case e.kind == Video && h.streamID>>4 != 0xE:
		a.found.add(CodeStreamID, a.packet, pid, "video under stream id %#02x, not 0xE0 to 0xEF", h.streamID)
	case e.typ == StreamTypeAAC && h.streamID>>5 != 6:
		a.found.add(CodeStreamID, a.packet, pid, "AAC under stream id %#02x, not 0xC0 to 0xDF", h.streamID)
	}
	if h.length == 0 && e.kind != Video {
		a.found.add(CodePESUnbounded, a.packet, pid, "PES_packet_length is 0, which is allowed for video only")
	}
	if fault != pesFlags {
		a.times(e)
	}
	e.got = int64(h.dataAt - 6)
	e.audio.begin()
	e.video.begin()
	return data[h.dataAt-before:]
}

// times checks the time stamps of a PES packet.
func (a *Analyzer) times(e *esState) {
	h, pid := &e.header, int(e.pid)
	jumped := false
	if !h.hasPTS {
		a.found.add(CodePTSMissing, a.packet, pid, "the PES packet has no PTS")
		return
	}
	if e.hasDTS {
		step := timestampDiff(h.dts, e.dts)
		bad := step <= 0 || step > maxDTSGap
		if bad && e.forgive() {
			bad, jumped = false, true
		}
		switch {
		case !bad:
		case step <= 0:
			a.found.add(CodeDTSOrder, a.packet, pid, "the decoding time goes from %d to %d (90 kHz); it must rise", e.dts, h.dts)
		default:
			a.found.add(CodeDTSGap, a.packet, pid, "the decoding time jumps by %.1f s without a discontinuity_indicator", float64(step)/Timescale)
		}
		e.clock += step
	} else {
		e.firstDTS, e.clock, e.firstClock = h.dts, int64(h.dts), int64(h.dts)
		e.framesAtFirstDTS = e.video.frames
	}
	e.hasDTS, e.dts = true, h.dts
	e.framesAtDTS = e.video.frames

	distance := timestampDiff(h.pts, h.dts)
	switch {
	case distance < 0:
		a.found.add(CodePTSOrder, a.packet, pid, "PTS %d is %.1f ms before DTS %d", h.pts, -float64(distance)/90, h.dts)
	case distance > maxPTSDistance:
		a.found.add(CodePTSDistance, a.packet, pid, "PTS %d is %.1f s after DTS %d", h.pts, float64(distance)/Timescale, h.dts)
	}
	pts := e.clock + distance
	if e.kind == Video {
		if !jumped && slices.Contains(e.recent[:min(e.recentUsed, recentPTS)], pts) {
			a.found.add(CodePTSRepeated, a.packet, pid, "PTS %d came already, %d PES packets ago or less", h.pts, recentPTS)
		}
		e.recent[e.recentUsed%recentPTS] = pts
		e.recentUsed++
		if e.recentUsed >= 2*recentPTS {
			e.recentUsed -= recentPTS
		}
	}
	if !e.hasPTS {
		e.minPTS, e.maxPTS, e.hasPTS = pts, pts, true
	}
	e.minPTS, e.maxPTS = min(e.minPTS, pts), max(e.maxPTS, pts)
	a.lead(e, h.dts)
	if e.typ == StreamTypeAAC {
		a.audioTime(e, jumped || e.interrupted)
	}
	e.interrupted = false
}

// endPES judges a PES packet that is complete, because another begins or the stream ends.
func (a *Analyzer) endPES(e *esState) {
	if !e.open {
		return
	}
	e.open = false
	if e.skip || e.damaged {
		return
	}
	if !e.headed {
		a.found.add(CodePESHeader, e.start, int(e.pid), "the PES packet ends in its header, after %d bytes", e.headUsed)
		return
	}
	if want := int64(e.header.length); want > 0 && e.got != want {
		a.found.add(CodePESLength, e.start, int(e.pid), "PES_packet_length is %d, but %d bytes came", want, e.got)
	}
	if e.typ == StreamTypeH264 {
		a.endPicture(e)
	}
}

// sortedPIDs walks over the PIDs in their order, so that findings come in one order.
func sortedPIDs(m map[uint16]*pidState) iter.Seq2[uint16, *pidState] {
	return func(yield func(uint16, *pidState) bool) {
		for _, pid := range slices.Sorted(maps.Keys(m)) {
			if !yield(pid, m[pid]) {
				return
			}
		}
	}
}
