// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/s3cam/s3cam/internal/aac"
)

const (
	// MaxAudioSpan is the time from the first to the last ADTS frame of one PES packet, in 90 kHz ticks (100 ms). One PES per
	// frame would cost another 1 to 2 % of the stream in headers and stuffing.
	MaxAudioSpan = 9000

	// MaxAudioPES is the number of bytes that several ADTS frames take together in one PES packet: 16 packets exactly,
	// 16 x 184 less the PES header. A larger frame gets a PES of its own.
	MaxAudioPES = 16*payloadBytes - pesPTSBytes

	// MaxAudioWait is how far, in 90 kHz ticks (400 ms), pictures may run ahead of audio frames that wait for their PES to fill.
	// Beyond it AudioDue asks for a flush, so that sound which stops in the middle of a segment is not written after its time.
	// It leaves room for an audio encoder that lags behind and keeps well within PCRDelay.
	MaxAudioWait = 36000
)

var (
	// ErrNotADTS says that AppendAudio was given something else than exactly one ADTS frame.
	ErrNotADTS = errors.New("mpegts: not one ADTS frame")

	// ErrAudioNotAnnounced says that AppendAudio was called in a segment whose PMT has no audio: call SetAudio(true) before
	// AppendTables.
	ErrAudioNotAnnounced = errors.New("mpegts: the segment's PMT announces no audio")
)

// audioPES collects ADTS frames until there is enough for a PES packet.
type audioPES struct {
	pts  uint64 // of the first frame
	used int
	buf  [aac.MaxFrameBytes]byte
}

// AppendAudio takes one ADTS frame (ISO/IEC 13818-7 §6.2) that plays at pts, in 90 kHz ticks of any size. It copies the frame into
// the PES packet that is being collected. When that one is full, by size or by time, or pts does not follow, it is appended to
// dst first; else nothing is. On an error nothing changes: ErrNotADTS, ErrAudioNotAnnounced.
func (m *Muxer) AppendAudio(dst []byte, adts []byte, pts int64) ([]byte, error) {
	if !m.audioOn {
		return dst, ErrAudioNotAnnounced
	}
	if h, err := aac.ParseHeader(adts); err != nil {
		return dst, fmt.Errorf("%w: %w", ErrNotADTS, err)
	} else if h.FrameBytes != len(adts) {
		return dst, fmt.Errorf("%w: its header says %d bytes, %d came", ErrNotADTS, h.FrameBytes, len(adts))
	}
	a := &m.audio
	t := wrapTimestamp(pts)
	if a.used > 0 {
		span := timestampDiff(t, a.pts)
		if span < 0 || span >= MaxAudioSpan || a.used+len(adts) > MaxAudioPES {
			dst = m.FlushAudio(dst)
		}
	}
	if a.used == 0 {
		a.pts = t
	}
	a.used += copy(a.buf[a.used:], adts)
	return dst, nil
}

// AudioDue tells that audio frames wait which belong more than MaxAudioWait before a picture that is decoded at dts: call
// FlushAudio before writing it.
func (m *Muxer) AudioDue(dts int64) bool {
	return m.audio.used > 0 && timestampDiff(wrapTimestamp(dts), m.audio.pts) > MaxAudioWait
}

// AudioBytes gives the most bytes that AppendAudio of a frame with frameBytes bytes and a FlushAudio after it append
// together. AudioBytes(0) is exactly what FlushAudio appends now.
func (m *Muxer) AudioBytes(frameBytes int) int {
	n := 0
	if m.audio.used > 0 {
		n += audioPackets(m.audio.used)
	}
	if frameBytes > 0 {
		n += audioPackets(frameBytes)
	}
	return n * PacketSize
}

// FlushAudio appends the ADTS frames that wait, if any, as one PES packet. It belongs at the end of each segment.
func (m *Muxer) FlushAudio(dst []byte) []byte {
	a := &m.audio
	if a.used == 0 {
		return dst
	}
	at, n := len(dst), audioPackets(a.used)*PacketSize
	dst = slices.Grow(dst, n)[:at+n]
	out := dst[at:]

	var head [pesPTSDTSBytes]byte
	headed := putPESHeader(head[:], StreamIDAudio, a.used, a.pts, a.pts)
	src := a.buf[:a.used]
	header := uint32(headerSync | headerUnitStart | PIDAudio<<headerPIDShift | headerPayload)
	for left := headed + len(src); left > 0; {
		body := out[headerBytes:PacketSize]
		h := header | uint32(m.audioCC)
		if left < payloadBytes {
			h |= headerAdaptation
			body = putStuffing(body, payloadBytes-left)
		}
		binary.BigEndian.PutUint32(out, h)
		m.audioCC = (m.audioCC + 1) & 15
		left -= len(body)
		if headed > 0 {
			body = body[copy(body, head[:headed]):]
			headed = 0
			header &^= headerUnitStart
		}
		src = src[copy(body, src):]
		out = out[PacketSize:]
	}
	a.used = 0
	return dst
}

// audioPackets is the number of packets of a PES with n bytes of ADTS frames.
func audioPackets(n int) int {
	return (pesPTSBytes + n + payloadBytes - 1) / payloadBytes
}
