// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"math"

	"github.com/s3cam/s3cam/internal/aac"
)

// video gives the first H.264 stream, nil without one.
func (a *Analyzer) video() *esState {
	for _, e := range a.prog.streams {
		if e.typ == StreamTypeH264 {
			return e
		}
	}
	return nil
}

// finish makes the report.
func (a *Analyzer) finish() {
	r := &a.report
	r.Packets = a.packet
	if a.packet == 0 {
		a.found.add(CodeEmpty, wholeStream, noPID, "there is not one transport packet in %d bytes", r.Bytes)
	}
	for _, e := range a.prog.streams {
		a.endNAL(e)
		a.endPES(e)
	}
	if a.packet > 0 {
		a.finishTables()
		a.finishClock()
		a.finishPIDs()
	} else {
		r.Program, r.PMTPID, r.PCRPID = -1, noPID, noPID
	}
	r.Streams = []StreamReport{}
	var content int64
	for _, e := range a.prog.streams {
		s := e.report()
		content += s.Bytes
		r.Streams = append(r.Streams, s)
		if s.Kind == Video && (r.DurationS == 0 || r.Streams[0].Kind != Video) || s.Kind == Audio && r.DurationS == 0 {
			r.DurationS = s.DurationS
		}
	}
	r.BitsPerSecond = perSecond(r.Bytes*8, r.DurationS)
	if content > 0 {
		r.OverheadPercent = float64(r.Bytes-content) * 100 / float64(content)
	}
	for _, x := range []*float64{&r.TableIntervalMaxMS, &r.DurationS, &r.OverheadPercent, &r.PCRIntervalMaxMS, &r.PCRLeadMinMS, &r.PCRLeadMaxMS,
		&r.PCRJitterMaxUS} {
		*x = rounded(*x)
	}
	for i := range r.Streams {
		s := &r.Streams[i]
		s.FPS, s.DeclaredFPS, s.DurationS = rounded(s.FPS), rounded(s.DeclaredFPS), rounded(s.DurationS)
	}
	r.Findings = append([]Finding{}, a.found.list...)
	r.Omitted = a.found.omitted()
	r.Errors, r.Warnings, r.Infos = a.found.ranks[Error], a.found.ranks[Warning], a.found.ranks[Info]
	a.buf = nil
}

// report describes a stream.
func (e *esState) report() StreamReport {
	s := StreamReport{
		PID: int(e.pid), Kind: e.kind, StreamType: int(e.typ), Codec: e.codec,
		Packets: e.packets, PESPackets: e.pesCount, Bytes: e.bytes, FirstPTS: -1, LastPTS: -1, FirstDTS: -1,
	}
	var frame float64 // seconds
	switch e.typ {
	case StreamTypeH264:
		v := &e.video
		s.Frames, s.IDRs = v.frames, v.idrs
		if v.hasSPS {
			s.Profile, s.Level = profileName(&v.sps), levelName(&v.sps)
			s.Width, s.Height = v.sps.Width, v.sps.Height
			if rate := v.sps.FrameRate; rate.Valid() {
				s.DeclaredFPS = float64(rate.Num) / float64(rate.Den)
				frame = 1 / s.DeclaredFPS
			}
		}
		if span := e.clock - e.firstClock; span > 0 && e.framesAtDTS > e.framesAtFirstDTS {
			s.FPS = float64(e.framesAtDTS-e.framesAtFirstDTS) * Timescale / float64(span)
			frame = 1 / s.FPS
		}
	case StreamTypeAAC:
		s.Frames, s.SampleRate, s.Channels, s.Profile = e.audio.frames, e.audio.rate, e.audio.channels, e.audio.profileName()
		frame = float64(aac.Ticks(e.audio.samples, e.audio.rate)) / Timescale // of the last PES packet
	}
	if e.hasPTS {
		s.FirstPTS, s.LastPTS = int64(wrapTimestamp(e.minPTS)), int64(wrapTimestamp(e.maxPTS))
		s.FirstDTS = int64(e.firstDTS)
		s.DurationS = float64(e.maxPTS-e.minPTS)/Timescale + frame
		s.BitsPerSecond = perSecond(e.bytes*8, s.DurationS)
	}
	return s
}

func perSecond(n int64, seconds float64) int64 {
	if seconds <= 0 {
		return 0
	}
	return int64(float64(n)/seconds + 0.5)
}

// rounded keeps three decimals, so that reports are the same on every processor.
func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }
