// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/s3cam/s3cam/segment"
)

const hourSeconds = 3600

// stock is how many bytes a camera has, by hour. It is used by one round at a time.
type stock struct {
	hours  []hour // in order, each with at least one segment
	newest int64  // segment
	full   time.Time
}

type hour struct {
	at    int64 // Unix hours
	n     int64
	bytes int64
}

// recount is after how long everything of a camera is listed again: something else may have deleted.
const recount = day

// hourOf is floor(at/3600), also before 1970.
func hourOf(at int64) int64 {
	h := at / hourSeconds
	if at%hourSeconds < 0 {
		h--
	}
	return h
}

// stockOf brings the stock of a camera up to date: by all its segments the first time and once a day, else by the newest hour
// and those of which Stored has told.
func (k *Keeper) stockOf(ctx context.Context, c camera, now time.Time) (*stock, error) {
	late := k.takeLate(c.id)
	st := k.stocks[c.id]
	if st == nil || now.Sub(st.full) >= recount || now.Before(st.full) {
		st = &stock{full: now}
	}
	delete(k.stocks, c.id) // until it is right again
	from := always.from
	if n := len(st.hours); n > 0 {
		newest := st.hours[n-1].at
		for h := range late {
			if h >= newest {
				continue
			}
			if err := k.recountHour(ctx, c, st, h); err != nil {
				return nil, err
			}
		}
		at, _ := st.find(newest)
		st.hours = st.hours[:at:at]
		from = newest * hourSeconds
	}
	err := k.list(ctx, c, from, 1000, func(s seg) bool {
		st.add(s)
		return true
	})
	if err != nil {
		return nil, err
	}
	k.stocks[c.id] = st
	return st, nil
}

func (st *stock) find(at int64) (int, bool) {
	return slices.BinarySearchFunc(st.hours, at, func(h hour, at int64) int { return cmp.Compare(h.at, at) })
}

// add counts a segment that is not older than the others.
func (st *stock) add(s seg) {
	h := hourOf(s.at)
	if n := len(st.hours); n == 0 || st.hours[n-1].at != h {
		st.hours = append(st.hours, hour{at: h})
	}
	last := &st.hours[len(st.hours)-1]
	last.n++
	last.bytes += s.size
	st.newest = s.at
}

// remove uncounts a segment that was deleted.
func (st *stock) remove(s seg) {
	i, found := st.find(hourOf(s.at))
	if !found {
		return
	}
	h := &st.hours[i]
	h.n--
	h.bytes = max(0, h.bytes-s.size)
	if h.n <= 0 {
		st.hours = slices.Delete(st.hours, i, i+1)
	}
}

func (st *stock) total() (bytes int64) {
	for _, h := range st.hours {
		bytes += h.bytes
	}
	return bytes
}

func (k *Keeper) recountHour(ctx context.Context, c camera, st *stock, at int64) error {
	fresh := hour{at: at}
	folder := segment.HourFolder(c.id, time.Unix(at*hourSeconds, 0).UTC())
	if _, err := k.listFolder(ctx, c.id, folder, "", 1000, func(s seg) bool {
		fresh.n++
		fresh.bytes += s.size
		return true
	}); err != nil {
		return err
	}
	i, found := st.find(at)
	switch {
	case found && fresh.n == 0:
		st.hours = slices.Delete(st.hours, i, i+1)
	case found:
		st.hours[i] = fresh
	case fresh.n > 0:
		st.hours = slices.Insert(st.hours, i, fresh)
	}
	return nil
}

// held returns how many of a camera's bytes lie in the spans. Hours that lie in one as a whole are known; of others the
// part is listed.
func (k *Keeper) held(ctx context.Context, c camera, st *stock, spans []span) (bytes int64, err error) {
	for _, s := range spans {
		i, _ := st.find(hourOf(s.from))
		for ; i < len(st.hours) && st.hours[i].at*hourSeconds < s.to; i++ {
			h := st.hours[i]
			begin, end := h.at*hourSeconds, (h.at+1)*hourSeconds
			if s.from <= begin && end <= s.to {
				bytes += h.bytes
				continue
			}
			err := k.list(ctx, c, max(begin, s.from), chunk, func(x seg) bool {
				if x.at >= min(end, s.to) {
					return false
				}
				bytes += x.size
				return true
			})
			if err != nil {
				return 0, err
			}
		}
	}
	return bytes, nil
}

// Stored tells that a segment was stored just now. It is optional: footage that arrives late is then counted before the next
// recount, and the clock is known to agree without a listing. It never blocks for long.
func (k *Keeper) Stored(cameraID string, start time.Time) {
	at := start.Unix()
	k.mu.Lock()
	defer k.mu.Unlock()
	if at > k.seen && at <= k.cfg.Now().Add(aheadMost).Unix() {
		k.seen = at
	}
	if !k.counting {
		return
	}
	hours := k.late[cameraID]
	if hours == nil {
		if len(k.late) >= maxLate {
			return
		}
		hours = map[int64]struct{}{}
		k.late[cameraID] = hours
	}
	if len(hours) < maxLateHours {
		hours[hourOf(at)] = struct{}{}
	}
}

// Bounds of what Stored remembers between two rounds; beyond them the recount finds it.
const (
	maxLate      = 10000
	maxLateHours = 200
)

func (k *Keeper) takeLate(id string) map[int64]struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	hours := k.late[id]
	delete(k.late, id)
	return hours
}
