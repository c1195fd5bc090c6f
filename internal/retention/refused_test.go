// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/retention"
)

// remote is a store that may refuse single keys, or ask for a pause.
type remote struct {
	*memory
	refuse  func(key string) bool
	busy    int // requests that are answered so
	batches []int
}

var errLocked = errors.New("locked")

func (r *remote) DeleteKeys(ctx context.Context, keys []string) (removed, done int, err error) {
	r.batches = append(r.batches, len(keys))
	if r.busy > 0 {
		r.busy--
		return 0, 0, fmt.Errorf("%w: 503", retention.ErrBusy)
	}
	refused := &retention.Refused{Keys: map[int]error{}}
	var rest []string
	for i, key := range keys {
		if r.refuse != nil && r.refuse(key) {
			refused.Keys[i], refused.Err = errLocked, errLocked
			continue
		}
		rest = append(rest, key)
	}
	if removed, _, err = r.memory.DeleteKeys(ctx, rest); err == nil && len(refused.Keys) > 0 {
		err = refused
	}
	return removed, len(keys), err
}

func remoteConfig(r *remote) retention.Config {
	cfg := config(r.memory, now)
	cfg.Delete, cfg.Batch = r, 1000
	return cfg
}

func TestWhatTheStoreRefusesStaysAndIsTriedAgain(t *testing.T) {
	r := &remote{memory: newMemory(), refuse: func(key string) bool { return strings.HasSuffix(key, "/00.ts") }}
	r.record("cam1", now.Add(-9*day), 2500, 3*time.Second, 1000) // 125 of them on a full minute
	r.record("cam1", now.Add(-time.Minute), 5, 3*time.Second, 1000)
	r.record("cam2", now.Add(-9*day), 100, 3*time.Second, 1000)
	r.record("cam3", now.Add(-9*day), 3, time.Minute, 1000) // all are refused
	cfg := remoteConfig(r)
	cfg.Default.Age = 7 * day
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	k := keeper(t, cfg)
	for i := range 2 {
		rep, err := k.Round(t.Context(), retention.Options{})
		if !errors.Is(err, errLocked) || !strings.Contains(err.Error(), "retention of cam1: 50 segments were refused: locked") && i == 0 {
			t.Errorf("round %d: %v", i, err)
		}
		if want := []int64{2375 + 95, 0}[i]; rep.Total.Segments != want || rep.Total.Bytes != want*1000 {
			t.Errorf("round %d: deleted %+v, want %d", i, rep.Total, want)
		}
		if s := k.Stats(); s.Refused != int64(133*(i+1)) || s.Failed != int64(i+1) || s.Deleted[retention.ByAge].Segments != 2470 {
			t.Errorf("round %d: %+v", i, s)
		}
	}
	if n := len(r.keys()); n != 133+5 {
		t.Errorf("%d are left, want those refused and the new ones", n)
	}
	if !slices.Equal(r.batches[:3], []int{1000, 1000, 500}) {
		t.Errorf("batches of %v", r.batches)
	}
	r.refuse = nil
	if rep := round(t, k, retention.Options{}); rep.Total.Segments != 133 {
		t.Errorf("once nothing is refused: %+v", rep.Total)
	}
}

// The oldest of a camera cannot be deleted: newer footage does not go in its place.
func TestWhatIsRefusedDoesNotCostNewerFootage(t *testing.T) {
	for _, age := range []time.Duration{0, 3 * time.Hour} {
		old := now.Add(-5 * time.Hour)
		r := &remote{memory: newMemory()}
		r.record("cam1", old, 100, 3*time.Second, 1000)
		locked := r.keys()
		r.refuse = func(key string) bool { return slices.Contains(locked, key) }
		r.record("cam1", now.Add(-time.Hour), 1000, 3*time.Second, 1000)
		cfg := remoteConfig(r)
		cfg.Default = retention.Limits{Age: age, Bytes: 1_050_000}
		k := keeper(t, cfg)
		for range 3 {
			if _, err := k.Round(t.Context(), retention.Options{}); !errors.Is(err, errLocked) {
				t.Errorf("%v", err)
			}
		}
		if n := len(r.keys()); n != 1100 {
			t.Errorf("age %v: %d are left; want all, since only what is refused is too much", age, n)
		}
	}
}

func TestABusyStoreEndsTheRound(t *testing.T) {
	r := &remote{memory: newMemory(), busy: 1}
	for i := range 20 {
		r.record(fmt.Sprint("cam", i), now.Add(-9*day), 10, 3*time.Second, 1000)
	}
	r.record("cam0", now.Add(-time.Minute), 1, 3*time.Second, 1000)
	cfg := remoteConfig(r)
	cfg.Default.Age = 7 * day
	k := keeper(t, cfg)
	if rep, err := k.Round(t.Context(), retention.Options{}); !errors.Is(err, retention.ErrBusy) || rep.Total.Segments != 0 || len(r.batches) != 1 {
		t.Errorf("%v, %+v after %d requests", err, rep.Total, len(r.batches))
	}
	if rep := round(t, k, retention.Options{}); rep.Total.Segments != 200 {
		t.Errorf("afterwards: %+v", rep.Total)
	}
}

