// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// Ten minutes of which five are an outage: with a spool nothing is lost, live segments go first, and the ring is not larger than
// without.
func TestOutageWithSpool(t *testing.T) {
	for _, how := range []struct {
		name string
		fail func(context.Context) error
	}{{"refused", refuse}, {"cut", cut}, {"hanging", hang}} {
		t.Run(how.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bucket{t: t, before: outage(60*time.Second, 360*time.Second, how.fail), server: now}
				f := &flash{t: t, slow: 300 * time.Millisecond}
				var lateness []time.Duration
				u := mustNew(t, uploader.Config{Putter: b, Now: now, RingBytes: 800_000, Spool: f, OnStored: func(s uploader.Stored) {
					if !s.Spooled {
						lateness = append(lateness, s.Waited)
					}
				}})
				e := &encoder{fps: 25, gop: 75, size: 2000} // 170 kB per segment
				play(t, u, e, 600*time.Second)
				s := u.Stats()
				checkSums(t, s)
				if s.Dropped().Segments != 0 || s.DroppedBeforeIDR != 0 || s.Spooled.Segments < 90 || s.Spooled.Segments > 102 || s.Backfilled != s.Spooled {
					t.Errorf("%d dropped, %d spooled, %d back-filled; want none, about 98, all", s.Dropped().Segments, s.Spooled.Segments, s.Backfilled.Segments)
				}
				mustClose(t, u)
				objects := b.all()
				slices.SortFunc(objects, func(a, b stored) int { return len(a.key) - len(b.key) + slices.Compare([]byte(a.key), []byte(b.key)) })
				if all := readAll(t, objects); len(all) != 200 {
					t.Errorf("%d segments are stored, want 200", len(all))
				}
				for _, l := range lateness[len(lateness)-70:] {
					if l > time.Second {
						t.Errorf("a live segment waited for %v after the outage", l)
						break
					}
				}
			})
		})
	}
}

// A slow uplink and a spool: what is too much now is uploaded when the camera has nothing more to say.
func TestSlowUplinkWithSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, 3.0/scale)
		f := &flash{t: t, slow: 500 * time.Millisecond}
		u := mustNew(t, uploader.Config{Putter: l, Now: now, RingBytes: 4 << 20 / scale, Spool: f})
		e := street()
		play(t, u, e, 240*time.Second)
		time.Sleep(10 * time.Minute)
		s := u.Stats()
		checkSums(t, s)
		mustClose(t, u)
		if s.Dropped().Segments != 0 || s.Stored.Segments+s.Backfilled.Segments != 80 || s.Spooled.Segments > 45 {
			t.Errorf("%d stored at once, %d out of the spool, %d spooled, dropped %+v; want all 80, a good half at once", s.Stored.Segments, s.Backfilled.Segments,
				s.Spooled.Segments, s.Dropped())
		}
	})
}

// A healthy uplink leaves the flash alone.
func TestHealthyUplinkDoesNotSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLink(t, 8.0/scale)
		f := &flash{t: t}
		u := mustNew(t, uploader.Config{Putter: l, Now: now, RingBytes: 4 << 20 / scale, Spool: f, UploadJitter: 300 * time.Millisecond})
		play(t, u, street(), 120*time.Second)
		mustClose(t, u)
		if len(f.puts) != 0 {
			t.Errorf("%d segments were spooled", len(f.puts))
		}
	})
}

// Close puts into the spool what it has no time to upload, and the next run uploads it. Then nothing is lost.
func TestCloseSpools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		b := &bucket{t: t, before: func(ctx context.Context, _ *uploader.Object, _ int) error {
			if down {
				return hang(ctx)
			}
			return nil
		}}
		f := &flash{t: t}
		cfg := uploader.Config{Putter: b, Now: now, Spool: f}
		u := mustNew(t, cfg)
		play(t, u, &encoder{fps: 25, gop: 25, size: 500}, 8*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := u.Close(ctx); err != nil {
			t.Errorf("Close = %v, want nil: all is in the spool", err)
		}
		s := u.Stats()
		checkSums(t, s)
		if s.Spooled.Frames != 200 || s.SpoolPending.Segments != 3 {
			t.Errorf("spooled %+v, in the spool %+v; want 200 pictures in 3", s.Spooled, s.SpoolPending)
		}
		down = false
		var got []uploader.Stored
		cfg.OnStored = func(s uploader.Stored) { got = append(got, s) }
		u = mustNew(t, cfg)
		time.Sleep(time.Second)
		s = u.Stats()
		if checkSums(t, s); s.SpoolFound.Segments != 3 || s.Backfilled.Frames != 200 || len(got) != 3 || !got[0].Spooled || got[0].Frames != 75 {
			t.Errorf("the next run found %+v, stored %+v, reported %+v", s.SpoolFound, s.Backfilled, got)
		}
		mustClose(t, u)
		readAll(t, b.all())
	})
}

