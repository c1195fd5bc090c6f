// SPDX-License-Identifier: Apache-2.0

package demosite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/uploader"
)

// Start and length of the demo's recording. The site, the manual and the stack's outputs link to this moment.
const (
	VideoStart    = 1609459200 // Unix seconds of 2021-01-01 00:00:00 UTC
	VideoSeconds  = 60         // three rounds of the clip
	videoRing     = 8 << 20    // holds all of it
	recordTimeout = 30 * time.Second
)

// Segment is one segment of the recording.
type Segment struct {
	Key    string
	Data   []byte
	CRC32C uint32
}

// Record makes the demo's recording of camera prefix in memory: the frames of the simulated front door camera, cut and muxed by
// the uploader as a camera does it. The clock is that of the frames, so the result is the same whenever it is made.
func Record(ctx context.Context, prefix string) ([]Segment, error) {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	clip := simcam.FrontDoor()
	reel, err := clip.Recording(VideoSeconds * time.Second)
	if err != nil {
		return nil, err
	}
	epoch := time.Unix(VideoStart, 0).UTC()
	clock := &virtualClock{now: epoch}
	var memory recorder
	up, err := uploader.New(uploader.Config{
		Prefix: prefix, Putter: &memory, Epoch: epoch, Audio: clip.Audio != nil,
		RingBytes: videoRing, UploadJitter: -1, Now: clock.read,
	})
	if err != nil {
		return nil, err
	}
	feed := func() error {
		for {
			u, err := reel.Next()
			if err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			clock.set(epoch.Add(u.At))
			if u.Video {
				err = up.WriteVideo(uploader.AccessUnit{Data: u.Data, PTS: u.At, DTS: u.At})
			} else {
				err = up.WriteAudio(uploader.AudioFrame{Data: u.Data, PTS: u.At})
			}
			if err != nil {
				return err
			}
		}
	}
	if err := errors.Join(feed(), up.Close(ctx)); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return memory.segments, nil
}

// recorder is a Putter that keeps what it gets. It is called from one goroutine, which has ended when Close returns.
type recorder struct{ segments []Segment }

func (r *recorder) Put(_ context.Context, o *uploader.Object) (time.Time, error) {
	data := make([]byte, 0, o.Size)
	for _, part := range o.Parts {
		data = append(data, part...)
	}
	r.segments = append(r.segments, Segment{o.Key, data, o.CRC32C})
	return time.Time{}, nil
}

type virtualClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *virtualClock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *virtualClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// writeVideo stores the segments of the recording that are not there.
func (i *Installer) writeVideo(ctx context.Context, bucket *s3.Client, prefix string) error {
	segments, err := Record(ctx, prefix)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	stored := 0
	var todo []func() error
	for n := range segments {
		s := &segments[n]
		todo = append(todo, func() error {
			_, err := bucket.Put(ctx, s.Key, s3.NewParts(s.Data), int64(len(s.Data)),
				s3.PutOptions{ContentType: "video/mp2t", IfNoneMatch: true, CRC32C: &s.CRC32C})
			if errors.Is(err, s3.ErrExists) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			stored++
			return err
		})
	}
	if err := together(todo); err != nil {
		return err
	}
	i.cfg.Logger.Info("demo site: demo video is there", "bucket", bucket.Bucket(), "camera", prefix, "segments", len(segments), "stored", stored)
	return nil
}
