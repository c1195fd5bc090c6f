// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/s3cam/s3cam/playback"
)

// An EVENT playlist of a week takes 0.15 MB as JSON for a camera that keeps a steady beat, but 0.9 MB when its segments
// vary by 30 ms and 1.2 MB when they last 2 to 4 s: more than an item holds, and all of it would be written every
// few seconds. So its oldest entries, which never change, stand in parts: items of partEntries entries each, named by
// the hash of their content. A Save writes the parts that are new, then the item that names them all; a Load reads
// those that this process has not read before. Writers that race write the same parts or different ones, never half of one.
//
// A part expires no earlier than the item that names it: it is written again, at most once in partMargin, when the item
// would outlive it. What no item names any more is deleted by TTL.
const (
	partEntries = 4096 // 24 kB as JSON at 5.8 bytes per entry, and at most some 200 kB
	partMargin  = 24 * 3600
	partsAtOnce = 8
	maxParts    = 128 // kept in memory: 21 MB
	mostParts   = 256 // of one window: a million entries, as many as playback reads
)

// parts remembers the parts that were read or written last. Their content never changes.
type parts struct {
	mu    sync.Mutex
	byPK  map[string]*list.Element
	order *list.List // of *part, used last in front
}

type part struct {
	pk      string
	entries []playback.Entry
	expires int64 // Unix seconds
}

func newParts() parts { return parts{byPK: map[string]*list.Element{}, order: list.New()} }

func (p *parts) get(pk string) *part {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byPK[pk]
	if e == nil {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(*part)
}

func (p *parts) put(x *part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.byPK[x.pk]; e != nil {
		e.Value = x
		p.order.MoveToFront(e)
		return
	}
	p.byPK[x.pk] = p.order.PushFront(x)
	for p.order.Len() > maxParts {
		last := p.order.Back()
		delete(p.byPK, last.Value.(*part).pk)
		p.order.Remove(last)
	}
}

// partKey: a window's id ends in a camera's name or in a number (EVENT), so this is none.
func partKey(id, ref string) string { return id + "\n#" + ref }

// saveParts stores the oldest entries of w in parts, as far as they are not there yet, and returns their names and the
// entries that remain for the item itself.
func (d *DynamoDB) saveParts(ctx context.Context, w playback.Window) (refs []string, rest []playback.Entry, err error) {
	return d.parts.save(w, func(x *part, text string) error { return d.putPart(ctx, x, text) })
}

// save calls put for each part of w that is not known to be stored; put keeps it there when it succeeded.
func (p *parts) save(w playback.Window, put func(x *part, text string) error) (refs []string, rest []playback.Entry, err error) {
	rest = w.Entries
	expires := expiresAt(&w)
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
		if known := p.get(pk); known != nil && known.expires >= expires {
			continue
		}
		x := &part{pk: pk, entries: slices.Clone(entries), expires: expires + partMargin}
		todo = append(todo, func() error { return put(x, string(text)) })
	}
	return refs, rest, atOnce(todo)
}

// load returns the entries of the parts refs of window id, in order; get reads one that is not known, and keeps it.
func (p *parts) load(id string, refs []string, get func(pk string) (*part, error)) ([]playback.Entry, error) {
	found := make([][]playback.Entry, len(refs))
	var todo []func() error
	for i, ref := range refs {
		pk := partKey(id, ref)
		if known := p.get(pk); known != nil {
			found[i] = known.entries
			continue
		}
		todo = append(todo, func() error {
			x, err := get(pk)
			if err == nil {
				found[i] = x.entries
			}
			return err
		})
	}
	if err := atOnce(todo); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

func (d *DynamoDB) putPart(ctx context.Context, x *part, text string) error {
	item := map[string]types.AttributeValue{
		attrKey:     &types.AttributeValueMemberS{Value: x.pk},
		attrWindow:  &types.AttributeValueMemberS{Value: text},
		attrExpires: number(x.expires),
	}
	if err := checkSize(item); err != nil {
		return err
	}
	in := &dynamodb.PutItemInput{TableName: &d.cfg.Table, Item: item}
	err := d.attempt(ctx, func(ctx context.Context) error {
		_, err := d.api.PutItem(ctx, in, withoutRetry)
		return err
	})
	if err == nil {
		d.parts.put(x)
	}
	return err
}

// loadParts puts the entries of the parts in front of those of the item.
func (d *DynamoDB) loadParts(ctx context.Context, it *dynItem) error {
	older, err := d.parts.load(it.window.ID, it.parts, func(pk string) (*part, error) { return d.getPart(ctx, pk) })
	if err != nil {
		return err
	}
	it.window.Entries = append(older, it.window.Entries...)
	return nil
}

func (d *DynamoDB) getPart(ctx context.Context, pk string) (*part, error) {
	item, err := d.get(ctx, pk)
	if err != nil {
		return nil, err
	}
	if item == nil {
		return nil, fmt.Errorf("%w: part %q of it is missing", errUnreadable, pk)
	}
	w, err := decodeWindow(item)
	if err != nil {
		return nil, fmt.Errorf("part %q: %w", pk, err)
	}
	expires, _ := integer(item[attrExpires])
	x := &part{pk: pk, entries: w.Entries, expires: expires}
	d.parts.put(x)
	return x, nil
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
