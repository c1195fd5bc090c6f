// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"encoding/binary"
	"slices"
)

const (
	// PCRDelay is how far the program clock runs behind the DTS, in 90 kHz ticks (700 ms): a decoder that follows the PCR holds
	// a picture that long before it decodes it. The original SDK uses the same figure.
	PCRDelay = 63000

	// MaxPCRInterval is the longest time between two PCRs, in 90 kHz ticks (§2.7.2: 100 ms).
	MaxPCRInterval = 9000

	// MaxPCRFill is the longest gap between two pictures that the Muxer bridges with PCR packets, in 90 kHz ticks (10 s, 99
	// packets). A longer one, or a step back, is marked by the discontinuity_indicator (§2.4.3.5) instead.
	MaxPCRFill = 10 * Timescale

	audBytes = 6
)

// VideoFrame is one access unit for the Muxer.
type VideoFrame struct {
	// Parts is the access unit as an H.264 byte stream (Annex B), in any number of pieces, for example where a ring buffer wraps
	// or where parameter sets are put in front. They may be split anywhere, also inside a start code. They are never joined and
	// never changed.
	Parts [][]byte

	// PTS and DTS are presentation and decoding time in 90 kHz ticks, of any size: 33 bits of them are written. Without
	// B-frames they are equal. DTS rises from frame to frame.
	PTS, DTS int64

	// RandomAccess says that decoding can start here: an IDR picture with its parameter sets in front.
	RandomAccess bool

	// HasAUD says that Parts begins with an access unit delimiter. Otherwise the Muxer writes one, as §2.14.1 requires.
	HasAUD bool
}

// Muxer writes a transport stream, a sequence of segments of which each begins with AppendTables. Its state is counters, the
// audio frames that wait for their PES, and where it stands in a frame between BeginVideo and the last Fill; so the
// same calls give the same bytes. Continuity counters run on from segment to segment (RFC 8216 §3).
//
// A Muxer keeps nothing of a frame once it is written. In the steady state no method allocates, except to grow dst.
// It is not safe for concurrent use. Use NewMuxer.
type Muxer struct {
	tables     [tablesBytes]byte // PAT and PMT with counters 0
	wantAudio  bool              // SetAudio
	audioOn    bool              // the tables written last announce audio
	pmtVersion byte

	tablesCC, videoCC, audioCC byte // the next packet's continuity counter

	lastPCR uint64
	hasPCR  bool // lastPCR is set
	fillPCR bool // a picture of this segment was written, so the time from it is to be bridged

	video videoProgress
	audio audioPES
}

// videoProgress is where the Muxer stands in a frame.
type videoProgress struct {
	pcrs   int      // PCR packets still to be written in front
	first  bool     // the first packet of the PES is still to be written
	left   int      // bytes of the access unit still to be written: cur and rest
	cur    []byte   // what is left of the part that is being written
	rest   [][]byte // the parts after it
	pcr    uint64
	flags  byte // of the first packet's adaptation field
	header [pesPTSDTSBytes + audBytes]byte
	headed int // bytes used in header
}

// NewMuxer returns a Muxer whose counters start at 0 and whose tables announce video only.
func NewMuxer() *Muxer {
	m := &Muxer{}
	putTables(m.tables[:], false, 0)
	return m
}

// SetAudio says whether the tables announce an AAC stream, from the next AppendTables on.
func (m *Muxer) SetAudio(on bool) { m.wantAudio = on }

// AppendTables starts a segment: it appends the PAT and the PMT, one packet each (376 bytes). Audio that still waits must be
// flushed before, into the segment it belongs to. No PCR packets bridge the time from the last picture of the segment before,
// so that the picture which opens the segment follows the tables at once.
func (m *Muxer) AppendTables(dst []byte) []byte {
	if m.wantAudio != m.audioOn {
		m.audioOn = m.wantAudio
		m.pmtVersion = (m.pmtVersion + 1) & 31
		putTables(m.tables[:], m.audioOn, m.pmtVersion)
	}
	at := len(dst)
	dst = append(dst, m.tables[:]...)
	dst[at+3] |= m.tablesCC
	dst[at+PacketSize+3] |= m.tablesCC
	m.tablesCC = (m.tablesCC + 1) & 15
	m.fillPCR = false
	return dst
}

// Moved says that everything written so far was moved in time by so many 90 kHz ticks, by who holds the packets: the time from the last
// picture to the next is what it was.
func (m *Muxer) Moved(ticks int64) { m.lastPCR = (m.lastPCR + uint64(ticks)) & timestampMask }

