// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

func TestCloseBeforeAnyFrame(t *testing.T) {
	u := mustNew(t, uploader.Config{Putter: &bucket{t: t}})
	for range 3 {
		mustClose(t, u)
	}
	if s := u.Stats(); s != (uploader.Stats{}) {
		t.Errorf("stats after nothing: %+v", s)
	}
}

// Close with any state of the uploader and the server ends within its context, frees everything (synctest fails when a goroutine
// is left), and says what was lost.
func TestCloseAtAnyTime(t *testing.T) {
	for _, tt := range []struct {
		name    string
		pattern func(ctx context.Context) error
		play    time.Duration
		ctx     time.Duration // of Close; negative: cancelled already
		within  time.Duration
		lost    int // segments at most, 0 = nothing may be lost
	}{
		{"in the middle of a segment", nil, 4 * time.Second, time.Minute, time.Second, 0},
		{"after one picture", nil, 40 * time.Millisecond, time.Minute, time.Second, 0},
		{"cancelled already, nothing pending but the open one", nil, 4 * time.Second, -1, 0, 1},
		{"server hangs", hang, 10 * time.Second, 5 * time.Second, 5 * time.Second, 4},
		{"server hangs, cancelled already", hang, 10 * time.Second, -1, 0, 4},
		{"server refuses", refuse, 10 * time.Second, 5 * time.Second, 5 * time.Second, 4},
		{"server rejects", func(context.Context) error { return uploader.ErrRejected }, 10 * time.Second, 5 * time.Second, 5 * time.Second, 4},
		{"server is slow", func(ctx context.Context) error { time.Sleep(2 * time.Second); return ctx.Err() }, 10 * time.Second, time.Minute, 20 * time.Second, 0},
		{"server comes back while closing", outageOf(12 * time.Second), 10 * time.Second, time.Minute, 20 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				b := &bucket{t: t}
				if tt.pattern != nil {
					b.before = func(ctx context.Context, _ *uploader.Object, _ int) error {
						return tt.pattern(context.WithValue(ctx, beginKey{}, begin))
					}
				}
				var drops int
				u := mustNew(t, uploader.Config{Putter: b, Now: now, OnDrop: func(d uploader.Drop) {
					if d.Reason != uploader.DropClosed {
						t.Errorf("dropped for %q", d.Reason)
					}
					drops++
				}})
				play(t, u, &encoder{fps: 25, gop: 25, size: 500}, tt.play)
				ctx, cancel := context.WithTimeout(t.Context(), max(tt.ctx, 0))
				defer cancel()
				closing := time.Now()
				var wg sync.WaitGroup
				errs := make([]error, 3)
				for i := range errs { // several at once get the same answer
					wg.Go(func() { errs[i] = u.Close(ctx) })
				}
				wg.Wait()
				if took := time.Since(closing); took > tt.within {
					t.Errorf("Close took %v, want %v at most", took, tt.within)
				}
				s := u.Stats()
				checkSums(t, s)
				for _, err := range errs {
					if err != errs[0] {
						t.Errorf("Close = %v and %v", errs[0], err)
					}
				}
				if (errs[0] != nil) != (drops > 0) || drops > tt.lost || tt.lost > 0 && drops == 0 && tt.pattern != nil {
					t.Errorf("%d lost, Close = %v; want at most %d", drops, errs[0], tt.lost)
				}
				if drops > 0 && (!errors.Is(errs[0], uploader.ErrNotStored) || !strings.Contains(errs[0].Error(), fmt.Sprintf("%d segments", drops))) {
					t.Errorf("Close = %v, want ErrNotStored with %d segments", errs[0], drops)
				}
				if s.DroppedClosed.Segments != int64(drops) || s.Pending.Segments != 0 || s.Open.Segments != 0 || s.RingUsed != 0 {
					t.Errorf("after Close: %+v", s)
				}
				readAll(t, b.all())
			})
		})
	}
}

type beginKey struct{}

// outageOf refuses until the bubble is that old.
func outageOf(d time.Duration) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if time.Since(ctx.Value(beginKey{}).(time.Time)) < d {
			return errors.New("reset")
		}
		return nil
	}
}

// Close and writes from two threads at once: whatever comes after is refused, whatever came before is accounted for.
func TestCloseWhileWriting(t *testing.T) {
	for round := range 20 {
		b := &bucket{t: t}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: true, SegmentDuration: time.Second})
		var wg sync.WaitGroup
		started := make(chan struct{})
		wg.Go(func() {
			e := &encoder{fps: 25, gop: 25, size: 300}
			for n := 0; ; n++ {
				if err := u.WriteVideo(e.next()); err != nil {
					if !errors.Is(err, uploader.ErrClosed) {
						t.Error(err)
					}
					return
				}
				if n == 10*round {
					close(started)
				}
			}
		})
		wg.Go(func() {
			for n := 0; ; n++ {
				err := u.WriteAudio(uploader.AudioFrame{Data: adts(n, 100), PTS: time.Duration(n) * audioStep})
				if err != nil {
					if !errors.Is(err, uploader.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
		<-started
		mustClose(t, u)
		wg.Wait()
		s := u.Stats()
		if s.Sealed != s.Stored {
			// The ring is larger than what a round writes unless it overflowed; then drops are counted.
			if s.DroppedFull.Segments == 0 {
				t.Errorf("sealed %+v, stored %+v", s.Sealed, s.Stored)
			}
		}
	}
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch})
		e := &encoder{fps: 25, gop: 25, size: 500}
		if err := u.Flush(); err != nil {
			t.Errorf("Flush without a picture: %v", err)
		}
		for range 30 {
			mustWrite(t, u, e.next())
		}
		for range 2 {
			if err := u.Flush(); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if got := b.all(); len(got) != 1 || len(read(t, got[0]).video) != 30 {
			t.Fatalf("after Flush %d segments are stored, want one with 30 pictures", len(got))
		}
		for range 45 { // 20 P pictures, then a GOP
			mustWrite(t, u, e.next())
		}
		mustClose(t, u)
		if got, want := seconds(t, epoch, b.all()), []int{0, 2}; !slices.Equal(got, want) {
			t.Errorf("segments at %v, want %v", got, want)
		}
		if s := u.Stats(); s.DroppedBeforeIDR != 20 || s.Stored.Frames != 55 {
			t.Errorf("%d dropped, %d stored; want 20, 55", s.DroppedBeforeIDR, s.Stored.Frames)
		}
		readAll(t, b.all())
	})
}

