// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func window(id string, version int64, entries int, expires time.Time) playback.Window {
	return playback.Window{ID: id, Version: version, Expires: expires, Entries: make([]playback.Entry, entries)}
}

func load(t testing.TB, m playback.WindowStore, id string) playback.Window {
	t.Helper()
	w, err := m.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func save(t testing.TB, m playback.WindowStore, w playback.Window) {
	t.Helper()
	if err := m.Save(t.Context(), w); err != nil {
		t.Fatal(err)
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
