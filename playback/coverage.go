// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"fmt"
	"math/bits"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Range is a stretch of time with footage.
type Range struct {
	Start, End time.Time
	Segments   int   // 0 when Coverage.Resolution is not zero: then segments were not looked at
	Bytes      int64 // likewise
}

// Activity is how much was recorded in the course of one Range. More motion is more bytes.
type Activity struct {
	Start time.Time // of the first segment, which may lie before the range; with a Step, that of the first step
	// Step is zero when Bytes are those of segments, which last Durations (milliseconds); else Bytes are those of the
	// segments that begin within each step.
	Step      time.Duration
	Durations []uint32
	Bytes     []int64
}

// Coverage is what is recorded within a range of time.
type Coverage struct {
	Start, End time.Time
	// Resolution is zero when the ranges come from the segments themselves; else it is how finely folders were looked at
	// (a minute, an hour or a day), and footage fills only some part of each step.
	Resolution time.Duration
	Ranges     []Range    // in order; between two of them nothing is recorded
	Activity   []Activity // of each of Ranges, when it was asked for
}

// Resolution says how finely Coverage looks.
type Resolution int

// The resolutions. Auto is Exact up to two days, Hour up to 62 days, else Day.
const (
	Auto   Resolution = iota
	Exact             // by segments: some 30 listings a day
	Minute            // by folders of minutes: 25 listings a day
	Hour              // by folders of hours: one listing a day, and one a month
	Day               // by folders of days: one listing a month
)

// CoverageOptions are wishes about the answer of CoverageAt.
type CoverageOptions struct {
	Resolution Resolution
	// Activity asks for Coverage.Activity. It needs Exact, which it costs nothing, or Minute, whose listings are then those of Exact.
	Activity bool
}

// Longest ranges that Coverage looks at by segment or minute, by hour, and at all.
const (
	maxByKey    = 2 * day
	maxByHour   = 62 * day
	MaxCoverage = 10 * 366 * day
)

// Coverage is CoverageAt without wishes.
func (s *Service) Coverage(ctx context.Context, camera string, start, end time.Time) (Coverage, error) {
	return s.CoverageAt(ctx, camera, start, end, CoverageOptions{})
}

