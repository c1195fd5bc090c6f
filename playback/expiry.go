// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"strings"
	"time"
)

// Expiry tells which footage of a camera may be deleted within the next minutes: what begins before Edge and in none of Held.
// A zero Edge means none.
type Expiry struct {
	Edge time.Time
	Held []HeldRange // in order, apart from each other
}

// HeldRange is from Start to End, End excluded.
type HeldRange struct{ Start, End time.Time }

// holds tells whether the segment of a key surely lasts some minutes.
func (e Expiry) holds(key int64) bool {
	if e.Edge.IsZero() || key >= e.Edge.Unix() {
		return true
	}
	for _, h := range e.Held {
		if key >= h.Start.Unix() && key < h.End.Unix() {
			return true
		}
	}
	return false
}

func (s *Service) expiry(camera string, now time.Time) Expiry {
	switch r := s.cfg.Retention; {
	case s.cfg.Expiry != nil:
		return s.cfg.Expiry(camera, now)
	case r > 0:
		return Expiry{Edge: now.Add(-r + min(r/4, time.Hour)).UTC()}
	}
	return Expiry{}
}

// retained moves start away from what retention is about to delete: a listed segment must not vanish while it is played. With held
// footage before the edge there may still be segments in between that will vanish; lasting leaves them out.
func (s *Service) retained(camera string, start, now time.Time) time.Time {
	e := s.expiry(camera, now)
	if !start.Before(e.Edge) {
		return start
	}
	for _, h := range e.Held {
		if h.End.After(start) && h.Start.Before(e.Edge) {
			if h.Start.After(start) {
				return h.Start.UTC()
			}
			return start
		}
	}
	return e.Edge.UTC()
}

// lasting drops the marks of segments that may vanish within minutes, when from lies before the edge: then there is held footage.
func (s *Service) lasting(camera string, from, now time.Time, marks []mark) []mark {
	e := s.expiry(camera, now)
	if !from.Before(e.Edge) {
		return marks
	}
	kept := marks[:0]
	for _, m := range marks {
		if e.holds(m.key) {
			kept = append(kept, m)
		}
	}
	return kept
}

// lasts tells whether the newest segment that w shows will be there for some minutes.
func (s *Service) lasts(w *Window, now time.Time) bool {
	camera, _, _ := strings.Cut(w.ID, "\n") // see eventID
	return s.expiry(camera, now).holds(w.newest().Key)
}