// A spool that fails: the ring goes on as without one, and it is said once.
func TestSpoolFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t, before: outage(0, time.Hour, refuse)}
		full := true
		f := &flash{t: t, fail: func(call string) error {
			if call == "put" && full {
				return errNoSpace
			}
			return nil
		}}
		var said []error
		u := mustNew(t, uploader.Config{Putter: b, Now: now, RingBytes: 600_000, Spool: f, OnError: func(err error) { said = append(said, err) }})
		e := &encoder{fps: 25, gop: 75, size: 2000}
		play(t, u, e, 5*time.Minute)
		s := u.Stats()
		checkSums(t, s)
		if len(said) != 1 || !errors.Is(said[0], errNoSpace) || s.DroppedFull.Segments < 90 || s.Pending.Segments < 2 || s.SpoolErrors > 20 {
			t.Errorf("said %v, %d dropped, %d in the ring, %d errors; want it said once, the oldest dropped", said, s.DroppedFull.Segments, s.Pending.Segments, s.SpoolErrors)
		}
		full = false
		play(t, u, e, 6*time.Minute)
		if now := u.Stats(); now.Spooled.Segments < 20 {
			t.Errorf("%d spooled after the flash is well again", now.Spooled.Segments)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = u.Close(ctx)
	})
}

// A card that is put in later: what is on it is uploaded, and new segments go there.
func TestSpoolThatComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		earlier := &flash{t: t}
		u := mustNew(t, uploader.Config{Putter: &bucket{t: t, before: func(ctx context.Context, _ *uploader.Object, _ int) error { return refuse(ctx) }}, Now: now, Spool: earlier})
		play(t, u, &encoder{fps: 25, gop: 25, size: 500}, 8*time.Second)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := u.Close(ended); err != nil || len(earlier.items) != 3 {
			t.Fatalf("Close = %v with %d in the spool", err, len(earlier.items))
		}

		missing := true
		f := &flash{t: t, fail: func(call string) error {
			if call == "put" && missing {
				return errNoSpace
			}
			return nil
		}}
		time.Sleep(time.Minute)
		b.before = outage(0, 5*time.Minute, refuse)
		u = mustNew(t, uploader.Config{Putter: b, Now: now, RingBytes: 600_000, Spool: f})
		e := &encoder{fps: 25, gop: 75, size: 2000}
		play(t, u, e, 2*time.Minute)
		if s := u.Stats(); s.DroppedFull.Segments < 30 || s.SpoolErrors == 0 {
			t.Errorf("%d dropped, %d errors before the card", s.DroppedFull.Segments, s.SpoolErrors)
		}
		if err := u.OpenSpool(func() error { return errNoSpace }); !errors.Is(err, errNoSpace) {
			t.Errorf("OpenSpool = %v, want the error of open", err)
		}
		if err := u.OpenSpool(func() error {
			missing, f.items, f.data = false, earlier.items, earlier.data
			return nil
		}); err != nil {
			t.Error(err)
		}
		before := u.Stats()
		dropped := before.Dropped().Segments
		play(t, u, e, 10*time.Minute)
		s := u.Stats()
		checkSums(t, s)
		if s.SpoolFound.Segments != 3 || s.Spooled.Segments < 40 || s.Backfilled.Segments != 3+s.Spooled.Segments || s.SpoolPending.Segments != 0 || s.Dropped().Segments != dropped {
			t.Errorf("found %d, spooled %d, back-filled %d, pending %d, dropped %d after it came", s.SpoolFound.Segments, s.Spooled.Segments, s.Backfilled.Segments,
				s.SpoolPending.Segments, s.Dropped().Segments-dropped)
		}
		mustClose(t, u)
	})
}

