// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/metrics"
	"github.com/s3cam/s3cam/playback"
)

var update = flag.Bool("update", false, "write what the program says into docs/ref")

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func start() *clock { return &clock{time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)} }

// scrape reads all metrics: name{labels} and value.
func scrape(t testing.TB, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	all := map[string]float64{}
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[line[:at]] = v
	}
	return all
}

func want(t testing.TB, got map[string]float64, name string, value float64) {
	t.Helper()
	if v, ok := got[name]; !ok || v != value {
		t.Errorf("%s = %v (there: %v), want %v", name, v, ok, value)
	}
}

func TestCamerasAreCountedAndTheirClocksJudged(t *testing.T) {
	c := start()
	m := metrics.New(metrics.Config{Now: c.read})
	first := c.now
	for i := range 20 { // right clock, segments of 3 s, stored one second after their end; one waits 40 s
		begin := first.Add(time.Duration(i) * 3 * time.Second)
		c.now = begin.Add(4 * time.Second)
		if i == 10 {
			c.now = c.now.Add(40 * time.Second)
		}
		m.Stored("gate", begin, 1000)
		m.Stored("ahead", begin.Add(time.Minute), 10) // a clock a minute ahead
		m.Stored("behind", begin.Add(-time.Hour), 10)
	}
	c.now = c.now.Add(7 * time.Second)
	got := scrape(t, m)
	want(t, got, `s3cam_cameras`, 3)
	want(t, got, `s3cam_camera_segments_total{camera="gate"}`, 20)
	want(t, got, `s3cam_camera_bytes_total{camera="gate"}`, 20_000)
	want(t, got, `s3cam_camera_silent_seconds{camera="gate"}`, 7)
	want(t, got, `s3cam_camera_lag_seconds{camera="gate"}`, 4)
	want(t, got, `s3cam_camera_skew_seconds{camera="gate"}`, 1)
	want(t, got, `s3cam_camera_skew_seconds{camera="ahead"}`, -59)
	want(t, got, `s3cam_camera_skew_seconds{camera="behind"}`, 3601)
	want(t, got, `s3cam_camera_last_segment_timestamp_seconds{camera="gate"}`, float64(first.Add(57*time.Second).Unix()))
}

func TestNoNumberOfCamerasMakesMoreSeriesThanAllowed(t *testing.T) {
	c := start()
	m := metrics.New(metrics.Config{Now: c.read, MaxCameras: 10})
	for i := range 5000 {
		m.Stored(fmt.Sprint("cam", i), c.now, 1)
	}
	got := scrape(t, m)
	n := 0
	for name := range got {
		if strings.HasPrefix(name, "s3cam_camera_segments_total") {
			n++
		}
	}
	if n != 11 {
		t.Errorf("%d series", n)
	}
	want(t, got, `s3cam_camera_segments_total{camera="(other)"}`, 4990)
	want(t, got, `s3cam_camera_segments_total{camera="cam3"}`, 1)
}

func TestCamerasThatWereSilentBeforeTheStartAreKnown(t *testing.T) {
	c := start()
	m := metrics.New(metrics.Config{Now: c.read})
	m.Watch(t.Context(), 0, func(context.Context) ([]playback.Camera, error) {
		return []playback.Camera{{ID: "old", Last: c.now.Add(-time.Hour)}}, nil
	})
	got := scrape(t, m)
	want(t, got, `s3cam_camera_silent_seconds{camera="old"}`, 3600)
	want(t, got, `s3cam_camera_segments_total{camera="old"}`, 0)
	calls := 0
	ctx, cancel := context.WithCancel(t.Context())
	m.Watch(ctx, time.Nanosecond, func(context.Context) ([]playback.Camera, error) {
		if calls++; calls == 3 {
			cancel()
		}
		return nil, errors.New("no store")
	})
	if calls < 3 {
		t.Errorf("listed %d times", calls)
	}
}

// playbackFake asks the store on the first and every fourth call.
type playbackFake struct {
	httpapi.Playback
	store playback.Store
	n     int
}

func (p *playbackFake) Live(ctx context.Context, camera string) (hls.Playlist, error) {
	p.n++
	if p.n%4 == 1 {
		return hls.Playlist{}, p.store.List(ctx, camera, "", 1, nil)
	}
	return hls.Playlist{}, nil
}

