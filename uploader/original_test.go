// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// Defects of the original SDK that concern cutting, ring, keys and time, as measured on it, one test each. Those with a test of their own
// elsewhere: partial packets and errors on overflow (TestSegmentTooLargeForTheRing), start codes, delimiters, one NAL unit per call
// (TestParameterSets), audio before video and dead audio tracks (TestAudio), PTS and PCR (TestRealFootage,
// TestLiveTimeIsTheWallClock), Finalize (TestCloseAtAnyTime), silent loss (TestOutage).

// It cut at each SPS, so that 11 of 17 segments started with a P picture.
func TestRepeatedParameterSetsDoNotCut(t *testing.T) {
	b := &bucket{t: t}
	u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch})
	for n := range 25 * 9 {
		data := join(start4, slice(n%75 == 0, n, 300))
		if n%25 == 0 || n%75 == 74 {
			data = join(sets(), data)
		}
		at := time.Duration(n) * 40 * time.Millisecond
		mustWrite(t, u, uploader.AccessUnit{Data: data, PTS: at, DTS: at})
	}
	mustClose(t, u)
	if got, want := seconds(t, epoch, b.all()), []int{0, 3, 6}; !slices.Equal(got, want) {
		t.Errorf("segments at %v, want %v", got, want)
	}
	readAll(t, b.all()) // each starts with an IDR
}

// A flush without new data after the write position had wrapped queued the whole ring as a segment.
func TestNoGhostSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, RingBytes: 188 * 400, SegmentDuration: time.Second})
		var fed [][]byte
		for n := range 300 {
			data := join(start4, slice(true, n, 150+n*7%900))
			fed = append(fed, data)
			at := time.Duration(n) * time.Second
			mustWrite(t, u, uploader.AccessUnit{Data: join(sets(), data), PTS: at, DTS: at})
			if n%3 > 0 {
				for range n % 3 {
					if err := u.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
			synctest.Wait()
		}
		mustClose(t, u)
		if got := slicesOf(t, readAll(t, b.all())); !slices.EqualFunc(got, fed, bytes.Equal) {
			t.Errorf("%d pictures stored, want the %d fed, once each", len(got), len(fed))
		}
		if s := u.Stats(); s.Stored.Segments != 300 || s.RingHighWater > 188*400 {
			t.Errorf("%d segments, %d bytes at most; want 300 in a ring of 75200", s.Stored.Segments, s.RingHighWater)
		}
	})
}

// With the queue of ten full a segment was skipped silently.
func TestManySegmentsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		b := &bucket{t: t, before: func(context.Context, *uploader.Object, int) error { <-open; return nil }}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, SegmentDuration: time.Second})
		e := &encoder{fps: 2, gop: 2, size: 200}
		for range 2 * 500 {
			mustWrite(t, u, e.next())
		}
		if s := u.Stats(); s.Pending.Segments != 499 {
			t.Errorf("%d segments wait, want 499", s.Pending.Segments)
		}
		close(open)
		mustClose(t, u)
		if got := readAll(t, b.all()); len(got) != 500 {
			t.Errorf("%d segments stored, want 500", len(got))
		}
	})
}

// A ring smaller than a GOP gave useless objects for ever.
func TestRingSmallerThanAGOP(t *testing.T) {
	b := &bucket{t: t}
	u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, RingBytes: 64 << 10})
	e := &encoder{fps: 25, gop: 75, size: 2000}
	refused := 0
	for range 750 {
		if err := u.WriteVideo(e.next()); errors.Is(err, uploader.ErrTooLarge) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, u)
	if n := len(b.all()); n != 0 || refused < 400 {
		t.Errorf("%d objects stored, %d pictures refused; want none, most", n, refused)
	}
	if s := u.Stats(); s.DroppedTooLarge.Segments != 10 || s.RingUsed != 0 {
		t.Errorf("%d segments dropped, want 10", s.DroppedTooLarge.Segments)
	}
}

// Two segments in one second overwrote each other: of a GOP of 12 at 25 pictures a second 48.8 % were readable.
func TestShortGOPsAreAllReadable(t *testing.T) {
	for _, gop := range []int{1, 5, 12, 24, 25, 26} {
		b := &bucket{t: t}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch.Add(345 * time.Millisecond), SegmentDuration: time.Second})
		e := &encoder{fps: 25, gop: gop, size: 100}
		for range 25 * 60 {
			mustWrite(t, u, e.next())
		}
		mustClose(t, u)
		pictures := 0
		for _, c := range readAll(t, b.all()) { // keys rise
			pictures += len(c.video)
		}
		if pictures != 25*60 {
			t.Errorf("GOP %d: %d of %d pictures readable", gop, pictures, 25*60)
		}
	}
}

// State of the first run (counters, first call, PCR, error flags) leaked into the next.
func TestSecondUploaderStartsClean(t *testing.T) {
	run := func() []byte {
		b := &bucket{t: t}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: true})
		e := &encoder{fps: 25, gop: 25, size: 700}
		for n := range 100 {
			mustWrite(t, u, e.next())
			if err := u.WriteAudio(uploader.AudioFrame{Data: adts(n, 100), PTS: time.Duration(n) * audioStep}); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, u)
		return b.bytes()
	}
	if first, second := run(), run(); !bytes.Equal(first, second) {
		t.Error("the same input gives other segments the second time")
	}
}
