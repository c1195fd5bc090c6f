// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestServeDeletesByItsLimitsButNotWhatIsHeld(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UTC().Truncate(time.Second)
	old := now.Add(-100 * time.Hour)
	for _, camera := range []string{"door", "yard/a", "vault"} {
		s3servertest.Footage(t, dir, camera, old, 50, 10*time.Second, 1880)
		s3servertest.Footage(t, dir, camera, now.Add(-50*time.Second), 5, 10*time.Second, 1880)
	}
	forever := 0.0
	writeJSON(t, filepath.Join(dir, retention.RulesFile), retention.Rules{Cameras: map[string]retention.Rule{"vault": {Days: &forever}}})
	writeJSON(t, filepath.Join(dir, retention.HoldsFile), retention.Holds{Last: 1, Holds: []retention.Hold{
		{ID: 1, Camera: "yard/*", Start: old.Add(100 * time.Second), End: old.Add(200 * time.Second)}}})
	writeJSON(t, filepath.Join(dir, "video", "door", "notes.txt"), "mine")
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir},
		Retention: standalone.Retention{Default: retention.Limits{Age: 72 * time.Hour}, Interval: time.Second}})
	want := 1 + 5 + (5 + 13) + 55 // notes; door; yard with 30 s before the hold; vault
	var keys []string
	polltest.Within(40*time.Second, func() bool { keys = s3servertest.Keys(t, dir); return len(keys) == want })
	if len(keys) != want || !slices.Contains(keys, "door/notes.txt") {
		t.Fatalf("%d keys left, want %d", len(keys), want)
	}
	// Held footage can be watched, although it is older than everything else of the camera.
	status, _, body := get(t, r.Web+"/replay.m3u8?camera_id=yard/a&start="+old.Format(time.RFC3339)+"&end="+old.Add(time.Hour).Format(time.RFC3339))
	text := string(body)
	if n := strings.Count(text, "#EXTINF"); status != 200 || n != 13 {
		t.Errorf("replay of held footage: %d, %d segments\n%s", status, n, text)
	}
	for _, seg := range strings.Fields(text) {
		if strings.Contains(seg, ".ts") && !strings.HasPrefix(seg, "#") {
			if status, _, _ := get(t, r.Web+"/"+strings.TrimPrefix(seg, "/")); status != 200 {
				t.Errorf("%s: %d", seg, status)
			}
		}
	}
	if status, _, _ := get(t, r.Web+"/replay.m3u8?camera_id=door&start="+old.Format(time.RFC3339)+"&end="+old.Add(time.Hour).Format(time.RFC3339)); status != 404 {
		t.Errorf("replay of what is gone: %d", status)
	}
}

// Somebody puts an older holds.json back: what was held since then does not go.
func TestOlderHoldsThanThereWereDeleteNothing(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	now := time.Now().UTC()
	s3servertest.Footage(t, dir, "door", now.Add(-100*time.Hour), 50, 10*time.Second, 1880)
	s3servertest.Footage(t, dir, "door", now.Add(-20*time.Second), 2, 10*time.Second, 1880)
	b, err := s3server.OpenBucket(dir, "video")
	if err != nil {
		t.Fatal(err)
	}
	hold := retention.Hold{ID: 7, Camera: "door", Start: now.Add(-101 * time.Hour), End: now.Add(-99 * time.Hour)}
	round := func() (retention.Report, error) {
		t.Helper()
		cfg, err := standalone.KeeperConfig(state, standalone.Retention{Default: retention.Limits{Age: 48 * time.Hour}}, b)
		if err != nil {
			t.Fatal(err)
		}
		k, err := retention.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return k.Round(t.Context(), retention.Options{})
	}
	write := func(h retention.Holds) { writeJSON(t, filepath.Join(state, retention.HoldsFile), h) }
	write(retention.Holds{Last: 7, Holds: []retention.Hold{hold}})
	if rep, err := round(); err != nil || rep.Total.Segments != 0 {
		t.Fatalf("held: %v, %+v", err, rep.Total)
	}
	write(retention.Holds{Last: 6})
	if rep, err := round(); err == nil || rep.Total.Segments != 0 || !strings.Contains(err.Error(), "hold 7 was made once") {
		t.Errorf("with holds of before: %v, %+v", err, rep.Total)
	}
	write(retention.Holds{Last: 8, Holds: []retention.Hold{hold}})
	if rep, err := round(); err != nil || rep.Total.Segments != 0 {
		t.Errorf("with later ones: %v, %+v", err, rep.Total)
	}
	write(retention.Holds{Last: 8}) // it was removed
	if rep, err := round(); err != nil || rep.Total.Segments != 50 {
		t.Errorf("no longer held: %v, %+v", err, rep.Total)
	}
}

