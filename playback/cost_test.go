// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

func TestAFirstPollCostsOneTightListing(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-10*time.Minute), 3*time.Second, 199)
	w.live(t)
	if len(w.lists) != 1 {
		t.Fatalf("%d listings, want 1: %+v", len(w.lists), w.lists)
	}
	want := listCall{prefix: "cam1/2026/11/20/", startAfter: "cam1/2026/11/20/11/57/59.ts", pageSize: 43, pages: 1}
	if w.lists[0] != want {
		t.Errorf("listing %+v, want %+v", w.lists[0], want)
	}
}

func TestPollsOfAFreshWindowCostNoListing(t *testing.T) {
	w := newWorld(t)
	second := w.another(t)
	c := w.camera(noon)
	for range 30 {
		c.record(3 * time.Second)
	}
	w.live(t)
	w.counts()
	for range 20 { // until 2 s after the newest segment: the next one takes 3 s
		w.add(100 * time.Millisecond)
		w.live(t)
		if _, err := second.Live(t.Context(), "cam1"); err != nil {
			t.Fatal(err)
		}
	}
	if lists, _, _, reads := w.counts(); lists+reads != 0 {
		t.Errorf("%d listings, %d reads; want none", lists, reads)
	}
	w.put("cam1", c.next)
	w.set(c.next.Add(3*time.Second + c.delay))
	w.live(t)
	if _, err := second.Live(t.Context(), "cam1"); err != nil {
		t.Fatal(err)
	}
	want := listCall{prefix: "cam1/2026/11/20/", startAfter: segment.Key("cam1", c.next.Add(-3*time.Second)), pageSize: 5, pages: 1}
	if len(w.lists) != 1 || w.lists[0].startAfter != want.startAfter || w.lists[0].pageSize > 6 || w.lists[0].pages != 1 {
		t.Errorf("listings %+v, want one like %+v", w.lists, want)
	}
}

// TestANewSegmentIsListedAtOnce polls every 100 ms and looks how long after its upload each segment appears, and at what
// cost, for cameras whose clocks are right, ahead and behind.
func TestANewSegmentIsListedAtOnce(t *testing.T) {
	for _, skew := range []time.Duration{0, 400 * time.Millisecond, -400 * time.Millisecond, 30 * time.Second, -60 * time.Second} {
		for _, length := range []time.Duration{time.Second, 3 * time.Second, 3200 * time.Millisecond} {
			w := newWorld(t)
			const n = 100
			start := noon.Add(-30 * time.Second)
			stored := map[int64]time.Time{}
			i := 0
			seen := map[int64]bool{}
			var worst, sum time.Duration
			counted := 0
			for now := noon; i < n; now = now.Add(100 * time.Millisecond) {
				w.set(now)
				for ; i < n; i++ { // everything that is stored by now
					begin := start.Add(time.Duration(i) * length)
					at := begin.Add(length + 300*time.Millisecond)
					if at.After(now) {
						break
					}
					w.put("cam1", begin.Add(skew))
					stored[begin.Add(skew).Unix()] = at
				}
				for _, s := range w.live(t).Segments {
					if seen[s.Key] {
						continue
					}
					seen[s.Key] = true
					if i > n/2 { // once the lag is known
						late := now.Sub(stored[s.Key])
						worst, sum, counted = max(worst, late), sum+late, counted+1
					}
				}
			}
			lists, _, _, reads := w.counts()
			t.Logf("skew %v, %v: seen %v after the upload on average, %v at worst; %.1f listings and %.2f reads a segment", skew, length, sum/time.Duration(counted), worst, float64(lists)/n, float64(reads)/n)
			if worst > 600*time.Millisecond {
				t.Errorf("skew %v, %v: a segment was listed %v after its upload", skew, length, worst)
			}
			if lists > 3*n || reads > n/4 {
				t.Errorf("skew %v, %v: %d listings and %d reads for %d segments", skew, length, lists, reads, n)
			}
		}
	}
}

func TestASegmentOfAnUnsteadyCameraIsListedSoon(t *testing.T) {
	w := newWorld(t)
	next, n := noon.Add(-30*time.Second), 0
	stored, seen := map[int64]time.Time{}, map[int64]bool{}
	var sum time.Duration
	for now := noon; n < 120; now = now.Add(100 * time.Millisecond) {
		w.set(now)
		for {
			length := time.Duration(2000+n*7919%2000) * time.Millisecond
			at := next.Add(length + 200*time.Millisecond)
			if at.After(now) {
				break
			}
			w.put("cam1", next)
			stored[next.Unix()] = at
			next = next.Add(length)
			n++
		}
		for _, s := range w.live(t).Segments {
			if !seen[s.Key] {
				seen[s.Key] = true
				if n > 20 {
					sum += now.Sub(stored[s.Key])
				}
			}
		}
	}
	if mean := sum / 100; mean > 300*time.Millisecond || len(w.lists) > 6*n {
		t.Errorf("seen %v after the upload on average, %d listings for %d segments", mean, len(w.lists), n)
	}
}

