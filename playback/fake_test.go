// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// bucket is a Store and HeadReader in memory. It counts what is asked and refuses what a role limited to day folders may
// not list (unless wide).
type bucket struct {
	t    testing.TB
	wide bool

	mu     sync.Mutex
	keys   []string // sorted
	size   map[string]int64
	exact  map[string]time.Time // true start of the object, for ReadRange; else its head has a foreign PTS
	ends   map[string]time.Time // true end of it; else its tail says nothing
	lists  []listCall
	walks  int      // ListFolders
	reads  []string // of heads and tails
	tails  []string
	fail   func(op string) error // injected
	before func(op string)       // called at the start of each operation, without the lock
}

type listCall struct {
	prefix, startAfter string
	pageSize, pages    int
}

var dayFolder = regexp.MustCompile(`^.+/\d{4}/\d{2}/\d{2}/$`)

func newBucket(t testing.TB) *bucket {
	return &bucket{t: t, wide: true, size: map[string]int64{}, exact: map[string]time.Time{}, ends: map[string]time.Time{}}
}

const someSize = 1000 * 188

// put stores a segment whose first frame is at start.
func (b *bucket) put(camera string, start time.Time) segment.Segment {
	b.putObject(segment.Key(camera, start), someSize)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.exact[segment.Key(camera, start)] = start
	return segment.Segment{Key: start.UTC().Truncate(time.Second), Size: someSize}
}

// putWhole stores a segment from start to end.
func (b *bucket) putWhole(camera string, start, end time.Time) segment.Segment {
	seg := b.put(camera, start)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ends[segment.Key(camera, start)] = end
	return seg
}

func (b *bucket) putObject(key string, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, found := slices.BinarySearch(b.keys, key); !found {
		b.keys = slices.Insert(b.keys, i, key)
	}
	b.size[key] = size
}

// every puts n segments from start on, step apart.
func (b *bucket) every(camera string, start time.Time, step time.Duration, n int) {
	for i := range n {
		b.putWhole(camera, start.Add(time.Duration(i)*step), start.Add(time.Duration(i+1)*step))
	}
}

