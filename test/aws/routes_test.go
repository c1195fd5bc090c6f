// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/s3server"
)

// oddCamera has what paths and queries must carry unchanged: a space, a slash, a percent sign, letters beyond ASCII.
const oddCamera = "front door/50% café"

// recordLive stores segments of the last 90 s, as of a camera that records with the given step.
func recordLive(t *testing.T, b *s3server.Bucket, camera string, step time.Duration) []string {
	t.Helper()
	const n = 30
	return record(t, b, camera, time.Now().Truncate(time.Second).Add(-(n)*step), n, step)
}

func TestEveryRouteAndMethod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	start := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Minute)
	recorded := record(t, w.video, oddCamera, start, 100, 3*time.Second)
	recordLive(t, w.video, oddCamera, 3*time.Second)

	segmentPath := "/segments/" + string(hls.AppendPath(nil, recorded[7]))
	paths := map[string]string{
		"/playlist.m3u8":     query("/playlist.m3u8", "camera_id", oddCamera),
		"/replay.m3u8":       query("/replay.m3u8", "camera_id", oddCamera, "start", stamp(start), "end", stamp(start.Add(5*time.Minute))),
		"/cameras":           "/cameras",
		"/coverage":          query("/coverage", "camera_id", oddCamera, "start", stamp(start.Add(-time.Hour)), "end", stamp(start.Add(time.Hour))),
		"/segments/{proxy+}": segmentPath,
	}
	routes, err := w.stack.Routes()
	if err != nil {
		t.Fatal(err)
	}
	if len(routes) != 2*len(paths) {
		t.Errorf("%d routes, %d tested: %+v", len(routes), 2*len(paths), routes)
	}
	origin := http.Header{"Origin": {"https://site.example"}}
	for _, route := range routes {
		method, template, _ := strings.Cut(route.Key, " ")
		path, ok := paths[template]
		if !ok {
			t.Errorf("route %s is not tested", route.Key)
			continue
		}
		r := w.get(method, path, origin)
		want := http.StatusOK
		if template == "/segments/{proxy+}" {
			want = http.StatusFound
		}
		if r.status != want {
			t.Errorf("%s: status %d, want %d: %.300s", route.Key, r.status, want, r.body)
		}
		if method == http.MethodHead && len(r.body) > 0 {
			t.Errorf("%s has a body", route.Key)
		}
		if got := r.header.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != "*" {
			t.Errorf("%s: Access-Control-Allow-Origin %q, want one *", route.Key, got)
		}
		if method == http.MethodGet {
			if head := w.get(http.MethodHead, path, origin); head.status != r.status || head.header.Get("Content-Type") != r.header.Get("Content-Type") || head.header.Get("ETag") != r.header.Get("ETag") {
				t.Errorf("HEAD %s: %d %q, GET: %d %q", template, head.status, head.header, r.status, r.header)
			}
		}
	}
	w.checkPlaylists(t, paths, recorded)
	w.checkLists(t, paths, start)
	w.checkRefusals(t, paths)
}

func (w *world) checkPlaylists(t *testing.T, paths map[string]string, recorded []string) {
	t.Helper()
	live := w.get("GET", paths["/playlist.m3u8"], nil)
	p := live.playlist(t)
	if p.Type != hls.Live || p.Ended || len(p.Segments) < 6 || live.header.Get("Content-Type") != "application/vnd.apple.mpegurl" {
		t.Errorf("live: %s\n%s", live.header.Get("Content-Type"), live.body)
	}
	for _, s := range p.Segments { // signed URLs of the store
		if !strings.HasPrefix(s.URI, w.s3.URL) || !strings.Contains(s.URI, "X-Amz-Signature=") {
			t.Fatalf("a live segment is %s", s.URI)
		}
		if u, err := url.Parse(s.URI); err != nil || u.Query().Get("X-Amz-Expires") != "900" || u.Query().Get("X-Amz-Security-Token") == "" {
			t.Errorf("a live segment is signed for %s s (%v)", u.Query().Get("X-Amz-Expires"), err)
		}
		r := fetch(t, "GET", s.URI, nil)
		if r.status != http.StatusOK || !strings.HasPrefix(string(r.body), oddCamera+"/20") || !strings.HasSuffix(strings.TrimSpace(string(r.body)), ".ts") {
			t.Errorf("live segment: %d %.200s", r.status, r.body)
		}
	}
	replay := w.get("GET", paths["/replay.m3u8"], nil).playlist(t)
	if replay.Type != hls.VOD || !replay.Ended || len(replay.Segments) != len(recorded) {
		t.Fatalf("replay: type %v, ended %v, %d segments, want %d", replay.Type, replay.Ended, len(replay.Segments), len(recorded))
	}
	for i := 0; i < len(recorded); i += 20 { // relative addresses, which lead to signed ones
		r := fetch(t, "GET", w.resolve(replay.Segments[i].URI), nil)
		location := r.header.Get("Location")
		if r.status != http.StatusFound || !strings.Contains(location, "X-Amz-Expires=60") || r.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("segment %s: %d %q", replay.Segments[i].URI, r.status, r.header)
		}
		if r := fetch(t, "GET", location, nil); r.status != http.StatusOK || string(r.body) != content(recorded[i]) {
			t.Errorf("segment behind %s: %d %.200s, want %s", replay.Segments[i].URI, r.status, r.body, recorded[i])
		}
	}
	for _, path := range []string{paths["/playlist.m3u8"], paths["/replay.m3u8"]} {
		full := w.get("GET", path, nil)
		zipped := w.get("GET", path, acceptGzip)
		if full.header.Get("Content-Encoding") != "" || zipped.header.Get("Content-Encoding") != "gzip" || len(zipped.body) >= len(full.body) {
			t.Errorf("%s: %d bytes as %q, compressed %d bytes as %q", path, len(full.body), full.header.Get("Content-Encoding"), len(zipped.body), zipped.header.Get("Content-Encoding"))
		}
		if !strings.Contains(strings.ToLower(zipped.header.Get("Vary")), "accept-encoding") {
			t.Errorf("%s: Vary %q", path, zipped.header.Get("Vary"))
		}
		if path == paths["/replay.m3u8"] && zipped.text(t) != string(full.body) {
			t.Errorf("compressed and plain replay differ")
		}
		if path == paths["/replay.m3u8"] {
			if r := w.get("GET", path, http.Header{"If-None-Match": {full.header.Get("ETag")}}); r.status != http.StatusNotModified || len(r.body) != 0 {
				t.Errorf("If-None-Match: %d, %d bytes", r.status, len(r.body))
			}
		}
	}
}