func TestASlowUplinkDoesNotCostMoreListings(t *testing.T) {
	// Each segment arrives 6 s after its end instead of at once: that is learned, not awaited anew each time.
	w := newWorld(t)
	next := noon.Add(-30 * time.Second)
	lists := 0
	for now, n := noon, 0; n < 60; now = now.Add(100 * time.Millisecond) {
		w.set(now)
		delay := 200 * time.Millisecond
		if n > 10 {
			delay = 6 * time.Second
		}
		for !next.Add(3 * time.Second).Add(delay).After(now) {
			w.put("cam1", next)
			next = next.Add(3 * time.Second)
			n++
			if n == 30 {
				lists = len(w.lists)
			}
		}
		w.live(t)
	}
	if per := float64(len(w.lists)-lists) / 30; per > 4 {
		t.Errorf("%.1f listings a segment, want at most 4", per)
	}
}

func TestHeadsAreReadOnce(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Hour), 3200*time.Millisecond, 1000)
	w.replay(t, noon.Add(-time.Hour), noon.Add(-30*time.Minute))
	if _, _, _, reads := w.counts(); reads != 2 {
		t.Errorf("%d reads, want 2", reads)
	}
	w.replay(t, noon.Add(-time.Hour), noon.Add(-30*time.Minute))
	if _, _, _, reads := w.counts(); reads != 0 {
		t.Errorf("%d reads of what was read, want none", reads)
	}
}

func TestMidnightCostsAtMostTwoListings(t *testing.T) {
	w := newWorld(t)
	midnight := noon.Add(12 * time.Hour)
	w.every("cam1", midnight.Add(-3*time.Minute+100*time.Millisecond), 3*time.Second, 58)
	w.set(midnight.Add(-6 * time.Second))
	c := w.camera(midnight.Add(-6*time.Second + 100*time.Millisecond))
	for range 30 {
		w.counts()
		p := w.live(t)
		if lists, pages, _, _ := w.counts(); lists > 2 || pages > 2 {
			t.Errorf("at %v: %d listings, %d pages", w.Now(), lists, pages)
		}
		if got, want := p.Segments[len(p.Segments)-1].Key, c.next.Add(-3*time.Second).Unix(); got != want {
			t.Errorf("at %v the newest segment is %v", w.Now(), time.Unix(got, 0).UTC())
		}
		c.record(3 * time.Second)
	}
	w.counts()
	w.Service = w.another(t) // a first poll just after midnight looks into both days
	w.live(t)
	if lists, _, _, _ := w.counts(); lists > 2 {
		t.Errorf("%d listings", lists)
	}
}

func TestManyPollsAtOnceCostOneListing(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Minute), 3*time.Second, 19)
	var started, blocked sync.WaitGroup
	blocked.Add(1)
	w.before = func(op string) {
		if op == "list" {
			blocked.Wait()
		}
	}
	const n = 50
	started.Add(n)
	var done sync.WaitGroup
	var bad atomic.Int32
	for range n {
		done.Go(func() {
			started.Done()
			p, err := w.Live(context.Background(), "cam1")
			if err != nil || len(p.Segments) != 6 {
				bad.Add(1)
			}
		})
	}
	started.Wait()
	blocked.Done()
	done.Wait()
	if lists, _, _, reads := w.counts(); lists != 1 || reads != 1 || bad.Load() != 0 {
		t.Errorf("%d listings, %d reads, %d failures; want 1, 1, 0", lists, reads, bad.Load())
	}
}