// A live stream that stops: its last segment does not wait for the next picture.
func TestIdleStreamIsCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		u := mustNew(t, uploader.Config{Putter: b, Now: now})
		e := &encoder{fps: 25, gop: 25, size: 500}
		play(t, u, e, 4*time.Second)
		time.Sleep(time.Minute)
		if got := len(b.all()); got != 2 {
			t.Errorf("%d segments stored a minute after the last picture, want both", got)
		}
		e.n += 25 * 60
		play(t, u, e, 2*time.Second)
		mustClose(t, u)
		readAll(t, b.all())
		if s := u.Stats(); s.DroppedBeforeIDR != 0 || s.Stored.Frames != 150 {
			t.Errorf("%d dropped, %d stored; want 0, 150", s.DroppedBeforeIDR, s.Stored.Frames)
		}
	})
}

// A segment that outgrows the ring is dropped as a whole, each of its further pictures is refused, and the next IDR starts anew.
func TestSegmentTooLargeForTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		var drops []uploader.Drop
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, RingBytes: 100_000, OnDrop: func(d uploader.Drop) { drops = append(drops, d) }})
		e := &encoder{fps: 25, gop: 100, size: 500} // 100 pictures: 65 kB
		write := func(n int) (refused int) {
			for range n {
				err := u.WriteVideo(e.next())
				if err != nil {
					refused++
					if !errors.Is(err, uploader.ErrTooLarge) || !strings.Contains(err.Error(), "RingBytes") {
						t.Errorf("WriteVideo = %v, want ErrTooLarge with a hint", err)
					}
				}
				synctest.Wait()
			}
			return refused
		}
		if got := write(100); got != 0 {
			t.Fatalf("%d pictures refused", got)
		}
		e.size = 3000
		taken := 100 - write(100)
		e.size = 500
		if got := write(100); got != 0 {
			t.Errorf("%d pictures refused after the IDR", got)
		}
		// A single picture larger than the ring, which is an IDR or not.
		e.size = 60_000
		if got := write(1); got != 1 {
			t.Error("a picture larger than the ring was taken")
		}
		e.size = 500
		if got := write(99); got != 99 {
			t.Errorf("%d pictures without their IDR refused, want 99", got)
		}
		if got := write(50); got != 0 {
			t.Errorf("%d pictures refused after the IDR", got)
		}
		mustClose(t, u)
		if got, want := seconds(t, epoch, b.all()), []int{0, 8, 16}; !slices.Equal(got, want) {
			t.Errorf("segments at %v, want %v", got, want)
		}
		for _, c := range readAllWithGaps(t, b.all()) {
			if n := len(c.video); n != 100 && n != 50 {
				t.Errorf("a segment has %d pictures", n)
			}
		}
		s := u.Stats()
		if s.DroppedTooLarge.Segments != 2 || len(drops) != 2 || drops[0].Reason != uploader.DropTooLarge || drops[0].Frames != taken+1 {
			t.Errorf("drops %+v, counted %+v", drops, s.DroppedTooLarge)
		}
		if s.DroppedBeforeIDR != int64(99-taken+99) {
			t.Errorf("%d dropped until the IDR, want %d", s.DroppedBeforeIDR, 99-taken+99)
		}
	})
}

func TestNewReportsAllProblems(t *testing.T) {
	_, err := uploader.New(uploader.Config{Prefix: "a//b", SegmentDuration: time.Millisecond, RingBytes: 5, Tags: "a b", ParameterSets: []byte("x"),
		RetryMin: time.Hour, RetryMax: -1, MinTimeout: time.Hour, UploadJitter: time.Hour, Epoch: time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err == nil {
		t.Fatal("New takes nonsense")
	}
	for _, want := range []string{"Prefix", "SegmentDuration", "RingBytes", "Putter", "Tags", "ParameterSets", "RetryMin", "RetryMax", "MinTimeout", "UploadJitter", "Epoch"} {
		if !strings.Contains(err.Error(), want+":") {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	u := mustNew(t, uploader.Config{Prefix: "/cam1/", Putter: &bucket{t: t}})
	mustWrite(t, u, (&encoder{fps: 25, gop: 25, size: 50}).next())
	mustClose(t, u)
	if key := u.Stats().LastKey; !strings.HasPrefix(key, "cam1/20") {
		t.Errorf("key %q, want the slashes gone", key)
	}
}
