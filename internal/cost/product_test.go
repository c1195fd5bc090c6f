// SPDX-License-Identifier: Apache-2.0

package cost_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/internal/cost"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// bucket has the segments of one camera, each 0.8 s after its end, and counts how often it is listed.
type bucket struct {
	now    func() time.Time
	from   time.Time
	length time.Duration
	lists  int
}

func (b *bucket) List(_ context.Context, prefix, after string, _ int, yield func([]byte, int64) bool) error {
	b.lists++
	var keys []string
	for t := b.from; !t.Add(b.length + 800*time.Millisecond).After(b.now()); t = t.Add(b.length) {
		keys = append(keys, string(segment.AppendKey(nil, "cam", t)))
	}
	at, _ := slices.BinarySearch(keys, max(prefix, after))
	for _, key := range keys[at:] {
		if !strings.HasPrefix(key, prefix) {
			break
		}
		if key > after && !yield([]byte(key), 1_900_000) {
			break
		}
	}
	return nil
}

func (b *bucket) ListFolders(context.Context, string, func(string) bool) error { return nil }

// table counts what is read and written.
type table struct {
	playback.WindowStore
	loads, saves int
}

func (w *table) Load(ctx context.Context, id string) (playback.Window, error) {
	w.loads++
	return w.WindowStore.Load(ctx, id)
}

func (w *table) Save(ctx context.Context, v playback.Window) error {
	w.saves++
	return w.WindowStore.Save(ctx, v)
}

// What the estimate counts of an hour of live is what the playback service does in an hour of live.
func TestTheEstimateCountsWhatTheServiceDoes(t *testing.T) {
	for _, tt := range []struct {
		segment, poll time.Duration
		viewers       int
	}{
		{3 * time.Second, 0, 1}, {3 * time.Second, 9 * time.Second, 1}, {3 * time.Second, 1500 * time.Millisecond, 1}, {6 * time.Second, 0, 1},
		{10 * time.Second, 0, 1}, {3 * time.Second, 0, 10}, {6 * time.Second, 0, 10}, {3 * time.Second, 9 * time.Second, 10},
	} {
		t.Run(fmt.Sprintf("%d viewers of segments of %v, poll %v", tt.viewers, tt.segment, tt.poll), func(t *testing.T) {
			in := cost.DefaultInputs()
			in.Segment, in.Poll, in.Viewers, in.ViewingHours = tt.segment, tt.poll, float64(tt.viewers), float64(tt.viewers)
			e, err := cost.Monthly(in, example(t))
			if err != nil {
				t.Fatal(err)
			}
			now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
			clock := func() time.Time { return now }
			store := &bucket{now: clock, from: now.Add(-5 * time.Minute), length: tt.segment}
			windows := &table{WindowStore: cache.NewMemory(cache.MemoryConfig{Now: clock})}
			service, err := playback.New(playback.Config{Store: store, Windows: windows, Now: clock, M3U8TargetDuration: 10})
			if err != nil {
				t.Fatal(err)
			}
			step := in.PollInterval() / time.Duration(tt.viewers)
			polls := 0
			for end := now.Add(time.Hour); now.Before(end); polls++ {
				now = now.Add(step)
				if _, err := service.Live(t.Context(), "cam"); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%d polls: %d LISTs, %d reads, %d writes", polls, store.lists, windows.loads, windows.saves)
			near(t, "polls", quantity(e, cost.Live, cost.API), float64(polls), 1)
			near(t, "reads", quantity(e, cost.Live, cost.DynamoRead), float64(windows.loads), 5)
			near(t, "writes", quantity(e, cost.Live, cost.DynamoWrite), float64(windows.saves), 5)
			lists := quantity(e, cost.Live, cost.S3List)
			if tt.viewers == 1 {
				near(t, "LISTs of one viewer", lists, float64(store.lists), 5)
			} else if most := lists + 5; float64(store.lists) > most || float64(store.lists) < lists/2-5 {
				t.Errorf("%d LISTs, want half to all of the estimated %v", store.lists, lists)
			}
		})
	}
}
