// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/mpegts"
)

// leaks fails the test when a goroutine of ours that it started is still there at its end.
func leaks(t *testing.T) {
	t.Helper()
	before := ours(nil)
	t.Cleanup(func() {
		var left map[string]string
		polltest.Within(5*time.Second, func() bool { left = ours(before); return len(left) == 0 })
		for _, stack := range left {
			t.Errorf("a goroutine was left behind:\n%s", stack)
		}
	})
}

// ours returns the stacks of goroutines with code of this module, but for those in except and those of the tests and of
// the engine that the tests of a binary share, by the line that names them.
func ours(except map[string]string) map[string]string {
	buf := make([]byte, 4<<20)
	stacks := map[string]string{}
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		name, _, _ := strings.Cut(stack, " [")
		if _, known := except[name]; known || !strings.Contains(stack, "s3cam/s3cam/") || strings.Contains(stack, "testing.tRunner") ||
			sharedEngine(stack) {
			continue
		}
		stacks[name] = stack
	}
	return stacks
}

// sharedEngine tells whether a stack belongs to a connection of some S3 engine. Run closes its own, which the tests see by
// its port; the one of s3servertest lives as long as the program.
func sharedEngine(stack string) bool {
	return strings.Contains(stack, "fasthttp.(*workerPool)")
}

// running is a server under test.
type running struct {
	standalone.Addresses
	stop func() error // ends it and returns what Run returned
}

// start runs cfg until the test ends, with free ports and the log in t.
func start(t *testing.T, cfg standalone.Config) running {
	t.Helper()
	leaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan standalone.Addresses, 1), make(chan error, 1)
	if cfg.Web.Addr == "" {
		cfg.Web.Addr = "127.0.0.1:0"
	}
	if cfg.Engine != nil && cfg.Engine.Addr == "" {
		cfg.Engine.Addr = "127.0.0.1:0"
	}
	cfg.Ready = func(a standalone.Addresses) { ready <- a }
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	go func() { ended <- standalone.Run(ctx, cfg) }()
	stopped := false
	stop := func() error {
		stopped = true
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			t.Fatal("Run did not end")
			return nil
		}
	}
	t.Cleanup(func() {
		if !stopped {
			if err := stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	})
	select {
	case a := <-ready:
		return running{a, stop}
	case err := <-ended:
		stopped = true
		t.Fatalf("Run: %v", err)
	}
	return running{}
}

func get(t *testing.T, url string, headers ...string) (status int, header http.Header, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err = io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header, body
}

func playlist(t *testing.T, url string) hls.Playlist {
	t.Helper()
	status, _, body := get(t, url)
	if status != 200 {
		t.Fatalf("%s: %d %s", url, status, body)
	}
	p, err := hls.Parse(body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	if err := p.Validate(); err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return p
}

// probe checks a segment by its strict rules.
func probe(t *testing.T, name string, data []byte, audio bool) {
	t.Helper()
	a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
	a.Write(data)
	r := a.Report()
	streams := 1
	if audio {
		streams = 2
	}
	if len(r.Findings) > 0 || len(r.Streams) != streams {
		t.Errorf("%s:\n%s", name, r.AppendText(nil))
	}
}

func recordingStart() time.Time { return time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC) }

