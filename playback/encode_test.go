// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/playback"
)

func TestAWindowSurvivesItsStoredForm(t *testing.T) {
	day := func(step func(i int) int64) playback.Window {
		w := playback.Window{ID: "cam1\n17", Version: 3, Expires: noon, TargetDuration: 3, MediaSequence: 217339179, Recent: []int64{3_000_000}, Last: 5, Exact: true, Lag: -7, Event: true, From: 9}
		at := noon.UnixMicro()
		for i := range 28_800 {
			d := step(i)
			w.Entries = append(w.Entries, playback.Entry{Key: at / 1_000_000, Start: at, Duration: d, Discontinuity: i%1000 == 999})
			at += d
			if i%1000 == 998 {
				at += 60_000_000
			}
		}
		return w
	}
	r := rand.New(rand.NewPCG(1, 2))
	live := playback.Window{ID: "cam1", Entries: []playback.Entry{{Key: 10, Start: 10_400_000, Duration: 3_000_000, Added: 14}, {Key: 9, Start: 1, Duration: -2, Discontinuity: true}}}
	tests := []struct {
		name  string
		w     playback.Window
		bytes int // at most
	}{
		{"nothing", playback.Window{}, 400},
		{"a live window", live, 500},
		{"a steady day", day(func(int) int64 { return 3_000_000 }), 2_000},
		{"a day of 3.2 s", day(func(int) int64 { return 3_200_000 }), 10_000},
		{"a day without any beat", day(func(int) int64 { return 2_000_000 + r.Int64N(2_000_000) }), 200_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.w)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d entries in %d bytes", len(tt.w.Entries), len(text))
			if len(text) > tt.bytes {
				t.Errorf("%d bytes, want at most %d", len(text), tt.bytes)
			}
			var got playback.Window
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.w) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func FuzzWindowJSON(f *testing.F) {
	for _, w := range []playback.Window{{}, {ID: "a", Expires: time.Unix(5, 0).UTC(), Entries: []playback.Entry{{Key: 1, Start: 1_500_000, Duration: 3_000_000}, {Key: 4, Start: 4_500_000, Duration: 2_900_000, Added: 9}}}} {
		text, err := json.Marshal(w)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"Entries":"AAAA"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var w playback.Window
		if json.Unmarshal([]byte(text), &w) != nil {
			return
		}
		again, err := json.Marshal(w)
		if err != nil {
			if strings.Contains(err.Error(), "Time.MarshalJSON") { // a year that JSON cannot hold
				return
			}
			t.Fatal(err)
		}
		var back playback.Window
		if err := json.Unmarshal(again, &back); err != nil || len(back.Entries) != len(w.Entries) {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
