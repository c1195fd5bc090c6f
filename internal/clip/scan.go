// SPDX-License-Identifier: Apache-2.0

package clip

import (
	"bytes"
	"errors"
	"io"
	"math"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/mp4"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// entry is an IDR picture at which a clip may begin.
type entry struct {
	at    int64 // ticks of its PTS
	delay int64 // PTS - DTS
	sets  []byte
}

// scan is what one segment has to offer. Nothing of it refers to the segment's bytes.
type scan struct {
	pictures int
	begin    entry // the last IDR at or before start, or else the first
	first    int64 // ticks of the first IDR
	stop     int64 // ticks of the first IDR at or after end, or else of the end of the segment
	stopped  bool  // there is such an IDR
	end      int64 // where the last picture ends
	sets     h264.ParameterSets
	sound    *mp4.Audio
	skip     int64 // samples of sound before begin
}

// scan looks through a segment for where to begin and to end.
func (c *Clip) scan(s *segment.Segment, data []byte, start, end int64) (scan, error) {
	key := segment.Key(c.cfg.Camera, s.Key)
	var out scan
	if err := c.reader.reset(s, data); err != nil {
		return out, &SegmentError{key, err}
	}
	latest, before, interval := int64(math.MinInt64), int64(0), int64(mpegts.Timescale/25)
	var sound []item // the formats and times of the frames around begin; their data is not kept
	for {
		it, err := c.reader.next()
		switch {
		case errors.Is(err, io.EOF):
			out.end = latest + interval
			if !out.stopped {
				out.stop = out.end
			}
			out.hear(sound)
			return out, nil
		case errors.Is(err, ErrUnsupported):
			return out, err
		case err != nil:
			return out, &SegmentError{key, err}
		case it.damaged:
			if !c.cfg.Partial {
				return out, &SegmentError{key, ErrDamaged}
			}
			continue
		case it.more:
			continue
		case !it.video:
			if len(sound) < maxHeard {
				it.data = nil
				sound = append(sound, it)
			}
			continue
		}
		if it.idr || out.pictures > 0 {
			if _, err := out.sets.Update(it.data); err != nil && it.idr {
				err = nil // a set that no picture uses may be broken
			}
		}
		switch {
		case it.idr && out.pictures == 0:
			out.first = it.pts
			fallthrough
		case it.idr && it.pts <= start:
			out.begin = entry{at: it.pts, delay: delayOf(it.pts, it.dts), sets: out.sets.Append(nil)}
		case out.pictures == 0:
			continue // what comes before an IDR cannot be decoded alone
		}
		if it.idr && it.pts >= end && !out.stopped {
			out.stop, out.stopped = it.pts, true
		}
		if d := it.dts - before; out.pictures > 0 && d > 0 && d < mpegts.Timescale {
			interval = d
		}
		before = it.dts
		latest = max(latest, it.pts)
		out.pictures++
	}
}

// maxHeard bounds the frames of sound that a scan remembers: 2 minutes at 48 kHz.
const maxHeard = 6000

// hear finds the format of the sound, and how many samples of it there are before begin.
func (s *scan) hear(sound []item) {
	for i := range sound {
		it := &sound[i]
		audio, ok := mp4.AudioOf(it.header)
		if !ok || it.header.Blocks != 1 {
			continue
		}
		s.sound = &audio
		if ahead := s.begin.at - it.pts; ahead < aac.Ticks(int64(it.header.Samples), it.header.SampleRate) {
			s.skip = max(0, mp4.Samples(ahead, it.header.SampleRate))
			return
		}
	}
}

// part is how much of the segment lies in from..to, by time.
func (s *scan) part(from, to int64) float64 {
	if length := s.end - s.first; length > 0 {
		return min(1, max(0, float64(min(to, s.end)-max(from, s.first))/float64(length)))
	}
	return 1
}

// newSets tells whether the segment has parameter sets that are not among those given.
func (s *scan) newSets(known []byte) bool {
	for nal := range h264.NALUnits(s.sets.Append(nil)) {
		found := false
		for old := range h264.NALUnits(known) {
			found = found || bytes.Equal(old, nal)
		}
		if !found {
			return true
		}
	}
	return false
}

// maxDelay is more than any decoder may hold back: 16 pictures (H.264 A.3.1) at one per second.
const maxDelay = 16 * segment.Timescale

// delayOf is PTS - DTS of a picture; time stamps that cannot be so tell nothing.
func delayOf(pts, dts int64) int64 {
	if d := pts - dts; d > 0 && d <= maxDelay {
		return d
	}
	return 0
}
