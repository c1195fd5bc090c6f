// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/s3cam/s3cam/hls"
)

// Replay returns the recording of camera from start to end as a VOD playlist: from the segment that contains start (with
// EXT-X-START pointing into it) to the last one that begins before end. Ranges with the same footage give the same text.
//
// A zero end asks for an EVENT playlist: it begins at start, grows as segments arrive and never changes what it has
// shown. It is ended when the camera is silent for NearRealtimeReplayCachePeriod or MaxReplay is reached.
//
// Errors: ErrBadCamera, *RangeError, ErrNoSegments when nothing is recorded in the range; else what Store or WindowStore
// said.
func (s *Service) Replay(ctx context.Context, camera string, start, end time.Time) (hls.Playlist, error) {
	if err := checkCamera(camera); err != nil {
		return hls.Playlist{}, err
	}
	now := s.cfg.Now()
	if err := s.checkRange(start, end, now, s.cfg.MaxReplay); err != nil {
		return hls.Playlist{}, err
	}
	var p hls.Playlist
	var err error
	if from := s.retained(camera, start.UTC(), now); end.IsZero() {
		p, err = s.event(ctx, camera, start, from)
	} else {
		p, err = s.vod(ctx, camera, from, end.UTC(), now)
	}
	if err != nil {
		return hls.Playlist{}, fmt.Errorf("replay %s from %s: %w", camera, start.UTC().Format(time.RFC3339), err)
	}
	return p, nil
}

// checkRange refuses ranges that cannot mean anything. end may be zero.
func (s *Service) checkRange(start, end, now time.Time, longest time.Duration) error {
	switch {
	case start.IsZero():
		return &RangeError{"start", "it is missing"}
	case start.Unix() < 0 || start.UTC().Year() > 9999:
		return &RangeError{"start", "the year is not within 1970..9999"}
	case start.After(now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod)):
		return &RangeError{"start", "it lies in the future"}
	case end.IsZero():
		return nil
	case !end.After(start):
		return &RangeError{"end", "it is not after start"}
	case end.UTC().Year() > 9999:
		return &RangeError{"end", "the year is not within 1970..9999"}
	case end.Sub(start) > longest:
		return &RangeError{"end", fmt.Sprintf("it is more than %v after start, the longest range allowed", longest)}
	}
	return nil
}

// timeout is how long the store may take for a range of that length: a third more for each day after the first.
func (s *Service) timeout(length time.Duration) time.Duration {
	return s.cfg.StoreTimeout + s.cfg.StoreTimeout/3*(max(0, length-1)/day)
}

// lookBack is how much before a moment the segment that contains it may have begun.
func (s *Service) lookBack() time.Duration {
	return max(time.Duration(s.cfg.M3U8TargetDuration)*time.Second, s.cfg.TSClipDuration) + time.Second
}

func (s *Service) vod(ctx context.Context, camera string, start, end, now time.Time) (hls.Playlist, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout(end.Sub(start)))
	defer cancel()
	to := end
	if latest := now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod); to.After(latest) {
		to = latest
	}
	if !start.Before(to) { // all of the range is about to be deleted
		return hls.Playlist{}, ErrNoSegments
	}
	marks, err := s.between(ctx, camera, start.Add(-s.lookBack()), to)
	if err != nil {
		return hls.Playlist{}, err
	}
	marks = s.lasting(camera, start, now, marks)
	k := s.refine(ctx, camera, marks, maxHeads)
	s.settleReplay(ctx, camera, marks, to, now, k)
	entries, _ := layout(marks, s.cfg.TSClipDuration, time.Duration(s.cfg.M3U8TargetDuration)*time.Second)
	entries = cutFront(entries, start.UnixMicro())
	for len(entries) > 0 && entries[len(entries)-1].Start >= to.UnixMicro() {
		entries = entries[:len(entries)-1]
	}
	if len(entries) == 0 {
		return hls.Playlist{}, ErrNoSegments
	}
	p := hls.Playlist{
		TargetDuration: targetDuration(entries),
		Type:           hls.VOD,
		Independent:    true,
		Segments:       segmentsOf(entries),
		Ended:          true,
	}
	if offset := start.UnixMicro() - entries[0].Start; offset > 0 {
		p.HasStart, p.StartOffset = true, duration(offset)
	}
	return p, nil
}

// eventID names the shared state of the EVENT playlist of camera from start. A camera id holds no control character, so
// it is never one itself.
func eventID(camera string, start time.Time) string {
	return camera + "\n" + strconv.FormatInt(start.UnixMicro(), 10)
}

func (s *Service) event(ctx context.Context, camera string, start, from time.Time) (hls.Playlist, error) {
	w, err := s.window(ctx, request{id: eventID(camera, start), camera: camera, event: true, from: from})
	if err != nil {
		return hls.Playlist{}, err
	}
	return w.playlist(), nil
}

// createEvent makes the first state of an EVENT playlist: everything from its start until now.
func (s *Service) createEvent(ctx context.Context, old *Window, req request, now time.Time) (*Window, error) {
	to := now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod)
	if most := req.from.Add(s.cfg.MaxReplay); to.After(most) {
		to = most
	}
	marks, err := s.between(ctx, req.camera, req.from.Add(-s.lookBack()), to.UTC())
	if err != nil {
		return nil, err
	}
	marks = s.lasting(req.camera, req.from, now, marks)
	listed := to
	for len(marks) > 0 && marks[len(marks)-1].key >= to.Unix() {
		marks, listed = marks[:len(marks)-1], time.Time{} // the last one left has a successor
	}
	if len(marks) == 0 {
		return nil, ErrNoSegments
	}
	if s.tooYoung(marks, now) {
		return nil, fmt.Errorf("%w: only one so far", ErrNoSegments)
	}
	k := s.refine(ctx, req.camera, marks, maxHeads)
	s.settleReplay(ctx, req.camera, marks, listed, now, k)
	w := s.cfg.newWindow(old, marks, true, req.from.UnixMicro(), now)
	if len(w.Entries) == 0 {
		return nil, ErrNoSegments
	}
	s.begin(w, k, now)
	return s.endEvent(w, now), nil
}

// endEvent ends an EVENT playlist that is as long as it may be, or whose camera has been silent for long.
func (s *Service) endEvent(w *Window, now time.Time) *Window {
	length := w.newest().end() - w.From
	silence := now.UnixMicro() - w.newest().end()
	if w.Ended || (length < micros(s.cfg.MaxReplay) && silence < micros(s.cfg.NearRealtimeReplayCachePeriod)) {
		return w
	}
	ended := *w
	ended.Ended = true
	return &ended
}