type emptyStore struct{ err error }

func (s emptyStore) List(context.Context, string, string, int, func([]byte, int64) bool) error {
	return s.err
}
func (s emptyStore) ListFolders(context.Context, string, func(string) bool) error { return s.err }

func TestRequestsAreCountedByWhatTheyCost(t *testing.T) {
	c := start()
	m := metrics.New(metrics.Config{Now: c.read})
	p := m.Playback(&playbackFake{store: m.Store(emptyStore{})})
	var log []metrics.Request
	n := 0
	h := m.Web(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/playlist.m3u8":
			n++
			if n > 8 { // rendered: nobody is asked
				w.WriteHeader(http.StatusNotModified)
				return
			}
			if _, err := p.Live(r.Context(), "gate"); err != nil {
				t.Error(err)
			}
			io.WriteString(w, "#EXTM3U")
		case r.URL.Path == "/login":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/cameras":
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Path == "/clip.mp4":
			io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		case r.URL.Path == "/silent":
			panic(http.ErrAbortHandler)
		default: // nothing written: 200
		}
	}), func(_ *http.Request, _ http.Header, done metrics.Request) { log = append(log, done) })
	do := func(method, path string) {
		defer func() { _ = recover() }()
		r := httptest.NewRequest(method, path, nil)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1000", n%3)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for range 20 {
		do("GET", "/playlist.m3u8?camera_id=gate")
	}
	do("POST", "/login")
	do("GET", "/login")
	do("GET", "/cameras")
	do("GET", "/clip.mp4")
	do("GET", "/silent")
	do("GET", "/assets/x.js")
	do("PROPFIND", "/segments/a/b")
	got := scrape(t, m)
	want(t, got, `s3cam_playlists_total{kind="live",source="listing"}`, 2)
	want(t, got, `s3cam_playlists_total{kind="live",source="window"}`, 6)
	want(t, got, `s3cam_playlists_total{kind="live",source="rendered"}`, 12)
	want(t, got, `s3cam_store_requests_total{op="list",outcome="ok"}`, 2)
	want(t, got, `s3cam_http_requests_total{code="200",route="playlist"}`, 8)
	want(t, got, `s3cam_http_requests_total{code="304",route="playlist"}`, 12)
	want(t, got, `s3cam_http_response_bytes_total{route="playlist"}`, 56)
	want(t, got, `s3cam_http_requests_total{code="200",route="clip"}`, 1)
	want(t, got, `s3cam_http_requests_total{code="cut",route="site"}`, 1)
	want(t, got, `s3cam_http_requests_total{code="200",route="site"}`, 1)
	want(t, got, `s3cam_auth_failures_total{where="login"}`, 1)
	want(t, got, `s3cam_auth_failures_total{where="web"}`, 1)
	want(t, got, `s3cam_live_viewers`, 3)
	if len(log) != 27 || log[0].Route != "playlist" || log[0].Status != 200 || log[0].Bytes != 7 || log[24].Status != 0 {
		t.Errorf("%d lines of the access log: %+v", len(log), log)
	}
	c.now = c.now.Add(2 * time.Minute)
	want(t, scrape(t, m), `s3cam_live_viewers`, 0)
}

func TestFailedUploadsHaveAClass(t *testing.T) {
	m := metrics.New(metrics.Config{})
	for _, status := range []int{200, 403, 409, 412, 400, 503, 507, 500} {
		m.S3Request("PUT", status, time.Millisecond)
	}
	m.S3Request("GET", 403, 0)
	m.S3Request("BREW", 400, 0)
	got := scrape(t, m)
	for class, n := range map[string]float64{"denied": 1, "exists": 2, "invalid": 1, "busy": 1, "full": 1, "error": 1} {
		want(t, got, `s3cam_put_failures_total{class="`+class+`"}`, n)
	}
	want(t, got, `s3cam_auth_failures_total{where="s3"}`, 2)
	want(t, got, `s3cam_s3_requests_total{code="400",method="other"}`, 1)
}

type windowsFake struct{ err error }

func (w windowsFake) Load(context.Context, string) (playback.Window, error) {
	return playback.Window{}, w.err
}
func (w windowsFake) Save(context.Context, playback.Window) error { return w.err }

