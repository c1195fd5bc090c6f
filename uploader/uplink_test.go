// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// scale is by how much streams, rings and links of these simulations are smaller than they say, to save time.
const scale = 4

// street is the stream with which the original SDK was measured: 5.32 Mbit/s of TS at 25 pictures a second, 3 s per GOP.
func street() *encoder { return &encoder{fps: 25, gop: 75, size: 25200 / scale} }

// watched feeds length of a stream in real time, and gives Close drain to upload the rest.
func watched(t *testing.T, u *uploader.Uploader, length, drain time.Duration) uploader.Stats {
	t.Helper()
	e := street()
	for range int(length * 25 / time.Second) {
		if err := u.WriteVideo(e.next()); err != nil && !errors.Is(err, uploader.ErrTooLarge) {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), drain)
	defer cancel()
	_ = u.Close(ctx)
	s := u.Stats()
	checkSums(t, s)
	return s
}

// The table of the original SDK: frames readable on uplinks of 2 to 8 Mbit/s with a ring of 4 MiB, which holds two
// segments. Its figures: 0.3, 0.2, 15.3, 71.4, 80.7, 95.1, 100 %.
func TestSlowUplinks(t *testing.T) {
	for _, tt := range []struct {
		mbit float64
		want float64 // percent of the pictures
	}{{2, 36}, {3, 54}, {4, 72}, {5, 91}, {5.5, 100}, {6, 100}, {8, 100}} {
		t.Run(fmt.Sprintf("%v Mbit/s", tt.mbit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLink(t, tt.mbit/scale)
				l.buffer /= scale
				var drops []string
				u := mustNew(t, uploader.Config{Putter: l, Now: now, RingBytes: 4 << 20 / scale, OnDrop: func(d uploader.Drop) { drops = append(drops, d.Key) }})
				s := watched(t, u, 240*time.Second, 12*time.Second)
				for _, c := range readAllWithGaps(t, l.all()) {
					if len(c.video) != 75 {
						t.Errorf("a segment of %d pictures is stored, want whole GOPs", len(c.video))
					}
				}
				got := 100 * float64(s.Stored.Frames) / float64(s.VideoFrames)
				t.Logf("%.1f %% of %d pictures, dropped: %d complete, %d open, %d before an IDR; %d tries failed", got, s.VideoFrames, s.DroppedFull.Segments,
					s.DroppedTooLarge.Segments, s.DroppedBeforeIDR, len(l.took))
				if got < tt.want {
					t.Errorf("%.1f %% of the pictures are stored, want %v %%", got, tt.want)
				}
				if !slices.Contains(keysOf(l.all()), lastOf(l.all(), drops)) {
					t.Error("the newest segment is not stored")
				}
			})
		})
	}
}

// What one upload at a time costs on paths with a long round trip: see docs/design/uplink.md.
func TestRoundTrips(t *testing.T) {
	for _, tt := range []struct {
		mbit  float64
		fresh bool // a new connection for each segment
		want  [3]float64
	}{
		{5, false, [3]float64{86, 82, 76}}, {5.5, false, [3]float64{93, 90, 82}}, {6, false, [3]float64{100, 98, 88}}, {8, false, [3]float64{100, 100, 100}},
		{8, true, [3]float64{98, 88, 64}},
	} {
		for i, rtt := range []time.Duration{150 * time.Millisecond, 300 * time.Millisecond, 600 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				l := newLink(t, tt.mbit/scale)
				l.buffer /= scale
				l.rtt, l.fresh = rtt, tt.fresh
				s := watched(t, mustNew(t, uploader.Config{Putter: l, Now: now, RingBytes: 4 << 20 / scale}), 240*time.Second, 12*time.Second)
				got := 100 * float64(s.Stored.Frames) / float64(s.VideoFrames)
				t.Logf("%v Mbit/s, round trip %v, new connections %v: %.1f %%", tt.mbit, rtt, tt.fresh, got)
				if got < tt.want[i] {
					t.Errorf("%.1f %% of the pictures are stored, want %v %%", got, tt.want[i])
				}
			})
		}
	}
}