// What becomes of an item, by the answers to its upload.
func TestBackfillAnswers(t *testing.T) {
	exists := fmt.Errorf("412: %w", uploader.ErrExists)
	unclear := errors.New("unexpected EOF")
	rejected := fmt.Errorf("403 AccessDenied: %w", uploader.ErrRejected)
	many := func(err error, n int) (list []error) {
		for range n {
			list = append(list, err)
		}
		return list
	}
	for _, tt := range []struct {
		name    string
		item    func(it *uploader.SpoolItem)
		younger bool // it is not the oldest item at the start
		answers []error
		keys    []int // asked for
		drop    uploader.DropReason
	}{
		{"stored at once", nil, false, []error{nil}, []int{0}, ""},
		{"stored at the third try", nil, false, []error{unclear, uploader.ErrNotSent, nil}, []int{0, 0, 0}, ""},
		{"an unclear failure, then it exists: that was us", nil, true, []error{unclear, exists}, []int{0, 0}, ""},
		{"the oldest of an earlier run exists: that was the run before, which ended before it was deleted", nil, false, []error{exists}, []int{0}, ""},
		{"another one exists: the next second", nil, true, []error{exists, nil}, []int{0, 1}, ""},
		{"all seconds of the footage are taken", nil, true, []error{exists, exists, exists}, []int{0, 1, 2}, uploader.DropCollision},
		{"an upload of the run before was unclear, and it exists", func(it *uploader.SpoolItem) { it.Maybe = true }, true, []error{exists}, []int{0}, ""},
		{"the oldest, but its time was never confirmed, exists: the next second", func(it *uploader.SpoolItem) { it.UnsureRun = 5 }, false, []error{exists, nil}, []int{0, 1}, ""},
		{"skew is tried again at once, expired credentials too", nil, false, []error{uploader.ErrClockSkew, uploader.ErrExpiredCredentials, nil}, []int{0, 0, 0}, ""},
		{"rejected while others are taken: dropped in the end", nil, false, many(rejected, 10), []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uploader.DropRejected},
		{"damaged on the flash", func(it *uploader.SpoolItem) { it.CRC32C++ }, false, nil, nil, uploader.DropSpoolCorrupt},
		{"of no size", func(it *uploader.SpoolItem) { it.Size = 0 }, false, nil, nil, uploader.DropSpoolCorrupt},
		{"of no name", func(it *uploader.SpoolItem) { it.Key = "notes.txt" }, false, nil, nil, uploader.DropSpoolCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := spooledSegment(t)
				want := f.items[0].Key
				if tt.item != nil {
					tt.item(&f.items[0])
				}
				if tt.younger {
					first := f.items[0]
					first.Key = "cam/2020/01/01/00/00/00.ts"
					f.items, f.data = []uploader.SpoolItem{first, f.items[0]}, [][]byte{f.data[0], f.data[0]}
				}
				var asked []stored
				n := 0
				b := &bucket{t: t, before: func(_ context.Context, o *uploader.Object, _ int) error {
					if o.Key[:10] != want[:10] || o.Key > want[:len(want)-6]+"4" {
						return nil // the live ones, and the first
					}
					asked = append(asked, stored{key: o.Key})
					if n++; n > len(tt.answers) {
						t.Errorf("try %d is one too many", n)
						return nil
					}
					return tt.answers[n-1]
				}}
				var drops []uploader.Drop
				u := mustNew(t, uploader.Config{Putter: b, Now: func() time.Time { return now().Add(time.Hour) }, Spool: f,
					OnDrop:             func(d uploader.Drop) { drops = append(drops, d) },
					RefreshCredentials: func(context.Context) error { return nil }})
				play(t, u, &encoder{fps: 5, gop: 5, size: 300}, 10*time.Minute) // live ones go on
				s := u.Stats()
				checkSums(t, s)
				if got := seconds(t, epoch, asked); !slices.Equal(got, tt.keys) {
					t.Errorf("keys asked for: %v, want %v", got, tt.keys)
				}
				if tt.drop == "" && (len(drops) > 0 || s.DroppedSpool.Segments > 0) || tt.drop != "" && (len(drops) != 1 || drops[0].Reason != tt.drop || s.DroppedSpool.Segments != 1) {
					t.Errorf("dropped %v, counted %+v; want %q", drops, s.DroppedSpool, tt.drop)
				}
				if s.SpoolPending.Segments != 0 || len(f.items) != 0 {
					t.Errorf("%d items are left in the spool, %+v by our count", len(f.items), s.SpoolPending)
				}
				if unsure := tt.item != nil && s.UnsureStored > 0; unsure != (len(tt.keys) == 2 && tt.item != nil && !tt.younger) {
					t.Errorf("%d items without a confirmed time are counted", s.UnsureStored)
				}
				mustClose(t, u)
			})
		})
	}
}

// spooledSegment gives a spool with one segment of 3 s, that starts at epoch.
func spooledSegment(t *testing.T) *flash {
	f := &flash{t: t}
	u := mustNew(t, uploader.Config{Putter: &bucket{t: t, before: func(context.Context, *uploader.Object, int) error { return uploader.ErrNotSent }},
		Epoch: epoch, Spool: f})
	e := &encoder{fps: 25, gop: 75, size: 300}
	for range 75 {
		mustWrite(t, u, e.next())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := u.Close(ctx); err != nil || len(f.items) != 1 {
		t.Fatalf("Close = %v with %d items in the spool, want 1", err, len(f.items))
	}
	return f
}
