// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"fmt"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Range is a stretch of time with footage.
type Range struct {
	Start, End time.Time
	Segments   int   // 0 when Coverage.Resolution is not zero: then segments were not looked at
	Bytes      int64 // likewise
}

// Coverage is what is recorded within a range of time.
type Coverage struct {
	Start, End time.Time
	// Resolution is zero when the ranges come from the segments themselves; else it is how finely folders were looked at
	// (an hour or a day), and footage fills only some part of each step.
	Resolution time.Duration
	Ranges     []Range // in order; between two of them nothing is recorded
}

// Longest ranges that Coverage looks at by segment (some 30 listings a day), by hour folder (one a day), and at all
// (by day folder, one a month).
const (
	maxByKey    = 2 * day
	maxByHour   = 62 * day
	MaxCoverage = 10 * 366 * day
)

// Coverage tells which parts of start..end have footage. The longer the range, the coarser the answer, so that the number
// of listings stays bounded: see Coverage.Resolution. No footage is an empty list and no error.
//
// Errors: ErrBadCamera, *RangeError; else what Store said.
func (s *Service) Coverage(ctx context.Context, camera string, start, end time.Time) (Coverage, error) {
	if err := checkCamera(camera); err != nil {
		return Coverage{}, err
	}
	now := s.cfg.Now()
	if end.IsZero() {
		end = now
	}
	if err := s.checkRange(start, end, now, MaxCoverage); err != nil {
		return Coverage{}, err
	}
	c := Coverage{Start: start.UTC(), End: end.UTC()}
	if latest := now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod).UTC(); end.After(latest) {
		end = latest
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
	defer cancel()
	var err error
	switch length := end.Sub(start); {
	case length <= maxByKey:
		c.Ranges, err = s.coverageByKey(ctx, camera, start.UTC(), end.UTC())
	case length <= maxByHour:
		c.Resolution = time.Hour
		c.Ranges, err = s.coverageByHour(ctx, camera, start.UTC(), end.UTC())
	default:
		c.Resolution = day
		var days []time.Time
		days, err = s.recordedDays(ctx, camera, start.UTC(), end.UTC())
		c.Ranges = steps(days, day, start.UTC(), end.UTC())
	}
	if err != nil {
		return Coverage{}, fmt.Errorf("coverage of %s: %w", camera, err)
	}
	return c, nil
}

func (s *Service) coverageByKey(ctx context.Context, camera string, start, end time.Time) ([]Range, error) {
	marks, err := s.between(ctx, camera, start.Add(-s.lookBack()), end)
	if err != nil {
		return nil, err
	}
	entries, _ := layout(marks, s.cfg.TSClipDuration, time.Duration(s.cfg.M3U8TargetDuration)*time.Second)
	var ranges []Range
	from, to := start.UnixMicro(), end.UnixMicro()
	for i := range entries {
		e := &entries[i]
		if e.end() <= from || e.Start >= to {
			continue
		}
		n := len(ranges)
		stop := timeOf(min(e.end(), to))
		if n == 0 || (e.Discontinuity && timeOf(e.Start).After(ranges[n-1].End)) {
			ranges = append(ranges, Range{Start: timeOf(max(e.Start, from))})
			n++
		}
		r := &ranges[n-1]
		r.End, r.Segments, r.Bytes = stop, r.Segments+1, r.Bytes+marks[i].size
	}
	return ranges, nil
}

func (s *Service) coverageByHour(ctx context.Context, camera string, start, end time.Time) ([]Range, error) {
	days, err := s.recordedDays(ctx, camera, start, end)
	if err != nil {
		return nil, err
	}
	found := make([][]time.Time, len(days))
	err = parallel(ctx, len(days), maxLists, func(ctx context.Context, i int) error {
		folder := segment.DayFolder(camera, days[i])
		err := s.cfg.Store.ListFolders(ctx, folder, func(name string) bool {
			if t, err := time.Parse("15", name); err == nil && len(name) == 2 {
				found[i] = append(found[i], days[i].Add(time.Duration(t.Hour())*time.Hour))
			}
			return len(found[i]) < 24
		})
		if err != nil {
			return fmt.Errorf("list folders of %q: %w", folder, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var hours []time.Time
	for _, f := range found {
		hours = append(hours, f...)
	}
	return steps(hours, time.Hour, start, end), nil
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

// recordedDays returns the UTC days from that of `from` to that before `to` that have a folder, one listing a month. A
// role that may only list days and deeper (facts of AWS: s3:prefix) is answered with every day.
func (s *Service) recordedDays(ctx context.Context, camera string, from, to time.Time) ([]time.Time, error) {
	first := from.Truncate(day)
	var months []time.Time
	for m := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC); m.Before(to); m = m.AddDate(0, 1, 0) {
		months = append(months, m)
	}
	found := make([][]time.Time, len(months))
	err := parallel(ctx, len(months), maxLists, func(ctx context.Context, i int) error {
		folder := camera + "/" + months[i].Format("2006/01") + "/"
		return s.cfg.Store.ListFolders(ctx, folder, func(name string) bool {
			if d, err := time.Parse("02", name); err == nil && len(name) == 2 {
				t := months[i].AddDate(0, 0, d.Day()-1)
				if t.Month() == months[i].Month() && !t.Before(first) && t.Before(to) {
					found[i] = append(found[i], t)
				}
			}
			return len(found[i]) < 31
		})
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
	for _, f := range found {
		days = append(days, f...)
	}
	return days, nil
}
