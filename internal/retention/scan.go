// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Store lists a bucket; *s3server.Bucket and *s3.Client do.
type Store interface {
	// List yields the objects below prefix whose key is greater than startAfter, in the order of keys, until yield returns
	// false. key is valid during the call only.
	List(ctx context.Context, prefix, startAfter string, pageSize int, yield func(key []byte, size int64) bool) error
	// ListFolders yields the names of the folders directly below prefix, in order, without prefix and slash.
	ListFolders(ctx context.Context, prefix string, yield func(name string) bool) error
}

const (
	maxDepth = 8   // elements of a camera id that are looked for
	chunk    = 512 // segments of a camera that are listed at a time
)

// camera is one with footage.
type camera struct {
	id    string
	years []int // that have folders, in order
}

// cameras finds the cameras of the bucket. A folder is one when it holds folders of a year and, in these, of a month.
func (k *Keeper) cameras(ctx context.Context) ([]camera, error) {
	var found []camera
	level := []string{""}
	for depth := 0; depth <= maxDepth && len(level) > 0; depth++ {
		var next []string
		for _, id := range level {
			c := camera{id: id}
			names, err := k.folders(ctx, prefixOf(id))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				sub := prefixOf(id) + name
				y, ok := number(name, 4)
				if !ok || id == "" {
					next = append(next, sub)
					continue
				}
				months, err := k.folders(ctx, sub+"/")
				if err != nil {
					return nil, err
				}
				others := 0
				isYear := false
				for _, m := range months {
					if n, ok := number(m, 2); ok && n >= 1 && n <= 12 {
						isYear = true
					} else {
						others++
					}
				}
				if isYear {
					c.years = append(c.years, y)
				}
				if others > 0 {
					next = append(next, sub)
				}
			}
			if len(c.years) > 0 && segment.CheckPrefix(id) == nil {
				found = append(found, c)
			}
		}
		level = next
	}
	slices.SortFunc(found, func(a, b camera) int { return compareText(a.id, b.id) })
	return found, nil
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func prefixOf(id string) string {
	if id == "" {
		return ""
	}
	return id + "/"
}

func (k *Keeper) folders(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	err := k.cfg.Store.ListFolders(ctx, prefix, func(name string) bool {
		names = append(names, name)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list folders of %q: %w", prefix, err)
	}
	return names, nil
}

func number(s string, digits int) (n int, ok bool) {
	if len(s) != digits {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// seg is a segment: the second in its key, and its size.
type seg struct{ at, size int64 }

// list yields the segments of a camera from a second on, in order, until yield returns false.
func (k *Keeper) list(ctx context.Context, c camera, from int64, page int, yield func(seg) bool) error {
	for _, y := range c.years {
		begin := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC)
		if time.Date(y+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix() <= from {
			continue
		}
		after := ""
		if begin.Unix() < from {
			after = segment.StartAfter(c.id, time.Unix(from, 0).UTC())
		}
		more, err := k.listFolder(ctx, c.id, fmt.Sprintf("%s/%04d/", c.id, y), after, page, yield)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// listFolder yields the segments of a camera in a folder; more is false when yield has ended it.
func (k *Keeper) listFolder(ctx context.Context, id, folder, after string, page int, yield func(seg) bool) (more bool, err error) {
	more = true
	err = k.cfg.Store.List(ctx, folder, after, page, func(key []byte, size int64) bool {
		prefix, start, ok := segment.ParseKey(key)
		if !ok || string(prefix) != id {
			return true
		}
		more = yield(seg{start.Unix(), size})
		return more
	})
	if err != nil {
		return false, fmt.Errorf("list %q: %w", folder, err)
	}
	return more, nil
}

// newest finds the newest segment of a camera.
func (k *Keeper) newest(ctx context.Context, c camera) (s seg, ok bool, err error) {
	for i := len(c.years) - 1; i >= 0 && !ok && err == nil; i-- {
		s, ok, err = k.newestIn(ctx, c.id, fmt.Sprintf("%s/%04d/", c.id, c.years[i]), 4)
	}
	return s, ok, err
}

// newestIn looks into a folder that has so many levels of folders below it: months, days, hours, minutes.
func (k *Keeper) newestIn(ctx context.Context, id, folder string, levels int) (s seg, ok bool, err error) {
	if levels == 0 {
		_, err = k.listFolder(ctx, id, folder, "", 64, func(x seg) bool {
			s, ok = x, true
			return true
		})
		return s, ok, err
	}
	names, err := k.folders(ctx, folder)
	for i := len(names) - 1; i >= 0 && !ok && err == nil; i-- {
		if _, isNumber := number(names[i], 2); isNumber {
			s, ok, err = k.newestIn(ctx, id, folder+names[i]+"/", levels-1)
		}
	}
	return s, ok, err
}

// queue gives out the segments of a camera within some spans, in order, and reads ahead by chunks.
type queue struct {
	k      *Keeper
	camera camera
	spans  []span
	buf    []seg
	last   int64 // taken last, if any was
	taken  bool
}

// peek returns the next segment without taking it.
func (q *queue) peek(ctx context.Context) (seg, bool, error) {
	for len(q.buf) == 0 && len(q.spans) > 0 {
		s := &q.spans[0]
		over := true
		n := max(chunk, q.k.cfg.Batch)
		err := q.k.list(ctx, q.camera, s.from, n, func(x seg) bool {
			if x.at >= s.to {
				return false
			}
			q.buf = append(q.buf, x)
			s.from = x.at + 1
			over = len(q.buf) < n
			return over
		})
		if err != nil {
			return seg{}, false, err
		}
		if over {
			q.spans = q.spans[1:]
		}
	}
	if len(q.buf) == 0 {
		return seg{}, false, nil
	}
	return q.buf[0], true, nil
}

// take takes what peek has returned.
func (q *queue) take() {
	q.last, q.taken = q.buf[0].at, true
	q.buf = q.buf[1:]
}
