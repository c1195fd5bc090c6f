// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/internal/cache/dynamostore"
	"github.com/s3cam/s3cam/playback"
)

// TestEveryStoreKeepsThePromise runs the same tests against every store. Each opens a new one over the same data: what
// another server would see.
func TestEveryStoreKeepsThePromise(t *testing.T) {
	stores := []struct {
		name string
		open func(t *testing.T) func() playback.WindowStore
	}{
		{"memory", func(t *testing.T) func() playback.WindowStore {
			m := cache.NewMemory(cache.MemoryConfig{})
			return func() playback.WindowStore { return m }
		}},
		{"memory and files", func(t *testing.T) func() playback.WindowStore {
			k := keptStore(t, t.TempDir(), now)
			return func() playback.WindowStore { return k }
		}},
		{"DynamoDB, a fake in this process", func(t *testing.T) func() playback.WindowStore {
			table := newTable(t)
			return func() playback.WindowStore { return openTable(t, table, "cache") }
		}},
		{"DynamoDB, moto", func(t *testing.T) func() playback.WindowStore {
			client, name := motoTable(t)
			return func() playback.WindowStore { return openTable(t, client, name) }
		}},
		{"Redis, a server in this process", func(t *testing.T) func() playback.WindowStore {
			addr := miniServer(t).Addr()
			return func() playback.WindowStore { return openRedis(t, redisClient(t, &redis.Options{Addr: addr})) }
		}},
		{"Redis, a real one", func(t *testing.T) func() playback.WindowStore {
			client := realServer(t)
			return func() playback.WindowStore { return openRedis(t, client) }
		}},
	}
	tests := []struct {
		name string
		run  func(t *testing.T, open func() playback.WindowStore)
	}{
		{"save compares and swaps", compareAndSwap},
		{"of racing writers one wins each version", race},
		{"an expired window keeps its numbers", expired},
		{"every field comes back", everyField},
		{"a week without any beat fits", longEvent},
		{"a context that ended stops both", ended},
	}
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			open := s.open(t)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) { tt.run(t, open) })
			}
		})
	}
}

func openTable(t testing.TB, api dynamostore.API, name string) *dynamostore.Store {
	t.Helper()
	d, err := dynamostore.New(api, dynamostore.Config{Table: name, AttemptTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func compareAndSwap(t *testing.T, open func() playback.WindowStore) {
	m, other := open(), open()
	if w := load(t, m, "swap"); w.Version != 0 || w.ID != "swap" || len(w.Entries) != 0 {
		t.Errorf("of nothing: %+v", w)
	}
	if err := m.Save(t.Context(), window("swap", 3, 1, now)); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("saving version 3 over nothing: %v, want ErrConflict", err)
	}
	save(t, m, window("swap", 0, 1, now))
	if err := other.Save(t.Context(), window("swap", 0, 2, now)); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("creating it again: %v, want ErrConflict", err)
	}
	w := load(t, other, "swap")
	if w.Version != 1 || len(w.Entries) != 1 {
		t.Errorf("loaded %+v", w)
	}
	w.MediaSequence = 7
	save(t, other, w)
	if err := m.Save(t.Context(), w); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("the same version twice: %v, want ErrConflict", err)
	}
	if got := load(t, m, "swap"); got.Version != 2 || got.MediaSequence != 7 {
		t.Errorf("loaded %+v", got)
	}
	if got := load(t, m, "swap\n1790000000000000"); got.Version != 0 {
		t.Errorf("the EVENT window of the same camera is %+v", got)
	}
}