func (b *bucket) enter(ctx context.Context, op string) error {
	b.mu.Lock()
	before, fail := b.before, b.fail
	b.mu.Unlock()
	if before != nil {
		before(op)
	}
	if fail != nil {
		if err := fail(op); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (b *bucket) List(ctx context.Context, prefix, startAfter string, pageSize int, yield func([]byte, int64) bool) error {
	if !dayFolder.MatchString(prefix) {
		b.t.Errorf("List(%q): not a day folder", prefix)
	}
	if pageSize < 1 || pageSize > 1000 {
		b.t.Errorf("List(%q): page size %d", prefix, pageSize)
		pageSize = 1000
	}
	if err := b.enter(ctx, "list"); err != nil {
		return err
	}
	b.mu.Lock()
	call := len(b.lists)
	b.lists = append(b.lists, listCall{prefix: prefix, startAfter: startAfter, pageSize: pageSize})
	keys := b.keys // replaced, not changed, by put
	b.mu.Unlock()
	from := max(prefix, startAfter)
	i := searchAfter(keys, from, from == startAfter)
	for {
		b.mu.Lock()
		b.lists[call].pages++
		b.mu.Unlock()
		for range pageSize {
			if i >= len(keys) || !strings.HasPrefix(keys[i], prefix) {
				return nil
			}
			b.mu.Lock()
			size := b.size[keys[i]]
			b.mu.Unlock()
			if !yield([]byte(keys[i]), size) {
				return nil
			}
			i++
		}
		if i >= len(keys) || !strings.HasPrefix(keys[i], prefix) {
			return nil
		}
	}
}

var errDenied = errors.New("AccessDenied")

func (b *bucket) ListFolders(ctx context.Context, prefix string, yield func(string) bool) error {
	if err := b.enter(ctx, "folders"); err != nil {
		return err
	}
	b.mu.Lock()
	b.walks++
	keys := b.keys
	b.mu.Unlock()
	if !b.wide && !dayFolder.MatchString(prefix) {
		return errDenied
	}
	last := ""
	i, _ := slices.BinarySearch(keys, prefix)
	for ; i < len(keys) && strings.HasPrefix(keys[i], prefix); i++ {
		name, _, deeper := strings.Cut(keys[i][len(prefix):], "/")
		if !deeper || name == last {
			continue
		}
		if last = name; !yield(name) {
			return nil
		}
	}
	return nil
}

// ReadRange answers sixteen bytes: the PTS at which the segment begins, which firstPTS reads, and that at which it ends, for
// endPTS.
func (b *bucket) ReadRange(ctx context.Context, key string, offset, n int64) ([]byte, error) {
	if err := b.enter(ctx, "read"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads = append(b.reads, key)
	tail := offset > 0 || n > 8192
	if n < 188 || tail && (n > 65536 || offset+n != b.size[key]) || !tail && n > b.size[key] {
		b.t.Errorf("ReadRange(%q, %d, %d) of %d bytes", key, offset, n, b.size[key])
	}
	if _, ok := b.size[key]; !ok {
		return nil, fmt.Errorf("read %s: %w", key, fs.ErrNotExist)
	}
	if tail {
		b.tails = append(b.tails, key)
	}
	pts := int64(12345) // as the original SDK: not wall-clock
	if start, ok := b.exact[key]; ok {
		pts = segment.PTS(start)
	}
	answer := binary.BigEndian.AppendUint64(nil, uint64(pts))
	if end, ok := b.ends[key]; ok {
		answer = binary.BigEndian.AppendUint64(answer, uint64(segment.PTS(end)))
	}
	return answer, nil
}

func endPTS(tail []byte) (int64, bool) {
	if len(tail) < 16 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(tail[8:])), true
}

func firstPTS(head []byte) (int64, bool) {
	if len(head) < 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(head)), true
}

// counts returns and resets the numbers of listings, pages, walks and reads.
func (b *bucket) counts() (lists, pages, walks, reads int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lists {
		pages += l.pages
	}
	lists, walks, reads = len(b.lists), b.walks, len(b.reads)
	b.lists, b.walks, b.reads, b.tails = nil, 0, nil, nil
	return lists, pages, walks, reads
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *clock) add(d time.Duration) { c.set(c.Now().Add(d)) }

// world is a bucket, a clock and one service.
type world struct {
	*bucket
	clock
	cfg playback.Config
	*playback.Service
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB, change ...func(*playback.Config)) *world {
	w := &world{bucket: newBucket(t)}
	w.set(noon)
	w.cfg = playback.Config{
		Store: w.bucket, Heads: w.bucket, FirstPTS: firstPTS, EndPTS: endPTS,
		Windows: cache.NewMemory(cache.MemoryConfig{Now: w.Now}),
		Now:     w.clock.Now,
	}
	for _, f := range change {
		f(&w.cfg)
	}
	w.Service = w.another(t)
	return w
}

// another returns one more service on the same bucket and window store: a second server.
func (w *world) another(t testing.TB) *playback.Service {
	s, err := playback.New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func withoutHeads(c *playback.Config) { c.Heads, c.FirstPTS, c.EndPTS = nil, nil, nil }

func withoutTails(c *playback.Config) { c.EndPTS = nil }

// live polls and fails the test on an error or an invalid playlist.
func (w *world) live(t testing.TB) hls.Playlist {
	t.Helper()
	p, err := w.Live(context.Background(), "cam1")
	if err != nil {
		t.Fatalf("Live at %v: %v", w.Now(), err)
	}
	if err := p.Validate(); err != nil {
		t.Fatalf("Live at %v: %v\n%s", w.Now(), err, text(p))
	}
	return p
}

func (w *world) replay(t testing.TB, start, end time.Time) hls.Playlist {
	t.Helper()
	p, err := w.Replay(context.Background(), "cam1", start, end)
	if err != nil {
		t.Fatalf("Replay(%v, %v): %v", start, end, err)
	}
	if err := p.Validate(); err != nil {
		t.Fatalf("Replay(%v, %v): %v\n%s", start, end, err, text(p))
	}
	return p
}

func text(p hls.Playlist) string {
	return string(p.AppendM3U8(nil, func(dst []byte, s *hls.Segment) []byte { return playback.AppendKey(dst, "cam1", s) }))
}

// keys returns the starts by key of p's segments.
func keys(p hls.Playlist) (out []time.Time) {
	for _, s := range p.Segments {
		out = append(out, time.Unix(s.Key, 0).UTC())
	}
	return out
}

// searchAfter finds the first key at from, or behind it.
func searchAfter(keys []string, from string, behind bool) int {
	i, found := slices.BinarySearch(keys, from)
	if found && behind {
		i++
	}
	return i
}
