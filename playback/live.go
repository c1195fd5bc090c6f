// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/segment"
)

// Live returns the rolling playlist of camera: the same for all who ask, whichever server they ask. A camera that fell
// silent keeps its last playlist as long as somebody asks for it.
//
// A poll costs one Load of the WindowStore; one listing more when a new segment may be there; and one Save when there is.
// While the store cannot be listed the last playlist is served.
//
// Errors: ErrBadCamera; ErrNoSegments when nothing was recorded within NearRealtimeReplayPrecedingPeriod, or only one
// segment so far; else what Store or WindowStore said.
func (s *Service) Live(ctx context.Context, camera string) (hls.Playlist, error) {
	if err := checkCamera(camera); err != nil {
		return hls.Playlist{}, err
	}
	w, err := s.window(ctx, request{id: camera, camera: camera})
	if err != nil {
		return hls.Playlist{}, fmt.Errorf("live window of %s: %w", camera, err)
	}
	return w.playlist(), nil
}

func checkCamera(camera string) error {
	if err := segment.CheckPrefix(camera); err != nil {
		return fmt.Errorf("%w: %w", ErrBadCamera, err)
	}
	return nil
}

// request says which window is wanted.
type request struct {
	id, camera string
	event      bool
	from       time.Time // event: the start that was asked for
}

const refreshAttempts = 5

// window returns the current state of a window, refreshed if it may be out of date. Within the process one caller at a
// time refreshes a window; between processes the first Save wins and the others take its result.
func (s *Service) window(ctx context.Context, req request) (*Window, error) {
	ctx, cancel := context.WithTimeout(ctx, s.StoreTimeout)
	defer cancel()
	now := s.Now()
	c := s.local.get(req.id, now)
	defer s.local.put(req.id, c)

	w, err := s.load(ctx, req)
	if err != nil {
		return nil, err
	}
	if s.current(c, w, now) {
		return w, nil
	}
	waited, failure, err := c.acquire(ctx)
	if err != nil {
		return s.orLast(w, now, req, err)
	}
	defer c.release()
	if failure != nil {
		return s.orLast(w, now, req, failure)
	}
	if waited {
		if w, err = s.load(ctx, req); err != nil {
			return nil, err
		}
		if now = s.Now(); s.current(c, w, now) {
			return w, nil
		}
	}
	fresh, err := s.refresh(ctx, c, w, req)
	c.done(s.Now(), err)
	if err != nil {
		return s.orLast(w, now, req, err)
	}
	c.forget(fresh.newest().Key)
	return fresh, nil
}

func (s *Service) load(ctx context.Context, req request) (*Window, error) {
	w, err := s.Windows.Load(ctx, req.id)
	if err != nil {
		return nil, fmt.Errorf("load window: %w", err)
	}
	w.ID = req.id
	return &w, nil
}

// orLast serves the last published state instead of an error, if there is one: players survive an unchanged playlist and
// die of an error.
func (s *Service) orLast(w *Window, now time.Time, req request, err error) (*Window, error) {
	if !w.usable(now) {
		return nil, err
	}
	s.Logger.Warn("window not refreshed; serving the last one", "camera", req.camera, slog.Any("error", err))
	return w, nil
}

// current tells whether w can be shown as it is: no segment that it lacks can be in the bucket yet, or that was looked up
// a moment ago.
func (s *Service) current(c *local, w *Window, now time.Time) bool {
	if !w.usable(now) {
		return false
	}
	if w.Ended {
		return true
	}
	if w.Expires.Sub(now) < s.NearRealtimeReplayCachePeriod/2 {
		return false // somebody still watches: keep it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.pending {
		if c.pending[i].key > w.newest().Key {
			return false
		}
	}
	late := now.Sub(s.due(w))
	if s.Announced && c.synced {
		late -= 10 * time.Second // it would have been told
	}
	if late < 0 {
		return true
	}
	pace := min(max(late/8, 500*time.Millisecond), time.Duration(w.TargetDuration)*time.Second)
	return !c.checked.IsZero() && now.Sub(c.checked) >= 0 && now.Sub(c.checked) < pace
}

// refresh brings w up to date and saves it. The result is always a state that is stored.
func (s *Service) refresh(ctx context.Context, c *local, w *Window, req request) (*Window, error) {
	for range refreshAttempts {
		now := s.Now()
		var next *Window
		var err error
		if w.usable(now) {
			next, err = s.update(ctx, c, w, req, now)
		} else {
			next, err = s.create(ctx, c, w, req, now)
		}
		if err != nil {
			return nil, err
		}
		if next == w {
			return w, nil
		}
		next.Expires = now.Add(s.NearRealtimeReplayCachePeriod)
		err = s.Windows.Save(ctx, *next)
		if err == nil {
			next.Version++
			return next, nil
		}
		if !errors.Is(err, ErrConflict) {
			return nil, fmt.Errorf("save window: %w", err)
		}
		if w, err = s.load(ctx, req); err != nil {
			return nil, err
		}
		if now = s.Now(); w.usable(now) && now.Before(s.due(w)) && len(c.told(w.newest().Key)) == 0 {
			return w, nil
		}
	}
	if w.usable(s.Now()) {
		return w, nil // others keep it fresh
	}
	return nil, ErrConflict
}

