// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// camera is a live feed in a bubble: an encoder whose timestamps begin anywhere, and a device clock that is wrong.
type camera struct {
	encoder
	wrong time.Duration // device clock minus true time
	zero  time.Duration // timestamp of picture 0
	audio bool
	began time.Time
	sound int
}

func (c *camera) now() time.Time { return now().Add(c.wrong) }

// play feeds pictures (and audio) in real time.
func (c *camera) play(t testing.TB, u *uploader.Uploader, length time.Duration) {
	t.Helper()
	if c.began.IsZero() {
		c.began = time.Now()
	}
	for n := int(length * time.Duration(c.fps) / time.Second); n > 0; n-- {
		au := c.next()
		au.PTS += c.zero
		au.DTS += c.zero
		mustWrite(t, u, au)
		for c.audio && time.Duration(c.sound)*audioStep < c.time(c.n) {
			if err := u.WriteAudio(uploader.AudioFrame{Data: adts(c.sound, 100), PTS: c.zero + time.Duration(c.sound)*audioStep}); err != nil {
				t.Fatal(err)
			}
			c.sound++
		}
		time.Sleep(time.Second / time.Duration(c.fps))
	}
}

// deviations returns how far the start of each segment is from the true time of its first picture, for an encoder that never restarted.
func deviations(start time.Time, all []content) []time.Duration {
	var list []time.Duration
	n := 0
	for _, c := range all {
		list = append(list, c.video[0].pts.Sub(start.Add(time.Duration(n)*40*time.Millisecond)))
		n += len(c.video)
	}
	return list
}

func TestLiveTimeIsTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		c := &camera{encoder: encoder{fps: 25, gop: 75, size: 500}, zero: 77 * time.Hour}
		u := mustNew(t, uploader.Config{Putter: b, Now: c.now})
		time.Sleep(123456789 * time.Nanosecond)
		start := now()
		c.play(t, u, 30*time.Second)
		mustClose(t, u)
		for i, d := range deviations(start, readAll(t, b.all())) {
			if d.Abs() > 6*time.Microsecond {
				t.Errorf("segment %d is %v from the true time", i, d)
			}
		}
	})
}

// A device whose clock is wrong: before anything is stored the server's answer moves all footage to the right time.
func TestWrongClockIsMendedBeforeAnythingIsStored(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wrong time.Duration
		down  time.Duration // the network comes up that late
	}{
		{"booted in 1970", -56 * 365 * 24 * time.Hour, 0},
		{"booted in 1970, and the network comes after 20 s", -56 * 365 * 24 * time.Hour, 20 * time.Second},
		{"two hours ahead", 2 * time.Hour, 10 * time.Second},
		{"twenty minutes behind", -20*time.Minute - 345*time.Millisecond, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &camera{encoder: encoder{fps: 25, gop: 75, size: 500}, wrong: tt.wrong, zero: time.Second, audio: true}
				begin := time.Now()
				b := &bucket{t: t, server: now}
				skews := 0
				b.before = func(_ context.Context, o *uploader.Object, _ int) error {
					if time.Since(begin) < tt.down {
						return uploader.ErrNotSent
					}
					if off := o.Time.Sub(now()); off.Abs() > 15*time.Minute {
						skews++
						return uploader.ErrClockSkew
					}
					return nil
				}
				// Without network there is no date either.
				withNetwork := &networked{bucket: b, up: func() bool { return time.Since(begin) >= tt.down }}
				u := mustNew(t, uploader.Config{Putter: withNetwork, Now: c.now, Audio: true})
				start := now()
				c.play(t, u, 60*time.Second)
				mustClose(t, u)
				all := readAll(t, b.all())
				for i, d := range deviations(start, all) {
					if d.Abs() > 1100*time.Millisecond { // the Date header has whole seconds, and so has the move
						t.Errorf("segment %d is %v from the true time", i, d)
					}
				}
				pictures, sounds := 0, 0
				for _, s := range all {
					pictures += len(s.video)
					frames, _ := framesOf(t, s.audio)
					sounds += len(frames)
				}
				s := u.Stats()
				if pictures != 25*60 || sounds != c.sound || skews != 1 {
					t.Errorf("%d pictures, %d of %d audio frames, %d refusals; want 1500, all, 1", pictures, sounds, c.sound, skews)
				}
				if d := s.ClockOffset + tt.wrong; d.Abs() > time.Second || !s.ClockKnown || u.ClockOffset() != s.ClockOffset {
					t.Errorf("offset %v with a clock %v wrong", s.ClockOffset, tt.wrong)
				}
				if want := now(); s.LastStored.Sub(want).Abs() > time.Second {
					t.Errorf("last stored at %v, now is %v", s.LastStored, want)
				}
			})
		})
	}
}

