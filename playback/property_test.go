// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/hls/hlstest"
	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// arrival is one segment of a made-up history: when its first frame was by the camera's clock, and when it was stored.
type arrival struct {
	start  time.Time
	end    time.Time // of its last frame, by the camera's clock
	stored time.Time
}

// smartCodec says how many histories have cameras with key frames where they like.
const smartCodec = 4 // one in so many

// history makes up what a camera stores within span after noon: one segment length or several, jitter, gaps, restarts with
// the clock stepping either way, uploads that are late by seconds or come back from a spool after minutes.
func history(r *rand.Rand, span time.Duration) []arrival {
	lengths := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second, 3003 * time.Millisecond, 3200 * time.Millisecond, 4 * time.Second, 7300 * time.Millisecond, 10 * time.Second}
	length := lengths[r.IntN(len(lengths))]
	smart := r.IntN(smartCodec) == 0
	jitter := []time.Duration{0, 0, 40 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second}[r.IntN(5)]
	trouble := []float64{0, 0.01, 0.05}[r.IntN(3)] // chance per segment of each kind
	skew := []time.Duration{0, 0, 300 * time.Millisecond, -20 * time.Second, 45 * time.Second, -110 * time.Second}[r.IntN(6)]

	var out []arrival
	t := noon.Add(-150*time.Second + time.Duration(r.IntN(3000))*time.Millisecond) // real time at the segment's start
	floor := time.Time{}
	var spool []int // indexes of arrivals held back
	spoolUntil := time.Time{}
	for t.Before(noon.Add(span)) {
		d := length
		if jitter > 0 {
			d += time.Duration(r.Int64N(int64(jitter)))
		}
		if smart && r.IntN(5) == 0 {
			d += time.Duration(r.Int64N(int64(6 * time.Second)))
		}
		if r.Float64() < trouble/4 {
			d = time.Duration(50+r.IntN(900)) * time.Millisecond // a flush
		}
		start := t.Add(skew)
		if key := start.Truncate(time.Second); key.After(floor) { // the uploader never repeats a second or goes back
			a := arrival{start: start, end: start.Add(d), stored: t.Add(d + time.Duration(100+r.IntN(400))*time.Millisecond)}
			if r.Float64() < trouble {
				a.stored = a.stored.Add(time.Duration(r.IntN(9000)) * time.Millisecond)
			}
			if t.Before(spoolUntil) {
				spool = append(spool, len(out))
			} else if len(spool) > 0 {
				for _, i := range spool { // behind live
					out[i].stored = a.stored.Add(time.Duration(r.IntN(20000)) * time.Millisecond)
				}
				spool = nil
			}
			out = append(out, a)
			floor = key
		}
		t = t.Add(d)
		switch {
		case r.Float64() < trouble:
			t = t.Add(time.Duration(r.IntN(60000)) * time.Millisecond) // gap
		case r.Float64() < trouble: // restart
			t = t.Add(time.Duration(r.IntN(5000)) * time.Millisecond)
			floor = time.Time{}
			skew += time.Duration(r.IntN(20000)-10000) * time.Millisecond
			if r.IntN(8) == 0 {
				length = lengths[r.IntN(len(lengths))]
			}
		case r.Float64() < trouble/4: // far ahead for a while: a clock that lost its battery
			out = append(out, arrival{start: time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC).Add(t.Sub(noon)), stored: t})
		case r.Float64() < trouble/2:
			spoolUntil = t.Add(time.Duration(10+r.IntN(60)) * time.Second)
		}
	}
	slices.SortStableFunc(out, func(a, b arrival) int { return a.stored.Compare(b.stored) })
	return out
}

// racing is a WindowStore in which, now and then, somebody else gets in first.
type racing struct {
	playback.WindowStore
	before func(id string)
}

func (s *racing) Save(ctx context.Context, w playback.Window) error {
	if s.before != nil {
		s.before(w.ID)
	}
	return s.WindowStore.Save(ctx, w)
}

