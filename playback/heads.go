// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// headCache keeps what the heads of segments said, or their tails. Segments never change, so neither does that. It holds two generations:
// when the young one is full the old one is forgotten.
type headCache struct {
	mu         sync.Mutex
	young, old map[string]int64 // object key -> microseconds, or foreign
}

const (
	headGeneration = 4096
	foreign        = -1 // the first PTS does not belong to the second in the key, or there is none
)

func (c *headCache) get(key string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.young[key]
	if !ok {
		if at, ok = c.old[key]; ok {
			c.set(key, at)
		}
	}
	return at, ok
}

func (c *headCache) put(key string, at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(key, at)
}

func (c *headCache) set(key string, at int64) {
	if c.young == nil || len(c.young) >= headGeneration {
		c.old, c.young = c.young, make(map[string]int64)
	}
	c.young[key] = at
}

// readStarts reads the first PTS of marks[i] for each i in which, at most maxReads at a time, and makes those marks exact.
// It reports how many have a PTS that is not wall-clock. What cannot be read, or not soon, stays as it is: a playlist by
// keys is better than none.
func (s *Service) readStarts(ctx context.Context, camera string, marks []mark, which []int) (foreigners int, failed error) {
	if s.cfg.Heads == nil || len(which) == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout/8) // half of what refreshing a window may take
	defer cancel()
	var mu sync.Mutex
	parallel(ctx, len(which), maxReads, func(ctx context.Context, i int) error {
		m := &marks[which[i]]
		at, err := s.readStart(ctx, camera, m)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			failed = err
			return err // give up the others too
		case at == foreign:
			foreigners++
		default:
			m.at, m.exact = at, true
		}
		return nil
	})
	if failed != nil && !errors.Is(failed, context.Canceled) {
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "cannot read the start of segments; durations come from keys",
			slog.String("camera", camera), slog.Any("error", failed))
	}
	return foreigners, failed
}

func (s *Service) readStart(ctx context.Context, camera string, m *mark) (int64, error) {
	second := time.Unix(m.key, 0).UTC()
	key := segment.Key(camera, second)
	if at, ok := s.heads.get(key); ok {
		return at, nil
	}
	head, err := s.cfg.Heads.ReadRange(ctx, key, 0, min(headBytes, m.size))
	if err != nil {
		return 0, err
	}
	at := int64(foreign)
	if pts, ok := s.cfg.FirstPTS(head); ok {
		if start, ok := segment.StartFromPTS(second, pts); ok {
			at = start.UnixMicro()
		}
	}
	s.heads.put(key, at)
	return at, nil
}

// known is how well the starts of a camera's segments are known after refine.
type known struct {
	foreign bool // its timestamps are not wall-clock
	unsure  bool // it keeps no steady beat
	failed  bool // not all could be read that should have been
}

// refine makes the starts of marks as exact as budget reads allow. Within a run without gaps, evenly spaced keys need one
// read; else the first and the last segment are read, and the ones between lie on the line from one to the other if all
// keys agree with it; if not, the middle one is read too, and so on.
func (s *Service) refine(ctx context.Context, camera string, marks []mark, budget int) (k known) {
	if s.cfg.Heads == nil || len(marks) == 0 {
		return k
	}
	var spans []run
	var reads []int
	for _, r := range s.runs(marks) {
		if len(reads) >= budget {
			break
		}
		reads = append(reads, r.lo)
		if (!r.even || r.hi-r.lo < 3) && r.hi > r.lo && len(reads) < budget {
			reads = append(reads, r.hi)
		}
		spans = append(spans, r)
	}
	shortest := int64(math.MaxInt64) // step between neighbours on a line so far, microseconds
	for first := true; len(reads) > 0; first = false {
		budget -= len(reads)
		foreigners, failed := s.readStarts(ctx, camera, marks, reads)
		if first && foreigners == len(reads) {
			k.foreign = true
			return k
		}
		if failed != nil {
			budget, k.failed = 0, true // use what there is
		}
		for _, sp := range spans {
			if step, ok := line(marks[sp.lo : sp.hi+1]); ok {
				shortest = min(shortest, step)
			}
		}
		reads = reads[:0]
		var open []run
		for _, sp := range spans {
			stretch := marks[sp.lo : sp.hi+1]
			lo, hi := &stretch[0], &stretch[len(stretch)-1]
			if len(stretch) == 1 || !lo.exact {
				continue
			}
			if !hi.exact {
				if sp.even { // all have the same fraction of a second
					for i := range stretch {
						stretch[i].at, stretch[i].exact = lo.at+(stretch[i].key-lo.key)*usPerSecond, true
					}
				}
				continue
			}
			// A line with longer steps than others may hide a missing segment, if segments are short.
			step, ok := line(stretch)
			if ok && step-closeBy <= shortest {
				interpolate(stretch)
				continue
			}
			k.unsure = true
			if len(reads) < budget {
				mid := (sp.lo + sp.hi) / 2
				reads = append(reads, mid)
				open = append(open, run{lo: sp.lo, hi: mid}, run{lo: mid, hi: sp.hi})
			} else if ok {
				interpolate(stretch)
			}
		}
		spans = open
	}
	return k
}

// line tells whether every mark lies in the second of its key when put on the line between the first and the last, and how
// long the steps on it are. It is no line unless both ends are exact.
func line(marks []mark) (step int64, ok bool) {
	const slack = 20_000 // microseconds that real frames may be off the line
	n := int64(len(marks) - 1)
	if n == 0 || !marks[0].exact || !marks[n].exact {
		return 0, false
	}
	first, length := marks[0].at, marks[n].at-marks[0].at
	for i := int64(1); i < n; i++ {
		at, second := first+length*i/n, marks[i].key*usPerSecond
		if at < second-slack || at >= second+usPerSecond+slack {
			return 0, false
		}
	}
	return length / n, true
}

// interpolate puts the marks between the first and the last on the line between them.
func interpolate(marks []mark) {
	n := int64(len(marks) - 1)
	first, length := marks[0].at, marks[n].at-marks[0].at
	for i := int64(1); i < n; i++ {
		marks[i].at, marks[i].exact = first+length*i/n, true
	}
}

// run is a stretch of marks lo..hi, both included, without a gap.
type run struct {
	lo, hi int
	even   bool // all distances are the same
}

func (s *Service) runs(marks []mark) []run {
	around := surroundings{marks: marks, fallback: s.cfg.TSClipDuration, ceiling: time.Duration(s.cfg.M3U8TargetDuration) * time.Second}
	var runs []run
	r := run{even: true}
	var last int64
	for i := 1; i < len(marks); i++ {
		d := distance(&marks[i-1], &marks[i])
		if isGap(d, around.beat(i).usual) {
			runs = append(runs, r)
			r = run{lo: i, hi: i, even: true}
			continue
		}
		r.even = r.even && (r.lo == r.hi || d == last)
		r.hi, last = i, d
	}
	return append(runs, r)
}
