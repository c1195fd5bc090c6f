// SPDX-License-Identifier: Apache-2.0

package clip

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3cam/s3cam/internal/mp4"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// MaxSegmentBytes is the largest segment that is read: 30 s, the longest believed to be one, at 17 Mbit/s.
const MaxSegmentBytes = 64 << 20

// maxSegment is how long a segment is believed to be at most.
const maxSegment = 31 * time.Second

// maxTries is how many segments at either end may be passed over in search of footage, when that is allowed.
const maxTries = 16

// Errors that a caller may test with errors.Is or errors.As.
var (
	// ErrNoFootage: there is nothing between start and end that can be decoded.
	ErrNoFootage = errors.New("clip: no footage in the range")
	// ErrMissing is what Fetch answers, perhaps wrapped, for an object that is not there.
	ErrMissing = errors.New("segment is missing")
	// ErrUnsupported: the video is not H.264.
	ErrUnsupported = errors.New("clip: the video is not H.264")
	// ErrDamaged: a segment is not what it should be.
	ErrDamaged = errors.New("segment is damaged")
)

// SegmentError says which segment is missing or damaged. Err wraps ErrMissing or ErrDamaged.
type SegmentError struct {
	Key string
	Err error
}

func (e *SegmentError) Error() string { return "clip: " + e.Key + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *SegmentError) Unwrap() error { return e.Err }

// Config says what to cut out.
type Config struct {
	Camera     string
	Start, End time.Time
	// Segments are those that may hold footage of the range, in order: from one that begins at or before Start, if there is one,
	// to the last that begins before End. They are not changed.
	Segments []segment.Segment
	// Fetch reads a segment of size bytes into dst, growing it when it is too small, and returns it. It is called from one
	// goroutine at a time.
	Fetch func(ctx context.Context, key string, size int64, dst []byte) ([]byte, error)

	Partial bool // leave missing and damaged segments out instead of failing
	CutGaps bool // MP4: let what follows a gap come right behind what was before it
}

// Clip is a clip that is ready to be written.
type Clip struct {
	cfg         Config
	segments    []segment.Segment // from the first to the last that are used
	start, stop int64             // ticks: of the first picture, and where the last one ends
	whole       bool              // the last segment is used up to its end
	delay       int64             // PTS - DTS of the first picture
	sets        []byte            // of the first picture
	inBand      bool
	sound       *mp4.Audio
	skip        int64 // samples of sound before start
	first, last []byte
	skipped     int
	unused      int64 // bytes of the first and the last segment that lie outside the clip, about
	reader      reader
}

