// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func window(id string, version int64, entries int, expires time.Time) playback.Window {
	return playback.Window{ID: id, Version: version, Expires: expires, Entries: make([]playback.Entry, entries)}
}

func load(t *testing.T, m *cache.Memory, id string) playback.Window {
	t.Helper()
	w, err := m.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func save(t *testing.T, m *cache.Memory, w playback.Window) {
	t.Helper()
	if err := m.Save(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

func TestSaveComparesAndSwaps(t *testing.T) {
	m := cache.NewMemory(cache.MemoryConfig{})
	if w := load(t, m, "a"); w.Version != 0 || w.ID != "a" || len(w.Entries) != 0 {
		t.Errorf("of nothing: %+v", w)
	}
	if err := m.Save(t.Context(), window("a", 3, 1, now)); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("saving version 3 over nothing: %v, want ErrConflict", err)
	}
	save(t, m, window("a", 0, 1, now))
	if err := m.Save(t.Context(), window("a", 0, 2, now)); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("creating it again: %v, want ErrConflict", err)
	}
	w := load(t, m, "a")
	if w.Version != 1 || len(w.Entries) != 1 {
		t.Errorf("loaded %+v", w)
	}
	w.MediaSequence = 7
	save(t, m, w)
	if err := m.Save(t.Context(), w); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("the same version twice: %v, want ErrConflict", err)
	}
	if got := load(t, m, "a"); got.Version != 2 || got.MediaSequence != 7 {
		t.Errorf("loaded %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Load(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("load: %v", err)
	}
	if err := m.Save(ctx, load(t, m, "a")); !errors.Is(err, context.Canceled) {
		t.Errorf("save: %v", err)
	}
}

func TestOfRacingWritersOneWins(t *testing.T) {
	m := cache.NewMemory(cache.MemoryConfig{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range 32 {
		wg.Go(func() {
			for range 100 {
				w, err := m.Load(context.Background(), "a")
				if err != nil {
					t.Error(err)
				}
				w.MediaSequence++
				if err := m.Save(context.Background(), w); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				} else if !errors.Is(err, playback.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := load(t, m, "a"); got.MediaSequence != int64(won) || got.Version != int64(won) {
		t.Errorf("%d saves, but sequence %d and version %d", won, got.MediaSequence, got.Version)
	}
}

func TestAnExpiredWindowKeepsItsNumbers(t *testing.T) {
	m := cache.NewMemory(cache.MemoryConfig{Now: func() time.Time { return now }})
	w := window("a", 0, 6, now.Add(-time.Hour))
	w.MediaSequence = 99
	save(t, m, w)
	if got := load(t, m, "a"); got.MediaSequence != 99 || len(got.Entries) != 6 {
		t.Errorf("%+v", got)
	}
}

func TestTheStoreIsBoundedAndNeverDropsAWindowInUseSilently(t *testing.T) {
	var log bytes.Buffer
	m := cache.NewMemory(cache.MemoryConfig{MaxEntries: 10, MaxSegments: 100, Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	live, expired := now.Add(time.Minute), now.Add(-time.Minute)
	for i := range 10 {
		save(t, m, window(fmt.Sprint(i), 0, 6, live))
	}
	save(t, m, window("old", 0, 6, expired)) // pushes out 0, the longest unused
	if s := m.Stats(); s != (cache.Stats{Entries: 10, Segments: 60, Evicted: 1}) {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "window=0") {
		t.Errorf("log: %s", log.String())
	}
	load(t, m, "1") // in use
	save(t, m, window("new", 0, 6, live))
	if w := load(t, m, "old"); w.Version != 0 {
		t.Error("the expired window is still there, although a live one had to go")
	}
	if s := m.Stats(); s.Evicted != 1 || s.Entries != 10 {
		t.Errorf("%+v", s)
	}
	save(t, m, window("event", 0, 80, live)) // segments count too
	if s := m.Stats(); s.Segments > 100 || s.Entries >= 10 {
		t.Errorf("%+v, want at most 100 segments", s)
	}
	if load(t, m, "1").Version == 0 || load(t, m, "event").Version == 0 {
		t.Error("what was used last was dropped")
	}
	save(t, m, window("huge", 0, 1000, live)) // more than the bound alone: kept, since it is being used
	if s := m.Stats(); s.Entries != 1 || s.Segments != 1000 {
		t.Errorf("%+v", s)
	}
	w := load(t, m, "huge")
	w.Entries = w.Entries[:5]
	save(t, m, w)
	if s := m.Stats(); s.Segments != 5 {
		t.Errorf("%+v, want 5 segments", s)
	}
}