// The demo in short: live, recording, page, and an end that loses nothing.
func TestWholeProcess(t *testing.T) {
	dir := t.TempDir()
	cam := standalone.Camera{ID: "front-door", Clip: simcam.FrontDoor(), Segment: time.Second}
	recorded := standalone.Camera{ID: "demo", Clip: simcam.FrontDoor()}
	cfg := standalone.Config{
		Engine:    &standalone.Engine{Dir: dir, Volatile: true},
		Playback:  standalone.Playback{TSClipDuration: time.Second},
		Cameras:   []standalone.Camera{cam, {ID: "workshop", Clip: simcam.Workshop(), Segment: time.Second}},
		Recording: &standalone.Recording{Camera: recorded, Start: recordingStart(), Duration: time.Minute},
	}
	s := start(t, cfg)
	if s.S3 == "" || s.Bucket != "video" || s.AccessKey == "" || !s.KeyMade || filepath.Dir(s.KeyFile) != dir {
		t.Errorf("addresses %+v", s.Addresses)
	}

	var live hls.Playlist
	polltest.Until(t, 20*time.Second, "a live playlist has three segments", func() bool {
		if status, _, body := get(t, s.Web+"/playlist.m3u8?camera_id=front-door"); status == 200 {
			live, _ = hls.Parse(body)
		}
		return len(live.Segments) >= 3
	})
	if live.TargetDuration != 1 {
		t.Errorf("target duration %d, want 1", live.TargetDuration)
	}
	for _, seg := range live.Segments {
		if seg.Duration != time.Second {
			t.Errorf("a live segment lasts %v, want 1s", seg.Duration)
		}
		status, header, data := get(t, s.Web+"/"+seg.URI)
		if status != 200 || header.Get("Content-Type") != "video/mp2t" {
			t.Fatalf("%s: status %d, %s", seg.URI, status, header.Get("Content-Type"))
		}
		probe(t, seg.URI, data, true)
	}

	replay := playlist(t, s.Web+"/replay.m3u8?camera_id=demo&start=2021-01-01%2000:00:00&end=2021-01-01%2000:01:00")
	if len(replay.Segments) != 20 || replay.Duration() != time.Minute || !replay.Ended || !replay.Segments[0].ProgramDateTime.Equal(recordingStart()) {
		t.Errorf("the recording has %d segments, %v, from %v", len(replay.Segments), replay.Duration(), replay.Segments[0].ProgramDateTime)
	}
	_, _, data := get(t, s.Web+"/"+replay.Segments[7].URI)
	probe(t, replay.Segments[7].URI, data, true)

	if status, header, body := get(t, s.Web+"/"); status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || !bytes.Contains(body, []byte("<html")) {
		t.Errorf("the page is status %d, %s", status, header.Get("Content-Type"))
	}
	if status, _, _ := get(t, s.Web+"/healthz", "X-Test", "1"); status != 200 {
		t.Errorf("/healthz is status %d", status)
	}
	_, _, body := get(t, s.Web+"/cameras")
	var cameras struct {
		Cameras []struct {
			ID   string
			Live bool
		}
	}
	if err := json.Unmarshal(body, &cameras); err != nil || len(cameras.Cameras) != 3 || !cameras.Cameras[1].Live || cameras.Cameras[0].Live {
		t.Errorf("/cameras is %s, %v", body, err)
	}

	// The end: what the cameras hold is stored, ports are free.
	before := count(t, dir, "workshop")
	if err := s.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if after := count(t, dir, "workshop"); after <= before {
		t.Errorf("%d segments before the end, %d after it; want the open one stored", before, after)
	}
	for _, url := range []string{s.Web, s.S3} {
		if c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
			c.Close()
			t.Errorf("%s still answers after the end", url)
		}
	}

	// Once more on the same directory: the key pair is the same and the recording is not stored again.
	first := newest(t, filepath.Join(dir, "video", "demo"))
	cfg.Cameras = nil
	again := start(t, cfg)
	playlist(t, again.Web+"/replay.m3u8?camera_id=demo&start=2021-01-01%2000:00:00&end=2021-01-01%2000:01:00")
	if err := again.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if again.AccessKey != s.AccessKey || again.SecretKey != s.SecretKey || again.KeyMade {
		t.Error("the second run has another key pair")
	}
	if n := count(t, dir, "demo"); n != 20 || !newest(t, filepath.Join(dir, "video", "demo")).Equal(first) {
		t.Errorf("after the second run the recording has %d segments, or they were written again", n)
	}
}

func count(t *testing.T, dir, camera string) (n int) {
	t.Helper()
	walk(t, filepath.Join(dir, "video", camera), func(fs.FileInfo) { n++ })
	return n
}

func newest(t *testing.T, dir string) (at time.Time) {
	t.Helper()
	walk(t, dir, func(i fs.FileInfo) {
		if i.ModTime().After(at) {
			at = i.ModTime()
		}
	})
	return at
}

func walk(t *testing.T, dir string, each func(fs.FileInfo)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err == nil {
			each(i)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// The other ways of delivery end at the same bytes, through signed URLs of the embedded store.
func TestDeliveries(t *testing.T) {
	for _, live := range []httpapi.Delivery{httpapi.Redirect, httpapi.Presign} {
		s := start(t, standalone.Config{
			Engine:    &standalone.Engine{Dir: t.TempDir(), Volatile: true},
			Playback:  standalone.Playback{Live: live, Replay: live},
			Recording: &standalone.Recording{Camera: standalone.Camera{ID: "demo", Clip: simcam.Workshop()}, Start: recordingStart(), Duration: 12 * time.Second},
		})
		url := s.Web + "/replay.m3u8?camera_id=demo&start=2021-01-01T00:00:00Z&end=2021-01-01T00:00:12Z"
		var p hls.Playlist
		polltest.Until(t, 20*time.Second, "the recording is there", func() bool {
			if status, _, body := get(t, url); status == 200 {
				p, _ = hls.Parse(body)
			}
			return len(p.Segments) >= 4
		})
		uri := p.Segments[0].URI
		if signed := strings.HasPrefix(uri, s.S3+"/video/demo/") && strings.Contains(uri, "X-Amz-Signature="); signed != (live == httpapi.Presign) {
			t.Errorf("delivery %v lists %s", live, uri)
		}
		if live == httpapi.Redirect {
			uri = s.Web + "/" + uri
		}
		status, header, data := get(t, uri, "Origin", "null")
		if status != 200 || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("status %d, Allow-Origin %q", status, header.Get("Access-Control-Allow-Origin"))
		}
		probe(t, uri, data, false)
		if _, header, _ := get(t, s.Web+"/"); !strings.Contains(header.Get("Content-Security-Policy"), s.S3) {
			t.Errorf("the page may not load from %s: %s", s.S3, header.Get("Content-Security-Policy"))
		}
	}
}
