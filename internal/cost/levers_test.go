// SPDX-License-Identifier: Apache-2.0

package cost_test

import (
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/cost"
)

func lever(t *testing.T, all []cost.Lever, name string) cost.Lever {
	t.Helper()
	for _, l := range all {
		if l.Name == name {
			return l
		}
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	t.Fatalf("no lever %q among %q", name, names)
	return cost.Lever{}
}

func TestLeversSaveWhatTheTablesDifferBy(t *testing.T) {
	in := cost.DefaultInputs()
	in.TagsPerSegment, in.LogBytes, in.LivePlaylistBytes, in.RedirectBytes, in.ReplayEntryBytes = 1, 0, 0, 0, 0
	all, err := cost.Levers(in, example(t))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "no object tags", lever(t, all, "no object tags").Saves.Known, 0.2016, 1e-9)
	near(t, "half the bitrate: half the storage and half the egress", lever(t, all, "half the bitrate").Saves.Known, 8.33908/2+12*2.15792*0.09/2, 0.001)
	near(t, "keep 3 days: four of seven days of storage and tags", lever(t, all, "keep 3 days").Saves.Known, (8.33908+0.2016)*4/7, 0.001)
	// 1200 polls an hour become 400: calls, memory, LISTs, reads, writes.
	each := 1e-6 + 0.2e-6 + 0.5*0.05*0.0000133334 + 5e-6 + 0.125e-6 + 0.625e-6
	near(t, "players that poll every 9s", lever(t, all, "players that poll every 9s").Saves.Known, 10*800*each, 1e-9)
	near(t, "replay with signed URLs", lever(t, all, "replay with signed URLs in the playlist").Saves.Known, 2*1200*(1.2e-6+1*0.005*0.0000133334), 1e-9)
	near(t, "one LIST instead of three", lever(t, all, "one LIST per poll instead of three").Saves.Known, 10*1200*2*5e-6, 1e-9)
	e, _ := cost.Monthly(in, example(t))
	near(t, "viewers in the own network", lever(t, all, "viewers in the camera's own network").Saves.Known, e.Sum(cost.Live, "").Known+e.Sum(cost.Replay, "").Known, 1e-9)
	events := lever(t, all, "record on events, a tenth of the time")
	near(t, "a tenth of the time", events.Saves.Known, 0.9*e.Sum(cost.Recording, "").Known, 1e-9)
	six := lever(t, all, "segments of 6s")
	in.Segment = 6 * time.Second
	after, _ := cost.Monthly(in, example(t))
	near(t, "segments of 6s", six.Saves.Known, e.Total().Known-after.Total().Known, 1e-9)
	if six.Saves.Known < 2.16 || six.State != cost.Setting {
		t.Errorf("6 s = %+v, want a setting that saves at least half of the PUTs, 2.16", six)
	}
}

func TestLeversThatCostMoreSaySo(t *testing.T) {
	all, err := cost.Levers(cost.DefaultInputs(), example(t))
	if err != nil {
		t.Fatal(err)
	}
	joining := lever(t, all, "joining segments to one object per hour")
	near(t, "joining", joining.Saves.Known, -(864000*4e-7 + 720*5e-6), 1e-9)
	glacier := lever(t, all, "Glacier Instant Retrieval from the start")
	if glacier.Saves.Known > -10 {
		t.Errorf("Glacier for 7 days saves %v, want that it costs much more: 90 days and four times the PUT price", glacier.Saves.Known)
	}
	if !strings.Contains(glacier.Price, "0.9 months") {
		t.Errorf("Glacier says %q, want the break-even", glacier.Price)
	}
	if l := lever(t, all, "segments through CloudFront"); l.Saves.Known > 0.2 {
		t.Errorf("CloudFront saves %v for a lone viewer, want next to nothing", l.Saves.Known)
	}
}