func seeds(t *testing.T, n int) (from, to int) {
	if v := os.Getenv("S3CAM_TEST_SEED"); v != "" { // run one history again
		seed, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		return seed, seed + 1
	}
	if testing.Short() || raceEnabled {
		n /= 10
	}
	return 0, n
}

// TestRandomHistories polls one camera from several viewers on several servers through made-up histories, and lets the
// reload checker judge every answer.
func TestRandomHistories(t *testing.T) {
	from, to := seeds(t, 2000)
	var polls, changes, conflicts int
	for seed := from; seed < to && !t.Failed(); seed++ {
		h := &run{t: t, r: rand.New(rand.NewPCG(1, uint64(seed))), seed: seed}
		h.play()
		polls, changes, conflicts = polls+h.all.Count, changes+h.all.Changes, conflicts+h.conflicts
	}
	t.Logf("%d histories, %d polls, %d new states, %d lost races", to-from, polls, changes, conflicts)
}

// run is one history being played.
type run struct {
	t         *testing.T
	r         *rand.Rand
	seed      int
	w         *world
	servers   []*playback.Service
	viewers   []hlstest.Reloads
	all       hlstest.Reloads
	arrivals  []arrival
	next      int // of arrivals
	foreign   bool
	event     bool
	from      time.Time
	seen      map[int64]time.Time // key -> first published
	truth     map[int64]time.Time // key -> true start, by the camera's clock
	ends      []time.Time         // true ends of segments, by the camera's clock
	conflicts int
	nested    bool
	busy      int // the server that is answering
}

func (h *run) play() {
	const span = 5 * time.Minute
	h.seen, h.truth = map[int64]time.Time{}, map[int64]time.Time{}
	h.w = newWorld(h.t)
	store := &racing{WindowStore: cache.NewMemory(cache.MemoryConfig{Now: h.w.Now})}
	h.w.cfg.Windows = store
	h.event = h.r.IntN(4) == 0
	h.from = noon.Add(time.Duration(h.r.IntN(200000)-150000) * time.Millisecond)
	switch h.r.IntN(4) {
	case 0:
		withoutHeads(&h.w.cfg)
	case 1:
		h.w.cfg.ItemInPlaylist = 1 + h.r.IntN(12)
	}
	announced := h.r.IntN(4) == 0 && !h.event
	h.w.cfg.Announced = announced
	n := 1 + h.r.IntN(3)
	if announced {
		n = 1
	}
	for range n {
		h.servers = append(h.servers, h.w.another(h.t))
	}
	h.viewers = make([]hlstest.Reloads, 1+h.r.IntN(3))
	store.before = func(string) {
		if !h.nested && h.r.IntN(8) == 0 && len(h.servers) > 1 {
			h.nested = true
			h.conflicts++
			h.w.add(time.Duration(h.r.IntN(1500)) * time.Millisecond) // and meanwhile more was stored
			h.deliver()
			h.poll((h.busy + 1 + h.r.IntN(len(h.servers)-1)) % len(h.servers))
			h.nested = false
		}
	}
	h.foreign = h.r.IntN(6) == 0

	h.arrivals = history(h.r, span)
	h.w.set(noon.Add(time.Duration(h.r.IntN(30000)-15000) * time.Millisecond))
	pace := 100 + h.r.IntN(3000)
	for h.w.Now().Before(noon.Add(span + time.Minute)) {
		h.deliver()
		h.busy = h.r.IntN(len(h.servers))
		h.poll(h.busy)
		h.w.add(time.Duration(1+h.r.IntN(pace)) * time.Millisecond)
		if h.t.Failed() {
			return
		}
	}
	h.complete()
}

// deliver stores what has arrived by now.
func (h *run) deliver() {
	for h.next < len(h.arrivals) && !h.arrivals[h.next].stored.After(h.w.Now()) {
		h.store(h.arrivals[h.next])
		h.next++
	}
}