// create makes a window where there is none.
func (s *Service) create(ctx context.Context, c *local, old *Window, req request, now time.Time) (*Window, error) {
	if req.event {
		return s.createEvent(ctx, old, req, now)
	}
	from := now.Add(-s.NearRealtimeReplayPrecedingPeriod).UTC()
	told := c.told(from.Unix() - 1)
	c.mu.Lock()
	c.synced = true // what is told from here on is not missed, whatever the listing sees of it
	c.mu.Unlock()
	marks, err := s.recent(ctx, req.camera, from, now.UTC(), now.Add(s.NearRealtimeReplayPrecedingPeriod), s.TSClipDuration)
	if err != nil {
		c.mu.Lock()
		c.synced = false
		c.mu.Unlock()
		return nil, err
	}
	marks = inOrder(append(marks, told...))
	if len(marks) == 0 {
		return nil, ErrNoSegments
	}
	if s.tooYoung(marks, now) {
		return nil, fmt.Errorf("%w: only one so far", ErrNoSegments)
	}
	mode := s.refine(ctx, req.camera, marks, maxLiveHeads)
	w := s.newWindow(old, marks, false, 0)
	w.Mode = mode
	w.Lag = now.UnixMicro() - w.Last - s.usual(w)
	return w, nil
}

// tooYoung tells that a camera has just begun: how long its segments last, and so the target duration, which must never
// change, cannot be told from a single one. After two longest segments it is taken to be all there is.
func (s *Service) tooYoung(marks []mark, now time.Time) bool {
	return len(marks) == 1 && now.Unix()-marks[0].key < int64(2*s.M3U8TargetDuration)
}

// update returns w with the segments that came since, a copy to save when only its life must be prolonged, or w itself.
func (s *Service) update(ctx context.Context, c *local, w *Window, req request, now time.Time) (*Window, error) {
	newest := w.newest().Key
	marks := c.told(newest)
	c.mu.Lock()
	list := !s.Announced || !c.synced || req.event || now.Sub(s.due(w)) >= 10*time.Second
	c.synced = c.synced || list
	c.mu.Unlock()
	if list {
		usual := duration(s.usual(w))
		from := time.Unix(newest+1, 0).UTC()
		if back := now.Add(-max(s.NearRealtimeReplayCachePeriod, s.NearRealtimeReplayPrecedingPeriod)).UTC(); from.Before(back) {
			from = back
		}
		latest := now.Add(s.NearRealtimeReplayPrecedingPeriod)
		// A camera whose clock is ahead may already be in tomorrow's folder.
		until := time.Unix(newest, 0).UTC().Add(2 * usual)
		if until.After(latest) {
			until = latest
		}
		if until.Before(now) {
			until = now
		}
		listed, err := s.recent(ctx, req.camera, from, until.UTC(), latest, usual)
		if err != nil {
			c.mu.Lock()
			c.synced = false
			c.mu.Unlock()
			return nil, err
		}
		marks = inOrder(append(listed, marks...))
	}
	next := w
	if len(marks) > 0 {
		mode := s.readNew(ctx, req.camera, w, marks)
		next = s.advance(w, marks)
		next.Mode = mode
		s.observe(next, now)
	} else if w.Expires.Sub(now) < s.NearRealtimeReplayCachePeriod/2 {
		prolonged := *w
		next = &prolonged
	}
	if req.event {
		next = s.endEvent(next, now)
	}
	return next, nil
}

// readNew reads the starts of the new segments marks that keys do not give: all of them for a camera whose keys are not
// evenly spaced, else only those that come earlier or later than its steady beat.
func (s *Service) readNew(ctx context.Context, camera string, w *Window, marks []mark) Mode {
	mode := w.Mode
	if s.Heads == nil || mode == KeysOnly {
		return mode
	}
	usual := s.usual(w)
	var which []int
	last := w.newest().Key
	for i := range marks {
		d := (marks[i].key - last) * usPerSecond
		last = marks[i].key
		if mode == ByKey && d == usual && len(w.Recent) >= 3 {
			continue
		}
		which = append(which, i)
		if mode == ByKey && d != usual && !isGap(d, usual) && len(w.Recent) >= 3 {
			mode = ByPTS
		}
	}
	which = which[max(0, len(which)-maxLiveHeads):]
	if s.readStarts(ctx, camera, marks, which) > 0 {
		return KeysOnly
	}
	return mode
}
