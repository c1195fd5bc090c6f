// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// locals is what this process alone remembers, per window: who is refreshing it, when that was last done, and which
// segments Stored told of. Losing it costs a listing and nothing else.
type locals struct {
	mu sync.Mutex
	m  map[string]*local
}

type local struct {
	turn chan struct{} // holds one token; who has it may refresh the window
	refs int           // under locals.mu
	used time.Time     // under locals.mu

	mu      sync.Mutex
	checked time.Time // when the store was last asked, successfully or not
	lacking time.Time // when a listing last showed nothing new
	rounds  int       // refreshes finished
	err     error     // how the last one ended
	pending []mark    // told by Stored, in the order told
	synced  bool      // pending has everything since the store was last listed
}

// get returns the state of id, making it if need be; put gives it back.
func (l *locals) get(id string, now time.Time) *local {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.m[id]
	if c == nil {
		if l.m == nil {
			l.m = map[string]*local{}
		}
		if len(l.m) >= maxLocal {
			l.evict()
		}
		c = &local{turn: make(chan struct{}, 1)}
		c.turn <- struct{}{}
		l.m[id] = c
	}
	c.refs++
	c.used = now
	return c
}

func (l *locals) put(id string, c *local) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.refs--
	c.mu.Lock()
	worthless := c.err != nil && !c.synced && len(c.pending) == 0
	c.mu.Unlock()
	if c.refs == 0 && worthless && l.m[id] == c {
		delete(l.m, id)
	}
}

// evict forgets the state that was not used for the longest time.
func (l *locals) evict() {
	var oldest string
	var found *local
	for id, c := range l.m {
		if c.refs == 0 && (found == nil || c.used.Before(found.used)) {
			oldest, found = id, c
		}
	}
	if found != nil {
		delete(l.m, oldest)
	}
}

// acquire waits for the turn to refresh; release must follow when err is nil. waited tells that somebody else had the
// turn meanwhile; failure is how that refresh ended, if it failed for a reason that concerns everybody.
func (c *local) acquire(ctx context.Context) (waited bool, failure, err error) {
	select {
	case <-c.turn:
		return false, nil, nil
	default:
	}
	c.mu.Lock()
	before := c.rounds
	c.mu.Unlock()
	select {
	case <-c.turn:
	case <-ctx.Done():
		return true, nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rounds != before && !errors.Is(c.err, context.Canceled) {
		failure = c.err
	}
	return true, failure, nil
}

func (c *local) release() { c.turn <- struct{}{} }

// done notes the end of a refresh.
func (c *local) done(now time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked, c.err = now, err
	c.rounds++
}

// told returns the pending segments newer than key, in order.
func (c *local) told(key int64) []mark {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []mark
	for _, m := range c.pending {
		if m.key > key {
			out = append(out, m)
		}
	}
	return inOrder(out)
}

// forget drops the pending segments up to key: they are published, or too late to be.
func (c *local) forget(key int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = slices.DeleteFunc(c.pending, func(m mark) bool { return m.key <= key })
}

// Stored tells that segment seg of camera is in the bucket. It is for the embedded engine, which sees each PUT: the next
// poll shows the segment at once, and with Config.Announced without a listing. It never blocks on the network.
//
// What could not be told is found by listing, so a call too few costs latency and nothing else.
func (s *Service) Stored(camera string, seg segment.Segment) {
	now := s.cfg.Now()
	m := mark{key: seg.Key.Unix(), size: seg.Size}
	if segment.CheckPrefix(camera) != nil || seg.Size < minObjectBytes || m.key > now.Add(s.cfg.NearRealtimeReplayPrecedingPeriod).Unix() {
		return
	}
	if !seg.Start.Equal(seg.Key) && !seg.Start.IsZero() {
		m.at, m.exact = seg.Start.UnixMicro(), true
	}
	c := s.local.get(camera, now)
	defer s.local.put(camera, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) >= maxPending {
		c.pending = c.pending[:copy(c.pending, c.pending[1:])]
		c.synced = false
	}
	c.pending = append(c.pending, m)
}

// inOrder sorts marks by key and drops repeated ones.
func inOrder(marks []mark) []mark {
	slices.SortStableFunc(marks, func(a, b mark) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return 0
	})
	return slices.CompactFunc(marks, func(a, b mark) bool { return a.key == b.key })
}
