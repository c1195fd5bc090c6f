// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

// store is a client of a running server's embedded store.
func store(t *testing.T, r running) *s3.Client {
	t.Helper()
	c, err := s3.New(s3.Config{
		Endpoint: r.S3, Region: r.Region, Bucket: r.Bucket, PathStyle: true, Credentials: s3.Static(r.AccessKey, s3.Secret(r.SecretKey), ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func put(t *testing.T, c *s3.Client, key string) {
	t.Helper()
	body := bytes.Repeat([]byte{0x47}, 1880)
	if _, err := c.Put(t.Context(), key, bytes.NewReader(body), int64(len(body)), s3.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestMetricsTellWhatTheServerDoes(t *testing.T) {
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir()}, Metrics: standalone.Metrics{Addr: "127.0.0.1:0"}})
	c := store(t, r)
	now := time.Now()
	for i := range 3 {
		put(t, c, segment.Key("gate", now.Add(time.Duration(3*i-12)*time.Second)))
	}
	bad, err := s3.New(s3.Config{Endpoint: r.S3, Region: r.Region, Bucket: r.Bucket, PathStyle: true, Credentials: s3.Static("NOBODY", "secret", "")})
	if err != nil {
		t.Fatal(err)
	}
	defer bad.Close()
	if _, err := bad.Put(t.Context(), "gate/x", strings.NewReader("x"), 1, s3.PutOptions{}); err == nil {
		t.Error("an unknown key could write")
	}
	get(t, r.Web+"/playlist.m3u8?camera_id=gate")
	get(t, r.Web+"/cameras")
	status, header, body := get(t, r.Metrics)
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %v", status, header)
	}
	for _, want := range []string{
		`s3cam_camera_segments_total{camera="gate"} 3`, `s3cam_camera_bytes_total{camera="gate"} 5640`, `s3cam_put_failures_total{class="denied"} 1`,
		`s3cam_http_requests_total{code="200",route="playlist"} 1`, `s3cam_http_requests_total{code="200",route="cameras"} 1`, `s3cam_live_viewers 1`,
		`s3cam_playlists_total{kind="live",source="listing"} 1`, `s3cam_disk_free_bytes `, `s3cam_build_info{`, `go_goroutines `,
		`s3cam_retention_failed_rounds_total 0`, `s3cam_window_requests_total{op="save",outcome="ok"} 1`,
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	base := strings.TrimSuffix(r.Metrics, "/metrics")
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 404, "/cameras": 404} {
		if status, _, body := get(t, base+path); status != want {
			t.Errorf("%s at the metrics' address: %d %s", path, status, body)
		}
	}
	if t.Failed() {
		t.Logf("%s", body)
	}
}

func TestWhoSeesTheMetrics(t *testing.T) {
	const secret = "a-token-of-prometheus"
	dir := t.TempDir
	closed := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir()}, Access: standalone.Access{Login: true}})
	tokened := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir()}, Access: standalone.Access{Login: true},
		Metrics: standalone.Metrics{Addr: "127.0.0.1:0", Token: secret}})
	open := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir()}, Metrics: standalone.Metrics{Addr: "127.0.0.1:0"},
		Web: standalone.Web{Anonymous: true, Hosts: []string{"video.example"}}})
	tests := []struct {
		name, url, token, host string
		want                   int
	}{
		{"nobody without a login", closed.Web + "/metrics", "", "", 401},
		{"nor with a made-up token", closed.Web + "/metrics", "x", "", 401},
		{"nor with an empty one", closed.Web + "/metrics", " ", "", 401},
		{"Prometheus with the token", tokened.Web + "/metrics", secret, "", 200},
		{"at the other address too", tokened.Metrics, secret, "", 200},
		{"where it is needed as well", tokened.Metrics, "", "", 401},
		{"a part of it is not enough", tokened.Metrics, secret[:5], "", 401},
		{"this machine, at the other address", open.Metrics, "", "", 200},
		{"and at the page's as long as nobody has to log in", open.Web + "/metrics", "", "", 200},
		{"but no page whose name was bent to this machine", open.Metrics, "", "evil.example", 421},
		{"there neither", open.Web + "/metrics", "", "evil.example", 421},
		{"a name that was allowed", open.Web + "/metrics", "", "video.example", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "GET", tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.token != "" {
				req.Header.Set("Authorization", "Bearer "+tt.token)
			}
			req.Host = tt.host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.want || strings.Contains(string(body), "s3cam_cameras ") != (tt.want == 200) {
				t.Errorf("%d, want %d: %.200s", resp.StatusCode, tt.want, body)
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()
	said, hint := fails(t, standalone.Config{Engine: &standalone.Engine{Dir: dir(), Addr: "127.0.0.1:0"}, Web: standalone.Web{Addr: "127.0.0.1:0"},
		Metrics: standalone.Metrics{Addr: "0.0.0.0:0"}})
	if !strings.Contains(said, "--metrics") || !strings.Contains(hint, "S3CAM_METRICS_TOKEN") {
		t.Errorf("beyond this machine without a token: %s\nhint: %s", said, hint)
	}
}

// eventually asks until the answer has a status.
func eventually(t *testing.T, url string, want int) string {
	t.Helper()
	var status int
	var body []byte
	if !polltest.Within(30*time.Second, func() bool { status, _, body = get(t, url); return status == want }) {
		t.Fatalf("%s: %d %s, want %d", url, status, body, want)
	}
	return string(body)
}

func TestReadyzSaysWhenTheStoreFails(t *testing.T) {
	t.Run("embedded: the directory is gone", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir}, Access: standalone.Access{Login: true}})
		if body := eventually(t, r.Web+"/readyz", 200); body != `{"status":"ready"}`+"\n" {
			t.Errorf("%s", body)
		}
		left, _ := filepath.Glob(filepath.Join(dir, ".s3cam-ready-*"))
		if len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if err := os.Rename(dir, dir+"-away"); err != nil {
			t.Fatal(err)
		}
		if body := eventually(t, r.Web+"/readyz", 503); !strings.Contains(body, "cannot be written") || strings.Contains(body, dir) {
			t.Errorf("%s", body)
		}
		if status, _, _ := get(t, r.Web+"/healthz"); status != 200 {
			t.Errorf("/healthz says %d: the process is well", status)
		}
		if err := os.Rename(dir+"-away", dir); err != nil {
			t.Fatal(err)
		}
		eventually(t, r.Web+"/readyz", 200)
	})
	t.Run("external: Redis is gone", func(t *testing.T) {
		server := miniredis.RunT(t)
		b := s3servertest.New(t)
		r := start(t, standalone.Config{Store: client(t, b, nil), State: t.TempDir(),
			Cache: standalone.CacheStore{Redis: &redis.Options{Addr: server.Addr()}}})
		eventually(t, r.Web+"/readyz", 200)
		server.Close()
		if body := eventually(t, r.Web+"/readyz", 503); !strings.Contains(body, "live windows") {
			t.Errorf("%s", body)
		}
		if status, header, body := get(t, r.Web+"/playlist.m3u8?camera_id=gate"); status != 503 || header.Get("Retry-After") == "" {
			t.Errorf("a live playlist: %d %v %s", status, header, body)
		}
		if status, _, body := get(t, r.Web+"/replay.m3u8?camera_id=gate&start=1790000000&end=1790000600"); status != 404 {
			t.Errorf("a replay of nothing: %d %s", status, body)
		}
	})
}