// AppendVideo appends one access unit as one PES packet, preceded by PCR packets when the picture before was more than
// MaxPCRInterval ago. A frame without bytes appends nothing. f and its buffers are not kept.
func (m *Muxer) AppendVideo(dst []byte, f *VideoFrame) []byte {
	m.BeginVideo(f)
	at, n := len(dst), m.VideoLeft()
	dst = slices.Grow(dst, n)[:at+n]
	m.Fill(dst[at:])
	return dst
}

// VideoBytes gives the exact number of bytes that AppendVideo would append for f now.
func (m *Muxer) VideoBytes(f *VideoFrame) int {
	size := frameBytes(f)
	if size == 0 {
		return 0
	}
	pcrs, _ := m.bridge(pcrOf(f))
	return (pcrs + videoPackets(headBytes(f), size)) * PacketSize
}

// BeginVideo starts one access unit that Fill then writes piece by piece, for a ring buffer whose end may come in the middle of
// a frame. f is not kept, but the buffers of f.Parts and the slice that holds them must stay unchanged until the frame is written.
// What was not yet written of the frame before is dropped.
func (m *Muxer) BeginVideo(f *VideoFrame) {
	v := &m.video
	v.pcrs, v.first, v.left, v.cur, v.rest = 0, false, 0, nil, nil
	size := frameBytes(f)
	if size == 0 {
		return
	}
	v.first, v.left, v.rest = true, size, f.Parts
	v.pcr = pcrOf(f)
	v.flags = flagPCR
	if f.RandomAccess {
		v.flags |= flagRandomAccess
	}
	pcrs, discontinuity := m.bridge(v.pcr)
	if discontinuity {
		v.flags |= flagDiscontinuity
	}
	v.pcrs = pcrs
	v.headed = putPESHeader(v.header[:], StreamIDVideo, 0, wrapTimestamp(f.PTS), wrapTimestamp(f.DTS))
	if !f.HasAUD {
		// primary_pic_type 7 allows every slice type (H.264 Table 7-5).
		v.headed += copy(v.header[v.headed:], []byte{0, 0, 0, 1, 9, 0xF0})
	}
}

// VideoLeft gives the number of bytes that are still to be written of the frame that BeginVideo started; 0 when it is done.
func (m *Muxer) VideoLeft() int {
	v := &m.video
	packets := v.pcrs
	if v.first {
		packets += videoPackets(v.headed, v.left)
	} else {
		packets += (v.left + payloadBytes - 1) / payloadBytes
	}
	return packets * PacketSize
}

// Fill writes as many whole packets of the frame that BeginVideo started as fit into dst, and returns the bytes written, a
// multiple of 188. It returns 0 when the frame is done, or when dst has less than 188 bytes.
func (m *Muxer) Fill(dst []byte) int {
	v := &m.video
	n := 0
	for v.pcrs > 0 && len(dst)-n >= PacketSize {
		m.putPCRPacket(dst[n : n+PacketSize])
		n += PacketSize
	}
	if v.first && len(dst)-n >= PacketSize {
		m.putFirstPacket(dst[n : n+PacketSize])
		n += PacketSize
	}
	if v.first || v.pcrs > 0 {
		return n
	}
	for v.left > 0 && len(dst)-n >= PacketSize {
		if len(v.cur) >= payloadBytes {
			n += m.putFullPackets(dst[n:])
			continue
		}
		p := dst[n : n+PacketSize]
		n += PacketSize
		header := headerSync | PIDVideo<<headerPIDShift | headerPayload | uint32(m.nextVideoCC())
		body := p[headerBytes:]
		if v.left < payloadBytes {
			header |= headerAdaptation
			body = putStuffing(body, payloadBytes-v.left)
		}
		binary.BigEndian.PutUint32(p, header)
		v.gather(body)
	}
	if v.left == 0 {
		v.cur, v.rest = nil, nil
	}
	return n
}

// putFullPackets writes packets whose payload comes from the current part alone, as many as it has and dst takes. This is where
// nearly all bytes pass: one store and one copy each.
func (m *Muxer) putFullPackets(dst []byte) int {
	v := &m.video
	count := min(len(v.cur)/payloadBytes, len(dst)/PacketSize)
	packetise(dst[:count*PacketSize], v.cur[:count*payloadBytes], uint32(m.videoCC))
	m.videoCC = byte(int(m.videoCC)+count) & 15
	v.cur = v.cur[count*payloadBytes:]
	v.left -= count * payloadBytes
	return count * PacketSize
}

