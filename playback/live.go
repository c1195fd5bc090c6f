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

const (
	refreshAttempts = 5
	minPace         = 250 * time.Millisecond // between listings while a segment is awaited; longer the longer it fails to come
)

// window returns the current state of a window, refreshed if it may be out of date. Within the process one caller at a
// time refreshes a window; between processes the first Save wins and the others take its result.
func (s *Service) window(ctx context.Context, req request) (*Window, error) {
	now := s.cfg.Now()
	timeout := s.cfg.StoreTimeout
	if req.event { // its first state may hold days
		timeout = s.timeout(min(now.Sub(req.from), s.cfg.MaxReplay))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
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
		if now = s.cfg.Now(); s.current(c, w, now) {
			return w, nil
		}
	}
	if s.usable(w, now) { // there is something to show: do not let a player wait for long
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, s.cfg.StoreTimeout/4)
		defer stop()
	}
	fresh, err := s.refresh(ctx, c, w, req)
	c.done(s.cfg.Now(), err)
	if err != nil {
		return s.orLast(w, now, req, err)
	}
	c.forget(fresh.newest().Key)
	return fresh, nil
}

func (s *Service) load(ctx context.Context, req request) (*Window, error) {
	w, err := s.cfg.Windows.Load(ctx, req.id)
	if err != nil {
		return nil, fmt.Errorf("load window: %w", err)
	}
	w.ID = req.id
	return &w, nil
}

// orLast serves the last published state instead of an error, if there is one: players survive an unchanged playlist and
// die of an error.
func (s *Service) orLast(w *Window, now time.Time, req request, err error) (*Window, error) {
	if !s.usable(w, now) {
		return nil, err
	}
	s.cfg.Logger.Warn("window not refreshed; serving the last one", "camera", req.camera, slog.Any("error", err))
	return w, nil
}

// usable tells whether what w shows may still be shown: somebody asked for it not long ago, and retention has not come
// near its segments.
func (s *Service) usable(w *Window, now time.Time) bool {
	return len(w.Entries) > 0 && now.Before(w.Expires) && s.lasts(w, now)
}

// current tells whether w can be shown as it is: no segment that it lacks can be in the bucket yet, or that was looked up
// a moment ago.
func (s *Service) current(c *local, w *Window, now time.Time) bool {
	if !s.usable(w, now) {
		return false
	}
	if w.Ended {
		return true
	}
	if w.Expires.Sub(now) < s.cfg.NearRealtimeReplayCachePeriod/2 {
		return false // somebody still watches: keep it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.pending {
		if c.pending[i].key > w.newest().Key {
			return false
		}
	}
	late := now.Sub(s.cfg.due(w))
	if s.cfg.Announced && c.synced && !w.Event { // Stored tells live windows only
		late -= 10 * time.Second // it would have been told
	}
	if late < 0 {
		return true
	}
	pace := min(max(late/8, minPace), time.Duration(w.TargetDuration)*time.Second)
	return !c.checked.IsZero() && now.Sub(c.checked) >= 0 && now.Sub(c.checked) < pace
}

// refresh brings w up to date and saves it. The result is always a state that is stored.
func (s *Service) refresh(ctx context.Context, c *local, w *Window, req request) (*Window, error) {
	for range refreshAttempts {
		now := s.cfg.Now()
		var next *Window
		var err error
		if s.usable(w, now) {
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
		next.Expires = now.Add(s.cfg.NearRealtimeReplayCachePeriod)
		err = s.cfg.Windows.Save(ctx, *next)
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
		if now = s.cfg.Now(); s.usable(w, now) && now.Before(s.cfg.due(w)) && len(c.told(w.newest().Key)) == 0 {
			return w, nil
		}
	}
	if s.usable(w, s.cfg.Now()) {
		return w, nil // others keep it fresh
	}
	return nil, ErrConflict
}

// create makes a window where there is none.
func (s *Service) create(ctx context.Context, c *local, old *Window, req request, now time.Time) (*Window, error) {
	if req.event {
		return s.createEvent(ctx, old, req, now)
	}
	from := now.Add(-s.cfg.NearRealtimeReplayPrecedingPeriod).UTC()
	told := c.told(from.Unix() - 1)
	c.mu.Lock()
	c.synced = true // what is told from here on is not missed, whatever the listing sees of it
	c.mu.Unlock()
	marks, err := s.recent(ctx, req.camera, from, now.UTC(), now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod), s.cfg.TSClipDuration)
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
	k := s.refine(ctx, req.camera, marks, maxLiveHeads)
	if s.cfg.EndPTS != nil && !k.foreign && !k.failed {
		_ = s.settleGaps(ctx, req.camera, marks, maxLiveTails, s.liveWait()) // it was logged
	}
	w := s.cfg.newWindow(old, marks, false, 0, now)
	s.begin(w, k, now)
	return w, nil
}

