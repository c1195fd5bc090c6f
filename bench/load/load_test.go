// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3cam/s3cam/bench/load"
)

// TestSmallFleetLosesNothing runs the load of `make bench-load` in small: 20 cameras and 20 viewers for 10 s.
func TestSmallFleetLosesNothing(t *testing.T) {
	program := filepath.Join(t.TempDir(), "s3cam")
	build := exec.Command("go", "build", "-o", program, "./cmd/s3cam")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	r, err := load.Run(t.Context(), load.Config{
		S3cam: program, Dir: t.TempDir(), Cameras: 20, Viewers: 20, Segment: time.Second, Body: 64 << 10, For: 10 * time.Second, Keep: 15 * time.Second, Log: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Troubles) > 0 {
		t.Errorf("%v: %v", r.Troubles, r.First)
	}
	// A machine with other work may be slow, but each camera stored some and each viewer played.
	if n := r.Put.Count(); n < 20*8 || n != r.Stored {
		t.Errorf("%d segments stored, %d answers", r.Stored, n)
	}
	if r.Playlist.Count() < 20*3 || r.Segment.Count() < 20*4 {
		t.Errorf("%d playlists, %d segments played", r.Playlist.Count(), r.Segment.Count())
	}
	t.Logf("PUT p99 %v, playlist p99 %v, segment p99 %v", r.Put.Quantile(0.99), r.Playlist.Quantile(0.99), r.Segment.Quantile(0.99))
}