// A store that refuses something for good has its folders listed less and less often, as each listing is paid for.
func TestRoundsThatFailComeLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &remote{memory: newMemory(), refuse: func(string) bool { return true }}
		r.record("cam1", time.Now().Add(-9*day), 10, 3*time.Second, 1000)
		r.record("cam1", time.Now(), 1, 3*time.Second, 1000)
		cfg := remoteConfig(r)
		cfg.Now, cfg.Interval, cfg.Default.Age = nil, time.Hour, 7*day
		k := keeper(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := k.Stats().Rounds; n < 24 || n > 32 {
			t.Errorf("%d rounds a day", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Nor does one segment that cannot be deleted hold up the others.
func TestARefusalDoesNotHoldUpTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &remote{memory: newMemory()}
		r.record("cam1", time.Now().Add(-9*day), 5000, 3*time.Second, 1000)
		locked := r.keys()[0]
		r.refuse = func(key string) bool { return key == locked }
		r.record("cam1", time.Now(), 1, 3*time.Second, 1000)
		cfg := remoteConfig(r)
		cfg.Now, cfg.Interval, cfg.Default.Age, cfg.MaxDeletes = nil, time.Hour, 7*day, 1000
		k := keeper(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(r.keys()); n != 2 {
			t.Errorf("%d are left after a minute, want the one that is refused and the new one", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// clockFile is a SeenStore.
type clockFile struct {
	kept retention.Seen
	err  error
}

func (f *clockFile) Get() (retention.Seen, error) { return f.kept, f.err }
func (f *clockFile) Update(change func(*retention.Seen) error) error {
	if f.err != nil {
		return f.err
	}
	return change(&f.kept)
}

// The machine was off, and has a wrong clock when it starts. Its cameras take their time from it.
func TestAClockThatIsWrongAfterARestartDeletesNothing(t *testing.T) {
	m := newMemory()
	clock := now
	file := &clockFile{}
	start := func() *retention.Keeper {
		cfg := config(m, now)
		cfg.Now = func() time.Time { return clock }
		cfg.Default.Age = 7 * day
		cfg.Seen = file
		return keeper(t, cfg)
	}
	record := func(k *retention.Keeper) {
		m.put("cam1", clock, 1000)
		k.Stored("cam1", clock)
	}
	k := start()
	record(k)
	round(t, k, retention.Options{})
	if !file.kept.Clock.Equal(now) {
		t.Fatalf("kept %+v", file.kept)
	}
	clock = now.Add(48 * time.Hour) // two days off are nothing unusual
	k = start()
	record(k)
	round(t, k, retention.Options{})

	clock = now.AddDate(1, 0, 0)
	for range 3 { // and each start within the day remembers
		k = start()
		record(k)
		if rep, err := k.Round(t.Context(), retention.Options{}); !errors.Is(err, retention.ErrClock) || rep.Total.Segments != 0 {
			t.Fatalf("a year ahead: %v, %+v", err, rep.Total)
		}
		if edge, _ := k.Expiry("cam1", clock); !edge.IsZero() {
			t.Errorf("playlists leave out what is not deleted: before %v", edge)
		}
		clock = clock.Add(time.Hour)
	}
	rep, err := start().Round(t.Context(), retention.Options{DryRun: true})
	if !errors.Is(err, retention.ErrClock) || rep.Total.Segments != 0 {
		t.Errorf("a dry run: %v, %+v", err, rep.Total)
	}
	clock = now.Add(49 * time.Hour) // somebody has set it right
	k = start()
	record(k)
	if rep := round(t, k, retention.Options{}); rep.Total.Segments != 0 || !file.kept.Doubt.IsZero() {
		t.Errorf("right again: %+v, %+v", rep.Total, file.kept)
	}

	file.err = errors.New("damaged")
	k = start()
	if rep, err := k.Round(t.Context(), retention.Options{}); !errors.Is(err, retention.ErrClock) || !errors.Is(err, file.err) || rep.Total.Segments != 0 {
		t.Errorf("with a damaged file: %v, %+v", err, rep.Total)
	}
}

// Retention is run by hand once a week, beside cameras that record all the time.
func TestARunOnceAWeekDeletes(t *testing.T) {
	m := newMemory()
	clock := now
	file := &clockFile{}
	for range 6 {
		m.record("cam1", clock.Add(-7*day), 7*24, time.Hour, 1000)
		m.put("cam1", clock, 1000)
		cfg := config(m, now)
		cfg.Now = func() time.Time { return clock }
		cfg.Default.Age, cfg.Seen = 10*day, file
		round(t, keeper(t, cfg), retention.Options{})
		if n := len(m.keys()); n > 10*24+1 {
			t.Fatalf("%d segments are left, want those of 10 days", n)
		}
		clock = clock.Add(7 * day)
	}
	// Recorded for a day with a clock that is a year ahead: that shows nothing.
	clock = clock.AddDate(1, 0, 0)
	m.record("cam1", clock.Add(-day), 25, time.Hour, 1000)
	before := len(m.keys())
	cfg := config(m, now)
	cfg.Now = func() time.Time { return clock }
	cfg.Default.Age, cfg.Seen = 10*day, file
	if _, err := keeper(t, cfg).Round(t.Context(), retention.Options{}); !errors.Is(err, retention.ErrClock) || len(m.keys()) != before {
		t.Errorf("%v: %d of %d are left", err, len(m.keys()), before)
	}
}

// On a full disk nothing can be written, and something has to go.
func TestAFullDiskDoesNotKeepOldFootage(t *testing.T) {
	m := newMemory()
	m.record("cam1", now.Add(-9*day), 10, 3*time.Second, 1000)
	m.put("cam1", now, 1000)
	file := &clockFile{}
	cfg := config(m, now)
	cfg.Default.Age = 7 * day
	cfg.Seen = full{file}
	if rep := round(t, keeper(t, cfg), retention.Options{}); rep.Total.Segments != 10 {
		t.Errorf("deleted %+v", rep.Total)
	}
}

type full struct{ *clockFile }

func (full) Update(func(*retention.Seen) error) error { return errors.New("no space left on device") }
