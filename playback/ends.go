// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Where the starts of neighbours are further apart than usual, only the end of the first one tells whether it is a long
// segment or footage is missing. The same end says how long the last segment of a recording is. Nothing else is read.

// suspects returns the first few, at most budget, of those marks that are further from the next one than usual around there,
// except those that were asked for.
func (s *Service) suspects(marks []mark, asked map[int]bool, budget int) (which []int) {
	around := surroundings{marks: marks, fallback: s.cfg.TSClipDuration, ceiling: time.Duration(s.cfg.M3U8TargetDuration) * time.Second}
	before := around.beat(0)
	for i := 1; i < len(marks) && len(which) < budget; i++ {
		after := around.beat(i)
		a, b := &marks[i-1], &marks[i]
		if (before.apart(a, b) || after.apart(a, b)) && !asked[i-1] {
			which = append(which, i-1)
		}
		before = after
	}
	return which
}

// settleGaps reads the ends of at most budget segments that are followed by a gap or seem to be. Starts that are read with
// them may show further ones.
func (s *Service) settleGaps(ctx context.Context, camera string, marks []mark, budget int, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	asked := map[int]bool{}
	for {
		which := s.suspects(marks, asked, budget-len(asked))
		if len(which) == 0 {
			return nil
		}
		if err := s.settle(ctx, camera, marks, which); err != nil {
			return err
		}
		for _, i := range which {
			asked[i] = true
		}
	}
}

// over tells that a recording ends with the last of marks, as far as it was listed, which is up to `to`: no segment will
// follow it soon, and the next one is not merely in the folder of a day that was not looked into.
func (s *Service) over(marks []mark, to, now time.Time) bool {
	last := len(marks) - 1
	around := surroundings{marks: marks, fallback: s.cfg.TSClipDuration, ceiling: time.Duration(s.cfg.M3U8TargetDuration) * time.Second}
	at, usual := marks[last].start(marks[last].key*usPerSecond), around.beat(last).usual
	if marks[last].key >= to.Unix() || now.UnixMicro() < at+2*usual+micros(s.lookBack()) {
		return false
	}
	midnight := time.Unix(marks[last].key, 0).UTC().Truncate(day).Add(day)
	return to.After(midnight) || at+usual+tolerance < midnight.UnixMicro()
}

// settleReplay reads the ends of those segments of a replay up to `to` that are followed by a gap, or by nothing, or seem to be.
func (s *Service) settleReplay(ctx context.Context, camera string, marks []mark, to, now time.Time, k known) {
	if s.cfg.EndPTS == nil || k.foreign || k.failed || len(marks) == 0 {
		return
	}
	wait := s.cfg.StoreTimeout / 4
	if err := s.settleGaps(ctx, camera, marks, maxTails, wait); err != nil || !s.over(marks, to, now) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_ = s.settle(ctx, camera, marks, []int{len(marks) - 1}) // it was logged
}

// liveWait is how long a player that polls waits for the ends of segments.
func (s *Service) liveWait() time.Duration { return s.cfg.StoreTimeout / 16 }

// settleNew does that for the segments marks that are new in w and follow before.
func (s *Service) settleNew(ctx context.Context, camera string, w *Window, before *mark, marks []mark) {
	if s.cfg.EndPTS == nil {
		return
	}
	all := append(append(make([]mark, 0, len(marks)+1), *before), marks...)
	var which []int
	seen := Window{Recent: w.Recent}
	b := s.cfg.beat(&seen)
	for i := 1; i < len(all) && len(which) < maxLiveTails; i++ {
		seen.Recent = remember(seen.Recent, distance(&all[i-1], &all[i]))
		after := s.cfg.beat(&seen)
		if b.apart(&all[i-1], &all[i]) || after.apart(&all[i-1], &all[i]) {
			which = append(which, i-1)
		}
		b = after
	}
	ctx, cancel := context.WithTimeout(ctx, s.liveWait())
	defer cancel()
	_ = s.settle(ctx, camera, all, which) // it was logged
	*before = all[0]
	copy(marks, all[1:])
}

// settle reads the end of marks[i] for each i in which, and the start of the one after it unless it has been read, at most
// maxReads at a time. What cannot be read, or not soon, stays unknown, and is judged by its distance.
func (s *Service) settle(ctx context.Context, camera string, marks []mark, which []int) (failed error) {
	if len(which) == 0 {
		return nil
	}
	var mu sync.Mutex
	parallel(ctx, len(which), maxReads, func(ctx context.Context, n int) error {
		i := which[n]
		err := s.settleOne(ctx, camera, marks[i:min(i+2, len(marks))])
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = err
		}
		return err // give up the others too
	})
	if failed != nil && !errors.Is(failed, context.Canceled) {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "cannot read the end of segments; long ones are taken for gaps",
			slog.String("camera", camera), slog.Any("error", failed))
	}
	return failed
}

// settleOne reads the end of pair[0] and the start of pair[1], if there is one. It writes to no other field of them: others
// may be at work on the neighbours.
func (s *Service) settleOne(ctx context.Context, camera string, pair []mark) error {
	m := &pair[0]
	if m.size < minObjectBytes {
		return nil // from a window that an older version stored
	}
	end, err := s.readEnd(ctx, camera, m.key, m.size)
	if err != nil || end == foreign {
		return err
	}
	m.end = end
	if len(pair) == 1 {
		return nil
	}
	// Also if it is exact: on a line between others it may be off by more than what is looked for.
	at, err := s.readStart(ctx, camera, &pair[1])
	if err == nil && at != foreign {
		pair[1].at, pair[1].exact = at, true
	}
	return err
}

// readEnd gives the time at which the segment ends, or foreign.
func (s *Service) readEnd(ctx context.Context, camera string, second, size int64) (int64, error) {
	start := time.Unix(second, 0).UTC()
	key := segment.Key(camera, start)
	if end, ok := s.tails.get(key); ok {
		return end, nil
	}
	n := min(tailBytes, size)
	tail, err := s.cfg.Heads.ReadRange(ctx, key, size-n, n)
	if err != nil {
		return 0, err
	}
	end := int64(foreign)
	if pts, ok := s.cfg.EndPTS(tail); ok {
		base := segment.Ticks(start)
		length := (pts - base) & (segment.PTSModulus - 1)
		if at := segment.TimeOfTicks(base + length); length > 0 && at.Sub(start) <= maxSegment+time.Second {
			end = at.UnixMicro()
		}
	}
	s.tails.put(key, end)
	return end, nil
}
