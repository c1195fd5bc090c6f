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

// now is the wall clock of tests in a synctest bubble, whose time begins in the year 2000: it ends in the second of epoch.
func now() time.Time { return time.Now().Add(epoch.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))) }

// play feeds length of e in real time. In a bubble time stands still unless somebody waits, so a write that waits is seen.
func play(t testing.TB, u *uploader.Uploader, e *encoder, length time.Duration) {
	t.Helper()
	for n := int(length * time.Duration(e.fps) / time.Second); n > 0; n-- {
		before := time.Now()
		mustWrite(t, u, e.next())
		if d := time.Since(before); d != 0 {
			t.Errorf("WriteVideo waited for %v", d)
		}
		time.Sleep(time.Second / time.Duration(e.fps))
	}
}

// outage makes a Put fail as how says while the bubble's clock is within from and to.
func outage(from, to time.Duration, how func(ctx context.Context) error) func(context.Context, *uploader.Object, int) error {
	begin := time.Now()
	return func(ctx context.Context, o *uploader.Object, try int) error {
		if at := time.Since(begin); at >= from && at < to {
			return how(ctx)
		}
		time.Sleep(20 * time.Millisecond)
		return ctx.Err()
	}
}

func refuse(context.Context) error {
	return fmt.Errorf("dial: connection refused: %w", uploader.ErrNotSent)
}
func cut(context.Context) error {
	time.Sleep(100 * time.Millisecond)
	return errors.New("connection reset by peer")
}
func hang(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestOutage(t *testing.T) {
	const segmentBytes = 75*2000 + 3*3*2000 // before muxing
	for _, tt := range []struct {
		name   string
		how    func(context.Context) error
		length time.Duration
		ring   int // in segments of 3 s, which are about 190 kB
		lost   int // segments of the 20 recorded
	}{
		{"refused for 10 s, the ring holds it", refuse, 10 * time.Second, 8, 0},
		{"cut for 10 s, the ring holds it", cut, 10 * time.Second, 8, 0},
		{"hanging for 10 s, the ring holds it", hang, 10 * time.Second, 10, 0},
		{"refused for 30 s, the ring holds 15 s", refuse, 30 * time.Second, 5, 7},
		{"cut for 30 s, the ring holds 15 s", cut, 30 * time.Second, 5, 7},
		{"hanging for 30 s, the ring holds 15 s", hang, 30 * time.Second, 5, 9}, // a try that hangs at the end has to time out
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bucket{t: t, before: outage(15*time.Second, 15*time.Second+tt.length, tt.how)}
				var drops []uploader.Drop
				u := mustNew(t, uploader.Config{Putter: b, RingBytes: tt.ring * segmentBytes * 115 / 100, Now: now,
					OnDrop: func(d uploader.Drop) { drops = append(drops, d) }})
				e := &encoder{fps: 25, gop: 75, size: 2000}
				start := now()
				play(t, u, e, 60*time.Second)
				mustClose(t, u)
				s := u.Stats()
				all := readAllWithGaps(t, b.all())
				frames := 0
				for _, c := range all {
					frames += len(c.video)
				}
				// Exactly what is not stored is reported as dropped.
				if len(all)+len(drops) != 20 || s.Sealed.Segments != 20 || s.DroppedFull.Segments != int64(len(drops)) {
					t.Errorf("%d stored, %d drops reported, %d counted; want 20 in all", len(all), len(drops), s.DroppedFull.Segments)
				}
				if frames != 75*len(all) || s.DroppedFull.Frames != int64(75*len(drops)) {
					t.Errorf("%d pictures stored in %d segments, %d dropped in %d", frames, len(all), s.DroppedFull.Frames, len(drops))
				}
				// The oldest go first, in order; only one that is just being sent is passed over. When that is depends on the
				// random waits between tries.
				var missing []int
				have := seconds(t, start, b.all())
				for n := range 20 {
					if !slices.Contains(have, 3*n) {
						missing = append(missing, n)
					}
				}
				if len(missing) > tt.lost || len(missing) > 0 != (tt.lost > 0) {
					t.Errorf("segments %v are missing, want at most %d", missing, tt.lost)
				}
				passed := 0
				for i, n := range missing {
					if i > 0 {
						passed += n - missing[i-1] - 1
					} else if n != 4 && n != 5 {
						t.Errorf("segments %v are missing, want the oldest of the outage first", missing)
					}
				}
				if passed > 1 {
					t.Errorf("segments %v are missing, want the oldest in a row", missing)
				}
				for i, d := range drops {
					if d.Reason != uploader.DropRingFull || d.Frames != 75 || d.Duration != 3*time.Second || d.Bytes == 0 ||
						i > 0 && d.Key <= drops[i-1].Key && strings.HasPrefix(tt.name, "refused") && passed == 0 {
						t.Errorf("drop %d: %+v", i, d)
					}
				}
			})
		})
	}
}

