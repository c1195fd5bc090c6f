// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

// camera stores a segment every cfg.Segment.
type camera struct {
	id     string
	client *s3.Client
	began  time.Time // of its first segment
	body   []byte
	crc    uint32
	length time.Duration
	sum    *sums

	mu      sync.Mutex
	stored  []time.Time        // starts, in whole seconds, of all segments that were acknowledged
	unclear map[time.Time]bool // under way, or failed: the store may have it
	dropped int
	audited int // so many of stored are checked and deleted
}

// sums are what all cameras and viewers add to.
type sums struct {
	put, playlist, segment Latency

	mu    sync.Mutex
	kinds map[string]int
	first []error
}

// trouble counts an error and keeps the first few.
func (s *sums) trouble(kind string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds[kind]++
	if len(s.first) < 10 {
		s.first = append(s.first, fmt.Errorf("%s: %w", kind, err))
	}
}

// total returns how much trouble there was, and the first few errors.
func (s *sums) total() (n int, first error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, count := range s.kinds {
		n += count
	}
	return n, errors.Join(s.first...)
}

// run stores until ctx ends; an upload that is under way is finished.
func (c *camera) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		start := c.began.Add(time.Duration(n) * c.length)
		complete := start.Add(c.length)
		timer.Reset(time.Until(complete))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(complete) > ring*c.length {
			c.mu.Lock()
			c.dropped++
			c.mu.Unlock()
			c.sum.trouble("camera dropped a segment", fmt.Errorf("%s is %v late", c.id, time.Since(complete)))
			continue
		}
		c.put(context.WithoutCancel(ctx), start.Truncate(time.Second).UTC())
	}
}

func (c *camera) put(ctx context.Context, start time.Time) {
	c.mu.Lock()
	c.unclear[start] = true
	c.mu.Unlock()
	begin := time.Now()
	_, err := c.client.Put(ctx, segment.Key(c.id, start), bytes.NewReader(c.body), int64(len(c.body)),
		s3.PutOptions{ContentType: "video/mp2t", IfNoneMatch: true, CRC32C: &c.crc})
	took := time.Since(begin)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.sum.trouble("PUT failed", err)
		return
	}
	c.sum.put.add(took)
	delete(c.unclear, start)
	c.stored = append(c.stored, start)
}

// count returns how many segments were acknowledged.
func (c *camera) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.stored)
}

// audit compares what was acknowledged and started before a moment with what the store lists, and deletes it if that is wanted.
// One audit of a camera runs at a time.
func (c *camera) audit(ctx context.Context, before time.Time, remove bool) {
	c.mu.Lock()
	due := c.stored[c.audited:]
	for n, start := range due {
		if !start.Before(before) {
			due = due[:n]
			break
		}
	}
	unclear := map[time.Time]bool{}
	for start := range c.unclear {
		unclear[start] = true
	}
	c.mu.Unlock()
	listed := map[time.Time]int64{}
	err := c.client.List(ctx, c.id+"/", "", 0, func(key []byte, size int64) bool {
		_, start, ok := segment.ParseKey(string(key))
		if !ok {
			c.sum.trouble("stored, but sent by nobody", errors.New(string(key)))
		}
		if !start.Before(before) {
			return false
		}
		listed[start] = size
		return true
	})
	if err != nil {
		c.sum.trouble("LIST failed", err)
		return
	}
	c.mu.Lock()
	c.audited += len(due)
	c.mu.Unlock()
	for _, start := range due {
		size, ok := listed[start]
		switch key := segment.Key(c.id, start); {
		case !ok:
			c.sum.trouble("acknowledged, but not stored", errors.New(key))
		case size != int64(len(c.body)):
			c.sum.trouble("stored with another size", fmt.Errorf("%s: %d bytes instead of %d", key, size, len(c.body)))
		case remove:
			if err := c.client.Delete(ctx, key); err != nil {
				c.sum.trouble("DELETE failed", err)
			}
		}
		delete(listed, start)
	}
	for start := range listed {
		if !unclear[start] {
			c.sum.trouble("stored, but not acknowledged", errors.New(segment.Key(c.id, start)))
		}
	}
}
