// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/hls/hlstest"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/uploader"
)

// redisURL starts a Redis server: the one of this machine, else one in this process.
func redisURL(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Log("SKIPPED: a real Redis, because redis-server is not installed (apt-get install redis-server); one in this process stands in")
		return "redis://" + miniredis.RunT(t).Addr() + "/2"
	}
	socket := filepath.Join(t.TempDir(), "s")
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(socket))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() })
	polltest.Until(t, 30*time.Second, "redis-server starts", func() bool { return exists(socket) })
	return "unix://" + socket + "?db=2"
}

// answers tells whether a GET is answered by 200.
func answers(url string) bool {
	r, err := http.Get(url)
	if err != nil {
		return false
	}
	r.Body.Close()
	return r.StatusCode == 200
}

// film runs cameras whose segments last a second until the test ends.
func film(t *testing.T, c *s3.Client, cameras ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	for _, id := range cameras {
		cam, err := simcam.New(simcam.Config{Clip: simcam.Workshop(), Now: time.Now, DrainTimeout: time.Second,
			Uploader: uploader.Config{Prefix: id, SegmentDuration: time.Second, Putter: standalone.NewPutter(c), UploadJitter: -1}})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { _ = cam.Run(ctx) })
	}
}

// spectator plays a camera through several servers as behind a load balancer that knows nothing: each request goes to any of
// them, and when that fails once more to another.
type spectator struct {
	camera  string
	judge   hlstest.Reloads
	retries int
	played  map[string]bool
	fresh   atomic.Int64 // segments played, for others to wait for
	errs    []string
}

func (s *spectator) get(servers []string, path string) ([]byte, bool) {
	first := rand.IntN(len(servers))
	var last string
	for try := range 2 {
		// A new connection for each request: a load balancer keeps none to a server that died.
		c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := c.Get(servers[(first+try)%len(servers)] + path)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(r.Body)
			r.Body.Close()
			if err == nil && r.StatusCode == 200 {
				return body, true
			}
			err = fmt.Errorf("%d %v %.200s", r.StatusCode, err, body)
		}
		last = err.Error()
		if try == 0 {
			s.retries++
		}
	}
	s.errs = append(s.errs, last)
	return nil, false
}

// watch plays until stop is closed.
func (s *spectator) watch(servers []string, stop <-chan struct{}) {
	s.played = map[string]bool{}
	for {
		if text, ok := s.get(servers, "/playlist.m3u8?camera_id="+s.camera); ok {
			if err := s.judge.Add(text); err != nil {
				s.errs = append(s.errs, err.Error())
			}
			if p, err := hls.Parse(text); err == nil {
				uri := p.Segments[len(p.Segments)-1].URI
				if !s.played[uri] {
					s.played[uri] = true
					s.fresh.Add(1)
					if body, ok := s.get(servers, "/"+uri); ok && (len(body) < 188 || body[0] != 0x47) {
						s.errs = append(s.errs, fmt.Sprintf("%s: %d bytes that are no segment", uri, len(body)))
					}
				}
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(400 * time.Millisecond):
		}
	}
}

// Three servers share a bucket and Redis. One is killed while viewers play, and later comes back.
func TestThreeServersOfOneBucketShowOneHistory(t *testing.T) {
	const viewers = 12
	b := s3servertest.New(t)
	client, err := s3.New(s3.Config{Endpoint: b.URL, Region: b.Region, Bucket: b.Name(), PathStyle: true, Credentials: s3.Static(b.AccessKey, s3.Secret(b.SecretKey), "")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cameras := []string{"gate", "yard"}
	film(t, client, cameras...)
	env := []string{"S3CAM_S3_ACCESS_KEY=" + b.AccessKey, "S3CAM_S3_SECRET_KEY=" + b.SecretKey, "S3CAM_CACHE=" + redisURL(t)}
	var servers []string
	var programs []*exec.Cmd
	begin := func(i int, addr string) {
		cmd, out := program(t, env, "serve", "--s3-url", b.URL, "--bucket", b.Name(), "--region", b.Region, "--http", addr, "--state", filepath.Join(t.TempDir(), "state"), "--ts-clip-duration", "1s")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if cmd.ProcessState == nil {
				cmd.Process.Signal(syscall.SIGTERM)
				cmd.Wait()
			}
		})
		out.wait(t, regexp.MustCompile("s3cam serves"))
		programs[i] = cmd
	}
	for i := range 3 {
		addr := freeAddr(t)
		servers, programs = append(servers, "http://"+addr), append(programs, nil)
		begin(i, addr)
	}
	for _, cam := range cameras { // two segments make a playlist
		polltest.Until(t, time.Minute, "a playlist of "+cam, func() bool { return answers(servers[0] + "/playlist.m3u8?camera_id=" + cam) })
	}
	http.DefaultClient.CloseIdleConnections()
	stop := make(chan struct{})
	var watching sync.WaitGroup
	all := make([]spectator, viewers)
	for i := range all {
		all[i].camera = cameras[i%len(cameras)]
		watching.Go(func() { all[i].watch(servers, stop) })
	}
	// play waits until every viewer has played so many more segments.
	play := func(what string, segments int64) {
		t.Helper()
		goal := make([]int64, viewers)
		for i := range all {
			goal[i] = all[i].fresh.Load() + segments
		}
		behind := 0
		if !polltest.Within(time.Minute, func() bool {
			behind = 0
			for i := range all {
				if all[i].fresh.Load() < goal[i] {
					behind++
				}
			}
			return behind == 0
		}) {
			close(stop)
			watching.Wait()
			t.Fatalf("%s: %d of %d viewers do not get on", what, behind, viewers)
		}
	}
	play("three servers", 4)
	if err := programs[1].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	programs[1].Wait()
	play("one of them killed", 5)
	begin(1, strings.TrimPrefix(servers[1], "http://"))
	play("the third is back", 4)
	close(stop)
	watching.Wait()

	polls, retries, changes := 0, 0, 0
	for c, name := range cameras {
		history := map[int64]string{}
		for i := c; i < viewers; i += len(cameras) {
			v := &all[i]
			polls, retries, changes = polls+v.judge.Count, retries+v.retries, changes+v.judge.Changes
			for _, e := range v.errs {
				t.Errorf("viewer %d of %s: %s", i, name, e)
			}
			if v.judge.Changes < 6 || v.judge.Jumps > 0 {
				t.Errorf("viewer %d of %s: %d polls, %d changes, %d jumps", i, name, v.judge.Count, v.judge.Changes, v.judge.Jumps)
			}
			uris, first := v.judge.URIs()
			for n, uri := range uris {
				msn := first + int64(n)
				if other, ok := history[msn]; ok && uri != "" && other != uri {
					t.Errorf("%s: number %d is %s for one viewer and %s for viewer %d", name, msn, other, uri, i)
				}
				if uri != "" {
					history[msn] = uri
				}
			}
		}
	}
	if retries == 0 {
		t.Error("nobody met the server that was killed")
	}
	t.Logf("%d polls, %d changes, %d requests repeated at another server", polls, changes, retries)
}
