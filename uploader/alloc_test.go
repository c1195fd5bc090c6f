// SPDX-License-Identifier: Apache-2.0

//go:build !race

package uploader_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// A camera at 25 pictures and 47 audio frames a second, over several cuts, while an upload is under way.
func TestFramePathAllocatesNothing(t *testing.T) {
	b := &bucket{t: t, before: func(ctx context.Context, _ *uploader.Object, _ int) error { <-ctx.Done(); return ctx.Err() }}
	u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: true, RingBytes: 64 << 20})
	e := &encoder{fps: 25, gop: 75, size: 8000}
	var gop []uploader.AccessUnit
	for range e.gop {
		gop = append(gop, e.next())
	}
	sound := adts(1, 170)
	n, a := 0, 0
	write := func() {
		au := gop[n%len(gop)]
		au.PTS, au.DTS = e.time(n), e.time(n)
		if k := len(au.Data) / 2; n%7 == 0 {
			au.Data, au.Tail = au.Data[:k], au.Data[k:]
		}
		mustWrite(t, u, au)
		for n++; time.Duration(a)*audioStep < e.time(n); a++ {
			if err := u.WriteAudio(uploader.AudioFrame{Data: sound, PTS: time.Duration(a) * audioStep}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 200 {
		write()
	}
	// One run is 75 pictures, so that a single allocation shows. The runtime allocates too, now and then, when it collects garbage; what the frame
	// path allocates is there in every attempt.
	got := 1.0
	for attempt := 0; got != 0 && attempt < 5; attempt++ {
		got = testing.AllocsPerRun(8, func() {
			for range 75 {
				write()
			}
		})
	}
	if got != 0 {
		t.Errorf("75 pictures and their audio allocate %v times, want 0", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = u.Close(ctx)
	if s := u.Stats(); s.Sealed.Segments < 8 || s.DroppedTooLarge.Segments+s.DroppedFull.Segments+s.DroppedBeforeIDR+s.DroppedAudio > 0 {
		t.Errorf("the stream was not as meant: %+v", s)
	}
}

func BenchmarkWriteVideo(b *testing.B) {
	u := mustNew(b, uploader.Config{Putter: discardPutter{}, Epoch: epoch, RingBytes: 32 << 20})
	e := &encoder{fps: 25, gop: 75, size: 25000}
	var gop []uploader.AccessUnit
	bytes := 0
	for range e.gop {
		gop = append(gop, e.next())
		bytes += len(gop[len(gop)-1].Data)
	}
	b.SetBytes(int64(bytes / e.gop))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		au := gop[n%len(gop)]
		au.PTS, au.DTS = e.time(n), e.time(n)
		if err := u.WriteVideo(au); err != nil && !errors.Is(err, uploader.ErrTooLarge) { // the worker may not keep up
			b.Fatal(err)
		}
	}
	_ = u.Close(context.Background())
}

type discardPutter struct{}

func (discardPutter) Put(context.Context, *uploader.Object) (time.Time, error) {
	return time.Time{}, nil
}