// readAllWithGaps reads objects in key order without asking for continuity from one to the next.
func readAllWithGaps(t testing.TB, objects []stored) []content {
	t.Helper()
	slices.SortFunc(objects, func(a, b stored) int { return strings.Compare(a.key, b.key) })
	var all []content
	for _, o := range objects {
		all = append(all, read(t, o))
	}
	return all
}

// A slow uplink is kept busy: the table of the original SDK, with the same stream (5.3 Mbit/s). Its figures with a ring of 4 MiB, which
// holds two segments only, were 0.3 % (2 Mbit/s), 0.2, 15, 71, 81, 95, 100.
func TestSlowUplinkIsUsed(t *testing.T) {
	const scale = 4 // everything is that much smaller, to save time
	for _, tt := range []struct {
		mbit float64
		mib  int
		want int // percent of the pictures
	}{
		{0.7, 4, 12}, {2, 4, 35}, {3, 4, 49}, {4, 4, 65}, {5, 4, 65}, {5.5, 4, 100}, {6, 4, 100}, {8, 4, 100},
		{2, 6, 36}, {4, 6, 72}, {5, 6, 90},
		{0.7, 8, 12}, {2, 8, 36}, {3, 8, 54}, {4, 8, 72}, {5, 8, 91}, {5.5, 8, 100},
	} {
		t.Run(fmt.Sprintf("%v Mbit/s, %d MiB", tt.mbit, tt.mib), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bucket{t: t}
				b.before = func(ctx context.Context, o *uploader.Object, try int) error {
					select {
					case <-time.After(time.Duration(scale * float64(o.Size) * 8 / tt.mbit * 1000)):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				u := mustNew(t, uploader.Config{Putter: b, Now: now, RingBytes: tt.mib << 20 / scale})
				e := &encoder{fps: 25, gop: 75, size: 25200 / scale}
				for range 25 * 240 {
					if err := u.WriteVideo(e.next()); err != nil && !errors.Is(err, uploader.ErrTooLarge) {
						t.Fatal(err)
					}
					time.Sleep(40 * time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				_ = u.Close(ctx) // what is left in the ring does not count
				s := u.Stats()
				checkSums(t, s)
				readAllWithGaps(t, b.all())
				got := 100 * (s.Stored.Frames + s.DroppedClosed.Frames) / s.VideoFrames
				t.Logf("%d %%, %d dropped complete, %d open, %d timeouts", got, s.DroppedFull.Segments, s.DroppedTooLarge.Segments, s.Timeouts)
				if got < int64(tt.want) {
					t.Errorf("%d %% of the pictures get through, want %d %%", got, tt.want)
				}
			})
		})
	}
}

func TestAnswers(t *testing.T) {
	type answer struct {
		err   error
		after time.Duration // since the try before, at least
		most  time.Duration
	}
	exists := fmt.Errorf("412: %w", uploader.ErrExists)
	unclear := errors.New("unexpected EOF")
	rejected := fmt.Errorf("403 AccessDenied: %w", uploader.ErrRejected)
	skew := fmt.Errorf("403 RequestTimeTooSkewed: %w", uploader.ErrClockSkew)
	expired := fmt.Errorf("400 ExpiredToken: %w", uploader.ErrExpiredCredentials)
	second := time.Second
	for _, tt := range []struct {
		name    string
		answers []answer // to the tries; nil stores
		keys    []int    // asked for, in seconds
		stored  int
		moved   int64
		drops   []uploader.DropReason
	}{
		{"stored at once", []answer{{nil, 0, 0}}, []int{0}, 1, 0, nil},
		{"stored at the third try", []answer{{unclear, 0, 0}, {unclear, 0, second / 2}, {nil, 0, second}}, []int{0, 0, 0}, 1, 0, nil},
		{"an unclear failure, then it exists: that was us", []answer{{unclear, 0, 0}, {exists, 0, second}}, []int{0, 0}, 1, 0, nil},
		{"a failure before sending, then it exists: that is another one", []answer{{fmt.Errorf("refused: %w", uploader.ErrNotSent), 0, 0}, {exists, 0, second}, {nil, 0, 0}},
			[]int{0, 0, 1}, 1, 1, nil},
		{"it exists at the first try: the next second, at once", []answer{{exists, 0, 0}, {nil, 0, 0}}, []int{0, 1}, 1, 1, nil},
		{"so does the next second", []answer{{exists, 0, 0}, {exists, 0, 0}, {nil, 0, 0}}, []int{0, 1, 2}, 1, 2, nil},
		{"clock skew is retried once at once, then after a while", []answer{{skew, 0, 0}, {skew, 0, 0}, {nil, 1, second}}, []int{0, 0, 0}, 1, 0, nil},
		{"expired credentials are refreshed once, then wait", []answer{{expired, 0, 0}, {expired, 0, 0}, {expired, 1, second}, {nil, 1, second}}, []int{0, 0, 0, 0}, 1, 0, nil},
		{"rejected: slowly, then stored", []answer{{rejected, 0, 0}, {rejected, 1, 2 * second}, {rejected, 1, 4 * second}, {nil, 1, 8 * second}}, []int{0, 0, 0, 0}, 1, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bucket{t: t}
				var keys []string
				var last time.Time
				b.before = func(ctx context.Context, o *uploader.Object, try int) error {
					if try > len(tt.answers) {
						t.Errorf("try %d is one too many", try)
						return nil
					}
					a := tt.answers[try-1]
					if gap := time.Since(last); try > 1 && (gap < a.after || gap > a.most) {
						t.Errorf("try %d comes %v after the last, want %v to %v", try, gap, a.after, a.most)
					}
					last = time.Now()
					keys = append(keys, o.Key)
					return a.err
				}
				refreshed := 0
				var drops []uploader.DropReason
				u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch,
					RefreshCredentials: func(context.Context) error { refreshed++; return nil },
					OnDrop:             func(d uploader.Drop) { drops = append(drops, d.Reason) }})
				mustWrite(t, u, (&encoder{fps: 25, gop: 25, size: 500}).next())
				mustClose(t, u)
				var asked []stored
				for _, k := range keys {
					asked = append(asked, stored{key: k})
				}
				if got := seconds(t, epoch, asked); !slices.Equal(got, tt.keys) {
					t.Errorf("keys asked for %v, want %v", got, tt.keys)
				}
				s := u.Stats()
				if s.Stored.Segments != int64(tt.stored) || s.MovedKeys != tt.moved || !slices.Equal(drops, tt.drops) {
					t.Errorf("stored %d, moved %d, drops %v; want %d, %d, %v", s.Stored.Segments, s.MovedKeys, drops, tt.stored, tt.moved, tt.drops)
				}
				if s.Attempts != int64(len(tt.answers)) || s.Retries != int64(len(tt.answers)-1) {
					t.Errorf("%d attempts, %d retries counted, want %d", s.Attempts, s.Retries, len(tt.answers))
				}
				wantRefresh := 0
				for _, a := range tt.answers {
					if errors.Is(a.err, uploader.ErrExpiredCredentials) {
						wantRefresh++
					}
				}
				if refreshed != wantRefresh {
					t.Errorf("credentials refreshed %d times, want %d", refreshed, wantRefresh)
				}
			})
		})
	}
}