func TestLeversAreLeftOutWhereTheyChangeNothing(t *testing.T) {
	in := recording(5e6, 10*time.Second)
	all, err := cost.Levers(in, example(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		for _, name := range []string{"segments", "tags", "poll", "live", "replay", "viewers", "CloudFront", "LIST"} {
			if strings.Contains(l.Name, name) && !strings.HasPrefix(l.Name, "joining") {
				t.Errorf("lever %q is offered, though nobody watches and segments have 10 s", l.Name)
			}
		}
	}
}

func TestLeversWithoutPricesAreMarked(t *testing.T) {
	prices, _ := cost.Example("cn-north-1")
	all, err := cost.Levers(cost.DefaultInputs(), prices)
	if err != nil {
		t.Fatal(err)
	}
	if l := lever(t, all, "keep 3 days"); l.Saves.Unpriced {
		t.Errorf("keep 3 days = %+v, want priced", l)
	}
	if l := lever(t, all, "players that poll every 9s"); !l.Saves.Unpriced {
		t.Errorf("longer poll = %+v, want unpriced", l)
	}
}

func TestLeversAreSortedByWhatTheySave(t *testing.T) {
	all, err := cost.Levers(cost.DefaultInputs(), example(t))
	if err != nil {
		t.Fatal(err)
	}
	cost.SortLevers(all)
	if all[0].Name != "record on events, a tenth of the time" || all[len(all)-1].State != cost.BuiltIn {
		t.Errorf("first %q, last %q", all[0].Name, all[len(all)-1].Name)
	}
}

// The break-even retentions that were calculated by hand, without TS overhead.
func TestGlacierPaysForLongRetentionOnly(t *testing.T) {
	for _, tt := range []struct{ bps, want float64 }{{5e6, 0.9}, {2e6, 1.5}, {1e6, 2.4}} {
		in := recording(tt.bps, 3*time.Second)
		in.TSOverhead = 0
		got, ok := cost.GlacierBreakEven(in, example(t))
		if !ok {
			t.Errorf("%v bit/s: no break-even", tt.bps)
		}
		near(t, "break-even", got, tt.want, 0.05)
	}
	in := recording(1e5, 3*time.Second) // beyond the 90 days both grow
	got, ok := cost.GlacierBreakEven(in, example(t))
	if want := 864000 * 15e-6 / (30 * in.GiBPerDay() * 0.019); !ok || got < 3 {
		t.Errorf("100 kbit/s: %v, %v, want %v", got, ok, want)
	} else {
		near(t, "100 kbit/s", got, want, 1e-9)
	}
	if _, ok := cost.GlacierBreakEven(in, cost.Prices{}); ok {
		t.Error("a break-even without prices")
	}
}

// What the manual calculates, and what is wrong with it.
func TestTheManualsArithmetic(t *testing.T) {
	want := []struct {
		what  string
		value float64
		slip  string
	}{
		{"requests, as in the manual", 3.4992, ""},
		{"storage, as the formula stands there", 1.73, "/ 30 is spurious"},
		{"storage, as the result 52 stands there", 51.83, "0.625 MB/s"},
		{"total, as in the manual", 55.5, "follows"},
		{"what 5 Mbit/s fill in 7 days", 352.04, ""},
		{"storage, corrected", 61.78, ""},
		{"storage, with 3 % of MPEG-TS", 63.64, ""},
		{"total, corrected", 65.28, ""},
		{"total, with 3 % of MPEG-TS", 67.14, ""},
	}
	steps := cost.Manual()
	if len(steps) != len(want) {
		t.Fatalf("%d steps, want %d", len(steps), len(want))
	}
	for i, w := range want {
		s := steps[i]
		if s.What != w.what {
			t.Errorf("step %d is %q, want %q", i, s.What, w.what)
		}
		near(t, w.what, s.Value, w.value, cent)
		if (s.Slip == "") != (w.slip == "") || !strings.Contains(s.Slip, w.slip) {
			t.Errorf("%s: slip %q, want %q", w.what, s.Slip, w.slip)
		}
	}
	// The general formula with the manual's prices comes to the corrected figures.
	prices, _ := cost.Example("cn-north-1")
	e, err := cost.Monthly(cost.ManualInputs(), prices)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "formula, requests", e.Sum("", cost.PutService).Known, 3.4992, 1e-9)
	near(t, "formula, storage", e.Sum("", cost.StorageService).Known, steps[5].Value, 1e-9)
	near(t, "formula, total", e.Total().Known, steps[7].Value, 1e-9)
}
