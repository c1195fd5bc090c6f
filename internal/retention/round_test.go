// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/retention"
)

func keeper(t *testing.T, cfg retention.Config) *retention.Keeper {
	t.Helper()
	k, err := retention.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func round(t *testing.T, k *retention.Keeper, o retention.Options) retention.Report {
	t.Helper()
	rep, err := k.Round(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

var now = at("2026-11-25 12:00:00")

const day = 24 * time.Hour

func TestAgeDeletesWhatIsOlderAndNothingElse(t *testing.T) {
	m := newMemory()
	m.record("cam1", now.Add(-8*day), 100, 3*time.Second, 1000)
	m.record("cam1", now.Add(-7*day-6*time.Second), 5, 3*time.Second, 1000) // two are older than 7 days
	m.record("cam1", now.Add(-time.Minute), 10, 3*time.Second, 1000)
	m.record("site/a/cam2", now.Add(-400*day), 50, 3*time.Second, 1000)
	m.record("site/2024", now.Add(-400*day), 7, 3*time.Second, 1000) // a camera that is called like a year
	m.record("2025", now.Add(-400*day), 7, 3*time.Second, 1000)
	others := []string{"cam1/2020/01/01/readme.txt", "cam1/2020/01/01/00/00/00.mp4", "cam1/2020/01/01/00/00/60.ts", "cam1/2020/02/30/00/00/00.ts",
		"cam1/info.json", "2020/01/01/00/00/00.ts", "cam1/2020/01/01/00/00/00.ts/x", "logs/2020/01/01.log", "cam1/2020/1/1/0/0/0.ts"}
	for _, k := range others {
		m.objects[k] = 10
	}
	cfg := config(m, now)
	cfg.Default = retention.Limits{Age: 7 * day}
	var each []retention.Deletion
	rep := round(t, keeper(t, cfg), retention.Options{Each: func(d retention.Deletion) { each = append(each, d) }})
	keys := m.keys()
	for _, k := range others {
		if !slices.Contains(keys, k) {
			t.Errorf("%s is no segment and was deleted", k)
		}
	}
	if n := count(keys, "cam1/2026/"); n != 3+10 {
		t.Errorf("cam1 has %d segments left, want 13", n)
	}
	if n := count(keys, "site/") + count(keys, "2025/"); n != 0 {
		t.Errorf("%d segments of a year ago are left", n)
	}
	if rep.Total.Segments != 102+50+7+7 || int(rep.Total.Segments) != len(each) || rep.Total.Bytes != 166000 {
		t.Errorf("report %+v, %d told", rep.Total, len(each))
	}
	if g := rep.Groups[1]; g.Camera != "cam1" || g.Why != "older than 7 days" || !g.First.Equal(now.Add(-8*day)) || !g.Last.Equal(now.Add(-7*day-3*time.Second)) {
		t.Errorf("group %+v", g)
	}
}

func TestADryRunSaysWhatARoundDoes(t *testing.T) {
	for _, what := range []string{"age", "bytes", "disk", "all"} {
		t.Run(what, func(t *testing.T) {
			m := newMemory()
			m.record("a", now.Add(-3*day), 2000, 60*time.Second, 1000)
			m.record("b", now.Add(-2*day), 2000, 60*time.Second, 1500)
			m.record("b", now.Add(-time.Minute), 3, 3*time.Second, 1000)
			total := int64(6_000_000)
			cfg := config(m, now)
			if what == "age" || what == "all" {
				cfg.Default.Age = 50 * time.Hour
			}
			if what == "bytes" || what == "all" {
				cfg.Default.Bytes = 1_300_000
			}
			if what == "disk" || what == "all" {
				cfg.Reserve = retention.Reserve{Bytes: 4_200_000}
				cfg.Disk = func() (retention.Disk, error) { return retention.Disk{Total: total, Free: total - m.size()}, nil }
			}
			cfg.Holds = func() ([]retention.Hold, error) {
				return []retention.Hold{{Camera: "a", Start: now.Add(-60 * time.Hour), End: now.Add(-59 * time.Hour)}}, nil
			}
			k := keeper(t, cfg)
			var would, did []string
			before := m.keys()
			dry := round(t, k, retention.Options{DryRun: true, Each: func(d retention.Deletion) { would = append(would, d.Key) }})
			if !slices.Equal(before, m.keys()) || k.Stats().Rounds != 0 {
				t.Fatal("the dry run changed something")
			}
			rep := round(t, k, retention.Options{Each: func(d retention.Deletion) { did = append(did, d.Key) }})
			slices.Sort(would)
			slices.Sort(did)
			if !slices.Equal(would, did) || len(did) == 0 || dry.Total != rep.Total {
				t.Errorf("would delete %d, did %d: %+v %+v", len(would), len(did), dry.Total, rep.Total)
			}
			if again := round(t, k, retention.Options{}); again.Total.Segments != 0 {
				t.Errorf("a second round deleted %+v", again.Total)
			}
			if n := m.size(); what == "disk" && total-n < 4_200_000 {
				t.Errorf("%d free", total-n)
			}
		})
	}
}

func TestHolds(t *testing.T) {
	m := newMemory()
	m.record("cam1", now.Add(-10*day), 1000, 10*time.Second, 1000)
	start := now.Add(-10 * day)
	cfg := config(m, now)
	cfg.Default.Age = day
	cfg.MaxSilence = 30 * day
	holds := []retention.Hold{
		{Camera: "cam1", Start: start.Add(1000 * time.Second), End: start.Add(1100 * time.Second)},
		{Camera: "*", Start: start.Add(1050 * time.Second), End: start.Add(1200*time.Second + 1)},
		{Camera: "cam2", Start: start, End: now},
	}
	cfg.Holds = func() ([]retention.Hold, error) { return holds, nil }
	round(t, keeper(t, cfg), retention.Options{})
	keys := m.keys()
	// From 30 s before the first to the one that begins just before the second ends.
	if len(keys) != 24 || keys[0] != "cam1/"+start.Add(970*time.Second).Format("2006/01/02/15/04/05.ts") {
		t.Errorf("%d left, first %s", len(keys), keys[0])
	}

	t.Run("a hold that is made during the round counts", func(t *testing.T) {
		m := newMemory()
		m.record("cam1", now.Add(-10*day), 1000, 10*time.Second, 1000)
		cfg := config(m, now)
		cfg.Default.Age, cfg.MaxSilence = day, 30*day
		var holds []retention.Hold
		cfg.Holds = func() ([]retention.Hold, error) { return holds, nil }
		m.onKeys = func([]string) { holds = []retention.Hold{{Camera: "cam1", Start: now.Add(-20 * day), End: now}} }
		round(t, keeper(t, cfg), retention.Options{})
		if n := len(m.keys()); n != 900 {
			t.Errorf("%d left, want all but the first batch of 100", n)
		}
	})
	t.Run("holds that cannot be read stop everything", func(t *testing.T) {
		m := newMemory()
		m.record("cam1", now.Add(-10*day), 1000, 10*time.Second, 1000)
		cfg := config(m, now)
		cfg.Default = retention.Limits{Age: day, Bytes: 1}
		cfg.MaxSilence = 30 * day
		cfg.Reserve = retention.Reserve{Bytes: 1 << 40}
		cfg.Disk = func() (retention.Disk, error) { return retention.Disk{Total: 1 << 41, Free: 0}, nil }
		broken := errors.New("broken file")
		cfg.Holds = func() ([]retention.Hold, error) { return nil, broken }
		if _, err := keeper(t, cfg).Round(t.Context(), retention.Options{}); !errors.Is(err, broken) || len(m.keys()) != 1000 {
			t.Errorf("%v, %d left", err, len(m.keys()))
		}
		cfg.Holds = nil
		cfg.Rules = func() (retention.Rules, error) { return retention.Rules{}, broken }
		if _, err := keeper(t, cfg).Round(t.Context(), retention.Options{}); !errors.Is(err, broken) || len(m.keys()) != 1000 {
			t.Errorf("%v, %d left", err, len(m.keys()))
		}
	})
}

func TestAClockThatJumpsAheadDeletesNothing(t *testing.T) {
	m := newMemory()
	m.record("cam1", now.Add(-2*day), 2000, 80*time.Second, 1000)
	m.record("broken", at("2041-01-01 00:00:00"), 10, 3*time.Second, 1000) // a camera without a clock
	m.record("old", at("1970-01-01 00:00:00"), 10, 3*time.Second, 1000)
	clock := now
	cfg := config(m, now)
	cfg.Now = func() time.Time { return clock }
	cfg.Default.Age = 7 * day
	k := keeper(t, cfg)
	if rep := round(t, k, retention.Options{}); rep.Total.Segments != 10 {
		t.Errorf("deleted %+v, want those of 1970", rep.Total)
	}
	for _, years := range []int{1, 10, 16} {
		clock = now.AddDate(years, 0, 0)
		rep, err := k.Round(t.Context(), retention.Options{})
		if !errors.Is(err, retention.ErrClock) || rep.Total.Segments != 0 || len(m.keys()) != 2010 || !k.Stats().ClockRefused {
			t.Errorf("%d years ahead: %v, deleted %+v", years, err, rep.Total)
		}
	}
	clock = now.AddDate(-3, 0, 0)
	if rep, _ := k.Round(t.Context(), retention.Options{}); rep.Total.Segments != 0 {
		t.Errorf("a clock behind: deleted %+v", rep.Total)
	}
	clock = now.AddDate(1, 0, 0)
	for range 24 { // a camera agrees, since it takes its time from this machine
		k.Stored("cam1", clock)
		m.put("cam1", clock, 1000)
		rep, err := k.Round(t.Context(), retention.Options{})
		if !errors.Is(err, retention.ErrClock) || rep.Total.Segments != 0 || !strings.Contains(err.Error(), "jumped from 2023-11-25 12:00:00") {
			t.Fatalf("a year ahead with a camera: %v, deleted %+v", err, rep.Total)
		}
		clock = clock.Add(time.Hour)
	}
	if rep := round(t, k, retention.Options{}); rep.Total.Segments != 2000 { // nobody has objected for a day
		t.Errorf("deleted %+v", rep.Total)
	}
	clock = now.AddDate(5, 0, 0)
	if rep, err := k.Round(t.Context(), retention.Options{Force: true}); !errors.Is(err, nil) || rep.Total.Segments != 24 {
		t.Errorf("forced: %v, deleted %+v", err, rep.Total)
	}
}

func TestBytes(t *testing.T) {
	m := newMemory()
	m.record("cam1", now.Add(-2*time.Hour), 1200, 6*time.Second, 1000)
	m.record("cam2", now.Add(-2*time.Hour), 1200, 6*time.Second, 1000)
	m.record("site/x", now.Add(-2*time.Hour), 1200, 6*time.Second, 1000)
	cfg := config(m, now)
	cfg.Default.Bytes = 500_000
	cfg.Rules = func() (retention.Rules, error) {
		return retention.Rules{Cameras: map[string]retention.Rule{"cam2": {Bytes: ptr(int64(0))}, "site/*": {Bytes: ptr(int64(90_000))}}}, nil
	}
	k := keeper(t, cfg)
	rep := round(t, k, retention.Options{})
	for camera, want := range map[string]int{"cam1/": 500, "cam2/": 1200, "site/x/": 101} { // 10 minutes are always kept
		if n := count(m.keys(), camera); n != want {
			t.Errorf("%s has %d left, want %d", camera, n, want)
		}
	}
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "site/x") {
		t.Errorf("notes %q", rep.Notes)
	}
	m.mu.Lock()
	lists := m.lists
	m.mu.Unlock()
	m.record("cam1", now.Add(-30*time.Second), 4, 6*time.Second, 2000) // overwritten: 4 x 1000 more
	k.Stored("cam1", now.Add(-30*time.Second))
	if rep := round(t, k, retention.Options{}); rep.Total.Segments != 4 {
		t.Errorf("deleted %+v, want 4", rep.Total)
	}
	if n := m.lists - lists; n > 40 {
		t.Errorf("%d listings for what is new", n)
	}
	// Late footage, of which Stored tells: the oldest go, which are the late ones.
	m.record("cam1", now.Add(-26*time.Hour), 10, 6*time.Second, 1000)
	if rep := round(t, k, retention.Options{}); rep.Total.Segments != 0 {
		t.Errorf("not told, but %+v", rep.Total)
	}
	k.Stored("cam1", now.Add(-26*time.Hour))
	if rep := round(t, k, retention.Options{}); rep.Total.Segments != 10 || !rep.Groups[0].Last.Before(now.Add(-25*time.Hour)) {
		t.Errorf("%+v", rep)
	}
}

func TestTheDiskGuardTakesTheOldestOfAllCameras(t *testing.T) {
	m := newMemory()
	m.record("a", now.Add(-5*time.Hour), 1000, 10*time.Second, 1000)
	m.record("b", now.Add(-5*time.Hour+time.Second), 1000, 10*time.Second, 3000)
	m.record("c", now.Add(-20*time.Minute), 100, 10*time.Second, 1000)
	const total = 10_000_000
	cfg := config(m, now)
	cfg.Reserve = retention.Reserve{Share: 0.7}
	cfg.Disk = func() (retention.Disk, error) { return retention.Disk{Total: total, Free: total - m.size()}, nil }
	k := keeper(t, cfg)
	rep := round(t, k, retention.Options{})
	times := make([]string, len(m.order))
	for i, key := range m.order {
		times[i] = key[2:]
	}
	if !slices.IsSorted(times) || len(times) == 0 {
		t.Errorf("%d deleted, not in the order of time", len(times))
	}
	if free := total - m.size(); free < 7_700_000 || free > 7_704_000 {
		t.Errorf("%d free, want the reserve of 7.0 MB and a tenth of it", free)
	}
	if s := k.Stats(); s.DiskLow || s.Deleted[retention.ByDisk].Segments != rep.Total.Segments {
		t.Errorf("%+v", s)
	}
	edge, _ := k.Expiry("a", now)
	if last := rep.Groups[0].Last; !edge.After(last.Add(9 * time.Minute)) {
		t.Errorf("edge %v, last deleted %v", edge, last)
	}
	cfg.Reserve = retention.Reserve{Share: 0.9}
	cfg.Disk = func() (retention.Disk, error) { return retention.Disk{Total: total}, nil } // space never comes back
	k = keeper(t, cfg)
	before := m.size()
	round(t, k, retention.Options{})
	if n := before - m.size(); n > 9_900_000 {
		t.Errorf("deleted %d bytes", n)
	}
	for _, camera := range []string{"a/", "b/", "c/"} {
		if n := count(m.keys(), camera); n != 61 { // the last ten minutes
			t.Errorf("%s has %d left, want 61", camera, n)
		}
	}
	if s := k.Stats(); !s.DiskLow || !s.NothingLeftToPrune {
		t.Errorf("%+v", s)
	}
}

func TestInodesCountToo(t *testing.T) {
	m := newMemory()
	m.record("a", now.Add(-5*time.Hour), 1000, 10*time.Second, 10)
	cfg := config(m, now)
	cfg.Reserve = retention.Reserve{Bytes: 1}
	cfg.Disk = func() (retention.Disk, error) {
		return retention.Disk{Total: 1 << 40, Free: 1 << 39, Inodes: 10000, FreeInodes: 1050 - int64(len(m.keys()))}, nil
	}
	rep := round(t, keeper(t, cfg), retention.Options{})
	if rep.Total.Segments != 60 { // 1 % and a tenth are 110; 50 were free
		t.Errorf("deleted %+v", rep.Total)
	}
}

func TestABoundedRoundGoesOnWhereItStopped(t *testing.T) {
	m := newMemory()
	for _, c := range []string{"a", "b", "c"} {
		m.record(c, now.Add(-10*day), 300, 10*time.Second, 1000)
	}
	cfg := config(m, now)
	cfg.Default.Age, cfg.MaxSilence, cfg.MaxDeletes = day, 30*day, 250
	k := keeper(t, cfg)
	rounds := 0
	for more := true; more; rounds++ {
		rep := round(t, k, retention.Options{})
		if more = rep.More; rep.Total.Segments > 350 {
			t.Errorf("round of %+v", rep.Total)
		}
	}
	if len(m.keys()) != 0 || rounds < 3 || rounds > 5 {
		t.Errorf("%d left after %d rounds", len(m.keys()), rounds)
	}
}

func TestAFailureAtOneCameraIsReportedAndTheOthersGoOn(t *testing.T) {
	m := newMemory()
	m.record("a", now.Add(-10*day), 300, 10*time.Second, 1000)
	m.fail = errors.New("read-only file system")
	cfg := config(m, now)
	cfg.Default.Age, cfg.MaxSilence = day, 30*day
	k := keeper(t, cfg)
	if _, err := k.Round(t.Context(), retention.Options{}); !errors.Is(err, m.fail) || k.Stats().Failed != 1 || k.Stats().LastError == "" {
		t.Errorf("%v, %+v", err, k.Stats())
	}
	m.fail = nil
	if round(t, k, retention.Options{}); k.Stats().LastError != "" || len(m.keys()) != 0 {
		t.Errorf("%+v", k.Stats())
	}
}

func TestExpiry(t *testing.T) {
	m := newMemory()
	m.record("full", now.Add(-10*time.Hour), 3600, 10*time.Second, 1000)
	m.record("half", now.Add(-10*time.Hour), 3600, 10*time.Second, 1000)
	m.record("soon", now.Add(-10*time.Hour), 3600, 10*time.Second, 1000)
	cfg := config(m, now)
	cfg.Rules = func() (retention.Rules, error) {
		return retention.Rules{Cameras: map[string]retention.Rule{"full": {Bytes: ptr(int64(1_800_000))}, "half": {Bytes: ptr(int64(7_200_000))},
			"soon": {Bytes: ptr(int64(3_610_000))}, "days": {Days: ptr(2.0)}}}, nil
	}
	cfg.Holds = func() ([]retention.Hold, error) {
		return []retention.Hold{{Camera: "days", Start: now.Add(-9 * day), End: now.Add(-8 * day)}}, nil
	}
	k := keeper(t, cfg)
	round(t, k, retention.Options{})
	for camera, want := range map[string]time.Time{
		"days": now.Add(-2*day + time.Hour),
		"full": now.Add(-5*time.Hour - 10*time.Second + 75*time.Minute), // a quarter of what is left, since the round took five hours of it
		"half": {},                                                      // will be full in ten hours
		"soon": now.Add(-10*time.Hour + 10*time.Minute),                 // within minutes
		"none": {},
	} {
		edge, held := k.Expiry(camera, now)
		if d := edge.Sub(want); d < -time.Minute || d > time.Minute {
			t.Errorf("%s: edge %v, want %v", camera, edge, want)
		}
		if (camera == "days") != (len(held) == 1) {
			t.Errorf("%s: held %v", camera, held)
		}
	}
}
