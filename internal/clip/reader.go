// SPDX-License-Identifier: Apache-2.0

package clip

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

const (
	maxTicks = math.MaxInt64

	// maxCarry bounds what may come before a slice in PES packets of its own (parameter sets, SEI).
	maxCarry = 64 << 10
	// apart is how far the end of a segment and the start of the next may be apart without anything missing.
	apart = mpegts.Timescale / 2
	// near is how far a segment whose clock is not UTC may be from its key and still be in line with the one before.
	near = 3 * mpegts.Timescale
)

// clock turns the time stamps of one segment into ticks since 1970.
type clock struct {
	base int64 // ticks at ref
	ref  int64 // 33-bit time stamp
}

// at gives the ticks of a time stamp that is at most 13 h away from ref.
func (c clock) at(stamp int64) int64 {
	const unused = 64 - 33
	return c.base + (stamp-c.ref)<<unused>>unused
}

// item is one picture or one frame of sound.
type item struct {
	video    bool
	idr      bool
	damaged  bool
	more     bool   // these are further slices of the picture before, from a PES packet of their own
	data     []byte // an access unit in Annex B form, or a raw AAC frame; valid until the next call
	pts, dts int64  // ticks since 1970
	header   aac.Header
}

// reader takes one segment after the other apart.
type reader struct {
	demux *mpegts.Demuxer
	clock clock
	wall  bool // clock comes from a segment whose time stamps are UTC
	known bool

	seen  [3]bool // by mpegts.Kind: the segment has had a unit of the stream
	begun bool    // it has had a picture
	last  int64   // DTS of the last one
	carry []byte  // NAL units that wait for their slice
	spent bool    // they are part of the item that was given out

	sound   []byte // ADTS that is not given out yet
	rest    []byte // an ADTS frame that is not complete, or what is left of sound
	at      int64  // ticks of the first sample of sound
	samples int64  // given out since at
	rate    int
}

// reset begins a segment. It fails when there is no picture with a time.
func (r *reader) reset(s *segment.Segment, data []byte) error {
	first, ok := mpegts.FirstPTS(data)
	if !ok {
		return fmt.Errorf("%w: no video in it", ErrDamaged)
	}
	if start, ok := segment.StartFromPTS(s.Key, first); ok {
		r.clock, r.wall = clock{segment.Ticks(start), first}, true
	} else {
		// Buckets of the original SDK: only distances can be believed. They are where they go on and agree with the key.
		key := segment.Ticks(s.Key)
		if off := r.clock.at(first) - key; !r.known || r.wall || off < -near || off > near {
			r.clock = clock{key, first}
		} else {
			r.clock = clock{key + off, first}
		}
		r.wall = false
	}
	r.known, r.seen, r.begun = true, [3]bool{}, false
	r.demux.ResetBytes(data)
	r.carry, r.spent, r.sound, r.rest, r.rate = r.carry[:0], false, nil, r.rest[:0], 0
	return nil
}

// next gives the next picture or frame of sound. io.EOF ends the segment.
func (r *reader) next() (item, error) {
	for {
		if it, ok := r.nextSound(); ok {
			return it, nil
		}
		u, err := r.demux.Next()
		if err != nil {
			if err = r.judge(err); err != nil {
				return item{}, err
			}
			continue
		}
		// The first unit of each stream may announce a new clock, as after a gap; later that means that something is missing.
		lost := u.Damaged || u.Discontinuity && r.seen[u.Kind]
		r.seen[u.Kind] = true
		if u.Kind == mpegts.Audio {
			if it, bad := r.takeSound(&u, lost); bad {
				return it, nil
			}
			continue
		}
		if r.spent {
			r.carry, r.spent = r.carry[:0], false
		}
		it := item{video: true, data: u.Data, damaged: lost || !u.HasPTS}
		if !it.damaged {
			it.pts, it.dts = r.clock.at(u.PTS), r.clock.at(u.DTS)
		}
		info, err := h264.Inspect(u.Data)
		if errors.Is(err, h264.ErrNoSlice) && !it.damaged {
			if len(r.carry)+len(u.Data) <= maxCarry {
				r.carry = append(r.carry, u.Data...)
			}
			continue
		}
		it.idr, it.damaged = info.IDR, it.damaged || err != nil
		// A segment begins with an IDR picture. When that is lost, nothing else shows it.
		it.damaged = it.damaged || !r.begun && !info.IDR
		it.more = r.begun && !it.damaged && info.FirstMB != 0 && u.DTS == r.last
		r.begun, r.last = true, u.DTS
		if len(r.carry) > 0 {
			r.carry = append(r.carry, u.Data...)
			it.data, r.spent = r.carry, true
		}
		return it, nil
	}
}

// judge tells what an error of the demuxer means for the segment; nil: nothing.
func (r *reader) judge(err error) error {
	var refused *mpegts.UnsupportedError
	switch {
	case errors.As(err, &refused) && r.isVideo(refused):
		return fmt.Errorf("%w: %v", ErrUnsupported, err)
	case errors.As(err, &refused):
		return nil // sound of another kind
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return fmt.Errorf("%w: %v", ErrDamaged, err)
}

func (r *reader) isVideo(e *mpegts.UnsupportedError) bool {
	for _, s := range r.demux.Streams() {
		if s.PID == e.PID {
			return s.Kind == mpegts.Video
		}
	}
	return false
}

// takeSound begins to give out the frames of a unit. bad is true when something was lost; it is then a damaged item.
func (r *reader) takeSound(u *mpegts.Unit, lost bool) (it item, bad bool) {
	if lost || !u.HasPTS && r.rate == 0 {
		r.rest, r.sound = r.rest[:0], nil
		return item{damaged: true}, true
	}
	if len(r.rest) == 0 {
		r.sound = u.Data
		if u.HasPTS {
			r.at, r.samples = r.clock.at(u.PTS), 0
		}
		return item{}, false
	}
	// A frame crosses from the unit before. The time of this unit is that of the first frame that begins in it.
	r.rest = append(r.rest, u.Data...)
	r.sound = r.rest
	return item{}, false
}

// nextSound cuts the next ADTS frame off.
func (r *reader) nextSound() (item, bool) {
	if len(r.sound) == 0 {
		return item{}, false
	}
	h, err := aac.ParseHeader(r.sound)
	if errors.Is(err, aac.ErrShort) || err == nil && h.FrameBytes > len(r.sound) {
		r.rest = append(r.rest[:0], r.sound...) // may overlap; append copies as memmove does
		r.sound = nil
		return item{}, false
	}
	if err != nil || h.FrameBytes <= h.HeaderBytes {
		r.sound, r.rest = nil, r.rest[:0]
		return item{damaged: true}, true
	}
	it := item{data: r.sound[h.HeaderBytes:h.FrameBytes], header: h, pts: r.at + aac.Ticks(r.samples, h.SampleRate)}
	r.rate = h.SampleRate
	r.samples += int64(h.Samples)
	if r.sound = r.sound[h.FrameBytes:]; len(r.sound) == 0 {
		r.rest = r.rest[:0]
	}
	return it, true
}