// A server that says to everything that it exists is asked a bounded number of times.
func TestEverythingExists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t, before: func(context.Context, *uploader.Object, int) error { return uploader.ErrExists }}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch})
		e := &encoder{fps: 25, gop: 25, size: 500}
		for range 25 * 10 {
			mustWrite(t, u, e.next())
			synctest.Wait()
		}
		if err := u.Close(t.Context()); err != nil {
			t.Error(err)
		}
		s := u.Stats()
		checkSums(t, s)
		if s.DroppedCollision.Segments != 4 || s.Attempts != 3+3+3+4 {
			t.Errorf("%d segments dropped after %d tries, want 4 after 13", s.DroppedCollision.Segments, s.Attempts)
		}
	})
}

// A segment whose second is taken, and the seconds up to the next one too, is dropped and reported; the others are not touched.
func TestCollisionWithoutAFreeSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		taken := []string{"cam/2026/03/09/04/05/06.ts", "cam/2026/03/09/04/05/07.ts", "cam/2026/03/09/04/05/08.ts"}
		hold := make(chan struct{})
		b.before = func(_ context.Context, o *uploader.Object, _ int) error {
			<-hold
			if slices.Contains(taken, o.Key) {
				return uploader.ErrExists
			}
			return nil
		}
		var drops []uploader.Drop
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, OnDrop: func(d uploader.Drop) { drops = append(drops, d) }})
		e := &encoder{fps: 25, gop: 25, size: 500}
		for range 25 * 7 {
			mustWrite(t, u, e.next())
		}
		close(hold)
		mustClose(t, u)
		if got, want := seconds(t, epoch, b.all()), []int{3, 6}; !slices.Equal(got, want) {
			t.Errorf("stored %v, want %v", got, want)
		}
		s := u.Stats()
		if s.DroppedCollision.Segments != 1 || len(drops) != 1 || drops[0].Reason != uploader.DropCollision || drops[0].Frames != 75 {
			t.Errorf("drops %+v, counted %+v; want one collision with 75 pictures", drops, s.DroppedCollision)
		}
	})
}