func TestASharedStoreThatCannotBeUsedFailsAtTheStart(t *testing.T) {
	b := s3servertest.New(t)
	locked := miniredis.RunT(t)
	locked.RequireAuth("password-of-redis")
	for name, o := range map[string]*redis.Options{
		"nobody there":   {Addr: taken(t) + "0"},
		"wrong password": {Addr: locked.Addr(), Password: "guess-of-mine"},
	} {
		t.Run(name, func(t *testing.T) {
			said, hint := fails(t, standalone.Config{Store: client(t, b, nil), State: t.TempDir(), Web: standalone.Web{Addr: "127.0.0.1:0"},
				Cache: standalone.CacheStore{Redis: o}})
			if !strings.Contains(said, "--cache") || !strings.Contains(hint, "memory") || strings.Contains(said+hint, "guess-of-mine") {
				t.Errorf("%s\nhint: %s", said, hint)
			}
		})
	}
}

func TestADrainingServerAnswersUntilTheLoadBalancerLookedAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready, ended := make(chan standalone.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- standalone.Run(ctx, standalone.Config{
			Engine: &standalone.Engine{Dir: t.TempDir(), Addr: "127.0.0.1:0"}, Web: standalone.Web{Addr: "127.0.0.1:0"},
			Limits: standalone.Limits{DrainDelay: 5 * time.Second}, Ready: func(a standalone.Addresses) { ready <- a },
		})
	}()
	a := <-ready
	eventually(t, a.Web+"/readyz", 200)
	cancel()
	if body := eventually(t, a.Web+"/readyz", 503); !strings.Contains(body, "draining") {
		t.Errorf("%s", body)
	}
	if status, _, _ := get(t, a.Web+"/cameras"); status != 200 {
		t.Errorf("while draining: %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTheAccessLogHasEachRequestAndNoSecret(t *testing.T) {
	var log lines
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan standalone.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- standalone.Run(ctx, standalone.Config{
			Engine: &standalone.Engine{Dir: t.TempDir(), Addr: "127.0.0.1:0"}, Web: standalone.Web{Addr: "127.0.0.1:0"}, AccessLog: true,
			Ready: func(a standalone.Addresses) { ready <- a }, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
		})
	}()
	a := <-ready
	_, header, _ := get(t, a.Web+"/playlist.m3u8?camera_id=gate&token=s3t1.secret.part")
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	text := log.String()
	for _, want := range []string{`"msg":"access"`, `"path":"/playlist.m3u8"`, `"camera":"gate"`, `"status":404`, header.Get("X-Request-Id")} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if strings.Contains(text, "secret.part") || strings.Contains(text, a.SecretKey) {
		t.Error("the log shows a secret")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestSocketsThatAreOpenAlready(t *testing.T) {
	var l [3]net.Listener
	for i := range l {
		var err error
		if l[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, standalone.Config{
		Engine:    &standalone.Engine{Dir: t.TempDir(), Addr: l[1].Addr().String()},
		Web:       standalone.Web{Addr: l[0].Addr().String()},
		Metrics:   standalone.Metrics{Addr: l[2].Addr().String()},
		Listeners: standalone.Listeners{HTTP: l[0], S3: l[1], Metrics: l[2]},
	})
	if want := "http://" + l[0].Addr().String(); r.Web != want {
		t.Errorf("web at %s, want %s", r.Web, want)
	}
	put(t, store(t, r), segment.Key("gate", time.Now()))
	if want := fmt.Sprintf("http://%s/metrics", l[2].Addr()); r.Metrics != want {
		t.Errorf("metrics at %s, want %s", r.Metrics, want)
	}
	if _, _, body := get(t, r.Metrics); !strings.Contains(string(body), `s3cam_camera_segments_total{camera="gate"} 1`) {
		t.Errorf("%.2000s", body)
	}
}
