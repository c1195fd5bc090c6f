// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/s3"
)

// serving is a server on a data directory in a process of its own.
type serving struct {
	cmd     *exec.Cmd
	web, s3 string
}

func serve(t *testing.T, dir string) *serving {
	t.Helper()
	s := &serving{web: freeAddr(t), s3: freeAddr(t)}
	var out *syncBuffer
	s.cmd, out = program(t, nil, "serve", "--data", dir, "--http", s.web, "--s3", s.s3)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.wait(t, regexp.MustCompile("s3cam serves"))
	return s
}

func (s *serving) end(t *testing.T) {
	t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// client uses the key pair in a data directory.
func (s *serving) client(t *testing.T, dir string) *s3.Client {
	t.Helper()
	pair, err := s3server.LoadCredentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s3.New(s3.Config{Endpoint: "http://" + s.s3, Region: s3server.DefaultRegion, Bucket: s3server.DefaultBucket, PathStyle: true,
		Credentials: s3.Static(pair.AccessKey, s3.Secret(pair.SecretKey), "")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A directory that is copied while cameras record serves everything that had been acknowledged when the copy began, by the same
// keys and with the same checksums.
func TestACopyOfALiveDirectoryServes(t *testing.T) {
	tools := []struct {
		name string
		args func(from, to string) []string
	}{
		{"cp", func(from, to string) []string { return []string{"cp", "-a", from, to} }},
		{"rsync", func(from, to string) []string {
			return []string{"rsync", "-aX", "--exclude", "/.s3cam.lock", "--exclude", "/.s3cam-ready-*", from + "/", to + "/"}
		}},
	}
	for _, tool := range tools {
		t.Run(tool.name, func(t *testing.T) {
			if _, err := exec.LookPath(tool.name); err != nil {
				t.Skipf("SKIPPED: copying with %s, because it is not installed (apt-get install %s)", tool.name, tool.name)
			}
			base := t.TempDir()
			from, to := filepath.Join(base, "data"), filepath.Join(base, "copy")
			live := serve(t, from)
			store := live.client(t, from)
			// Real footage of ten minutes first, then segments all the time while the copy is made.
			start := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
			file := filepath.Join(base, "clip.h264")
			if err := os.WriteFile(file, bytes.Repeat(simcam.Workshop().Video, 6), 0o600); err != nil {
				t.Fatal(err)
			}
			pair, _ := s3server.LoadCredentials(from)
			keys := []string{"S3CAM_S3_ACCESS_KEY=" + pair.AccessKey, "S3CAM_S3_SECRET_KEY=" + string(pair.SecretKey)}
			call(t, keys, nil, "push", "--camera", "gate", "--input", file, "--start", start.Format(time.RFC3339), "--speed", "max", "--fps", "15",
				"--s3-url", "http://"+live.s3, "--bucket", "video").want(t, 0)

			var mu sync.Mutex
			acknowledged := map[string][]byte{}
			stop := make(chan struct{})
			var recording sync.WaitGroup
			for i := range 4 {
				recording.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						key := fmt.Sprintf("cam%d/%s.ts", i, start.Add(time.Duration(n)*time.Second).Format("2006/01/02/15/04/05"))
						body := bytes.Repeat([]byte{byte(i), byte(n), byte(n >> 8)}, 10_000)
						if _, err := store.Put(t.Context(), key, bytes.NewReader(body), int64(len(body)), s3.PutOptions{Tags: "n=" + fmt.Sprint(n)}); err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						acknowledged[key] = body
						mu.Unlock()
					}
				})
			}
			count := func() int { mu.Lock(); defer mu.Unlock(); return len(acknowledged) }
			polltest.Until(t, time.Minute, "200 segments are stored", func() bool { return count() >= 200 })
			mu.Lock()
			must := maps.Clone(acknowledged)
			mu.Unlock()
			args := tool.args(from, to)
			// cp and rsync end with 1 and 24 when a temporary file of theirs went while they looked: that is no object.
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil && !bytes.Contains(out, []byte("vanished")) && !bytes.Contains(out, []byte("No such file")) {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			during := count() - len(must)
			close(stop)
			recording.Wait()
			was := replayOf(t, live.web, "gate", start)
			live.end(t)

			moved := serve(t, to)
			copied := moved.client(t, to) // the keys went with it
			for key, want := range must {
				o, err := copied.Get(t.Context(), key, s3.GetOptions{})
				if err != nil {
					t.Fatalf("%s had been acknowledged: %v", key, err)
				}
				got, err := io.ReadAll(o.Body)
				o.Body.Close()
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s came back with %d bytes of %d: %v", key, len(got), len(want), err)
				}
				if o.ETag == "" || o.ETag == `""` {
					t.Fatalf("%s has lost its checksum", key)
				}
			}
			// What came during the copy is whole or not there.
			whole := 0
			err := copied.List(t.Context(), "cam", "", 0, func(key []byte, size int64) bool {
				if want, ok := acknowledged[string(key)]; !ok || int64(len(want)) != size {
					t.Errorf("%s has %d bytes, %d were stored", key, size, len(want))
				}
				whole++
				return true
			})
			if err != nil || whole < len(must) {
				t.Errorf("%d objects of at least %d: %v", whole, len(must), err)
			}
			if is := replayOf(t, moved.web, "gate", start); !slices.Equal(is, was) {
				t.Errorf("the replay of the copy has %d segments, that of the original %d", len(is), len(was))
			}
			if lines := diagnose(t, 0, nil, "--data", to, "--http", moved.web, "--s3", moved.s3); lines["attributes"].Level == "fail" {
				t.Errorf("%+v", lines["attributes"])
			}
			moved.end(t)
			t.Logf("%d segments before the copy, %d during it, %d in the copy", len(must), during, whole)
		})
	}
}

// replayOf returns the addresses of the segments of an hour.
func replayOf(t *testing.T, web, camera string, start time.Time) (uris []string) {
	t.Helper()
	q := url.Values{"camera_id": {camera}, "start": {fmt.Sprint(start.Unix())}, "end": {fmt.Sprint(start.Add(time.Hour - time.Minute).Unix())}}
	r, err := http.Get("http://" + web + "/replay.m3u8?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("%d %v %s", r.StatusCode, err, text)
	}
	p, err := hls.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	for _, s := range p.Segments {
		uris = append(uris, s.URI)
	}
	if len(uris) < 3 {
		b, _ := json.Marshal(uris)
		t.Errorf("a replay of %s", b)
	}
	return uris
}

// The guide's commands for copying are those that are tested.
func TestTheGuideCopiesAsTested(t *testing.T) {
	text, err := os.ReadFile("../../docs/guide/server.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"rsync -aX --exclude '/.s3cam.lock' --exclude '/.s3cam-ready-*'", "`cp -a`"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/guide/server.md lacks %s", want)
		}
	}
}
