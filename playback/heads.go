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

// headCache keeps what the heads of segments said. Segments never change, so neither does that. It holds two generations:
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
// It reports how many have a PTS that is not wall-clock. What cannot be read stays as it is: a playlist by keys is better
// than none.
func (s *Service) readStarts(ctx context.Context, camera string, marks []mark, which []int) (foreigners int) {
	if s.Heads == nil || len(which) == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, s.StoreTimeout/4)
	defer cancel()
	var mu sync.Mutex
	var failed error
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
		s.Logger.LogAttrs(ctx, slog.LevelWarn, "cannot read the start of segments; durations come from keys",
			slog.String("camera", camera), slog.Any("error", failed))
	}
	return foreigners
}

func (s *Service) readStart(ctx context.Context, camera string, m *mark) (int64, error) {
	second := time.Unix(m.key, 0).UTC()
	key := segment.Key(camera, second)
	if at, ok := s.heads.get(key); ok {
		return at, nil
	}
	head, err := s.Heads.ReadRange(ctx, key, 0, min(headBytes, m.size))
	if err != nil {
		return 0, err
	}
	at := int64(foreign)
	if pts, ok := s.FirstPTS(head); ok {
		if start, ok := segment.StartFromPTS(second, pts); ok {
			at = start.UnixMicro()
		}
	}
	s.heads.put(key, at)
	return at, nil
}

// refine makes the starts of marks as exact as budget reads allow. Within a run without gaps, evenly spaced keys need one
// read; else the first and the last segment are read, and the ones between lie on the line from one to the other if all
// keys agree with it; if not, the middle one is read too, and so on. It returns how the camera's starts are best found.
func (s *Service) refine(ctx context.Context, camera string, marks []mark, budget int) Mode {
	if s.Heads == nil || len(marks) == 0 {
		return ByKey
	}
	type span struct{ lo, hi int }
	var spans []span
	var reads []int
	mode := ByKey
	for _, r := range s.runs(marks) {
		if !r.even {
			mode = ByPTS
		}
		if len(reads) >= budget {
			continue
		}
		reads = append(reads, r.lo)
		if (!r.even || r.hi-r.lo < 4) && r.hi-r.lo > 1 && len(reads) < budget {
			reads = append(reads, r.hi-1)
		}
		spans = append(spans, span{r.lo, r.hi - 1})
	}
	for len(reads) > 0 {
		budget -= len(reads)
		if s.readStarts(ctx, camera, marks, reads) > 0 {
			return KeysOnly
		}
		reads = reads[:0]
		var open []span
		for _, sp := range spans {
			lo, hi := &marks[sp.lo], &marks[sp.hi]
			switch {
			case !lo.exact:
			case sp.lo == sp.hi:
			case !hi.exact: // evenly spaced: all have the same fraction of a second
				for i := sp.lo + 1; i <= sp.hi; i++ {
					marks[i].at, marks[i].exact = lo.at+(marks[i].key-lo.key)*usPerSecond, true
				}
			case !interpolate(marks[sp.lo:sp.hi+1]) && len(reads) < budget:
				mid := (sp.lo + sp.hi) / 2
				reads = append(reads, mid)
				open = append(open, span{sp.lo, mid}, span{mid, sp.hi})
			}
		}
		spans = open
	}
	return mode
}

// interpolate puts the starts of marks on the line between the first and the last, which are exact, if every one then
// lies in the second of its key.
func interpolate(marks []mark) bool {
	const slack = 20_000 // microseconds that real frames may be off the line
	n := int64(len(marks) - 1)
	first, length := marks[0].at, marks[n].at-marks[0].at
	for i := int64(1); i < n; i++ {
		at, second := first+length*i/n, marks[i].key*usPerSecond
		if at < second-slack || at >= second+usPerSecond+slack {
			return false
		}
	}
	for i := int64(1); i < n; i++ {
		marks[i].at, marks[i].exact = first+length*i/n, true
	}
	return true
}

// run is a stretch of marks lo..hi-1 without a gap.
type run struct {
	lo, hi int
	even   bool // all distances are the same
}

func (s *Service) runs(marks []mark) []run {
	around := surroundings{marks: marks, fallback: s.TSClipDuration, ceiling: time.Duration(s.M3U8TargetDuration) * time.Second}
	var runs []run
	r := run{even: true}
	for i := 1; i < len(marks); i++ {
		d := distance(&marks[i-1], &marks[i])
		if isGap(d, around.usual(i)) {
			r.hi = i
			runs = append(runs, r)
			r = run{lo: i, even: true}
			continue
		}
		r.even = r.even && (i-1 == r.lo || d == (marks[i-1].key-marks[i-2].key)*usPerSecond)
	}
	r.hi = len(marks)
	return append(runs, r)
}