func TestStoredShowsASegmentAtOnce(t *testing.T) {
	w := newWorld(t, func(c *playback.Config) { c.Announced = true })
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	first := w.live(t)
	w.counts()
	for i := range 50 {
		seg := c.record(3 * time.Second)
		w.set(c.next) // before its time: only Stored can know
		w.Stored("cam1", seg)
		p := w.live(t)
		if got := p.Segments[len(p.Segments)-1].Key; got != seg.Key.Unix() {
			t.Fatalf("segment %d: newest is %v, want %v", i, time.Unix(got, 0).UTC(), seg.Key)
		}
		if p.MediaSequence != first.MediaSequence+int64(i)+1 {
			t.Fatalf("segment %d: media sequence %d after %d", i, p.MediaSequence, first.MediaSequence)
		}
	}
	if lists, _, _, _ := w.counts(); lists != 0 {
		t.Errorf("%d listings, want none", lists)
	}
	w.Stored("cam1", segment.Segment{Key: w.Now().Add(24 * time.Hour).Truncate(time.Second), Size: someSize}) // a clock far ahead
	w.Stored("cam1", segment.Segment{Key: noon, Size: someSize})                                              // late
	w.Stored("cam1", segment.Segment{Key: w.Now().Truncate(time.Second), Size: 21})                           // a stray
	w.Stored("../x", segment.Segment{Key: w.Now().Truncate(time.Second), Size: someSize})
	if p := w.live(t); p.MediaSequence != first.MediaSequence+50 || len(p.Segments) != 6 {
		t.Errorf("after strays: %s", text(p))
	}
	for range 100 { // more than are remembered, unwatched
		w.Stored("cam1", c.record(3*time.Second))
	}
	p := w.live(t) // somebody may have seen the last one two target durations ago: the window is longer for a while
	if got := p.MediaSequence + int64(len(p.Segments)) - first.MediaSequence - 6; got != 150 || len(p.Segments) != 18 {
		t.Errorf("after 100 segments that nobody watched: +%d, %d in the window; want +150, 18", got, len(p.Segments))
	}
	if lists, _, _, _ := w.counts(); lists != 1 {
		t.Errorf("%d listings, want 1", lists)
	}
}

func TestStoredWithoutTheWholePictureStillLists(t *testing.T) {
	// Two servers take uploads; each is told of its own only.
	w := newWorld(t)
	second := w.another(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	w.live(t)
	second.Stored("cam1", c.record(3*time.Second))
	seg := c.record(3 * time.Second)
	w.set(c.next)
	w.Stored("cam1", seg)
	p := w.live(t)
	if got, want := keys(p)[len(p.Segments)-2:], []time.Time{seg.Key.Add(-3 * time.Second), seg.Key}; got[0] != want[0] || got[1] != want[1] {
		t.Errorf("newest segments %v, want %v", got, want)
	}
}

func TestReplayPages(t *testing.T) {
	w := newWorld(t)
	w.set(noon.Add(24 * time.Hour))
	w.every("cam1", noon.Add(-24*time.Hour), 3*time.Second, 48*1200)
	tests := []struct {
		name       string
		start      time.Time
		length     time.Duration
		segments   int
		maxPages   int
		maxKeysOne int // MaxKeys of the only listing, 0 = not looked at
	}{
		{"2 minutes", noon.Add(-time.Hour), 2 * time.Minute, 40, 1, 47},
		{"10 minutes", noon.Add(-time.Hour), 10 * time.Minute, 200, 1, 206},
		{"an hour", noon.Add(-2 * time.Hour), time.Hour, 1200, 2, 0},
		{"an hour around midnight", noon.Add(-12*time.Hour - 30*time.Minute), time.Hour, 1200, 3, 0},
		{"a day from midnight", noon.Add(-12 * time.Hour), 24 * time.Hour, 28_800, 30, 0},
		{"24 hours from noon", noon.Add(-24 * time.Hour), 24 * time.Hour, 28_800, 30, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := w.replay(t, tt.start, tt.start.Add(tt.length))
			if len(p.Segments) != tt.segments || p.Duration() != tt.length {
				t.Errorf("%d segments, %v; want %d", len(p.Segments), p.Duration(), tt.segments)
			}
			if tt.maxKeysOne > 0 && (len(w.lists) != 1 || w.lists[0].pageSize > tt.maxKeysOne) {
				t.Errorf("listings %+v, want one with at most %d keys", w.lists, tt.maxKeysOne)
			}
			lists, pages, walks, reads := w.counts()
			t.Logf("%d listings, %d pages, %d folder listings, %d reads", lists, pages, walks, reads)
			if pages > tt.maxPages || reads > 1 || walks > 0 {
				t.Errorf("%d pages, %d folder listings, %d reads; want at most %d, 0, 1", pages, walks, reads, tt.maxPages)
			}
		})
	}
}

