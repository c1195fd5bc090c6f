// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"container/list"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/s3cam/s3cam/playback"
)

// An EVENT playlist of a week takes 0.15 MB as JSON for a camera that keeps a steady beat, but 0.9 MB when its segments
// vary by 30 ms and 1.2 MB when they last 2 to 4 s: more than an item holds, and all of it would be written every
// few seconds. So its oldest entries, which never change, stand in parts: items of partEntries entries each, named by
// the hash of their content. A Save writes the parts that are new, then the item that names them all; a Load reads
// those that this process has not read before. Writers that race write the same parts or different ones, never half of one.
//
// A part expires no earlier than the item that names it: it is written again, at most once in PartMargin, when the item
// would outlive it. What no item names any more is deleted by TTL.
const (
	partEntries = 4096      // 24 kB as JSON at 5.8 bytes per entry, and at most some 200 kB
	PartMargin  = 24 * 3600 // seconds
	partsAtOnce = 8
	maxParts    = 128 // kept in memory: 21 MB
	MostParts   = 256 // of one window: a million entries, as many as playback reads
)

// Parts remembers the parts that were read or written last, for a store outside of this process. Their content never changes. It may be
// used concurrently.
type Parts struct {
	mu    sync.Mutex
	byPK  map[string]*list.Element
	order *list.List // of *Part, used last in front
}

// Part is some of the oldest entries of a window.
type Part struct {
	Key     string // of the store
	Entries []playback.Entry
	Expires int64 // Unix seconds
}

// NewParts returns one that remembers none.
func NewParts() *Parts { return &Parts{byPK: map[string]*list.Element{}, order: list.New()} }

func (p *Parts) get(pk string) *Part {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byPK[pk]
	if e == nil {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(*Part)
}

// Put notes that a part is stored.
func (p *Parts) Put(x *Part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.byPK[x.Key]; e != nil {
		e.Value = x
		p.order.MoveToFront(e)
		return
	}
	p.byPK[x.Key] = p.order.PushFront(x)
	for p.order.Len() > maxParts {
		last := p.order.Back()
		delete(p.byPK, last.Value.(*Part).Key)
		p.order.Remove(last)
	}
}

// partKey: a window's id ends in a camera's name or in a number (EVENT), so this is none.
func partKey(id, ref string) string { return id + "\n#" + ref }

// Save calls put for each part of w that is not known to be stored; put keeps it there when it succeeded.
func (p *Parts) Save(w playback.Window, put func(x *Part, text string) error) (refs []string, rest []playback.Entry, err error) {
	rest = w.Entries
	expires := ExpiresAt(&w)
	var todo []func() error
	for len(rest) > partEntries {
		entries := rest[:partEntries:partEntries]
		rest = rest[partEntries:]
		text, err := json.Marshal(playback.Window{Entries: entries})
		if err != nil {
			return nil, nil, err
		}
		sum := sha256.Sum256(text)
		ref := base64.RawURLEncoding.EncodeToString(sum[:16])
		refs = append(refs, ref)
		pk := partKey(w.ID, ref)
		if known := p.get(pk); known != nil && known.Expires >= expires {
			continue
		}
		x := &Part{Key: pk, Entries: slices.Clone(entries), Expires: expires + PartMargin}
		todo = append(todo, func() error { return put(x, string(text)) })
	}
	return refs, rest, atOnce(todo)
}

// Load returns the entries of the parts refs of window id, in order; get reads one that is not known, and keeps it.
func (p *Parts) Load(id string, refs []string, get func(pk string) (*Part, error)) ([]playback.Entry, error) {
	found := make([][]playback.Entry, len(refs))
	var todo []func() error
	for i, ref := range refs {
		pk := partKey(id, ref)
		if known := p.get(pk); known != nil {
			found[i] = known.Entries
			continue
		}
		todo = append(todo, func() error {
			x, err := get(pk)
			if err == nil {
				found[i] = x.Entries
			}
			return err
		})
	}
	if err := atOnce(todo); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// atOnce calls all of todo, some at a time. After an error no further ones are begun.
func atOnce(todo []func() error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	next := 0
	for range min(partsAtOnce, len(todo)) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= len(todo) || len(errs) > 0
				mu.Unlock()
				if stop {
					return
				}
				if err := todo[i](); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
