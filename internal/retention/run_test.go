// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/segment"
)

// Days of a server in moments: a camera records, footage goes at its age and not before, the clock jumps and comes back.
func TestRunKeepsAWeekOfFootage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var jump atomic.Int64
		clock := func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		var log bytes.Buffer
		cfg := config(m, time.Time{})
		cfg.Now, cfg.Rate, cfg.MaxRound = clock, 0, 0
		cfg.Default.Age = 7 * day
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		k := keeper(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		record := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(30 * time.Minute) {
				m.put("cam1", time.Now(), 1000)
				k.Stored("cam1", time.Now())
			}
		}
		oldest := func() time.Duration {
			_, start, _ := segment.ParseKey(m.keys()[0])
			return time.Since(start)
		}
		record(6 * day)
		synctest.Wait()
		if n := len(m.keys()); n != 6*48 {
			t.Errorf("after 6 days %d segments, want all 288", n)
		}
		record(4 * day)
		time.Sleep(time.Minute)
		synctest.Wait()
		if age := oldest(); age > 7*day+6*time.Minute || age < 7*day-time.Hour {
			t.Errorf("after 10 days the oldest is %v old", age)
		}
		n := len(m.keys())
		jump.Store(int64(20 * 365 * day))
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := len(m.keys()); got != n || !k.Stats().ClockRefused || strings.Count(log.String(), "the clock does not agree") > 5 {
			t.Errorf("with a clock 20 years ahead %d of %d are left, %+v\n%s", got, n, k.Stats(), &log)
		}
		jump.Store(0)
		record(2 * time.Hour)
		synctest.Wait()
		if s := k.Stats(); s.ClockRefused || s.LastError != "" || oldest() > 7*day+time.Hour {
			t.Errorf("the clock is right again: %+v, oldest %v", s, oldest())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestRunGuardsTheDiskBetweenRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var returned atomic.Bool // whether deleting makes room
		returned.Store(true)
		var lowest atomic.Int64
		const total = 10_000_000
		lowest.Store(total)
		cfg := config(m, time.Time{})
		cfg.Now, cfg.Rate = nil, 0
		cfg.Reserve = retention.Reserve{Share: 0.2}
		cfg.Disk = func() (retention.Disk, error) {
			if !returned.Load() {
				return retention.Disk{Total: total, Free: 0}, nil
			}
			free := total - m.size()
			lowest.Store(min(lowest.Load(), free))
			return retention.Disk{Total: total, Free: free}, nil
		}
		k := keeper(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		for range 6000 { // 5 h of 10 kB each 3 s: 60 MB on 10 MB
			m.put("cam1", time.Now(), 10_000)
			time.Sleep(3 * time.Second)
		}
		if lowest.Load() < total/10 {
			t.Errorf("only %d of %d were free at a time", lowest.Load(), total)
		}
		if n := m.size(); n < total*6/10 {
			t.Errorf("%d bytes are left; the guard took too much", n)
		}
		// Deleting does not help: something else fills the disk. The guard slows down, and keeps the last ten minutes.
		returned.Store(false)
		before := k.Stats().Rounds
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := k.Stats().Rounds - before; n > 160 { // one a minute, and those of the rules
			t.Errorf("%d rounds in 2 h", n)
		}
		if n := len(m.keys()); n < 200 || !k.Stats().NothingLeftToPrune {
			t.Errorf("%d left, %+v", n, k.Stats())
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Snapshots keep the space of what is deleted, for some hours: most footage is still there then, and once they are gone the guard
// makes room as before.
func TestFootageIsNotDeletedForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		const size, all = 1000, 10_000
		var kept atomic.Int64 // bytes that snapshots keep
		kept.Store(-1)
		total := int64(all*size + 10_000)
		cfg := config(m, time.Time{})
		cfg.Now, cfg.Rate = nil, 0
		cfg.Reserve = retention.Reserve{Share: 0.1}
		cfg.Disk = func() (retention.Disk, error) {
			if kept.Load() < 0 {
				return retention.Disk{Total: total, Free: 10_000}, nil
			}
			return retention.Disk{Total: total, Free: total - m.size()}, nil
		}
		m.record("cam1", time.Now().Add(-all*3*time.Second), all, 3*time.Second, size)
		k := keeper(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		n := len(m.keys())
		if n < all*55/100 || n == all {
			t.Errorf("%d of %d segments are left after 3 h of deleting for nothing", n, all)
		}
		kept.Store(0)
		time.Sleep(time.Hour)
		synctest.Wait()
		free := total - m.size()
		if free < total/10 || free > total*6/10 {
			t.Errorf("%d of %d are free once the snapshots are gone", free, total)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	m := newMemory()
	for _, bad := range []retention.Config{
		{},
		{Store: m},
		{Store: m, Delete: m, Default: retention.Limits{Age: -1}},
		{Store: m, Delete: m, Default: retention.Limits{Bytes: -1}},
		{Store: m, Delete: m, Reserve: retention.Reserve{Bytes: 1}},
		{Store: m, Delete: m, Reserve: retention.Reserve{Share: 0.95}, Disk: retention.DiskOf("/")},
		{Store: m, Delete: m, Interval: -1},
	} {
		if _, err := retention.New(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	k := keeper(t, config(m, now))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// The clock steps while a batch is being deleted: the pause after it is no longer for that.
func TestAClockThatStepsWhileDeletingDoesNotStopRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, step := range []time.Duration{365 * day, -365 * day} {
			m := newMemory()
			var jump atomic.Int64
			m.record("cam1", time.Now().Add(-9*day), 10, 3*time.Second, 1000)
			m.record("cam1", time.Now(), 1, 3*time.Second, 1000)
			m.onKeys = func([]string) { jump.Store(int64(step)) }
			cfg := config(m, time.Time{})
			cfg.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
			cfg.Rate, cfg.MaxRound, cfg.Default.Age = 0, 0, 7*day
			began := time.Now()
			if rep, err := keeper(t, cfg).Round(t.Context(), retention.Options{}); err != nil || rep.Total.Segments != 10 {
				t.Errorf("%v, %+v", err, rep.Total)
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("a step by %v: the round took %v", step, took)
			}
		}
	})
}
