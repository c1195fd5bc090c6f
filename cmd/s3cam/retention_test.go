// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

func TestHoldsOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	s3servertest.Footage(t, dir, "door", start, 100, 6*time.Second, 1000)
	s3cam := func(args ...string) output { return call(t, []string{"S3CAM_DATA=" + dir, "USER=anna"}, nil, args...) }
	s3cam("hold", "list").want(t, 0, "nothing is held")
	s3cam("hold", "add", "door", "2026-11-25 09:01:00", "2026-11-25T10:03:00+01:00", "--note", "case 17\x1b[2J").
		want(t, 0, "hold 1: door from 2026-11-25 09:01:00 to 2026-11-25 09:03:00", "20 segments, from 2026-11-25 09:01:00 to 2026-11-25 09:02:54")
	s3cam("hold", "add", "door", "2026-11-25 09:01:00", "2026-11-25 09:03:00").want(t, 0, "hold 1 keeps it already")
	s3cam("hold", "add", "yard/*", "0", "1764028800", "--by", "bob").want(t, 0, "hold 2: yard/*")
	s3cam("hold", "add", "gate", "2026-11-25 09:00:00", "2026-11-25 10:00:00").want(t, 0, "hold 3", "no footage in it now")
	o := s3cam("hold", "list")
	o.want(t, 0, "1   door    2026-11-25 09:01:00  2026-11-25 09:03:00", "anna", "case 17 [2J", "bob")
	if strings.Contains(o.out, "\x1b") {
		t.Error("a control character reached the terminal")
	}
	if o := s3cam("hold", "list", "yard/a"); strings.Contains(o.out, "door") || !strings.Contains(o.out, "yard/*") {
		t.Errorf("of one camera: %s", o.out)
	}
	var holds []retention.Hold
	if o := s3cam("hold", "list", "--json"); json.Unmarshal([]byte(o.out), &holds) != nil || len(holds) != 3 || holds[0].By != "anna" || holds[0].Made.IsZero() {
		t.Errorf("as JSON: %s", o.out)
	}
	for _, tt := range []struct {
		name string
		code int
		says string
		args []string
	}{
		{"a camera that is none", 2, "camera", []string{"hold", "add", "/door", "0", "1"}},
		{"no time", 2, "START", []string{"hold", "add", "door", "yesterday", "now"}},
		{"the wrong way round", 1, "not after", []string{"hold", "add", "door", "2", "1"}},
		{"another directory", 1, "hint:", []string{"hold", "add", "door", "1", "2", "--data", filepath.Join(dir, "none")}},
		{"nothing to remove", 1, "no such hold", []string{"hold", "remove", "door", "1", "2"}},
		{"no such number", 1, "hold list", []string{"hold", "remove", "--id", "9"}},
		{"half a range", 2, "CAMERA START END", []string{"hold", "remove", "door", "1"}},
		{"both", 2, "either", []string{"hold", "remove", "door", "1", "2", "--id", "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) { s3cam(tt.args...).want(t, tt.code, tt.says) })
	}
	s3cam("hold", "remove", "door", "2026-11-25 09:01:00", "2026-11-25 09:03:00").want(t, 0, "hold 1 is gone")
	s3cam("hold", "remove", "--id", "3").want(t, 0, "hold 3 is gone: gate")
	s3cam("hold", "add", "door", "1", "2").want(t, 0, "hold 4") // numbers are not given twice
	if st, err := os.Stat(filepath.Join(dir, retention.HoldsFile)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}

// A hold that no server knows of would protect nothing.
func TestHoldsBesideAStateElsewhereAreNoticed(t *testing.T) {
	data, state := t.TempDir(), t.TempDir()
	s3servertest.Footage(t, data, "door", time.Now().Add(-time.Hour), 3, time.Second, 10)
	const says = "seems to have its state elsewhere"
	hold := func(dir, start string) output {
		return call(t, nil, nil, "hold", "add", "door", start, "2000000000", "--data", dir)
	}
	if o := hold(data, "1"); strings.Contains(o.err, says) {
		t.Errorf("footage that no server has: %s", o.err)
	}
	cmd, out := program(t, nil, "serve", "--data", data, "--state", state, "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.wait(t, regexp.MustCompile(`owner's key`))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	hold(data, "2").want(t, 0, says, "--state")
	call(t, nil, nil, "retention", "set", "door", "--days", "0", "--data", data).want(t, 0, says)
	call(t, nil, nil, "retention", "--retention-days", "1", "--data", data).want(t, 0, says)
	for _, o := range []output{hold(state, "1"), call(t, nil, nil, "retention", "--data", data, "--state", state)} {
		if o.code != 0 || strings.Contains(o.err, says) {
			t.Errorf("where the server looks: %d %s", o.code, o.err)
		}
	}
}

func TestRetentionOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UTC()
	s3servertest.Footage(t, dir, "door", now.Add(-100*time.Hour), 30, 10*time.Second, 1000)
	s3servertest.Footage(t, dir, "yard", now.Add(-3*time.Hour), 360, 30*time.Second, 1000)
	s3cam := func(args ...string) output { return call(t, []string{"S3CAM_DATA=" + dir}, nil, args...) }
	s3cam("retention").want(t, 0, "0 segments, 0 B would go")
	s3cam("retention", "--dry-run", "--retention-days", "2").want(t, 0, "CAMERA", "older than 2 days", "30 segments, 30.0 kB would go")
	o := s3cam("retention", "--dry-run", "--retention-days", "36h", "--list")
	if n := strings.Count(o.out, "\tage\n"); n != 30 || !strings.Contains(o.out, "door/20") {
		t.Errorf("%d keys\n%s", n, o.out)
	}
	s3cam("retention", "set", "yard", "--bytes", "100kB").want(t, 0)
	s3cam("retention", "set", "door", "--days", "0").want(t, 0)
	s3cam("retention", "set", "*", "--days", "30.5", "--bytes", "1TB").want(t, 0)
	s3cam("retention", "list").want(t, 0, "door    for ever   as others", "yard    as others  100.0 kB", "*       30.5       1.0 TB")
	if n := len(s3servertest.Keys(t, dir)); n != 390 {
		t.Fatalf("%d left, nothing was to go yet", n)
	}
	var rep struct {
		DryRun   bool `json:"dry_run"`
		Segments int
		Groups   []struct{ Camera, Reason string }
	}
	if o := s3cam("retention", "--json", "--apply", "--retention-days", "2"); o.code != 0 || json.Unmarshal([]byte(o.out), &rep) != nil ||
		rep.DryRun || rep.Segments != 260 || len(rep.Groups) != 1 || rep.Groups[0].Camera != "yard" || rep.Groups[0].Reason != "bytes" {
		t.Errorf("%d %s%s", o.code, o.out, o.err)
	}
	if n := len(s3servertest.Keys(t, dir)); n != 130 {
		t.Errorf("%d left, want 30 and 100", n)
	}
	s3cam("retention", "unset", "door").want(t, 0)
	s3cam("retention", "--apply", "--retention-days", "2").want(t, 0, "0 segments") // * says 30.5 days
	s3cam("retention", "unset", "*").want(t, 0)
	for _, tt := range []struct {
		name string
		code int
		says string
		args []string
	}{
		{"both", 2, "exclude", []string{"retention", "--dry-run", "--apply"}},
		{"a time that is none", 2, "36h", []string{"retention", "--retention-days", "x"}},
		{"a size that is none", 2, "500GB", []string{"retention", "--retention-bytes", "many"}},
		{"a share that is none", 2, "90%", []string{"retention", "--keep-free", "100%"}},
		{"no limits", 2, "--days", []string{"retention", "set", "door"}},
		{"no such rule", 1, "no limits of its own", []string{"retention", "unset", "nobody"}},
		{"another directory", 1, "hint:", []string{"retention", "--data", filepath.Join(dir, "none")}},
		{"a guard elsewhere", 2, "embedded", []string{"retention", "--s3-url", "http://127.0.0.1:1", "--bucket", "b", "--keep-free", "1GB"}},
	} {
		t.Run(tt.name, func(t *testing.T) { s3cam(tt.args...).want(t, tt.code, tt.says) })
	}
	t.Run("holds that are not known", func(t *testing.T) {
		call(t, nil, nil, "retention", "--apply", "--retention-days", "2", "--s3-url", "http://127.0.0.1:1", "--bucket", "b", "--s3-access-key", "a",
			"--s3-secret-key", "b").want(t, 2, "no s3cam-state here", "held footage could go")
		dir := t.TempDir()
		s3servertest.Footage(t, dir, "door", now.AddDate(0, 0, -9), 30, 10*time.Second, 1000)
		s3servertest.Footage(t, dir, "door", now.Add(-time.Minute), 1, 10*time.Second, 1000)
		if err := os.WriteFile(filepath.Join(dir, s3server.CredentialsFile), []byte("{}"), 0o600); err != nil { // of a server with --state
			t.Fatal(err)
		}
		s3cam := func(args ...string) output { return call(t, []string{"S3CAM_DATA=" + dir}, nil, args...) }
		s3cam("retention", "--apply", "--retention-days", "7").want(t, 2, "held footage could go", "--state")
		s3cam("retention", "--dry-run", "--retention-days", "7").want(t, 0, "30 segments", "would go", "note:")
		if n := len(s3servertest.Keys(t, dir)); n != 31 {
			t.Fatalf("%d left", n)
		}
		s3cam("retention", "--apply", "--state", t.TempDir(), "--retention-days", "7").want(t, 0, "30 segments")
	})
	t.Run("a clock that is off", func(t *testing.T) {
		dir := t.TempDir()
		s3servertest.Footage(t, dir, "door", now.AddDate(-3, 0, 0), 30, 10*time.Second, 1000)
		s3cam := func(args ...string) output { return call(t, []string{"S3CAM_DATA=" + dir}, nil, args...) }
		s3cam("retention", "--apply", "--retention-days", "7").want(t, 1, "the clock does not agree", "hint:", "--force")
		if n := len(s3servertest.Keys(t, dir)); n != 30 {
			t.Fatalf("%d left", n)
		}
		s3cam("retention", "--apply", "--force", "--retention-days", "7").want(t, 0, "30 segments")
		if entries, err := os.ReadDir(filepath.Join(dir, "video")); err != nil || len(entries) != 0 {
			t.Errorf("folders are left: %v, %v", entries, err)
		}
	})
}

// A kill in the middle of deleting costs nothing but what was to go, and the next round finishes and leaves no empty folder.
func TestRetentionIsKilledInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UTC().Truncate(time.Second)
	old := now.Add(-100 * time.Hour)
	s3servertest.Footage(t, dir, "door", old, 4000, 5*time.Second, 10)
	s3servertest.Footage(t, dir, "door", now.Add(-time.Minute), 6, 10*time.Second, 10)
	call(t, []string{"S3CAM_DATA=" + dir}, nil, "hold", "add", "door", fmt.Sprint(old.Unix()+10000), fmt.Sprint(old.Unix()+10100)).want(t, 0)
	kills := 0
	for try := 0; try < 20; try++ {
		before := len(s3servertest.Keys(t, dir))
		if before < 100 {
			break
		}
		cmd, out := program(t, []string{"S3CAM_DATA=" + dir}, "retention", "--apply", "--retention-days", "2")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		var err error
		over := false
		for !over && len(s3servertest.Keys(t, dir)) > before-300 {
			select {
			case err = <-ended:
				over = true
			default:
			}
		}
		_ = cmd.Process.Kill()
		if !over {
			err = <-ended
		}
		if err != nil {
			kills++
		} else if !strings.Contains(out.String(), "deleted") {
			t.Fatalf("%s", out)
		}
		if left := len(s3servertest.Keys(t, dir)); left < 6+26 {
			t.Fatalf("%d left", left)
		}
	}
	if kills < 3 {
		t.Errorf("killed %d times only", kills)
	}
	call(t, []string{"S3CAM_DATA=" + dir}, nil, "retention", "--apply", "--retention-days", "2").want(t, 0)
	keys := s3servertest.Keys(t, dir)
	if n := len(keys); n != 6+26 { // 20 in the hold, 6 in the 30 s before it
		t.Errorf("%d left, want 32", n)
	}
	var empty []string
	_ = filepath.WalkDir(filepath.Join(dir, "video"), func(path string, d os.DirEntry, err error) error {
		if entries, rerr := os.ReadDir(path); err == nil && d.IsDir() && rerr == nil && len(entries) == 0 {
			empty = append(empty, path)
		}
		return err
	})
	if len(empty) > 0 {
		t.Errorf("empty folders are left: %v", empty)
	}
}

// A small disk on which cameras record more than it holds: with the guard no upload is refused, and the newest footage is there.
func TestTheDiskGuardKeepsASmallDiskRecording(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("SKIPPED: the disk guard on a full disk, because mounting a small one needs Linux and root")
	}
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "s3cam-test", disk).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: the disk guard on a full disk, because a small one cannot be mounted: %v %s", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	dir := filepath.Join(disk, "data")
	port := "127.0.0.1:0"
	cmd, out := program(t, []string{"S3CAM_S3_ACCESS_KEY=AKTEST", "S3CAM_S3_SECRET_KEY=secretsecret"},
		"serve", "--data", dir, "--http", port, "--s3", port, "--keep-free", "40%", "--log-level", "info")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := out.wait(t, regexp.MustCompile(`S3 server ready.*url=(http\S+)`))
	url := regexp.MustCompile(`S3 server ready.*url=(http\S+)`).FindStringSubmatch(text)[1]
	c, err := s3.New(s3.Config{Endpoint: url, Bucket: "video", PathStyle: true, Credentials: s3.Static("AKTEST", "secretsecret", ""), MaxAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const size = 100_000
	body := bytes.Repeat([]byte{0x47}, size)
	now := time.Now().UTC().Truncate(time.Second)
	stored, refused := 0, 0
	var first, last string
	// More than the disk holds, but not more between two looks of the guard than the reserve: a real disk takes long to fill.
	for end := time.Now().Add(150 * time.Second); stored < 280 && time.Now().Before(end); {
		for range 10 {
			key := segment.Key("door", now.Add(-3*time.Hour+time.Duration(stored)*12*time.Second))
			if _, err := c.Put(t.Context(), key, bytes.NewReader(body), size, s3.PutOptions{}); err != nil {
				refused++
				t.Logf("%s: %v", key, err)
				break
			}
			if last = key; first == "" {
				first = key
			}
			stored++
		}
		room := func() bool {
			var st syscall.Statfs_t
			return syscall.Statfs(disk, &st) == nil && st.Bavail*100 > st.Blocks*15
		}
		polltest.Within(40*time.Second, room)
	}
	keys := s3servertest.Keys(t, dir)
	if refused > 0 || stored < 280 || slices.Contains(keys, first) || !slices.Contains(keys, last) {
		t.Errorf("%d stored, %d refused, %d left\n%s", stored, refused, len(keys), out)
	}
	if len(keys) > stored-50 {
		t.Errorf("%d of %d left", len(keys), stored)
	}
	if !strings.Contains(out.String(), "disk is low: oldest footage deleted") {
		t.Errorf("the log does not say what happened:\n%s", out)
	}
}

func TestSelfSignedCertificateOnTheCommandLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	call(t, nil, nil, "tls", "self-signed", "--host", "192.168.1.10,nvr.local", "--out", dir).want(t, 0, "cert.pem", "key.pem", "SHA-256 ", "--tls-cert")
	call(t, nil, nil, "tls", "self-signed", "--host", "nvr.local", "--out", dir).want(t, 1, "exists", "hint:")
	call(t, nil, nil, "tls", "self-signed", "--host", "a b", "--out", t.TempDir()).want(t, 2, "a b")
	call(t, nil, nil, "tls", "self-signed", "--host", "x", "--days", "0", "--out", t.TempDir()).want(t, 2, "--days")
	for _, name := range []string{"cert.pem", "key.pem"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
}