// tooYoung tells that a camera has just begun: how long its segments last, and so the target duration, which must never
// change, cannot be told from a single one. After two longest segments it is taken to be all there is.
func (s *Service) tooYoung(marks []mark, now time.Time) bool {
	return len(marks) == 1 && now.Unix()-marks[0].key < int64(2*s.cfg.M3U8TargetDuration)
}

// update returns w with the segments that came since, a copy to save when only its life must be prolonged, or w itself.
func (s *Service) update(ctx context.Context, c *local, w *Window, req request, now time.Time) (*Window, error) {
	newest := w.newest().Key
	marks := c.told(newest)
	c.mu.Lock()
	list := !s.cfg.Announced || !c.synced || req.event || now.Sub(s.cfg.due(w)) >= 10*time.Second
	c.synced = c.synced || list
	c.mu.Unlock()
	if list {
		usual := duration(s.cfg.beat(w).usual)
		from := time.Unix(newest+1, 0).UTC()
		if back := now.Add(-max(s.cfg.NearRealtimeReplayCachePeriod, s.cfg.NearRealtimeReplayPrecedingPeriod)).UTC(); from.Before(back) {
			from = back
		}
		latest := now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod)
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
		if len(marks) == 0 {
			c.mu.Lock()
			c.lacking = now
			c.mu.Unlock()
		}
	}
	next := w
	if len(marks) > 0 {
		before := w.last()
		k := s.locate(ctx, req.camera, w, &before, marks)
		next = s.cfg.advance(w, before, marks, now)
		next.Unsure, next.Unread, next.Foreign = k.Unsure, k.Unread, k.Foreign
		c.mu.Lock()
		lacking := c.lacking
		c.mu.Unlock()
		s.cfg.observe(next, now, lacking)
	} else if w.Expires.Sub(now) < s.cfg.NearRealtimeReplayCachePeriod/2 {
		prolonged := *w
		next = &prolonged
	}
	if req.event {
		next = s.endEvent(next, now)
	}
	return next, nil
}

// begin notes in a new window what is known of the camera.
func (s *Service) begin(w *Window, k known, now time.Time) {
	w.Foreign = k.foreign
	if k.unsure {
		w.Unsure = sureAfter
	}
	w.Lag = now.UnixMicro() - w.Last - s.cfg.beat(w).usual
}

const (
	sureAfter  = 16 // segments on the beat until a camera is believed to keep it
	checkEvery = 20 // segments placed by the beat until one is read to see whether it still holds
)

// locate finds the exact starts of the new segments marks. One that is on the camera's beat by its key is taken to be so
// exactly, without reading it, unless the camera is known to be unsteady or it is time to check; the others are read. Where
// one comes late, so is the end of the one ahead of it, which for the first of marks is before. The result carries what was
// learned of the camera, in Unsure, Unread and Foreign.
func (s *Service) locate(ctx context.Context, camera string, w *Window, before *mark, marks []mark) (k Window) {
	k = Window{Unsure: w.Unsure, Unread: w.Unread, Foreign: w.Foreign}
	if s.cfg.Heads == nil || k.Foreign {
		return k
	}
	b := s.cfg.beat(w)
	expected := w.Last
	onBeat := w.Exact && k.Unsure == 0 && len(w.Recent) >= 3
	i := 0
	for ; i < len(marks) && onBeat; i++ {
		expected += b.usual
		m := &marks[i]
		onBeat = k.Unread < checkEvery && m.start(expected) == expected
		if !onBeat {
			break
		}
		m.at, m.exact = expected, true
		k.Unread++
	}
	var which []int
	for j := i; j < len(marks); j++ {
		which = append(which, j)
	}
	which = which[max(0, len(which)-maxLiveHeads):]
	if len(which) == 0 {
		return k
	}
	n, failed := s.readStarts(ctx, camera, marks, which)
	if n == len(which) && !w.Exact {
		k.Foreign = true // neither now nor the time before
		return k
	}
	if failed == nil && n < len(which) {
		s.settleNew(ctx, camera, w, before, marks)
	}
	ahead := before
	if i > 0 {
		ahead = &marks[i-1]
	}
	for ; i < len(marks); i++ {
		m := &marks[i]
		if m.exact {
			k.Unread = 0
		}
		if d := distance(ahead, m); m.exact && ahead.exact && (!isGap(d, b.usual) || joined(ahead, m)) {
			if off := d - b.usual; off > closeBy || off < -closeBy {
				k.Unsure = sureAfter
			} else if k.Unsure > 0 {
				k.Unsure--
			}
		}
		ahead = m
	}
	return k
}