// One segment that the server rejects for its own sake does not hold up the others, and is dropped when its room is needed.
func TestOneRejectedSegmentDoesNotHoldUpTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		var tries []time.Duration
		begin := time.Now()
		bad := ""
		b.before = func(_ context.Context, o *uploader.Object, _ int) error {
			if bad == "" {
				bad = o.Key
			}
			if o.Key == bad {
				tries = append(tries, time.Since(begin))
				return uploader.ErrRejected
			}
			return nil
		}
		var reported []error
		u := mustNew(t, uploader.Config{Putter: b, Now: now, RingBytes: 1 << 20, OnError: func(err error) { reported = append(reported, err) }})
		e := &encoder{fps: 25, gop: 75, size: 2000}
		play(t, u, e, 10*time.Minute)
		if s := u.Stats(); s.Stored.Segments < 198 || s.Pending.Segments > 1 {
			t.Errorf("stored %d of 200 segments, %d pending; want all but the bad one", s.Stored.Segments, s.Pending.Segments)
		}
		if len(tries) < 14 || len(tries) > 60 {
			t.Errorf("the bad one was tried %d times in 10 minutes, at %v", len(tries), tries)
		}
		if len(reported) != 1 || !errors.Is(reported[0], uploader.ErrRejected) {
			t.Errorf("reported %v, want the rejection once", reported)
		}
		readAll(t, b.all())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := u.Close(ctx)
		if !errors.Is(err, uploader.ErrNotStored) || !errors.Is(err, uploader.ErrRejected) || !strings.Contains(err.Error(), "1 segments") {
			t.Errorf("Close = %v, want ErrNotStored with 1 segment and the reason", err)
		}
		checkSums(t, u.Stats())
	})
}

// While everything is rejected the ring keeps the newest footage, the server is not hammered, and Retry ends the waiting.
func TestRejectedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		denied := true
		b.before = func(context.Context, *uploader.Object, int) error {
			if denied {
				return uploader.ErrRejected
			}
			return nil
		}
		u := mustNew(t, uploader.Config{Putter: b, Now: now, RingBytes: 1 << 20})
		e := &encoder{fps: 25, gop: 75, size: 2000}
		play(t, u, e, 20*time.Minute)
		s := u.Stats()
		if s.Attempts < 25 || s.Attempts > 120 {
			t.Errorf("%d attempts in 20 minutes", s.Attempts)
		}
		if s.Pending.Segments < 4 || s.LastError == "" || s.Rejected != s.Attempts {
			t.Errorf("pending %d, rejected %d of %d, last error %q", s.Pending.Segments, s.Rejected, s.Attempts, s.LastError)
		}
		denied = false
		u.Retry()
		synctest.Wait()
		if s := u.Stats(); s.Pending.Segments != 0 {
			t.Errorf("%d segments pending after Retry, want none", s.Pending.Segments)
		}
		mustClose(t, u)
		readAll(t, b.all())
	})
}

