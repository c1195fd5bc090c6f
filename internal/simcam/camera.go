// SPDX-License-Identifier: Apache-2.0

package simcam

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// DefaultDrainTimeout is how long [Camera.Run] waits at its end for the last segments to be stored.
const DefaultDrainTimeout = 5 * time.Second

// maxBehind is how late a camera may be before it skips to the present: after a machine was asleep, say.
const maxBehind = 2 * time.Second

// Config says what a camera shows and where it uploads.
type Config struct {
	Clip Clip
	// Uploader is what the camera feeds. Prefix and Putter are required; Epoch, Audio and Now are set here.
	Uploader     uploader.Config
	DrainTimeout time.Duration // default DefaultDrainTimeout

	Now func() time.Time // default time.Now; waiting uses the timers of package time, as in a testing/synctest bubble
}

// Camera is a simulated camera.
type Camera struct {
	cfg  Config
	reel *Reel
	up   *uploader.Uploader
	log  *slog.Logger
	base time.Time // the loop's start from which times are counted
}

// New returns a camera that is switched off.
func New(cfg Config) (*Camera, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.DrainTimeout <= 0 {
		cfg.DrainTimeout = DefaultDrainTimeout
	}
	reel, err := cfg.Clip.Recording(0)
	if err != nil {
		return nil, err
	}
	c := &Camera{cfg: cfg, reel: reel, log: cfg.Uploader.Logger, base: cfg.Now().UTC().Truncate(Loop)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	cfg.Uploader.Epoch = c.base
	cfg.Uploader.Audio = cfg.Clip.Audio != nil
	cfg.Uploader.Now = cfg.Now
	if c.up, err = uploader.New(cfg.Uploader); err != nil {
		return nil, err
	}
	return c, nil
}

// Run captures in lockstep with the clock, beginning at the next full second, until ctx ends. Then it stores what it still
// holds, for at most DrainTimeout; the error says what was lost. It may be called once.
func (c *Camera) Run(ctx context.Context) error {
	err := c.capture(ctx)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.DrainTimeout)
	defer cancel()
	return errors.Join(err, c.up.Close(drain))
}

// Stats returns the uploader's counters.
func (c *Camera) Stats() uploader.Stats { return c.up.Stats() }

func (c *Camera) capture(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	c.reel.seek(c.cfg.Now().Sub(c.base))
	for {
		u := c.reel.next()
		wait := c.base.Add(u.At).Sub(c.cfg.Now())
		if wait < -maxBehind {
			c.log.Warn("simulated camera was asleep", "camera", c.cfg.Uploader.Prefix, "missed", -wait)
			c.reel.seek(c.cfg.Now().Sub(c.base))
			continue
		}
		if wait > 0 {
			timer.Reset(wait)
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
		} else if ctx.Err() != nil {
			return nil
		}
		if err := c.write(u); err != nil && !errors.Is(err, uploader.ErrTooLarge) { // that one is counted, and the next IDR recovers
			return fmt.Errorf("simulated camera %s: %w", c.cfg.Uploader.Prefix, err)
		}
	}
}

func (c *Camera) write(u Unit) error {
	if u.Video {
		return c.up.WriteVideo(uploader.AccessUnit{Data: u.Data, PTS: u.At, DTS: u.At})
	}
	return c.up.WriteAudio(uploader.AudioFrame{Data: u.Data, PTS: u.At})
}
