// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/s3cam/s3cam/playback"
)

// Defaults of MemoryConfig.
const (
	DefaultMaxEntries  = 10_000
	DefaultMaxSegments = 2_000_000 // about 64 MB
)

// MemoryConfig is what NewMemory takes; the zero value means the defaults.
type MemoryConfig struct {
	MaxEntries  int              // most windows kept
	MaxSegments int              // most segments in all windows together
	Now         func() time.Time // default time.Now
	Logger      *slog.Logger     // nil discards
}

// Memory keeps windows in this process. It may be used concurrently.
type Memory struct {
	cfg     MemoryConfig
	mu      sync.Mutex
	entries map[string]*entry
	head    entry // ring of entries: head.next was used last, head.prev longest ago
	total   int   // segments in all entries
	evicted int64
}

type entry struct {
	w          playback.Window
	next, prev *entry
}

var _ playback.WindowStore = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory(cfg MemoryConfig) *Memory {
	if cfg.MaxEntries <= 0 {
		cfg.MaxEntries = DefaultMaxEntries
	}
	if cfg.MaxSegments <= 0 {
		cfg.MaxSegments = DefaultMaxSegments
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Memory{cfg: cfg, entries: map[string]*entry{}}
	m.head.next, m.head.prev = &m.head, &m.head
	return m
}

// Load implements playback.WindowStore. An expired entry is still answered: its numbers must not be undercut.
func (m *Memory) Load(ctx context.Context, id string) (playback.Window, error) {
	if err := ctx.Err(); err != nil {
		return playback.Window{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[id]
	if e == nil {
		return playback.Window{ID: id}, nil
	}
	m.touch(e)
	return e.w, nil
}

// Save implements playback.WindowStore.
func (m *Memory) Save(ctx context.Context, w playback.Window) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[w.ID]
	if e == nil {
		if w.Version != 0 {
			return fmt.Errorf("%w: version %d of %q is gone", playback.ErrConflict, w.Version, w.ID)
		}
		e = &entry{}
		e.next, e.prev = e, e
		m.entries[w.ID] = e
	} else if e.w.Version != w.Version {
		return fmt.Errorf("%w: %q has version %d, not %d", playback.ErrConflict, w.ID, e.w.Version, w.Version)
	}
	m.total += len(w.Entries) - len(e.w.Entries)
	w.Version++
	e.w = w
	m.touch(e)
	m.shrink(e)
	return nil
}

// restore takes over a window from elsewhere, as it is, unless there is one.
func (m *Memory) restore(w playback.Window) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[w.ID] != nil {
		return
	}
	e := &entry{w: w}
	e.next, e.prev = e, e
	m.entries[w.ID] = e
	m.total += len(w.Entries)
	m.touch(e)
	m.shrink(e)
}

// touch makes e the one used last.
func (m *Memory) touch(e *entry) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.next, e.prev = m.head.next, &m.head
	e.next.prev, e.prev.next = e, e
}

// shrink makes room: first among the expired of the longest unused, then by use alone. keep, just used, stays.
func (m *Memory) shrink(keep *entry) {
	now := m.cfg.Now()
	for len(m.entries) > m.cfg.MaxEntries || (m.total > m.cfg.MaxSegments && len(m.entries) > 1) {
		victim := m.head.prev
		const looks = 64 // at the longest unused entries for an expired one
		for e, i := m.head.prev, 0; e != &m.head && i < looks; e, i = e.prev, i+1 {
			if e != keep && !now.Before(e.w.Expires) {
				victim = e
				break
			}
		}
		if now.Before(victim.w.Expires) {
			m.evicted++
			m.cfg.Logger.Warn("live windows fill the cache: one in use was dropped, its numbers will jump forward",
				"window", victim.w.ID, "entries", len(m.entries), "segments", m.total)
		}
		m.total -= len(victim.w.Entries)
		victim.prev.next, victim.next.prev = victim.next, victim.prev
		delete(m.entries, victim.w.ID)
	}
}

// Stats tells how full the store is.
type Stats struct {
	Entries, Segments int
	Evicted           int64 // windows dropped that had not expired
}

// Stats may be called at any time.
func (m *Memory) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Stats{Entries: len(m.entries), Segments: m.total, Evicted: m.evicted}
}
