// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/segment"
)

// world is a bucket as a list, and the rules in the plainest words: what an independent reader of doc.go would write.
type world struct {
	all     []rec
	age     map[string]time.Duration
	bytes   map[string]int64
	holds   []retention.Hold
	now     time.Time
	minAge  time.Duration
	total   int64
	reserve int64
}

type rec struct {
	key, camera string
	at          time.Time
	size        int64
}

func (w *world) held(r rec) bool {
	for _, h := range w.holds {
		mine := h.Camera == r.camera || h.Camera == "*" || strings.HasSuffix(h.Camera, "/*") && strings.HasPrefix(r.camera, h.Camera[:len(h.Camera)-1])
		if mine && !r.at.Before(h.Start.Truncate(time.Second).Add(-30*time.Second)) && r.at.Before(h.End) {
			return true
		}
	}
	return false
}

// expected returns the keys that must be left.
func (w *world) expected() []string {
	left := slices.Clone(w.all)
	slices.SortFunc(left, func(a, b rec) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.camera, b.camera)
	})
	left = slices.DeleteFunc(left, func(r rec) bool {
		age := w.age[r.camera]
		return age > 0 && r.at.Before(w.now.Add(-age)) && !w.held(r)
	})
	newest := map[string]time.Time{}
	for _, r := range left {
		if r.at.After(newest[r.camera]) {
			newest[r.camera] = r.at
		}
	}
	sums := map[string]int64{}
	for _, r := range left {
		if !w.held(r) {
			sums[r.camera] += r.size
		}
	}
	left = slices.DeleteFunc(left, func(r rec) bool {
		limit := w.bytes[r.camera]
		if limit == 0 || w.held(r) || sums[r.camera] <= limit || !r.at.Before(newest[r.camera].Add(-w.minAge)) {
			return false
		}
		sums[r.camera] -= r.size
		return true
	})
	var used int64
	for _, r := range left {
		used += r.size
	}
	if free := w.total - used; w.reserve > 0 && free < w.reserve {
		need := w.reserve + w.reserve/10 - free
		left = slices.DeleteFunc(left, func(r rec) bool {
			if need <= 0 || w.held(r) || !r.at.Before(newest[r.camera].Add(-w.minAge)) {
				return false
			}
			need -= r.size
			return true
		})
	}
	var keys []string
	for _, r := range left {
		keys = append(keys, r.key)
	}
	slices.Sort(keys)
	return keys
}

// A keeper that lives through a random history (recording, late footage, changed rules and holds, time that passes, failures)
// leaves after each round exactly what the plain reading of the rules leaves.
func TestRandomHistoriesAgainstAPlainOracle(t *testing.T) {
	seeds := 150
	if testing.Short() {
		seeds = 30
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { history(t, seed) })
	}
}

