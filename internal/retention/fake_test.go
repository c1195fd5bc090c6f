// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/segment"
)

// memory is a bucket in memory.
type memory struct {
	mu      sync.Mutex
	objects map[string]int64
	order   []string // keys deleted, in order
	lists   int
	fail    error
	onKeys  func(keys []string) // before a batch is deleted
}

func newMemory() *memory { return &memory{objects: map[string]int64{}} }

func (m *memory) put(camera string, at time.Time, size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[segment.Key(camera, at)] = size
}

func (m *memory) sorted() []string {
	keys := make([]string, 0, len(m.objects))
	for k := range m.objects {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (m *memory) keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sorted()
}

func (m *memory) size() (n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.objects {
		n += s
	}
	return n
}

func (m *memory) List(_ context.Context, prefix, after string, _ int, yield func([]byte, int64) bool) error {
	m.mu.Lock()
	m.lists++
	keys := m.sorted()
	objects := m.objects
	m.mu.Unlock()
	for _, k := range keys {
		if strings.HasPrefix(k, prefix) && k > after {
			m.mu.Lock()
			size, ok := objects[k]
			m.mu.Unlock()
			if ok && !yield([]byte(k), size) {
				return nil
			}
		}
	}
	return nil
}

func (m *memory) ListFolders(_ context.Context, prefix string, yield func(string) bool) error {
	m.mu.Lock()
	m.lists++
	keys := m.sorted()
	m.mu.Unlock()
	last := ""
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		name, _, below := strings.Cut(rest, "/")
		if below && name != last {
			if last = name; !yield(name) {
				return nil
			}
		}
	}
	return nil
}

func (m *memory) DeleteKeys(ctx context.Context, keys []string) (removed, done int, err error) {
	if m.onKeys != nil {
		m.onKeys(keys)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if m.fail != nil {
			return removed, done, m.fail
		}
		if _, ok := m.objects[k]; ok {
			delete(m.objects, k)
			m.order = append(m.order, k)
			removed++
		}
		done++
	}
	return removed, done, nil
}

// record stores segments of a camera from a moment on, so many, step apart, each of size bytes.
func (m *memory) record(camera string, from time.Time, n int, step time.Duration, size int64) {
	for i := range n {
		m.put(camera, from.Add(time.Duration(i)*step), size)
	}
}

func count(keys []string, prefix string) (n int) {
	for _, k := range keys {
		if strings.HasPrefix(k, prefix) {
			n++
		}
	}
	return n
}

func ptr[T any](v T) *T { return &v }

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		panic(fmt.Sprint(err))
	}
	return t
}

func config(m *memory, now time.Time) retention.Config {
	return retention.Config{Store: m, Delete: m, Now: func() time.Time { return now }, Rate: -1, MaxRound: time.Hour}
}
