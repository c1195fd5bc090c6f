// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"context"
	"errors"
	"regexp"
	"testing"
	"time"

	"github.com/s3cam/s3cam/playback"
)

// roleFolder is the condition "s3:prefix": "*/20??/??/??/*" of the roles of playlist and replay on AWS.
var roleFolder = regexp.MustCompile(`^.*/20../../../.*$`)

func TestWithDayFoldersOnlyNothingElseIsListed(t *testing.T) {
	start := noon.Add(-6 * 24 * time.Hour)
	for _, tt := range []struct {
		name       string
		start, end time.Time
		lists      int
		none       bool // nothing is recorded there
	}{
		{name: "an hour", start: noon.Add(-time.Hour), end: noon, lists: 1},
		{name: "three days of sparse footage", start: start, end: start.Add(72 * time.Hour), lists: 4},
		{name: "a week", start: noon.Add(-7 * 24 * time.Hour), end: noon, lists: 8},
		{name: "a growing replay of days", start: start, lists: 7},
		{name: "last century", start: time.Unix(1000, 0), end: time.Unix(2000, 0), none: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(c *playback.Config) { c.DayFoldersOnly = true })
			w.wide = false
			for d := range 7 {
				w.every("cam1", noon.Add(-time.Duration(d)*24*time.Hour-10*time.Minute), 3*time.Second, 100)
			}
			_, err := w.Replay(context.Background(), "cam1", tt.start, tt.end)
			if tt.none != errors.Is(err, playback.ErrNoSegments) || (err != nil && !tt.none) {
				t.Fatalf("Replay: %v", err)
			}
			w.bucket.mu.Lock()
			defer w.bucket.mu.Unlock()
			if w.walks > 0 {
				t.Errorf("folders were listed %d times", w.walks)
			}
			if len(w.lists) != tt.lists {
				t.Errorf("%d listings, want %d", len(w.lists), tt.lists)
			}
			for _, l := range w.lists {
				if !roleFolder.MatchString(l.prefix) {
					t.Errorf("listed %q, which the role may not", l.prefix)
				}
			}
		})
	}
}