// Open finds out what the clip will be. In every case it reads two segments, or one if that is all.
//
// Errors: ErrNoFootage, *SegmentError unless Partial, and what Fetch said.
func Open(ctx context.Context, cfg Config) (*Clip, error) {
	c := &Clip{cfg: cfg}
	c.reader.demux = mpegts.NewDemuxer(nil)
	c.segments = cfg.Segments
	for n := len(c.segments); n > 0 && !c.segments[n-1].Key.Before(cfg.End); n-- {
		c.segments = c.segments[:n-1]
	}
	if err := c.openFirst(ctx); err != nil {
		return nil, err
	}
	if err := c.openLast(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// fetch reads a segment and checks its size.
func (c *Clip) fetch(ctx context.Context, s *segment.Segment, dst []byte) ([]byte, error) {
	key := segment.Key(c.cfg.Camera, s.Key)
	if s.Size > MaxSegmentBytes {
		return dst, &SegmentError{key, fmt.Errorf("%w: %d bytes are more than the %d of any segment", ErrDamaged, s.Size, MaxSegmentBytes)}
	}
	data, err := c.cfg.Fetch(ctx, key, s.Size, dst)
	switch {
	case errors.Is(err, ErrMissing):
		return dst, &SegmentError{key, err}
	case err != nil:
		return dst, fmt.Errorf("clip: %s: %w", key, err)
	case int64(len(data)) != s.Size:
		return data, &SegmentError{key, fmt.Errorf("%w: %d bytes, %d when it was listed", ErrDamaged, len(data), s.Size)}
	}
	return data, nil
}

// passOver tells whether err is of a segment that is to be left out.
func (c *Clip) passOver(err error) bool {
	var bad *SegmentError
	return c.cfg.Partial && errors.As(err, &bad)
}

// look reads and scans a segment.
func (c *Clip) look(ctx context.Context, i int, start, end int64) ([]byte, scan, error) {
	data, err := c.fetch(ctx, &c.segments[i], nil)
	if err != nil {
		return nil, scan{}, err
	}
	c.reader.known = false
	s, err := c.scan(&c.segments[i], data, start, end)
	return data, s, err
}

// lookFirst is look for a segment that a clip may begin with, so its parameter sets are needed.
func (c *Clip) lookFirst(ctx context.Context, i int, start int64) ([]byte, scan, error) {
	data, s, err := c.look(ctx, i, start, maxTicks)
	if err == nil && s.pictures > 0 {
		if e := mp4.CheckParameterSets(s.begin.sets); e != nil {
			err = &SegmentError{segment.Key(c.cfg.Camera, c.segments[i].Key), fmt.Errorf("%w: %w", ErrDamaged, e)}
		}
	}
	return data, s, err
}

// openFirst finds the picture to begin with. The segment to look at is the last one whose key, which is a whole second, is not
// after the start; the one before it only if it turns out to begin after the start nevertheless.
func (c *Clip) openFirst(ctx context.Context) error {
	start, n := segment.Ticks(c.cfg.Start), 0
	for n+1 < len(c.segments) && !c.segments[n+1].Key.After(c.cfg.Start) {
		n++
	}
	for i, tries := n, 0; i < len(c.segments) && tries < maxTries; i, tries = i+1, tries+1 {
		data, s, err := c.lookFirst(ctx, i, start)
		if err != nil {
			if !c.passOver(err) {
				return err
			}
			c.skipped++
			continue
		}
		if s.pictures == 0 || s.end <= start {
			continue
		}
		if i == n && i > 0 && s.begin.at > start && c.segments[i].Key.Sub(c.segments[i-1].Key) <= maxSegment {
			earlier, e, err := c.lookFirst(ctx, i-1, start)
			switch {
			case err != nil && !c.passOver(err):
				return err
			case err != nil:
				c.skipped++
			case e.pictures > 0 && e.end > start:
				data, s, i = earlier, e, i-1
			}
		}
		if s.begin.at >= segment.Ticks(c.cfg.End) {
			return ErrNoFootage
		}
		c.segments, c.first = c.segments[i:], data
		c.unused = int64((1 - s.part(s.begin.at, s.end)) * float64(len(data)))
		c.start, c.delay, c.sets, c.sound, c.skip = s.begin.at, s.begin.delay, s.begin.sets, s.sound, s.skip
		return nil
	}
	return ErrNoFootage
}

// openLast finds where the clip ends.
func (c *Clip) openLast(ctx context.Context) error {
	end := segment.Ticks(c.cfg.End)
	for tries := 0; tries < maxTries; tries++ {
		n := len(c.segments) - 1
		data, s, err := c.first, scan{}, error(nil)
		if n > 0 {
			data, s, err = c.look(ctx, n, c.start, end)
		} else {
			c.reader.known = false
			s, err = c.scan(&c.segments[0], data, c.start, end)
		}
		switch {
		case err == nil && s.pictures > 0 && (n == 0 || s.stop > c.start && s.first < end):
			c.last, c.stop, c.whole = data, s.stop, !s.stopped
			c.unused += int64((1 - s.part(s.first, s.stop)) * float64(len(data)))
			if n > 0 {
				c.inBand = s.newSets(c.sets)
				if c.sound == nil {
					c.sound = s.sound
				}
			}
			return nil
		case n == 0:
			return ErrNoFootage
		case err != nil && !c.passOver(err):
			return err
		case err != nil:
			c.skipped++
		}
		c.segments = c.segments[:n]
	}
	return ErrNoFootage
}

// Start is the time of the first picture of the MP4, End that at which its last one ends; both are exact where time stamps are
// wall-clock, else to the second.
func (c *Clip) Start() time.Time { return segment.TimeOfTicks(c.start).UTC() }

// End is described at Start.
func (c *Clip) End() time.Time { return segment.TimeOfTicks(c.stop).UTC() }

// Segments is how many segments are used.
func (c *Clip) Segments() int { return len(c.segments) }

// EstimatedBytes is about the size of the MP4: of the segments without what is cut off, less the packet headers of TS.
func (c *Clip) EstimatedBytes() int64 {
	return max(0, c.Bytes()-c.unused) * 184 / 188
}

// Bytes is the size of the segments together, which is that of the TS.
func (c *Clip) Bytes() int64 {
	total := int64(0)
	for i := range c.segments {
		total += c.segments[i].Size
	}
	return total
}

// Result tells what was written.
type Result struct {
	Segments int   // that are in the file
	Skipped  int   // segments that were left out, missing or damaged
	Gaps     int   // places where nothing was recorded, or something was left out
	Pictures int64 // in an MP4
	Damaged  int64 // pictures that were left out of an MP4, because they or one they depend on is damaged
	Sounds   int64 // frames of sound in an MP4
	Unheard  int64 // frames of sound that were left out, because their format differs or they overlap
}
