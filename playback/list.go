// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/s3cam/s3cam/segment"
)

const (
	day     = 24 * time.Hour
	maxPage = 1000 // S3 answers at most this many keys at once
)

// Listing follows three rules (docs/design/live-window.md): by day folder, since a role may be limited to those; with
// start-after, since a page costs what it returns; and with MaxKeys a little above what is expected, since S3 knows no end.

// scan visits the segments of camera in the day folder of `in` whose key is greater than after ("" = all), in order, until
// visit returns false. Objects that cannot be a playable segment of this camera are passed over. more tells that visit
// stopped it; else the folder has nothing further.
func (s *Service) scan(ctx context.Context, camera string, in time.Time, after string, pageSize int, visit func(mark) bool) (more bool, err error) {
	if year := in.UTC().Year(); s.cfg.DayFoldersOnly && (year < 2000 || year > 2099) {
		return false, nil
	}
	folder := segment.DayFolder(camera, in)
	seen := 0
	err = s.cfg.Store.List(ctx, folder, after, min(max(pageSize, 1), maxPage), func(key []byte, size int64) bool {
		if seen++; seen > 2*86400 {
			return false
		}
		prefix, start, ok := segment.ParseKey(key)
		if !ok || size < minObjectBytes || string(prefix) != camera {
			return true
		}
		if !visit(mark{key: start.Unix(), size: size}) {
			more = true
			return false
		}
		return true
	})
	if err == nil && !more && seen > 2*86400 {
		err = ErrTooManyKeys
	}
	if err != nil {
		return more, fmt.Errorf("list %s: %w", folder, err)
	}
	return more, nil
}

// after is the start-after for a listing of t's day folder that begins with the segments at or after t.
func after(camera string, t time.Time) string {
	if t.Equal(t.Truncate(day)) {
		return ""
	}
	return segment.StartAfter(camera, t)
}

// recent lists the segments with from <= key <= to, one listing per day touched, for live windows.
func (s *Service) recent(ctx context.Context, camera string, from, until, latest time.Time, usual time.Duration) ([]mark, error) {
	var marks []mark
	for d := from.Truncate(day); !d.After(until); d = d.Add(day) {
		begin := d
		if begin.Before(from) {
			begin = from
		}
		end := d.Add(day)
		if end.After(until) {
			end = until
		}
		expected := int(max(0, end.Sub(begin))/usual) + 1
		_, err := s.scan(ctx, camera, d, after(camera, begin), expected+2, func(m mark) bool {
			if m.key > latest.Unix() {
				return false
			}
			marks = append(marks, m)
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return marks, nil
}

// between lists the segments with from <= key < to, and the first one after them if the same day has it, which tells when
// the last one ends. Days and slices of about a page are listed concurrently.
func (s *Service) between(ctx context.Context, camera string, from, to time.Time) ([]mark, error) {
	days, err := s.days(ctx, camera, from, to)
	if err != nil {
		return nil, err
	}
	found := make([][]mark, len(days))
	err = parallel(ctx, len(days), maxLists, func(ctx context.Context, i int) (err error) {
		begin, end := days[i], days[i].Add(day)
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		found[i], err = s.withinDay(ctx, camera, begin, end)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 1 {
		return found[0], nil
	}
	n := 0
	for _, f := range found {
		n += len(f)
	}
	marks := make([]mark, 0, n)
	for _, f := range found {
		marks = append(marks, f...)
	}
	return marks, nil
}

// withinDay is between for begin and end within one day. A page is listed first: a short range or a day with little footage
// is complete with it. The rest follows in slices of about a page, concurrently.
func (s *Service) withinDay(ctx context.Context, camera string, begin, end time.Time) ([]mark, error) {
	const perSlice = maxPage - 2
	marks, more, err := s.slice(ctx, camera, begin, end, perSlice)
	if err != nil || !more {
		return marks, err
	}
	// What stopped it is the first segment of the rest.
	rest := time.Unix(marks[len(marks)-1].key, 0).UTC()
	if !rest.Before(end) {
		return marks, nil
	}
	marks = marks[:len(marks)-1]
	page := perSlice * s.cfg.TSClipDuration
	n := int((end.Sub(rest) + page - 1) / page)
	step := (end.Sub(rest)/time.Duration(n) + time.Second).Truncate(time.Second)
	found := make([][]mark, n)
	err = parallel(ctx, n, maxLists, func(ctx context.Context, i int) error {
		a, b := rest.Add(time.Duration(i)*step), rest.Add(time.Duration(i+1)*step)
		if b.After(end) {
			b = end
		}
		if !a.Before(b) {
			return nil
		}
		part, more, err := s.slice(ctx, camera, a, b, math.MaxInt)
		if more && i < n-1 {
			part = part[:len(part)-1] // the next slice has it
		}
		found[i] = part
		return err
	})
	if err != nil {
		return nil, err
	}
	total := len(marks)
	for _, f := range found {
		total += len(f)
	}
	out := append(make([]mark, 0, total), marks...)
	for _, f := range found {
		out = append(out, f...)
	}
	return out, nil
}

// slice lists begin <= key < end, both in one day, but at most `most` segments. more tells that there are others in that
// day; then the first of them is the last of marks.
func (s *Service) slice(ctx context.Context, camera string, begin, end time.Time, most int) (marks []mark, more bool, err error) {
	expected := int(end.Sub(begin)/s.cfg.TSClipDuration) + 1
	marks = make([]mark, 0, min(expected, maxPage)+2)
	limit := end.Unix()
	if end.Nanosecond() > 0 {
		limit++
	}
	more, err = s.scan(ctx, camera, begin, after(camera, begin), expected+1, func(m mark) bool {
		marks = append(marks, m)
		return m.key < limit && len(marks) <= most
	})
	return marks, more, err
}

// days returns the UTC days that [from, to) touches. When there are more than two, folders are listed first and days
// without footage left out, unless the role may not list those.
func (s *Service) days(ctx context.Context, camera string, from, to time.Time) ([]time.Time, error) {
	var days []time.Time
	for d := from.UTC().Truncate(day); d.Before(to); d = d.Add(day) {
		days = append(days, d)
	}
	if len(days) <= 2 || s.cfg.DayFoldersOnly {
		return days, nil
	}
	return s.recordedDays(ctx, camera, days[0], to, false)
}

// parallel calls do for 0..n-1 from at most limit goroutines and returns when all have returned. The first error cancels
// the others' context and is the result.
func parallel(ctx context.Context, n, limit int, do func(ctx context.Context, i int) error) error {
	if n == 1 {
		return do(ctx, 0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for range min(n, limit) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n || ctx.Err() != nil {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err) // the first one counts
					return
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
