// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"errors"
	"testing"
	"time"

	"github.com/s3cam/s3cam/playback"
)

func TestFootageInItsLastMinutesIsNotListedButHeldFootageIs(t *testing.T) {
	edge := noon.Add(-10 * time.Hour)
	held := playback.HeldRange{Start: noon.Add(-20 * time.Hour), End: noon.Add(-20*time.Hour + 10*time.Minute)}
	asked := ""
	w := newWorld(t, func(c *playback.Config) {
		c.Retention = time.Minute // Expiry goes before it
		c.Expiry = func(camera string, now time.Time) playback.Expiry {
			asked = camera
			switch camera {
			case "cam1":
				return playback.Expiry{Edge: edge, Held: []playback.HeldRange{held}}
			case "cam2":
				return playback.Expiry{Edge: edge}
			}
			return playback.Expiry{}
		}
	})
	for _, camera := range []string{"cam1", "cam2", "cam3"} {
		w.every(camera, noon.Add(-24*time.Hour), 10*time.Second, 8640)
	}
	for _, tt := range []struct {
		name, camera string
		start, end   time.Time
		n            int // -1: nothing is listed
		first        time.Time
	}{
		{"before the edge only what is held", "cam1", noon.Add(-23 * time.Hour), noon.Add(-11 * time.Hour), 60, held.Start},
		{"within the hold", "cam1", held.Start.Add(time.Minute), held.Start.Add(2 * time.Minute), 6, held.Start.Add(time.Minute)},
		{"hold and what is behind the edge", "cam1", noon.Add(-23 * time.Hour), noon.Add(-9 * time.Hour), 60 + 360, held.Start},
		{"behind the hold", "cam1", noon.Add(-19 * time.Hour), noon.Add(-9 * time.Hour), 360, edge},
		{"nothing lasts", "cam1", noon.Add(-19 * time.Hour), noon.Add(-11 * time.Hour), -1, edge},
		{"no hold", "cam2", noon.Add(-23 * time.Hour), noon.Add(-9 * time.Hour), 360, edge},
		{"kept for ever", "cam3", noon.Add(-23 * time.Hour), noon.Add(-22 * time.Hour), 360, noon.Add(-23 * time.Hour)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := w.Service.Replay(t.Context(), tt.camera, tt.start, tt.end)
			list, lerr := w.Service.Segments(t.Context(), tt.camera, tt.start, tt.end, 48*time.Hour)
			if tt.n < 0 {
				if !errors.Is(err, playback.ErrNoSegments) || !errors.Is(lerr, playback.ErrNoSegments) && len(list) > 3 {
					t.Fatalf("%d segments, %v; %d, %v", len(p.Segments), err, len(list), lerr)
				}
				return
			}
			if err != nil || lerr != nil {
				t.Fatal(err, lerr)
			}
			got := keys(p)
			if len(got) != tt.n || !got[0].Equal(tt.first) {
				t.Errorf("%d segments, the first %v; want %d, %v", len(got), got[0], tt.n, tt.first)
			}
			// Segments gives some before the start too.
			if n := len(list); n < tt.n || n > tt.n+3 {
				t.Errorf("Segments: %d, want %d", n, tt.n)
			}
			if asked != tt.camera {
				t.Errorf("asked for %q", asked)
			}
		})
	}
	t.Run("a growing replay of held footage keeps its history", func(t *testing.T) {
		start := held.Start.Add(time.Minute)
		p, err := w.Service.Replay(t.Context(), "cam1", start, time.Time{})
		if err != nil || !keys(p)[0].Equal(start) {
			t.Fatal(err)
		}
	})
}
