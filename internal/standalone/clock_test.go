// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/segment"
)

// The clock of a server steps a year ahead, and its cameras with it, as they take their time from it: nothing is deleted, and everything can be
// watched. After a restart with that clock it is the same. Once the clock is right, limits by days apply again.
func TestAClockAYearAheadDeletesNothingAlthoughCamerasFollowIt(t *testing.T) {
	dir := t.TempDir()
	var jump atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
	now := time.Now().UTC().Truncate(time.Second)
	s3servertest.Footage(t, dir, "door", now.Add(-100*time.Hour), 20, 10*time.Second, 1880)
	s3servertest.Footage(t, dir, "door", now.Add(-24*time.Hour), 20, 10*time.Second, 1880)
	serve := func() running {
		return start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir}, Now: clock, Metrics: standalone.Metrics{Addr: "127.0.0.1:0"},
			Retention: standalone.Retention{Default: retention.Limits{Age: 72 * time.Hour}, Interval: 200 * time.Millisecond}})
	}
	roundsFailed := regexp.MustCompile(`s3cam_retention_failed_rounds_total (\d+)`)
	failed := func(r running) int {
		_, _, body := get(t, r.Metrics)
		n, _ := strconv.Atoi(string(roundsFailed.FindSubmatch(body)[1]))
		return n
	}
	kept := func(r running, when string) {
		t.Helper()
		put(t, store(t, r), segment.Key("door", clock()))
		before := failed(r)
		polltest.Until(t, 40*time.Second, "rounds are refused "+when, func() bool { return failed(r) >= before+3 })
		old := 0
		for _, key := range s3servertest.Keys(t, dir) {
			if _, at, ok := segment.ParseKey(key); ok && at.Before(now) {
				old++
			}
		}
		if old != 20 {
			t.Fatalf("%s: %d of 20 segments are left", when, old)
		}
		from := now.Add(-24 * time.Hour)
		status, _, body := get(t, r.Web+"/replay.m3u8?camera_id=door&start="+from.Format(time.RFC3339)+"&end="+from.Add(time.Hour).Format(time.RFC3339))
		if n := strings.Count(string(body), "#EXTINF"); status != 200 || n < 19 {
			t.Errorf("%s: replay of what is kept: %d, %d segments", when, status, n)
		}
	}
	r := serve()
	put(t, store(t, r), segment.Key("door", now))
	polltest.Until(t, 40*time.Second, "what is older than 72 h is deleted", func() bool { return len(s3servertest.Keys(t, dir)) == 21 })

	jump.Store(int64(365 * 24 * time.Hour))
	kept(r, "after the step")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = serve()
	kept(r, "after a restart")
	jump.Store(0)
	polltest.Until(t, 40*time.Second, "rounds go through again", func() bool {
		before := failed(r)
		return !polltest.Within(2*time.Second, func() bool { return failed(r) > before })
	})
	s3servertest.Footage(t, dir, "door", now.Add(-100*time.Hour), 5, 10*time.Second, 1880)
	polltest.Until(t, 40*time.Second, "limits by days apply again", func() bool {
		for _, key := range s3servertest.Keys(t, dir) {
			if _, at, ok := segment.ParseKey(key); ok && at.Before(now.Add(-72*time.Hour)) {
				return false
			}
		}
		return true
	})
}