func history(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 6))
	cameras := []string{"a", "site/a", "site/b", "site/2020", "2031"}
	m := newMemory()
	clock := at("2026-12-30 22:00:00").Add(time.Duration(r.IntN(72*3600)) * time.Second) // over New Year
	rules := retention.Rules{}
	var holds []retention.Hold
	total, reserve := int64(2_000_000), int64(0)
	if r.IntN(2) == 0 {
		reserve = int64(r.IntN(900_000)) + 1
	}
	def := retention.Limits{Age: time.Duration(r.IntN(3)) * 5 * time.Hour}
	cfg := config(m, clock)
	cfg.Now = func() time.Time { return clock }
	cfg.Default, cfg.MaxDeletes, cfg.MinAge = def, 1+r.IntN(500), time.Duration(1+r.IntN(20))*time.Minute
	cfg.Rules = func() (retention.Rules, error) { return rules, nil }
	cfg.Holds = func() ([]retention.Hold, error) { return holds, nil }
	cfg.Reserve = retention.Reserve{Bytes: reserve}
	cfg.Disk = func() (retention.Disk, error) { return retention.Disk{Total: total, Free: total - m.size()}, nil }
	k := keeper(t, cfg)
	for step := range 6 {
		for _, c := range cameras {
			if r.IntN(3) == 0 {
				continue
			}
			from := clock.Add(-time.Duration(r.IntN(7200)) * time.Second)
			if r.IntN(4) == 0 { // from a spool
				from = clock.Add(-time.Duration(r.IntN(20*3600)) * time.Second)
			}
			for i := range r.IntN(200) {
				start := from.Add(time.Duration(i*(3+r.IntN(20))) * time.Second)
				if start.After(clock) {
					break
				}
				m.put(c, start, int64(500+r.IntN(3000)))
				k.Stored(c, start)
			}
		}
		if r.IntN(2) == 0 {
			start := clock.Add(-time.Duration(r.IntN(15*3600)) * time.Second)
			pattern := append(cameras, "*", "site/*", "other")[r.IntN(len(cameras)+3)]
			holds = append(holds, retention.Hold{Camera: pattern, Start: start, End: start.Add(time.Duration(r.IntN(5000))*time.Second + time.Duration(r.IntN(2)))})
		} else if len(holds) > 0 && r.IntN(3) == 0 {
			holds = holds[1:]
		}
		rules = retention.Rules{Cameras: map[string]retention.Rule{}}
		for _, name := range []string{"a", "site/*", "site/b", "*"} {
			rule := retention.Rule{}
			if r.IntN(3) == 0 {
				rule.Days = ptr(float64(r.IntN(4)) / 10)
			}
			if r.IntN(3) == 0 {
				rule.Bytes = ptr(int64(r.IntN(4)) * 70_000)
			}
			rules.Cameras[name] = rule
		}
		w := &world{age: map[string]time.Duration{}, bytes: map[string]int64{}, holds: holds, now: clock, minAge: cfg.MinAge, total: total, reserve: reserve}
		for _, c := range cameras { // the narrowest rule first
			w.age[c], w.bytes[c] = def.Age, def.Bytes
			var days *float64
			var bytes *int64
			for _, name := range []string{c, "site/*", "*"} {
				rule, ok := rules.Cameras[name]
				if !ok || name == "site/*" && !strings.HasPrefix(c, "site/") {
					continue
				}
				if days == nil {
					days = rule.Days
				}
				if bytes == nil {
					bytes = rule.Bytes
				}
			}
			if days != nil {
				w.age[c] = time.Duration(math.Round(*days*24*60)) * time.Minute
			}
			if bytes != nil {
				w.bytes[c] = *bytes
			}
		}
		for key, size := range m.objects {
			if camera, start, ok := segment.ParseKey(key); ok {
				w.all = append(w.all, rec{key, camera, start, size})
			}
		}
		m.objects["a/2026/12/31/note.txt"] = 0
		want := w.expected()
		if r.IntN(3) == 0 { // the store fails in the middle; the rest is done in the next round
			n := r.IntN(4)
			m.onKeys = func([]string) {
				if n--; n == 0 {
					m.fail = errors.New("store down")
				}
			}
			_, _ = k.Round(t.Context(), retention.Options{SkipDisk: true}) // the guard would take what failed to go
			m.onKeys, m.fail = nil, nil
		}
		for rounds, more := 0, true; more; rounds++ {
			rep, err := k.Round(t.Context(), retention.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if more = rep.More; rounds > 5000 {
				t.Fatal("it does not end")
			}
		}
		got := slices.DeleteFunc(m.keys(), func(k string) bool { return strings.HasSuffix(k, ".txt") })
		if len(got)+1 != len(m.keys()) {
			t.Fatal("something that is no segment was deleted")
		}
		if !slices.Equal(got, want) {
			t.Fatalf("step %d: %d left, want %d: %s", step, len(got), len(want), firstDifference(got, want))
		}
		clock = clock.Add(time.Duration(r.IntN(6*3600)) * time.Second)
	}
}

func firstDifference(got, want []string) string {
	for _, k := range got {
		if !slices.Contains(want, k) {
			return "kept " + k
		}
	}
	for _, k := range want {
		if !slices.Contains(got, k) {
			return "lost " + k
		}
	}
	return ""
}
