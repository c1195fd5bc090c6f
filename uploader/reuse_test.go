// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// held is a Putter whose first Put copies what it is told to, says so, and goes on when it is told to.
type held struct {
	*bucket
	send chan int   // copy so many bytes
	end  chan error // and end
	data []byte
	obj  *uploader.Object
}

func newHeld(t *testing.T) *held {
	return &held{bucket: &bucket{t: t}, send: make(chan int), end: make(chan error)}
}

func (h *held) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	if h.obj != nil {
		return h.bucket.Put(ctx, o)
	}
	h.obj = o
	for {
		select {
		case n := <-h.send:
			h.data = appendFrom(h.data, o.Parts, n)
			o.Sent(len(h.data))
		case err := <-h.end:
			if err != nil {
				return time.Time{}, err
			}
			h.data = appendFrom(h.data, o.Parts, o.Size-len(h.data))
			sent := *o
			sent.Parts = [2][]byte{h.data}
			return h.bucket.Put(ctx, &sent)
		}
	}
}

// Room comes out of what was sent, in whole packets, before a segment that waits has to go. Then the segment cannot be sent again.
func TestSentPartIsReused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		sent   float64 // of the segment in flight
		err    error
		stored []int // seconds
		drops  []uploader.DropReason
		again  bool
	}{
		{"nothing is sent: the segment that waits goes", 0, nil, []int{0, 6}, []uploader.DropReason{uploader.DropRingFull}, true},
		{"all is sent and the upload succeeds: nothing is lost", 1, nil, []int{0, 3, 6}, nil, false},
		{"most is sent and the upload succeeds: nothing is lost", 0.8, nil, []int{0, 3, 6}, nil, false},
		{"all is sent and the upload fails: that segment is lost, and only it", 1, errors.New("reset"), []int{3, 6}, []uploader.DropReason{uploader.DropRingFull}, false},
		{"all is sent, and the name is taken: it cannot be stored under another", 1, uploader.ErrExists, []int{3, 6}, []uploader.DropReason{uploader.DropRingFull}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHeld(t)
				var drops []uploader.DropReason
				u := mustNew(t, uploader.Config{Putter: h, Epoch: epoch, RingBytes: 420_000, MinTimeout: time.Hour, MaxTimeout: time.Hour,
					OnDrop: func(d uploader.Drop) { drops = append(drops, d.Reason) }})
				e := &encoder{fps: 25, gop: 75, size: 2000} // segments of 170 kB: the ring holds two and a half
				write := func(n int) {
					for range n {
						mustWrite(t, u, e.next())
					}
					synctest.Wait()
				}
				write(76)
				h.send <- int(tt.sent * float64(h.obj.Size))
				time.Sleep(time.Minute) // it is slow: the uplink will not stand idle soon
				write(145)              // up to two pictures before the end of the third segment
				if got := h.obj.Again(); got != tt.again {
					t.Errorf("the segment in flight can be sent again: %v, want %v", got, tt.again)
				}
				s := u.Stats()
				if checkSums(t, s); s.RingUsed > s.RingBytes || s.RingUsed%188 != 0 {
					t.Errorf("%d of %d bytes of the ring in use", s.RingUsed, s.RingBytes)
				}
				h.end <- tt.err
				synctest.Wait()
				mustClose(t, u)
				if got := seconds(t, epoch, h.all()); len(got) != len(tt.stored) || len(drops) != len(tt.drops) {
					t.Fatalf("segments at %v are stored and %v dropped, want %v and %v", got, drops, tt.stored, tt.drops)
				}
				for i, at := range seconds(t, epoch, h.all()) {
					if at != tt.stored[i] {
						t.Errorf("segment %d is of second %d, want %v", i, at, tt.stored)
					}
				}
				for _, c := range readAllWithGaps(t, h.all()) {
					if n := len(c.video); n != 75 && n != 71 {
						t.Errorf("a segment has %d pictures", n)
					}
				}
				if s := u.Stats(); s.DroppedTooLarge.Segments != 0 || s.DroppedFull.Segments != int64(len(tt.drops)) {
					t.Errorf("dropped %+v complete, %+v open", s.DroppedFull, s.DroppedTooLarge)
				}
			})
		})
	}
}

// A segment that may be sent again keeps all of its bytes until it reports some as sent once more.
func TestAgainKeepsTheBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld(t)
		u := mustNew(t, uploader.Config{Putter: h, Epoch: epoch, RingBytes: 420_000, MinTimeout: time.Hour, MaxTimeout: time.Hour})
		e := &encoder{fps: 25, gop: 75, size: 2000}
		for range 76 {
			mustWrite(t, u, e.next())
		}
		synctest.Wait()
		h.send <- h.obj.Size
		synctest.Wait()
		if !h.obj.Again() {
			t.Fatal("all is there and the object cannot be sent again")
		}
		h.data = h.data[:0]
		time.Sleep(time.Minute)
		for range 145 {
			mustWrite(t, u, e.next())
		}
		h.end <- nil // copies all of it: the bucket checks the checksum
		synctest.Wait()
		if s := u.Stats(); s.DroppedFull.Segments != 1 || s.Stored.Segments < 1 {
			t.Errorf("%+v dropped, %+v stored; want the segment that waited to go", s.DroppedFull, s.Stored)
		}
		mustClose(t, u)
	})
}

// A try lives as long as it gets on, and not much longer.
func TestTriesEndWhenNothingMoves(t *testing.T) {
	for _, tt := range []struct {
		name       string
		rate       func(at time.Duration) float64 // bytes per second
		silent     bool
		tries      int
		within     time.Duration // the first try
		stored     bool
		ring, size int
	}{
		{"a segment that takes two minutes and moves is stored at the first try", func(time.Duration) float64 { return 2_000 }, false, 1, 0, true, 4 << 20, 1000},
		{"without reports the try ends at its limit", func(time.Duration) float64 { return 1_000 }, true, 2, 60 * time.Second, false, 4 << 20, 1000},
		{"a black hole in the middle ends the try after 5 s and the time for what is in the kernel", func(at time.Duration) float64 {
			if at < 5*time.Second {
				return 20_000
			}
			return 0
		}, false, 2, 30 * time.Second, false, 4 << 20, 2000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLink(t, 0)
				l.buffer, l.silent = 20_000, tt.silent
				begin := time.Now()
				l.rate = func() float64 { return tt.rate(time.Since(begin)) }
				u := mustNew(t, uploader.Config{Putter: l, Epoch: epoch, RingBytes: tt.ring})
				e := &encoder{fps: 25, gop: 75, size: tt.size}
				for range 76 {
					mustWrite(t, u, e.next())
				}
				time.Sleep(3 * time.Minute)
				s := u.Stats()
				if (s.Stored.Segments == 1) != tt.stored || tt.stored && s.Attempts != 1 {
					t.Errorf("stored %d at try %d (failed %v), want %v", s.Stored.Segments, s.Attempts, l.took, tt.stored)
				}
				if !tt.stored && (len(l.took) == 0 || l.took[0] > tt.within) {
					t.Errorf("tries ended after %v, want the first within %v", l.took, tt.within)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_ = u.Close(ctx)
			})
		})
	}
}
