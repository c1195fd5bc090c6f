// SPDX-License-Identifier: Apache-2.0

package clip

import (
	"context"
	"errors"
	"io"

	"github.com/s3cam/s3cam/internal/mp4"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// WriteTS writes the segments as they are stored, one behind the other. It may be called once, instead of WriteMP4. Segments are
// not looked into: what is damaged in the store is damaged in the file. The error of w is returned as it is.
func (c *Clip) WriteTS(ctx context.Context, w io.Writer) (Result, error) {
	res := Result{Skipped: c.skipped}
	err := c.each(ctx, func(i int, data []byte, err error) error {
		if err != nil {
			if c.passOver(err) {
				res.Skipped++
				return nil
			}
			return err
		}
		res.Segments++
		_, err = w.Write(data)
		return err
	})
	return res, err
}

// WriteMP4 writes the clip as MP4. It may be called once. An error in the middle, of w too, leaves a file without end.
func (c *Clip) WriteMP4(ctx context.Context, w io.Writer) (Result, error) {
	c.reader.known = false
	m := remux{c: c, out: mp4.NewWriter(w), usual: mpegts.Timescale / 25, res: Result{Skipped: c.skipped}}
	h := mp4.Header{ParameterSets: c.sets, InBand: c.inBand, Audio: c.sound, VideoDelay: c.delay, AudioSkip: c.skip, Created: c.Start()}
	if !c.cfg.CutGaps {
		h.Duration = c.stop - c.start
	}
	if err := m.out.WriteHeader(h); err != nil {
		return m.res, err
	}
	err := c.each(ctx, func(i int, data []byte, err error) error {
		if err == nil {
			err = m.segment(&c.segments[i], data)
		}
		if c.passOver(err) {
			m.res.Skipped++
			m.broken = true
			return nil
		}
		if err == nil {
			m.res.Segments++
		}
		return err
	})
	if err == nil {
		err = m.out.Close()
	}
	return m.res, err
}

// remux is the state of an MP4 from segment to segment. Times in the file count from the first picture.
type remux struct {
	c   *Clip
	out *mp4.Writer
	res Result

	begun  bool  // the first picture is written
	done   bool  // the last one, too
	shown  bool  // the last picture that came is in the file
	broken bool  // pictures cannot be decoded before the next IDR
	shift  int64 // what is added to true times since the clock went back
	cut    int64 // what gaps took
	dts    int64 // of the last picture in the file
	delay  int64 // PTS - DTS of the last IDR picture
	latest int64 // the highest PTS
	usual  int64 // distance of pictures
}

// segment adds one segment.
func (m *remux) segment(s *segment.Segment, data []byte) error {
	r := &m.c.reader
	key := func(err error) error { return &SegmentError{segment.Key(m.c.cfg.Camera, s.Key), err} }
	if err := r.reset(s, data); err != nil {
		return key(err)
	}
	if !m.done {
		m.place(r.clock.at(r.clock.ref))
	}
	for {
		it, err := r.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrUnsupported):
			return err
		case err != nil:
			return key(err)
		case it.damaged:
			if !m.c.cfg.Partial {
				return key(ErrDamaged)
			}
			if it.video {
				m.res.Damaged++
				m.broken = true
			} else {
				m.res.Unheard++
			}
		case !it.video:
			err = m.hear(&it)
		case it.more:
			if m.shown && !m.out.AppendVideo(it.data) {
				return key(ErrDamaged) // so many frames of sound between two slices are none of a camera
			}
		default:
			if m.shown = m.wants(&it); m.shown {
				err = m.show(&it)
			}
		}
		if err != nil {
			return err
		}
	}
}

// wants tells whether a picture is part of the clip.
func (m *remux) wants(it *item) bool {
	switch {
	case m.done:
		return false
	case !m.begun:
		m.begun = it.idr && it.pts >= m.c.start
		return m.begun
	case it.idr && !m.c.whole && it.pts >= m.c.stop:
		m.done = true
		return false
	case it.idr:
		m.broken = false
	case m.broken:
		m.res.Damaged++
		return false
	}
	return true
}

// place decides where in the file a segment stands whose first picture is shown at pts.
func (m *remux) place(pts int64) {
	if m.res.Pictures == 0 {
		return
	}
	at := pts - m.c.start - m.cut
	dts := at - m.delay // it is not known before the picture comes, but as a rule nothing has changed
	// The clock went back, or what came after that has not yet caught up.
	if next := m.dts + m.usual; dts <= m.dts || m.shift > 0 && dts < next {
		m.shift = next - dts
	} else {
		m.shift = 0
	}
	if end := m.latest + m.usual; at+m.shift > end+apart {
		m.res.Gaps++
		if m.c.cfg.CutGaps {
			m.cut += at + m.shift - end
		}
	}
}

// show writes a picture.
func (m *remux) show(it *item) error {
	by := m.shift - m.cut - m.c.start
	pts, dts := it.pts+by, it.dts+by
	if it.idr {
		m.delay = delayOf(pts, dts)
	}
	if m.res.Pictures > 0 {
		if dts <= m.dts {
			dts = m.dts + 1 // time stamps out of order within a segment
		}
		if d := dts - m.dts; d < mpegts.Timescale {
			m.usual = d
		}
	} else {
		dts = max(dts, -m.c.delay)
	}
	if err := m.out.WriteVideo(it.data, pts, dts, it.idr); err != nil {
		return err
	}
	m.dts, m.latest = dts, max(m.latest, pts)
	m.res.Pictures++
	return nil
}

// hear writes a frame of sound.
func (m *remux) hear(it *item) error {
	a := m.c.sound
	if it.pts >= m.c.stop {
		return nil
	}
	if format, ok := mp4.AudioOf(it.header); a == nil || !ok || format != *a || it.header.Blocks != 1 {
		if it.pts >= m.c.start {
			m.res.Unheard++
		}
		return nil
	}
	pts := it.pts + m.shift - m.cut - m.c.start
	if pts < 0 && mp4.Samples(-pts, a.SampleRate) > m.c.skip {
		return nil // before the start
	}
	taken, err := m.out.WriteAudio(it.data, pts)
	if taken {
		m.res.Sounds++
	} else if err == nil {
		m.res.Unheard++
	}
	return err
}
