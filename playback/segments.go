// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"fmt"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Segments lists the segments of camera that may hold footage of start..end, in order: from one that begins up to 30 s before
// start to the last whose key is before end. Nothing is read from them, so Start is Key. The list is held in memory, 56 bytes
// for each segment; longest bounds the range.
//
// Errors: ErrBadCamera, *RangeError, ErrNoSegments when there is none; else what Store said.
func (s *Service) Segments(ctx context.Context, camera string, start, end time.Time, longest time.Duration) ([]segment.Segment, error) {
	if err := checkCamera(camera); err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	if end.IsZero() {
		return nil, &RangeError{"end", "it is missing"}
	}
	if err := s.checkRange(start, end, now, longest); err != nil {
		return nil, err
	}
	from, to := s.retained(camera, start.UTC(), now), end.UTC()
	if latest := now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod).UTC(); to.After(latest) {
		to = latest
	}
	if !from.Before(to) {
		return nil, ErrNoSegments
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout(to.Sub(from)))
	defer cancel()
	marks, err := s.between(ctx, camera, from.Add(-maxSegment), to)
	if err != nil {
		return nil, fmt.Errorf("segments of %s: %w", camera, err)
	}
	marks = s.lasting(camera, from, now, marks)
	list := make([]segment.Segment, 0, len(marks))
	for i := range marks {
		key := time.Unix(marks[i].key, 0).UTC()
		if !key.Before(to) {
			break
		}
		list = append(list, segment.Segment{Key: key, Start: key, Size: marks[i].size})
	}
	if len(list) == 0 {
		return nil, ErrNoSegments
	}
	return list, nil
}