// CoverageAt tells which parts of start..end have footage. A zero end is now. The longer the range, the coarser the answer may be,
// so that the number of listings stays bounded. No footage is an empty list and no error. Answers by folder about what was over
// an hour ago may be ten minutes old.
//
// Errors: ErrBadCamera, *RangeError, also for a range too long for its resolution; else what Store said.
func (s *Service) CoverageAt(ctx context.Context, camera string, start, end time.Time, o CoverageOptions) (Coverage, error) {
	if err := checkCamera(camera); err != nil {
		return Coverage{}, err
	}
	now := s.cfg.Now()
	if end.IsZero() {
		end = now
	}
	longest := [...]time.Duration{Auto: MaxCoverage, Exact: maxByKey, Minute: maxByKey, Hour: maxByHour, Day: MaxCoverage}[o.Resolution]
	if err := s.checkRange(start, end, now, longest); err != nil {
		return Coverage{}, err
	}
	start, end = start.UTC(), end.UTC()
	c := Coverage{Start: start, End: end}
	if latest := now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod).UTC(); end.After(latest) {
		end = latest
	}
	if o.Resolution == Auto {
		switch length := end.Sub(start); {
		case length <= maxByKey:
			o.Resolution = Exact
		case length <= maxByHour:
			o.Resolution = Hour
		default:
			o.Resolution = Day
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
	defer cancel()
	var at []time.Time
	var err error
	switch {
	case o.Resolution == Exact:
		err = s.coverageByKey(ctx, camera, start, end, now, o.Activity, &c)
	case o.Resolution == Minute && o.Activity:
		err = s.coverageOfMinutes(ctx, camera, start, end, &c)
	default:
		c.Resolution, at, err = s.coverageByFolder(ctx, camera, start, end, o.Resolution)
		c.Ranges = steps(at, c.Resolution, start, end)
	}
	if err != nil {
		return Coverage{}, fmt.Errorf("coverage of %s: %w", camera, err)
	}
	return c, nil
}

func (s *Service) coverageByKey(ctx context.Context, camera string, start, end, now time.Time, activity bool, c *Coverage) error {
	marks, err := s.between(ctx, camera, start.Add(-s.lookBack()), end)
	if err != nil {
		return err
	}
	// As a replay does, so that both tell long segments from gaps in the same way.
	k := s.refine(ctx, camera, marks, maxHeads)
	s.settleReplay(ctx, camera, marks, end, now, k)
	entries, _ := layout(marks, s.cfg.TSClipDuration, time.Duration(s.cfg.M3U8TargetDuration)*time.Second)
	from, to := start.UnixMicro(), end.UnixMicro()
	said := int64(0) // milliseconds from the start of an Activity to the end of what its Durations tell
	for i := range entries {
		e := &entries[i]
		if e.end() <= from || e.Start >= to {
			continue
		}
		n := len(c.Ranges)
		stop := timeOf(min(e.end(), to))
		if n == 0 || (e.Discontinuity && timeOf(e.Start).After(c.Ranges[n-1].End)) {
			c.Ranges = append(c.Ranges, Range{Start: timeOf(max(e.Start, from))})
			if n++; activity {
				c.Activity = append(c.Activity, Activity{Start: timeOf(e.Start)})
			}
		}
		r := &c.Ranges[n-1]
		r.End, r.Segments, r.Bytes = stop, r.Segments+1, r.Bytes+marks[i].size
		if activity {
			a := &c.Activity[n-1]
			if len(a.Bytes) == 0 {
				said = 0
			}
			// Rounded are the ends, so that the sum is right anywhere.
			next := max(said, (e.end()-a.Start.UnixMicro()+500)/1000)
			a.Durations = append(a.Durations, uint32(next-said))
			said = next
			a.Bytes = append(a.Bytes, marks[i].size)
		}
	}
	return nil
}

// coverageOfMinutes adds up the segments of each minute.
func (s *Service) coverageOfMinutes(ctx context.Context, camera string, start, end time.Time, c *Coverage) error {
	c.Resolution = time.Minute
	first := start.Truncate(time.Minute)
	marks, err := s.between(ctx, camera, first, end)
	if err != nil {
		return err
	}
	type minute struct {
		segments int
		bytes    int64
	}
	minutes := map[int64]minute{}
	var at []time.Time
	for i := range marks {
		m := &marks[i]
		if m.key >= end.Unix() && !time.Unix(m.key, 0).Before(end) {
			break
		}
		key := m.key / 60
		sum, ok := minutes[key]
		if !ok {
			at = append(at, time.Unix(key*60, 0).UTC())
		}
		minutes[key] = minute{sum.segments + 1, sum.bytes + m.size}
	}
	c.Ranges = steps(at, time.Minute, start, end)
	c.Activity = make([]Activity, len(c.Ranges))
	for i := range c.Ranges {
		r, a := &c.Ranges[i], &c.Activity[i]
		a.Start, a.Step = r.Start.Truncate(time.Minute), time.Minute
		for t := a.Start; t.Before(r.End); t = t.Add(time.Minute) {
			sum := minutes[t.Unix()/60]
			r.Segments, r.Bytes = r.Segments+sum.segments, r.Bytes+sum.bytes
			a.Bytes = append(a.Bytes, sum.bytes)
		}
	}
	return nil
}

// coverageByFolder gives the beginnings of the days, hours or minutes with footage.
func (s *Service) coverageByFolder(ctx context.Context, camera string, start, end time.Time, r Resolution) (step time.Duration, at []time.Time, err error) {
	at, err = s.recordedDays(ctx, camera, start, end, true)
	if step = day; err != nil || r == Day {
		return step, at, err
	}
	at, err = s.within(ctx, at, func(t time.Time) string { return segment.DayFolder(camera, t) }, time.Hour, 24)
	if step = time.Hour; err != nil || r == Hour {
		return step, at, err
	}
	hours := at[:0]
	for _, t := range at {
		if t.Add(time.Hour).After(start) && t.Before(end) {
			hours = append(hours, t)
		}
	}
	at, err = s.within(ctx, hours, func(t time.Time) string { return segment.HourFolder(camera, t) }, time.Minute, 60)
	return time.Minute, at, err
}

// steps joins neighbouring steps of equal length into ranges and cuts them to start..end.
func steps(at []time.Time, length time.Duration, start, end time.Time) []Range {
	var ranges []Range
	for _, t := range at {
		a, b := t, t.Add(length)
		if a.Before(start) {
			a = start
		}
		if b.After(end) {
			b = end
		}
		if !a.Before(b) {
			continue
		}
		if n := len(ranges); n > 0 && !a.After(ranges[n-1].End) {
			ranges[n-1].End = b
		} else {
			ranges = append(ranges, Range{Start: a, End: b})
		}
	}
	return ranges
}

// recordedDays returns the UTC days from that of `from` to that before `to` that have a folder, one listing a month, or none when the
// answer may be one that is kept. A role that may only list days and deeper (facts of AWS: s3:prefix) is answered with every day.
func (s *Service) recordedDays(ctx context.Context, camera string, from, to time.Time, kept bool) ([]time.Time, error) {
	first := from.Truncate(day)
	var months []time.Time
	for m := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC); m.Before(to); m = m.AddDate(0, 1, 0) {
		months = append(months, m)
	}
	masks := make([]uint64, len(months))
	err := parallel(ctx, len(months), maxLists, func(ctx context.Context, i int) (err error) {
		folder := camera + "/" + months[i].Format("2006/01") + "/"
		if !kept {
			s.folders.forget(folder)
		}
		masks[i], err = s.numbered(ctx, folder, 1, 31, months[i].AddDate(0, 1, 0))
		return err
	})
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("list days: %w", err)
	}
	var days []time.Time
	if err != nil {
		s.cfg.Logger.Debug("cannot list months; looking into every day", "camera", camera, "error", err)
		if to.Sub(first) > maxByHour {
			return nil, fmt.Errorf("list days: %w", err)
		}
		for d := first; d.Before(to); d = d.Add(day) {
			days = append(days, d)
		}
		return days, nil
	}
	for i, mask := range masks {
		for ; mask != 0; mask &= mask - 1 {
			t := months[i].AddDate(0, 0, bits.TrailingZeros64(mask)-1)
			if t.Month() == months[i].Month() && !t.Before(first) && t.Before(to) {
				days = append(days, t)
			}
		}
	}
	return days, nil
}