func TestServeWithNoRetentionDeletesNothing(t *testing.T) {
	dir := t.TempDir()
	s3servertest.Footage(t, dir, "door", time.Now().Add(-100*time.Hour), 10, 10*time.Second, 1880)
	days := 1.0
	writeJSON(t, filepath.Join(dir, retention.RulesFile), retention.Rules{Cameras: map[string]retention.Rule{"*": {Days: &days}}})
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir}, Retention: standalone.Retention{Off: true, Interval: 10 * time.Millisecond}})
	put(t, store(t, r), segment.Key("door", time.Now()))
	get(t, r.Web+"/cameras")
	if n := len(s3servertest.Keys(t, dir)); n != 11 {
		t.Errorf("%d left", n)
	}
	// Nothing would have been deleted so soon anyway: there must be nobody who will.
	if status, _, body := get(t, r.Web+"/metrics"); status != 200 || strings.Contains(string(body), "s3cam_retention_") {
		t.Errorf("metrics: %d, with those of somebody who deletes", status)
	}
	for _, bad := range []standalone.Retention{{Off: true, KeepFree: retention.Reserve{Bytes: 1}}} {
		cfg := standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir(), Addr: "127.0.0.1:0"}, Web: standalone.Web{Addr: "127.0.0.1:0"}, Retention: bad}
		if err := standalone.Run(t.Context(), cfg); !errors.Is(err, standalone.ErrConfig) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, retention.HoldsFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := standalone.Config{Engine: &standalone.Engine{Dir: broken, Addr: "127.0.0.1:0"}, Web: standalone.Web{Addr: "127.0.0.1:0"}}
	if err := standalone.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), retention.HoldsFile) {
		t.Errorf("a broken file of holds: %v", err)
	}
}

// Somebody moves the holds away, or what they lie on is not mounted any more: what they protect stays.
func TestHoldsDoNotEndWithTheirFile(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UTC()
	old := now.Add(-100 * time.Hour)
	s3servertest.Footage(t, dir, "door", old, 20, 10*time.Second, 1880)
	s3servertest.Footage(t, dir, "door", now.Add(-50*time.Second), 5, 10*time.Second, 1880)
	file := filepath.Join(dir, retention.HoldsFile)
	writeJSON(t, file, retention.Holds{Holds: []retention.Hold{{Camera: "*", Start: old, End: now}}})
	bucket, err := s3server.OpenBucket(dir, s3server.DefaultBucket)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := standalone.KeeperConfig(dir, standalone.Retention{Default: retention.Limits{Age: 48 * time.Hour}}, bucket)
	if err != nil {
		t.Fatal(err)
	}
	k, err := retention.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file, file+"~"); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, 20*time.Second, "somebody notices", func() bool { // the folder is looked at once a second
		holds, err := cfg.Holds()
		if len(holds) != 1 {
			t.Fatalf("holds %v, %v without their file", holds, err)
		}
		return err != nil
	})
	if rep, err := k.Round(t.Context(), retention.Options{}); err == nil || rep.Total.Segments != 0 || len(s3servertest.Keys(t, dir)) != 25 {
		t.Errorf("a round: %v, %d deleted", err, rep.Total.Segments)
	}
}

// The same rules on a store that is reached by S3.
func TestRetentionOfAnExternalStore(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UTC()
	old := now.Add(-100 * time.Hour)
	s3servertest.Footage(t, dir, "door", old, 250, 10*time.Second, 1880)
	s3servertest.Footage(t, dir, "door", now.Add(-50*time.Second), 5, 10*time.Second, 1880)
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir}})
	stateDir := t.TempDir()
	writeJSON(t, filepath.Join(stateDir, retention.HoldsFile), retention.Holds{Holds: []retention.Hold{{Camera: "door", Start: old.Add(500 * time.Second), End: old.Add(600 * time.Second)}}})
	c := store(t, r)
	cfg, err := standalone.KeeperConfig(stateDir, standalone.Retention{Default: retention.Limits{Age: 48 * time.Hour}}, standalone.RemoteBucket{Client: c})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Rate = -1
	k, err := retention.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := k.Round(t.Context(), retention.Options{})
	left := len(s3servertest.Keys(t, dir))
	if err != nil || left != 5+13 && left != 5+14 || int(rep.Total.Segments) != 255-left {
		t.Errorf("%v: deleted %+v, %d left", err, rep.Total, left)
	}
	t.Run("a store that refuses", func(t *testing.T) {
		bad, err := s3.New(s3.Config{Endpoint: r.S3, Region: r.Region, Bucket: r.Bucket, PathStyle: true, Credentials: s3.Static("a", "b", "")})
		if err != nil {
			t.Fatal(err)
		}
		defer bad.Close()
		keys := []string{"door/2026/01/01/00/00/00.ts", "door/2026/01/01/00/00/01.ts"}
		if removed, done, err := (standalone.RemoteBucket{Client: bad}).DeleteKeys(t.Context(), keys); !errors.Is(err, s3.ErrAccessDenied) || removed != 0 || done != 0 {
			t.Errorf("%d, %d, %v", removed, done, err)
		}
	})
}