func (w *world) checkLists(t *testing.T, paths map[string]string, start time.Time) {
	t.Helper()
	var cameras struct {
		Cameras []struct {
			ID   string
			Live bool
		}
	}
	if err := json.Unmarshal(w.get("GET", paths["/cameras"], nil).body, &cameras); err != nil || len(cameras.Cameras) != 1 || cameras.Cameras[0].ID != oddCamera || !cameras.Cameras[0].Live {
		t.Errorf("cameras: %+v (%v)", cameras, err)
	}
	var coverage struct {
		Ranges []struct {
			Start, End time.Time
		}
	}
	if err := json.Unmarshal(w.get("GET", paths["/coverage"], nil).body, &coverage); err != nil || len(coverage.Ranges) != 1 || !coverage.Ranges[0].Start.Equal(start) || coverage.Ranges[0].End.Before(start.Add(5*time.Minute)) {
		t.Errorf("coverage: %+v (%v), want five minutes from %v", coverage, err, start)
	}
}

// checkRefusals asks for what must not be given.
func (w *world) checkRefusals(t *testing.T, paths map[string]string) {
	t.Helper()
	// A stand-in for everything else that is in a bucket: no object but segments is to be had through the API.
	tests := []struct {
		method, path string
		header       http.Header
		status       int
		code         string // of the API; empty: the gateway's own answer
	}{
		{"GET", "/playlist.m3u8", nil, 400, "bad_camera_id"},
		{"GET", "/playlist.m3u8?camera_id=a/../b", nil, 400, "bad_camera_id"},
		{"GET", "/playlist.m3u8?camera_id=nobody", nil, 404, "no_segments"},
		{"GET", "/replay.m3u8?camera_id=a&start=yesterday", nil, 400, "bad_start"},
		{"GET", "/replay.m3u8?camera_id=a&start=2021-05-01+11-00-00&end=2021-05-01+10:00:00", nil, 400, "bad_end"},
		{"GET", "/replay.m3u8?camera_id=a&camera_id=b&start=2021-05-01", nil, 400, "bad_camera_id"},
		{"GET", "/replay.m3u8?camera_id=nobody&start=2021-05-01 11:00:00&end=2021-05-01T12:00:00Z", nil, 404, "no_segments"},
		{"GET", "/segments/cam/secret.txt", nil, 404, ""},
		{"GET", "/segments/%2e%2e/2026/01/01/00/00/00.ts", nil, 404, ""},
		{"POST", "/playlist.m3u8", nil, 404, ""},
		{"PUT", paths["/segments/{proxy+}"], nil, 404, ""},
		{"DELETE", paths["/segments/{proxy+}"], nil, 404, ""},
		{"GET", "/healthz", nil, 404, ""},
		{"GET", "/", nil, 404, ""},
		{"GET", "/playlist.m3u8?camera_id=" + strings.Repeat("x", 11_000), nil, 431, ""},
	}
	for _, tt := range tests {
		r := w.get(tt.method, strings.ReplaceAll(tt.path, " ", "%20"), tt.header)
		if r.status != tt.status || tt.code != "" && r.code(t) != tt.code {
			t.Errorf("%s %.80s: %d %s, want %d %s", tt.method, tt.path, r.status, r.body, tt.status, tt.code)
		}
	}
	before := w.invocations()
	preflight := http.Header{"Origin": {"https://site.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization"}}
	if r := w.get("OPTIONS", paths["/replay.m3u8"], preflight); r.status != http.StatusNoContent || r.header.Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "authorization") || !strings.Contains(r.header.Get("Access-Control-Allow-Methods"), "HEAD") {
		t.Errorf("preflight: %d %q", r.status, r.header)
	}
	if after := w.invocations(); after != before {
		t.Errorf("the preflight invoked a function")
	}
}

func TestLivePlaylistWithoutSignedURLs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{parameters: map[string]string{"LiveSegmentDelivery": "redirect"}})
	recordLive(t, w.video, oddCamera, 3*time.Second)
	p := w.get("GET", query("/playlist.m3u8", "camera_id", oddCamera), nil).playlist(t)
	for _, s := range p.Segments {
		if !strings.HasPrefix(s.URI, "segments/") {
			t.Fatalf("a segment is %s", s.URI)
		}
		r := fetch(t, "GET", fetch(t, "GET", w.resolve(s.URI), nil).header.Get("Location"), nil)
		if key, _, _ := strings.Cut(string(r.body), "\n"); r.status != http.StatusOK || s.URI != "segments/"+string(hls.AppendPath(nil, key)) {
			t.Errorf("%s leads to %d %.200s", s.URI, r.status, r.body)
		}
	}
}

// invocations counts those of all functions.
func (w *world) invocations() int {
	n := 0
	for _, f := range w.functions {
		n += f.Stats().Invocations
	}
	return n
}