func (h *run) store(a arrival) {
	h.w.putWhole("cam1", a.start, a.end)
	h.truth[a.start.Unix()] = a.start
	h.ends = append(h.ends, a.end)
	if h.foreign {
		h.w.bucket.mu.Lock()
		delete(h.w.exact, segment.Key("cam1", a.start))
		h.w.bucket.mu.Unlock()
	}
	if h.w.cfg.Announced || h.r.IntN(6) == 0 {
		h.servers[h.r.IntN(len(h.servers))].Stored("cam1", segment.Segment{Key: a.start.Truncate(time.Second), Size: someSize})
	}
}

func (h *run) poll(server int) {
	var p hls.Playlist
	var err error
	if h.event {
		p, err = h.servers[server].Replay(context.Background(), "cam1", h.from, time.Time{})
	} else {
		p, err = h.servers[server].Live(context.Background(), "cam1")
	}
	var bad *playback.RangeError
	switch {
	case errors.Is(err, playback.ErrNoSegments) && h.all.Count == 0:
		return
	case errors.As(err, &bad) && bad.Param == "start" && h.from.After(h.w.Now()):
		return
	case err != nil:
		h.t.Errorf("seed %d, %v: %v", h.seed, h.w.Now(), err)
		return
	}
	for _, r := range []*hlstest.Reloads{&h.all, &h.viewers[h.r.IntN(len(h.viewers))]} {
		if err := r.AddPlaylist(p); err != nil {
			h.t.Errorf("seed %d, %v: %v\nnow\n%s", h.seed, h.w.Now(), err, text(p))
			return
		}
	}
	for i, date := range dates(p) {
		key := p.Segments[i].Key
		if _, ok := h.seen[key]; ok {
			continue
		}
		h.seen[key] = h.w.Now()
		// The published date follows the true start within the gap rule and the second of a key. Only where a segment comes
		// much earlier than the one before it was said to end, it may be as late as dates may not overlap; and where a long one
		// was published before its length was known, the one that follows without a gap as early as it can make good.
		truth := h.truth[key]
		if off := date.Sub(truth); off < 0 && off > -time.Duration(p.TargetDuration)*time.Second-time.Second/2 && !p.Segments[i].Discontinuity && h.joined(truth) && h.w.cfg.EndPTS != nil {
			continue
		}
		if off := date.Sub(truth); off.Abs() > 2500*time.Millisecond && !(p.Segments[i].Discontinuity && off > 0 && off < 15*time.Second) {
			h.t.Errorf("seed %d, %v: number %d, which started at %v, is dated %v", h.seed, h.w.Now(), p.MediaSequence+int64(i), truth, date)
		}
	}
}

// joined tells whether a segment ends at a time, within what counts as that.
func (h *run) joined(at time.Time) bool {
	return slices.ContainsFunc(h.ends, func(end time.Time) bool { return end.Sub(at).Abs() <= time.Second/2 })
}

// complete checks that every segment which was stored in order is there, and that those left out came too late.
func (h *run) complete() {
	if h.all.Count == 0 {
		return
	}
	if h.all.Jumps > 0 {
		h.t.Errorf("seed %d: %d times the window moved past what anybody had seen", h.seed, h.all.Jumps)
	}
	var first int64
	for key := range h.seen {
		if first == 0 || key < first {
			first = key
		}
	}
	for _, a := range h.arrivals {
		key := a.start.Unix()
		if at, ok := h.seen[key]; ok && at.Sub(a.stored) > 20*time.Second && a.stored.After(noon.Add(20*time.Second)) && !h.event {
			h.t.Errorf("seed %d: %s, stored at %v, was published only at %v", h.seed, segment.Key("cam1", a.start), a.stored, at)
		}
		if _, ok := h.seen[key]; ok || key < first || key > h.w.Now().Unix() || a.stored.After(h.w.Now().Add(-20*time.Second)) {
			continue
		}
		late := false
		for k, at := range h.seen {
			late = late || (k > key && at.Before(a.stored.Add(5*time.Second)))
		}
		if !late {
			h.t.Errorf("seed %d: %s, stored at %v, was never published", h.seed, segment.Key("cam1", a.start), a.stored)
		}
	}
}