type networked struct {
	*bucket
	up func() bool
}

func (n *networked) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	at, err := n.bucket.Put(ctx, o)
	if !n.up() {
		return time.Time{}, err
	}
	return at, err
}

// Once something is stored, time only goes forward: at once when the device is behind, by 5000 ppm when it is ahead.
func TestWrongClockAfterSomethingIsStored(t *testing.T) {
	for _, tt := range []struct {
		name   string
		wrong  time.Duration
		within time.Duration // of the true time in the end, after ten minutes
	}{
		{"five minutes behind", -5 * time.Minute, 700 * time.Millisecond},
		{"ten seconds ahead", 10 * time.Second, 7700 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bucket{t: t, server: now}
				c := &camera{encoder: encoder{fps: 25, gop: 75, size: 300}, wrong: tt.wrong, audio: true}
				u := mustNew(t, uploader.Config{Putter: b, Now: c.now})
				start := now()
				c.play(t, u, 10*time.Minute)
				mustClose(t, u)
				got := deviations(start, readAll(t, b.all())) // keys rise, DTS rises
				if d := got[0] - tt.wrong; d.Abs() > time.Millisecond {
					t.Errorf("the first segment is off by %v, want what the device clock says", got[0])
				}
				if last := got[len(got)-1]; last.Abs() > tt.within {
					t.Errorf("after ten minutes the time is off by %v, want %v", last, tt.within)
				}
			})
		})
	}
}

// The device clock steps (an operator, NTP) while the server confirms the time: nothing happens to the footage.
func TestEncoderRestartsAndStepsOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t, server: now}
		c := &camera{encoder: encoder{fps: 25, gop: 75, size: 300}, zero: 1000 * time.Hour}
		u := mustNew(t, uploader.Config{Putter: b, Now: c.now})
		start := now()
		c.play(t, u, 10*time.Second)
		// The encoder crashes and comes back after 7 s with timestamps from zero.
		time.Sleep(7 * time.Second)
		c.encoder, c.zero = encoder{fps: 25, gop: 75, size: 300}, 0
		c.play(t, u, 10*time.Second)
		// It loses its mind and counts from elsewhere, without a pause, in the middle of a GOP.
		c.zero = 500 * time.Hour
		c.play(t, u, 10*time.Second)
		mustClose(t, u)
		got := seconds(t, start, b.all())
		want := []int{0, 3, 6, 9, 17, 20, 23, 26, 29, 32, 35}
		if !slices.Equal(got, want) {
			t.Errorf("segments at %v, want %v", got, want)
		}
		s := u.Stats()
		if s.TimestampJumps != 2 || s.DroppedBeforeIDR != 0 || s.Stored.Frames != 750 {
			t.Errorf("%d jumps, %d dropped, %d stored; want 2, 0, 750", s.TimestampJumps, s.DroppedBeforeIDR, s.Stored.Frames)
		}
		readAll(t, b.all())
	})
}

// What a signer gets is the corrected time, also when the answer comes with another error.
func TestTimeOfObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t, server: now}
		var offs []time.Duration
		b.before = func(_ context.Context, o *uploader.Object, try int) error {
			offs = append(offs, o.Time.Sub(now()))
			if try == 1 {
				return errors.New("503")
			}
			return nil
		}
		u := mustNew(t, uploader.Config{Putter: b, Now: func() time.Time { return now().Add(-14 * time.Minute) }, ClockOffset: time.Minute})
		mustWrite(t, u, (&encoder{fps: 25, gop: 25, size: 50}).next())
		mustClose(t, u)
		if len(offs) != 2 || offs[0] != -13*time.Minute || offs[1].Abs() > time.Second {
			t.Errorf("signing times are off by %v, want -13 min, then about 0", offs)
		}
	})
}