func TestTheSharedWindowsAreWatched(t *testing.T) {
	m := metrics.New(metrics.Config{})
	for _, err := range []error{nil, errors.New("down"), fmt.Errorf("%w: late", playback.ErrConflict), context.Canceled} {
		w := m.Windows(windowsFake{err})
		_, _ = w.Load(t.Context(), "a")
		_ = w.Save(t.Context(), playback.Window{})
	}
	got := scrape(t, m)
	for _, o := range []string{"ok", "error", "conflict", "canceled"} {
		want(t, got, `s3cam_window_requests_total{op="save",outcome="`+o+`"}`, 1)
	}
}

func TestTheDiskAndTheCertificateShow(t *testing.T) {
	m := metrics.New(metrics.Config{})
	m.Disk(t.TempDir(), func() int64 { return 5 << 30 })
	end := time.Unix(1_800_000_000, 0)
	m.Certificate(func() time.Time { return end })
	m.Counter("s3cam_x_total", "For this test.", func() float64 { return 3 })
	m.Retention(func() metrics.Retention {
		return metrics.Retention{Segments: map[string]int64{"age": 7}, Bytes: map[string]int64{"disk": 9}, Failed: 2, LastRound: end}
	})
	got := scrape(t, m)
	want(t, got, `s3cam_retention_deleted_segments_total{reason="age"}`, 7)
	want(t, got, `s3cam_retention_deleted_bytes_total{reason="disk"}`, 9)
	want(t, got, "s3cam_retention_failed_rounds_total", 2)
	want(t, got, "s3cam_disk_reserve_bytes", 5<<30)
	want(t, got, "s3cam_certificate_not_after_seconds", 1_800_000_000)
	want(t, got, "s3cam_x_total", 3)
	if got["s3cam_disk_free_bytes"] <= 0 || got["s3cam_disk_size_bytes"] < got["s3cam_disk_free_bytes"] {
		t.Errorf("free %v of %v", got["s3cam_disk_free_bytes"], got["s3cam_disk_size_bytes"])
	}
}

// described are the metrics with their kind and help, all of them used once.
func described(t *testing.T) map[string][2]string {
	t.Helper()
	m := everything(t)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	all := map[string][2]string{}
	for _, line := range strings.Split(w.Body.String(), "\n") {
		part := strings.SplitN(line, " ", 4)
		if len(part) == 4 && part[0] == "#" {
			d := all[part[2]]
			if part[1] == "HELP" {
				d[1] = part[3]
			} else {
				d[0] = part[3]
			}
			all[part[2]] = d
		}
	}
	return all
}

// everything is a Metrics of which each metric has been used.
func everything(t *testing.T) *metrics.Metrics {
	t.Helper()
	c := start()
	m := metrics.New(metrics.Config{Now: c.read})
	m.Disk(t.TempDir(), func() int64 { return 1 })
	m.Certificate(c.read)
	m.Retention(func() metrics.Retention { return metrics.Retention{} })
	m.Stored("gate", c.now, 1)
	m.Stored("gate", c.now.Add(3*time.Second), 1)
	m.S3Request("PUT", 200, 1)
	_, _ = m.Windows(windowsFake{}).Load(t.Context(), "a")
	_ = m.Store(emptyStore{}).List(t.Context(), "", "", 1, nil)
	m.Web(http.NotFoundHandler(), nil).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/playlist.m3u8", nil))
	return m
}

// docs/ref/metrics.md lists every metric of ours.
func TestTheReferenceListsTheMetrics(t *testing.T) {
	all := described(t)
	var names []string
	for name := range all {
		if strings.HasPrefix(name, "s3cam_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("| metric | kind | meaning |\n|---|---|---|\n")
	for _, name := range names {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, all[name][0], all[name][1])
	}
	const page = "../../docs/ref/metrics.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`(?s)(<!-- metrics -->\n)(.*?)(<!-- end -->)`).FindSubmatchIndex(text)
	if at == nil {
		t.Fatal("the page has no block for the metrics")
	}
	if string(text[at[4]:at[5]]) == b.String() {
		return
	}
	if !*update {
		t.Fatalf("docs/ref/metrics.md differs from the program; run go test ./internal/metrics -update\nwant:\n%s", &b)
	}
	if err := os.WriteFile(page, slices.Concat(text[:at[4]], []byte(b.String()), text[at[5]:]), 0o644); err != nil {
		t.Fatal(err)
	}
}