// The spacing of tries grows up to RetryMax and is random.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gaps []time.Duration
		last := time.Now()
		b := &bucket{t: t}
		b.before = func(context.Context, *uploader.Object, int) error {
			gaps = append(gaps, time.Since(last))
			last = time.Now()
			return errors.New("503 SlowDown")
		}
		u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, RetryMin: 100 * time.Millisecond, RetryMax: 10 * time.Second})
		mustWrite(t, u, (&encoder{fps: 25, gop: 25, size: 500}).next())
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := u.Close(ctx); !errors.Is(err, uploader.ErrNotStored) {
			t.Errorf("Close = %v, want ErrNotStored", err)
		}
		limit := 100 * time.Millisecond
		for i, g := range gaps[1:] {
			if g > limit {
				t.Fatalf("try %d comes after %v, want at most %v", i+2, g, limit)
			}
			limit = min(2*limit, 10*time.Second)
		}
		// Mean of the uniform distribution over 0 to 10 s.
		if mean := time.Hour / time.Duration(len(gaps)); mean < 4*time.Second || mean > 6*time.Second {
			t.Errorf("%d tries in an hour, want about 720", len(gaps))
		}
	})
}

func TestUploadJitterIsBoundedAndSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		phases := map[time.Duration]bool{}
		for range 20 {
			b := &bucket{t: t}
			u := mustNew(t, uploader.Config{Putter: b, Now: now, UploadJitter: 300 * time.Millisecond})
			begin := time.Now()
			play(t, u, &encoder{fps: 10, gop: 10, size: 500}, 10*time.Second)
			var waits []time.Duration
			for i, o := range b.all() {
				waits = append(waits, o.at.Sub(begin.Add(time.Duration(i+1)*3*time.Second)))
			}
			for _, w := range waits {
				if w < 0 || w >= 300*time.Millisecond || w != waits[0] {
					t.Errorf("uploads begin %v after their segments end, want the same within 0 to 300 ms", waits)
				}
			}
			phases[waits[0]] = true
			mustClose(t, u)
		}
		if len(phases) < 15 {
			t.Errorf("20 devices have %d different delays", len(phases))
		}
	})
}

func TestTagsApplyToSegmentsCompletedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		u := mustNew(t, uploader.Config{Putter: b, Now: now, Tags: "place=door"})
		e := &encoder{fps: 25, gop: 25, size: 500}
		play(t, u, e, 4*time.Second)
		if err := u.SetTags("place=door&event=motion"); err != nil {
			t.Error(err)
		}
		play(t, u, e, 3*time.Second)
		if err := u.SetTags("a b"); !errors.Is(err, uploader.ErrTags) {
			t.Errorf("SetTags = %v, want ErrTags", err)
		}
		if err := u.SetTags(""); err != nil {
			t.Error(err)
		}
		mustClose(t, u)
		var got []string
		for _, o := range b.all() {
			got = append(got, o.tags)
		}
		if want := []string{"place=door", "place=door&event=motion", ""}; !slices.Equal(got, want) {
			t.Errorf("tags %q, want %q", got, want)
		}
	})
}

// Callbacks hold no lock: they may ask for Stats, and one that is slow does not stop the other thread.
func TestCallbacksHoldNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{t: t}
		var u *uploader.Uploader
		var mu sync.Mutex
		var keys []string
		u = mustNew(t, uploader.Config{Putter: b, Now: now, OnStored: func(s uploader.Stored) {
			if st := u.Stats(); st.LastKey != s.Key || st.Stored.Segments == 0 {
				t.Errorf("Stats in OnStored of %s say %s", s.Key, st.LastKey)
			}
			if err := u.SetTags("a=b"); err != nil {
				t.Error(err)
			}
			if s.Frames == 0 || s.Bytes == 0 || s.Attempts != 1 || s.Duration <= 0 {
				t.Errorf("stored %+v", s)
			}
			mu.Lock()
			keys = append(keys, s.Key)
			mu.Unlock()
			time.Sleep(time.Minute)
		}})
		play(t, u, &encoder{fps: 25, gop: 25, size: 500}, 10*time.Second)
		mustClose(t, u)
		if len(keys) != 4 {
			t.Errorf("OnStored for %v, want 4", keys)
		}
	})
}