// packetise writes the bytes of src, a multiple of 184, as full video packets into dst. It stays a function of its own so that the loop
// keeps its few values in registers: inlined it needs 4 % more instructions.
//
//go:noinline
func packetise(dst, src []byte, cc uint32) {
	for len(src) >= payloadBytes && len(dst) >= PacketSize {
		binary.BigEndian.PutUint32(dst, headerSync|PIDVideo<<headerPIDShift|headerPayload|cc&15)
		copy(dst[headerBytes:PacketSize], src[:payloadBytes])
		cc++
		src, dst = src[payloadBytes:], dst[PacketSize:]
	}
}

// putFirstPacket writes the packet with the PCR, the PES header, the AUD if there was none, and the first bytes.
func (m *Muxer) putFirstPacket(p []byte) {
	v := &m.video
	binary.BigEndian.PutUint32(p, headerSync|headerUnitStart|PIDVideo<<headerPIDShift|headerAdaptation|headerPayload|
		uint32(m.nextVideoCC()))
	stuffing := max(0, payloadBytes-pcrFieldBytes-v.headed-v.left)
	p[4] = byte(pcrFieldBytes - 1 + stuffing)
	p[5] = v.flags
	putPCR(p[6:], v.pcr)
	body := p[headerBytes+pcrFieldBytes:]
	fill(body[:stuffing])
	body = body[stuffing:]
	v.gather(body[copy(body, v.header[:v.headed]):])
	v.first = false
	m.lastPCR, m.hasPCR, m.fillPCR = v.pcr, true, true
}

// putPCRPacket writes a packet with nothing but a PCR, MaxPCRInterval after the last. Without payload it repeats the
// continuity counter of the packet before it (§2.4.3.3).
func (m *Muxer) putPCRPacket(p []byte) {
	binary.BigEndian.PutUint32(p, headerSync|PIDVideo<<headerPIDShift|headerAdaptation|uint32(m.videoCC-1)&15)
	p[4] = payloadBytes - 1
	p[5] = flagPCR
	m.lastPCR = (m.lastPCR + MaxPCRInterval) & timestampMask
	putPCR(p[6:], m.lastPCR)
	fill(p[headerBytes+pcrFieldBytes:])
	m.video.pcrs--
}

// bridge says how many PCR packets have to come before a picture with this PCR, or whether the clock jumped.
func (m *Muxer) bridge(pcr uint64) (pcrs int, discontinuity bool) {
	if !m.hasPCR {
		return 0, false
	}
	gap := timestampDiff(pcr, m.lastPCR)
	switch {
	case gap < 0 || gap > MaxPCRFill:
		return 0, true
	case gap <= MaxPCRInterval || !m.fillPCR:
		return 0, false
	}
	return int(gap-1) / MaxPCRInterval, false
}

func (m *Muxer) nextVideoCC() byte {
	cc := m.videoCC
	m.videoCC = (cc + 1) & 15
	return cc
}

// gather copies len(dst) bytes, or what is left, from the parts.
func (v *videoProgress) gather(dst []byte) {
	for len(dst) > 0 && v.left > 0 {
		if len(v.cur) == 0 {
			v.cur, v.rest = v.rest[0], v.rest[1:]
			continue
		}
		n := copy(dst, v.cur)
		dst, v.cur = dst[n:], v.cur[n:]
		v.left -= n
	}
}

// putStuffing writes an adaptation field of n bytes in all that carries nothing, and returns what is left of body (§2.4.3.5).
func putStuffing(body []byte, n int) []byte {
	body[0] = byte(n - 1)
	if n > 1 {
		body[1] = 0
		fill(body[2:n])
	}
	return body[n:]
}

func pcrOf(f *VideoFrame) uint64 { return wrapTimestamp(f.DTS - PCRDelay) }

func frameBytes(f *VideoFrame) int {
	size := 0
	for _, p := range f.Parts {
		size += len(p)
	}
	return size
}

// headBytes is what the Muxer puts in front of the access unit: PES header and AUD.
func headBytes(f *VideoFrame) int {
	n := pesPTSBytes
	if wrapTimestamp(f.PTS) != wrapTimestamp(f.DTS) {
		n = pesPTSDTSBytes
	}
	if !f.HasAUD {
		n += audBytes
	}
	return n
}

// videoPackets is the number of packets of a PES with head + size bytes, whose first packet carries a PCR.
func videoPackets(head, size int) int {
	return (pcrFieldBytes + head + size + payloadBytes - 1) / payloadBytes
}