func keysOf(objects []stored) (keys []string) {
	for _, o := range objects {
		keys = append(keys, o.key)
	}
	return keys
}

// lastOf is the highest of all keys.
func lastOf(objects []stored, dropped []string) string {
	return slices.MaxFunc(append(keysOf(objects), dropped...), strings.Compare)
}

// The outages of the original's table: 60 s of which some from the 20th second on without a network, a ring of 4 MiB, 20 Mbit/s. Its
// figures: refused 1425, 1275, 750 pictures, black hole 1500, 1354, 904. The ring holds 6.3 s.
func TestOutages(t *testing.T) {
	for _, tt := range []struct {
		length time.Duration
		hole   bool
	}{{3 * time.Second, false}, {10 * time.Second, false}, {30 * time.Second, false}, {3 * time.Second, true}, {10 * time.Second, true}, {30 * time.Second, true}} {
		kind := map[bool]string{false: "refused", true: "black hole"}[tt.hole]
		t.Run(fmt.Sprintf("%s for %v", kind, tt.length), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var total, most int64
				for shift := range 12 { // the outage begins anywhere in a segment and in an upload
					from := 20*time.Second + time.Duration(shift)*250*time.Millisecond
					l := newLink(t, 20.0/scale)
					l.buffer /= scale
					begin := time.Now()
					out := func() bool {
						at := time.Since(begin)
						return at >= from && at < from+tt.length
					}
					full := l.rate
					l.rate = func() float64 {
						if out() {
							return 0
						}
						return full()
					}
					if !tt.hole {
						l.refuse = out
					}
					u := mustNew(t, uploader.Config{Putter: l, Now: now, RingBytes: 4 << 20 / scale})
					s := watched(t, u, 60*time.Second, 12*time.Second)
					readAllWithGaps(t, l.all())
					t.Logf("%d of %d pictures, dropped: %d complete, %d open, %d before an IDR, failed %v", s.Stored.Frames, s.VideoFrames, s.DroppedFull.Segments,
						s.DroppedTooLarge.Segments, s.DroppedBeforeIDR, l.took)
					late := 1250 * time.Millisecond
					if tt.hole { // a try that fell into it has to end first, or what was tapped of it is lost
						late = 5 * time.Second
					}
					want := possible(from, from+tt.length+late)
					best := possible(from, from+tt.length)
					total += s.Stored.Frames
					most += best
					if s.Stored.Frames < want {
						t.Errorf("from %v: %d pictures are stored, %d are possible, %d with a try %v after the outage", from, s.Stored.Frames, best, want, late)
					}
				}
				t.Logf("%d pictures of 1500 on average, possible %d", total/12, most/12)
				if total/12 < most/12-40 {
					t.Errorf("%d pictures are stored on average, %d are possible", total/12, most/12)
				}
			})
		})
	}
}

// possible is how many of 1500 pictures a ring of 4 MiB can save, that is emptied at 20 Mbit/s until from and again after to: it holds
// whole segments of 3 s and the open one, newest first.
func possible(from, to time.Duration) int64 {
	const step = 40 * time.Millisecond
	const segment, ring, perStep = 75.0, 158.3, 18.5 / 5.32 // in pictures; answers take their time
	var waiting []float64                                   // what is left of each, oldest first
	open, lost := 0.0, int64(0)
	for at := time.Duration(0); at < time.Minute; at += step {
		if open++; open == segment {
			waiting, open = append(waiting, open), 0
		}
		if (at < from || at >= to) && len(waiting) > 0 {
			if waiting[0] -= perStep; waiting[0] <= 0 {
				waiting = waiting[1:]
			}
		}
		used := open
		for _, w := range waiting {
			used += w
		}
		for used > ring {
			used -= waiting[0]
			waiting = waiting[1:]
			lost += segment
		}
	}
	return 1500 - lost
}
