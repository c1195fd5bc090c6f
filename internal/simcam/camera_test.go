// SPDX-License-Identifier: Apache-2.0

package simcam_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
	"github.com/s3cam/s3cam/uploader"
)

// bucket keeps segments in the order in which they were stored.
type bucket struct {
	keys []string
	data [][]byte
	fail error
}

func (b *bucket) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	if b.fail != nil {
		return time.Time{}, b.fail
	}
	b.keys = append(b.keys, o.Key)
	b.data = append(b.data, slices.Concat(o.Parts[:]...))
	return time.Now(), nil
}

// Each picture is captured when its index says, to the tick: what a browser test reads from a picture is the truth.
func TestCameraIsInLockstepWithTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(7*time.Hour + 3*time.Second + 420*time.Millisecond)
		var b bucket
		cam, err := simcam.New(simcam.Config{Clip: simcam.FrontDoor(), Uploader: uploader.Config{Prefix: "cam", Putter: &b, SegmentDuration: time.Second, UploadJitter: -1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
		defer cancel()
		began := time.Now()
		if err := cam.Run(ctx); err != nil {
			t.Fatal(err)
		}
		s := cam.Stats()
		if s.Stored.Segments != 45 || s.Stored != s.Sealed || s.Dropped().Segments != 0 || s.AudioFrames < 44*31 {
			t.Errorf("stats %+v", s)
		}
		next := began.Truncate(time.Second).Add(time.Second)
		pictures := pictures(t, simcam.FrontDoor())
		for i, key := range b.keys {
			want := next.Add(time.Duration(i) * time.Second)
			if key != segment.Key("cam", want) {
				t.Errorf("segment %d is %s, want the one of %v", i, key, want)
			}
			d := mpegts.NewDemuxer(bytes.NewReader(b.data[i]))
			for {
				u, err := d.Next()
				if err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if u.Kind != mpegts.Video {
					continue
				}
				at := want.Add(time.Duration((u.PTS-segment.PTS(want))&(1<<33-1)) * time.Second / segment.Timescale)
				index := slices.IndexFunc(pictures, func(p string) bool { return strings.Contains(string(u.Data), p) })
				if index < 0 {
					t.Fatalf("the picture at %v is none of the clip", at)
				}
				if got := simcam.FrameTime(index, at.Add(time.Millisecond)); got.Sub(at).Abs() > 20*time.Microsecond {
					t.Fatalf("the picture with index %d has the time %v; FrameTime says %v", index, at, got)
				}
			}
		}
	})
}

// pictures returns the last bytes of each picture of a clip, which tell it from the others.
func pictures(t *testing.T, c simcam.Clip) (list []string) {
	t.Helper()
	r, err := c.Recording(simcam.Loop)
	if err != nil {
		t.Fatal(err)
	}
	for {
		u, err := r.Next()
		if err == io.EOF {
			if len(list) != simcam.Frames {
				t.Errorf("%d pictures, want %d", len(list), simcam.Frames)
			}
			return list
		}
		if u.Video {
			list = append(list, string(u.Data[max(0, len(u.Data)-200):]))
		}
	}
}

// A machine that was asleep goes on with the present, not with what it missed.
func TestCameraWakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asleep atomic.Int64
		var b bucket
		cam, err := simcam.New(simcam.Config{Clip: simcam.Workshop(), Now: func() time.Time { return time.Now().Add(time.Duration(asleep.Load())) },
			Uploader: uploader.Config{Prefix: "cam", Putter: &b, SegmentDuration: time.Second, UploadJitter: -1}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		time.AfterFunc(10*time.Second, func() { asleep.Store(int64(time.Hour)) })
		if err := cam.Run(ctx); err != nil {
			t.Fatal(err)
		}
		var jumps int
		for i := 1; i < len(b.keys); i++ {
			_, a, _ := segment.ParseKey(b.keys[i-1])
			_, z, _ := segment.ParseKey(b.keys[i])
			if d := z.Sub(a); d > 59*time.Minute && d < 61*time.Minute {
				jumps++
			} else if d != time.Second {
				t.Errorf("%s comes %v after %s", b.keys[i], d, b.keys[i-1])
			}
		}
		if jumps != 1 || len(b.keys) < 18 || len(b.keys) > 23 {
			t.Errorf("%d jumps in %d segments; want one in about 20", jumps, len(b.keys))
		}
	})
}

func TestCameraReportsWhatItCannotStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bucket{fail: errors.New("down")}
		cam, err := simcam.New(simcam.Config{Clip: simcam.Workshop(), DrainTimeout: 2 * time.Second,
			Uploader: uploader.Config{Prefix: "cam", Putter: &b}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := cam.Run(ctx); !errors.Is(err, uploader.ErrNotStored) {
			t.Errorf("Run = %v, want ErrNotStored", err)
		}
		if took := time.Since(began); took > 13*time.Second {
			t.Errorf("it took %v, want the 10 s and 2 s of draining", took)
		}
		if s := cam.Stats(); s.DroppedClosed.Segments == 0 {
			t.Errorf("nothing is counted as dropped: %+v", s)
		}
	})
	if _, err := simcam.New(simcam.Config{Clip: simcam.Workshop()}); err == nil {
		t.Error("a camera without an uploader's configuration was accepted")
	}
}
