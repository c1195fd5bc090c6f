// SPDX-License-Identifier: Apache-2.0

package retention

import "time"

// Playlists must not list what is deleted while somebody watches: footage in its last minutes is left out.

const (
	leastLead = 10 * time.Minute // before its end by bytes or disk from which on a segment is not listed
	edgeLasts = time.Hour        // after the last deletion for want of room
)

// edge is where footage begins that stays for a while.
type edge struct {
	at    int64
	until time.Time
}

// Range is a range of time.
type Range struct{ Start, End time.Time }

// Expiry tells which footage of a camera may vanish within the next minutes: what begins before edge and in none of the held
// ranges. A zero edge means none. By age it is known to the second; by bytes and disk it is where the last round stopped, and
// ten minutes (or twice what that round took) beyond it. It answers from memory.
func (k *Keeper) Expiry(camera string, now time.Time) (boundary time.Time, held []Range) {
	rules, err := k.cfg.Rules()
	if err != nil {
		rules = Rules{}
	}
	limits := rules.For(camera, k.cfg.Default)
	k.mu.Lock()
	refused := k.stats.ClockRefused
	k.mu.Unlock()
	if limits.Age > 0 && !refused {
		boundary = now.Add(-limits.Age + min(limits.Age/4, time.Hour)).UTC()
	}
	k.mu.Lock()
	edges := []edge{k.diskEdge}
	if limits.Bytes > 0 {
		edges = append(edges, k.edges[camera])
	}
	k.mu.Unlock()
	for _, e := range edges {
		if at := time.Unix(e.at, 0).UTC(); now.Before(e.until) && at.After(boundary) {
			boundary = at
		}
	}
	holds, err := k.cfg.Holds()
	if err != nil { // nothing is deleted then
		return time.Time{}, nil
	}
	for _, s := range protected(holds, camera) {
		held = append(held, Range{time.Unix(s.from, 0).UTC(), time.Unix(s.to, 0).UTC()})
	}
	return boundary, held
}

type edgeInput struct {
	deleted                          bool
	first, last, oldest, used, limit int64
}

// setBytesEdge notes where the footage of a camera limited by bytes begins that stays for a while.
func (k *Keeper) setBytesEdge(id string, st *stock, in edgeInput, now time.Time) {
	lead := int64(max(leastLead, 2*k.cfg.Interval) / time.Second)
	at := in.oldest
	switch {
	case in.deleted:
		at, lead = in.last, max(lead, 2*(in.last-in.first))
	case in.used+st.rate()*lead <= in.limit:
		k.mu.Lock()
		delete(k.edges, id)
		k.mu.Unlock()
		return // it will be full later
	}
	at += min(lead, max(0, st.newest-at)/4)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.edges[id] = edge{at, now.Add(max(edgeLasts, 3*k.cfg.Interval))}
}

// rate is how many bytes a second the camera has stored in its last full hours.
func (st *stock) rate() int64 {
	n := len(st.hours)
	if n == 0 {
		return 0
	}
	if n < 2 {
		return st.total() / max(1, st.newest-st.hours[0].at*hourSeconds)
	}
	var bytes int64
	recent := st.hours[max(0, n-7) : n-1]
	for _, h := range recent {
		bytes += h.bytes
	}
	return bytes / (int64(len(recent)) * hourSeconds)
}

func (k *Keeper) setDiskEdge(first, last int64, now time.Time) {
	lead := max(int64(leastLead/time.Second), 2*(last-first))
	lead = min(lead, max(0, now.Unix()-last)/4)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.diskEdge = edge{last + lead, now.Add(edgeLasts)}
}
