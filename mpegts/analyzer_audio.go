// SPDX-License-Identifier: Apache-2.0

package mpegts

import "github.com/s3cam/s3cam/internal/aac"

// maxAudioDrift is how far audio times may be off the number of samples before that is reported, in 90 kHz ticks (100 ms).
const maxAudioDrift = 9000

// adtsState walks over ADTS frames that come in pieces.
type adtsState struct {
	lost   bool // waiting for the next PES packet
	resync bool // looking for a frame's start, without a finding when there is none
	left   int  // bytes of the current frame still to come
	head   [aac.MinHeaderBytes]byte
	used   int

	frames         int64
	rate, channels int
	profile        int
	hasPTS         bool
	pts            uint64 // the last
	samples        int64  // since then
}

// interrupt notes that packets may be missing.
func (s *adtsState) interrupt() { s.lost, s.resync = true, true }

// begin notes that a PES packet begins.
func (s *adtsState) begin() {
	if s.lost {
		s.lost, s.left, s.used = false, 0, 0
	}
}

// adts looks at the next bytes of the stream.
func (a *Analyzer) adts(e *esState, b []byte) {
	s := &e.audio
	for len(b) > 0 && !s.lost {
		if s.left > 0 {
			n := min(s.left, len(b))
			s.left -= n
			b = b[n:]
			continue
		}
		n := copy(s.head[s.used:], b)
		s.used += n
		b = b[n:]
		if s.used < len(s.head) {
			return
		}
		s.used = 0
		h, err := aac.ParseHeader(s.head[:])
		if err != nil && s.resync {
			s.used = copy(s.head[:], s.head[1:])
			continue
		}
		if err != nil {
			a.found.add(CodeADTS, a.packet, int(e.pid), "where ADTS frame %d should begin: %v", s.frames, err)
			s.interrupt()
			e.interrupted = true // how long it lasts is not known
			return
		}
		s.resync = false
		if s.frames > 0 && (h.SampleRate != s.rate || h.Channels != s.channels) {
			a.found.add(CodeAudioChange, a.packet, int(e.pid), "the sound changes from %d Hz, %d channels to %d Hz, %d channels", s.rate, s.channels,
				h.SampleRate, h.Channels)
		}
		s.frames++
		s.rate, s.channels, s.profile = h.SampleRate, h.Channels, h.Profile
		s.samples += int64(h.Samples)
		s.left = h.FrameBytes - aac.MinHeaderBytes
	}
}

// audioTime compares a PTS with the one before and the samples since.
func (a *Analyzer) audioTime(e *esState, forgive bool) {
	s := &e.audio
	if s.hasPTS && !forgive && s.rate > 0 {
		off := timestampDiff(e.header.pts, s.pts) - aac.Ticks(s.samples, s.rate)
		if (off > maxAudioDrift || off < -maxAudioDrift) && !e.forgive() {
			a.found.add(CodeAudioGap, a.packet, int(e.pid), "the PTS is %.1f ms off the end of the sound before it", float64(off)/90)
		}
	}
	s.hasPTS, s.pts, s.samples = true, e.header.pts, 0
}

func (s *adtsState) profileName() string {
	switch s.profile {
	case aac.ProfileMain:
		return "Main"
	case aac.ProfileLC:
		return "LC"
	case aac.ProfileSSR:
		return "SSR"
	case aac.ProfileLTP:
		return "LTP"
	}
	return ""
}
