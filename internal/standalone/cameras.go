// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"fmt"
	"time"

	"github.com/s3cam/s3cam/internal/push"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/segment"
	"github.com/s3cam/s3cam/uploader"
)

// startCameras starts the simulated cameras, and stores the recording beside them.
func (s *server) startCameras(ctx context.Context) error {
	for _, cam := range s.cfg.Cameras {
		c, err := simcam.New(s.simulated(cam))
		if err != nil {
			return err
		}
		s.cameras.run(ctx, s.failed, func(ctx context.Context) error {
			if err := c.Run(ctx); err != nil {
				s.log.Warn("camera stopped before everything was stored", "camera", cam.ID, "err", err)
			}
			return nil
		})
	}
	if r := s.cfg.Recording; r != nil {
		s.cameras.run(ctx, s.failed, func(ctx context.Context) error {
			err := s.record(ctx, r)
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("recording of %s: %w", r.Camera.ID, err)
			}
			return nil
		})
	}
	return nil
}

func (s *server) simulated(cam Camera) simcam.Config {
	return simcam.Config{
		Clip: cam.Clip, Now: s.cfg.Now, DrainTimeout: cameraDrain,
		Uploader: uploader.Config{Prefix: cam.ID, SegmentDuration: cam.Segment, Putter: NewPutter(s.client), UploadJitter: -1, Logger: s.log},
	}
}

// record stores the recording, unless an earlier run did.
func (s *server) record(ctx context.Context, r *Recording) error {
	end := r.Start.Add(r.Duration)
	whole, err := s.recorded(ctx, r)
	if err != nil || whole {
		return err
	}
	reel, err := r.Camera.Clip.Recording(r.Duration)
	if err != nil {
		return err
	}
	began := time.Now()
	_, err = push.Run(ctx, push.Config{
		Frames: recorded{reel}, Start: r.Start, Now: s.cfg.Now,
		Uploader: uploader.Config{Prefix: r.Camera.ID, SegmentDuration: r.Camera.Segment, Putter: NewPutter(s.client), Audio: r.Camera.Clip.Audio != nil, Logger: s.log},
	})
	if err == nil {
		s.log.Info("recording stored", "camera", r.Camera.ID, "start", r.Start, "end", end, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// recorded gives the units of a simulated camera to push.
type recorded struct{ reel *simcam.Reel }

func (r recorded) Next() (push.Frame, error) {
	u, err := r.reel.Next()
	return push.Frame{Video: u.Video, Data: u.Data, PTS: u.At, DTS: u.At}, err
}

// recorded tells whether there is footage from the start to the end of the recording.
func (s *server) recorded(ctx context.Context, r *Recording) (bool, error) {
	length := r.Camera.Segment
	if length == 0 {
		length = uploader.DefaultSegmentDuration
	}
	end := r.Start.Add(r.Duration)
	next := r.Start
	err := s.bucket.List(ctx, segment.DayFolder(r.Camera.ID, r.Start), segment.StartAfter(r.Camera.ID, r.Start), 0, func(key []byte, _ int64) bool {
		_, at, ok := segment.ParseKey(key)
		if ok && at.Before(end) && at.Sub(next) <= length {
			next = at.Add(length)
		}
		return !ok || at.Before(end)
	})
	return err == nil && next.After(r.Start) && !next.Before(end), err
}