// race: 32 writers, each its own server, until 40 versions are there. Each version is written exactly once.
func race(t *testing.T, open func() playback.WindowStore) {
	const writers, versions = 32, 40
	var mu sync.Mutex
	var wg sync.WaitGroup
	winners := map[int64]int{}
	for range writers {
		m := open()
		wg.Go(func() {
			for {
				w, err := m.Load(context.Background(), "race")
				if err != nil {
					t.Error(err)
					return
				}
				if w.Version >= versions {
					return
				}
				w.MediaSequence++ // all write the same content: only the version tells
				w.TargetDuration = 3
				if err := m.Save(context.Background(), w); err == nil {
					mu.Lock()
					winners[w.Version+1]++
					mu.Unlock()
				} else if !errors.Is(err, playback.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	got := load(t, open(), "race")
	if got.MediaSequence != got.Version || int64(len(winners)) != got.Version {
		t.Errorf("sequence %d, version %d, %d versions won", got.MediaSequence, got.Version, len(winners))
	}
	for v, n := range winners {
		if n != 1 {
			t.Errorf("version %d has %d winners", v, n)
		}
	}
}

func expired(t *testing.T, open func() playback.WindowStore) {
	w := window("expired", 0, 6, now.Add(-time.Hour))
	w.MediaSequence, w.TargetDuration = 99, 3
	save(t, open(), w)
	if got := load(t, open(), "expired"); got.MediaSequence != 99 || len(got.Entries) != 6 || !got.Expires.Equal(w.Expires) {
		t.Errorf("%+v", got)
	}
}

func everyField(t *testing.T, open func() playback.WindowStore) {
	w := playback.Window{
		ID: "site/floor/cam \u00fc\n1790000000000000", Expires: now, TargetDuration: 3, MediaSequence: 217_000_000,
		DiscontinuitySequence: 4711, Recent: []int64{3_000_000, 2_999_999}, Last: 1_790_000_003_000_000, Bytes: 800_000,
		Exact: true, Unsure: 3, Unread: 4, Foreign: true, Lag: -5, Event: true, From: 1_790_000_000_000_000, Ended: true,
		Entries: []playback.Entry{
			{Key: 1_790_000_000, Start: 1_790_000_000_000_000, Duration: 3_000_000},
			{Key: 1_790_000_003, Start: 1_790_000_003_000_011, Duration: 2_987_654, Discontinuity: true, Added: 1_790_000_010},
		},
	}
	rv := reflect.ValueOf(w)
	for i := range rv.NumField() {
		if name := rv.Type().Field(i).Name; name != "Version" && rv.Field(i).IsZero() {
			t.Fatalf("the test leaves out field %s", name)
		}
	}
	save(t, open(), w)
	got := load(t, open(), w.ID)
	w.Version = 1
	if !got.Expires.Equal(w.Expires) {
		t.Errorf("expires %v, want %v", got.Expires, w.Expires)
	}
	got.Expires = w.Expires
	if !reflect.DeepEqual(got, w) {
		t.Errorf("got  %+v\nwant %+v", got, w)
	}
}

// longEvent: seven days of a camera whose segments last 2 to 4 s, 1.2 MB as JSON, saved as it grows.
func longEvent(t *testing.T, open func() playback.WindowStore) {
	w := irregular("event\n1790000000000000", 7*24*time.Hour)
	all := w.Entries
	m, other := open(), open()
	n := 0
	for _, n = range []int{1, 4096, 4097, 8192, 100_000, len(all) - 1, len(all)} {
		w.Entries = all[:n]
		save(t, m, w)
		w.Version++
		for _, s := range []playback.WindowStore{m, other, open()} {
			got := load(t, s, w.ID)
			if got.Version != w.Version || !reflect.DeepEqual(got.Entries, w.Entries) {
				t.Fatalf("with %d entries: version %d with %d entries came back", n, got.Version, len(got.Entries))
			}
		}
		m, other = other, m
	}
	w.Entries = all[:n-2]
	w.Version--
	if err := m.Save(t.Context(), w); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("a loser: %v, want ErrConflict", err)
	}
}

// irregular is an EVENT window over d of a camera without any beat.
func irregular(id string, d time.Duration) playback.Window {
	r := rand.New(rand.NewPCG(1, 2))
	w := playback.Window{ID: id, Expires: now.Add(10 * time.Minute), TargetDuration: 4, Event: true, From: 1_790_000_000_000_000}
	for at := w.From; at < w.From+d.Microseconds(); {
		length := 2_000_000 + r.Int64N(2_000_000)
		w.Entries = append(w.Entries, playback.Entry{Key: at / 1e6, Start: at, Duration: length, Added: at/1e6 + 7 + r.Int64N(3)})
		at += length
	}
	return w
}

func ended(t *testing.T, open func() playback.WindowStore) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := open()
	if _, err := m.Load(ctx, "ended"); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
	if err := m.Save(ctx, window("ended", 0, 1, now)); !errors.Is(err, context.Canceled) {
		t.Errorf("save: %v", err)
	}
}

func ids(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("cam", i))
	}
	return list
}
