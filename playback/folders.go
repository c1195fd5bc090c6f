// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"fmt"
	"math/bits"
	"sync"
	"time"
)

// Which days of a month, hours of a day and minutes of an hour have footage is a listing of folders each. What was over an hour ago
// hardly changes any more (a spool may fill it up, retention may empty it), so such answers are kept for a while.
const (
	folderGeneration = 4096             // answers in one of two generations, some 100 bytes each
	closedFolderAge  = 10 * time.Minute // how long an answer about the past is kept
	openFolderAge    = 2 * time.Second  // and one about the present
	folderCloses     = time.Hour        // after the end of its time a folder counts as past
)

// folderCache keeps listings of folders. It forgets as headCache does.
type folderCache struct {
	mu         sync.Mutex
	young, old map[string]folderAnswer
}

type folderAnswer struct {
	mask  uint64 // bit n: there is a folder named n
	until int64  // Unix milliseconds
}

func (c *folderCache) get(folder string, now time.Time) (mask uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.young[folder]
	if !ok {
		a, ok = c.old[folder]
	}
	return a.mask, ok && now.UnixMilli() < a.until
}

func (c *folderCache) put(folder string, a folderAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= folderGeneration {
		c.old, c.young = c.young, make(map[string]folderAnswer)
	}
	c.young[folder] = a
}

func (c *folderCache) forget(folder string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, folder)
	delete(c.old, folder)
}

// numbered lists the folders below folder that are named by two digits of lo..hi, as bits. over is when the time that the folder
// stands for ends.
func (s *Service) numbered(ctx context.Context, folder string, lo, hi int, over time.Time) (mask uint64, err error) {
	now := s.cfg.Now()
	if mask, ok := s.folders.get(folder, now); ok {
		return mask, nil
	}
	err = s.cfg.Store.ListFolders(ctx, folder, func(name string) bool {
		if n, ok := twoDigits(name); ok && n >= lo && n <= hi {
			mask |= 1 << n
		}
		return bits.OnesCount64(mask) <= hi-lo
	})
	if err != nil {
		return 0, fmt.Errorf("list folders of %q: %w", folder, err)
	}
	age := openFolderAge
	if now.Sub(over) > folderCloses {
		age = closedFolderAge
	}
	s.folders.put(folder, folderAnswer{mask, now.Add(age).UnixMilli()})
	return mask, nil
}

func twoDigits(name string) (n int, ok bool) {
	if len(name) != 2 || name[0] < '0' || name[0] > '9' || name[1] < '0' || name[1] > '9' {
		return 0, false
	}
	return int(name[0]-'0')*10 + int(name[1]-'0'), true
}

// within lists, for each of the folders that begin at `at`, the numbered folders below as times, step apart.
func (s *Service) within(ctx context.Context, at []time.Time, name func(time.Time) string, step time.Duration, n int) ([]time.Time, error) {
	masks := make([]uint64, len(at))
	err := parallel(ctx, len(at), maxLists, func(ctx context.Context, i int) (err error) {
		masks[i], err = s.numbered(ctx, name(at[i]), 0, n-1, at[i].Add(time.Duration(n)*step))
		return err
	})
	if err != nil {
		return nil, err
	}
	var times []time.Time
	for i, mask := range masks {
		for ; mask != 0; mask &= mask - 1 {
			times = append(times, at[i].Add(time.Duration(bits.TrailingZeros64(mask))*step))
		}
	}
	return times, nil
}