func TestReplayOfSparseFootageSkipsEmptyDays(t *testing.T) {
	w := newWorld(t)
	start := noon.Add(-6 * 24 * time.Hour).Truncate(24 * time.Hour)
	w.every("cam1", start.Add(3*time.Hour), 3*time.Second, 20)
	w.every("cam1", start.Add(3*24*time.Hour+7*time.Hour), 3*time.Second, 20)
	p := w.replay(t, start, noon)
	if len(p.Segments) != 40 || p.Duration() != 2*time.Minute {
		t.Errorf("%d segments, %v", len(p.Segments), p.Duration())
	}
	if lists, _, walks, _ := w.counts(); lists > 4 || walks > 1 {
		t.Errorf("%d listings, %d folder listings for two days with footage", lists, walks)
	}
	w.wide = false // a role that may list days only
	if again := w.replay(t, start, noon); text(again) != text(p) {
		t.Error("without the right to list months the replay differs")
	}
}

func TestReplayOfDenseAndIrregularFootage(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-2*time.Hour+time.Second/2), time.Second, 7199) // three times as many as TSClipDuration promises
	p := w.replay(t, noon.Add(-2*time.Hour), noon)
	if len(p.Segments) != 7199 || p.TargetDuration != 1 {
		t.Errorf("%d segments, target duration %d", len(p.Segments), p.TargetDuration)
	}
	if _, pages, _, _ := w.counts(); pages > 12 {
		t.Errorf("%d pages for 7199 segments", pages)
	}
	w.every("cam2", noon.Add(-time.Hour), 3*time.Second, 1)
	at := noon.Add(-time.Hour)
	n := 0
	for ; at.Before(noon); n++ {
		next := at.Add(3*time.Second + time.Duration(n*7919%2000)*time.Millisecond)
		w.putWhole("cam1x", at, next)
		at = next
	}
	w.counts()
	p, err := w.Replay(t.Context(), "cam1x", noon.Add(-time.Hour), noon)
	if err != nil || p.Validate() != nil || len(p.Segments) != n {
		t.Errorf("%d of %d segments, %v, %v", len(p.Segments), n, err, p.Validate())
	}
	for i, s := range p.Segments {
		if s.Discontinuity {
			t.Errorf("segment %d follows a discontinuity, and nothing is missing", i)
		}
	}
	tails := len(w.tails)
	if _, _, _, reads := w.counts(); reads > 48+2*49 || tails > 49 {
		t.Errorf("%d reads, of them %d of tails", reads, tails)
	}
}

func TestPlaylistOfADayAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates too")
	}
	w := newWorld(t)
	w.every("cam1", noon.Add(-24*time.Hour), 3*time.Second, 28_800)
	quiet := quietBucket{w.bucket}
	w.cfg.Store = quiet
	s := w.another(t)
	var dst []byte
	allocs := testing.AllocsPerRun(3, func() {
		p, err := s.Replay(context.Background(), "cam1", noon.Add(-24*time.Hour), noon)
		if err != nil || len(p.Segments) != 28_800 {
			t.Fatalf("%d segments, %v", len(p.Segments), err)
		}
		dst = p.AppendM3U8(dst[:0], func(dst []byte, s *hls.Segment) []byte {
			return playback.AppendKey(append(dst, "segments/"...), "cam1", s)
		})
	})
	t.Logf("%v allocations for 28,800 segments, %d bytes", allocs, len(dst))
	if allocs > 1500 { // some 30 listings, 8 goroutines, a few slices; none per segment
		t.Errorf("%v allocations, want at most 1500", allocs)
	}
}

// quietBucket lists without allocating per key.
type quietBucket struct{ *bucket }

func (b quietBucket) List(ctx context.Context, prefix, startAfter string, pageSize int, yield func([]byte, int64) bool) error {
	b.mu.Lock()
	keys := b.keys
	b.mu.Unlock()
	var buf []byte
	from := max(prefix, startAfter)
	for i := searchAfter(keys, from, from == startAfter); i < len(keys) && len(keys[i]) > len(prefix) && keys[i][:len(prefix)] == prefix; i++ {
		if buf = append(buf[:0], keys[i]...); !yield(buf, someSize) {
			break
		}
	}
	return nil
}

func BenchmarkReplayOfADay(b *testing.B) {
	w := newWorld(b)
	w.every("cam1", noon.Add(-24*time.Hour), 3*time.Second, 28_800)
	w.cfg.Store = quietBucket{w.bucket}
	s := w.another(b)
	var dst []byte
	for b.Loop() {
		p, err := s.Replay(context.Background(), "cam1", noon.Add(-24*time.Hour), noon)
		if err != nil || len(p.Segments) != 28_800 {
			b.Fatalf("%d segments, %v", len(p.Segments), err)
		}
		dst = p.AppendM3U8(dst[:0], func(dst []byte, s *hls.Segment) []byte {
			return playback.AppendKey(append(dst, "segments/"...), "cam1", s)
		})
	}
}
