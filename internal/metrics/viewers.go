// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	maxViewers = 50_000 // that are told apart
	viewerAge  = 30 * time.Second
)

// viewers counts who polled within the last viewerAge to twice that, by hashes in two generations.
type viewers struct {
	seed       maphash.Seed
	now        func() time.Time
	mu         sync.Mutex
	began      time.Time // of recent
	recent, of map[uint64]struct{}
}

func newViewers(now func() time.Time) *viewers {
	return &viewers{seed: maphash.MakeSeed(), now: now, recent: map[uint64]struct{}{}, of: map[uint64]struct{}{}}
}

func (v *viewers) turn() {
	now := v.now()
	switch age := now.Sub(v.began); {
	case age >= 2*viewerAge || age < 0:
		v.recent, v.of, v.began = map[uint64]struct{}{}, map[uint64]struct{}{}, now
	case age >= viewerAge:
		v.recent, v.of, v.began = map[uint64]struct{}{}, v.recent, now
	}
}

// saw notes a poll of a client, described by words that are hashed.
func (v *viewers) saw(words ...string) {
	var h maphash.Hash
	h.SetSeed(v.seed)
	for _, w := range words {
		h.WriteString(w)
		h.WriteByte(0)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.turn()
	if len(v.recent) < maxViewers {
		v.recent[h.Sum64()] = struct{}{}
	}
}

func (v *viewers) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.turn()
	n := len(v.recent)
	for h := range v.of {
		if _, both := v.recent[h]; !both {
			n++
		}
	}
	return n
}
