// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
)

// fails runs cfg and returns the error with its hint; Run must end by itself.
func fails(t *testing.T, cfg standalone.Config) (message, advice string) {
	t.Helper()
	leaks(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cfg.Ready = func(a standalone.Addresses) { t.Errorf("it started: %+v", a); cancel() }
	err := standalone.Run(ctx, cfg)
	if err == nil {
		t.Fatal("Run gave no error")
	}
	return err.Error(), hint.Of(err)
}

func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestStartFailures(t *testing.T) {
	busy := taken(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	brokenKeys := t.TempDir()
	if err := os.WriteFile(filepath.Join(brokenKeys, "s3-credentials.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	running := start(t, standalone.Config{Engine: &standalone.Engine{Dir: shared}})
	for _, url := range []string{running.Web + "/healthz", running.S3} { // all its goroutines are there before the leak checks begin
		get(t, url)
	}
	engine := func(dir string) *standalone.Engine { return &standalone.Engine{Dir: dir, Addr: "127.0.0.1:0"} }

	web := standalone.Web{Addr: "127.0.0.1:0"}
	loopbackOnly := standalone.Access{LoopbackOnly: true}
	tests := []struct {
		name       string
		cfg        standalone.Config
		says, hint string
	}{
		{"the web port is taken", standalone.Config{Engine: engine(t.TempDir()), Web: standalone.Web{Addr: busy}}, "--http " + busy, "--http"},
		{"the store's port is taken", standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir(), Addr: busy}, Web: web}, "--s3 " + busy, "--s3"},
		{"the address is none", standalone.Config{Engine: engine(t.TempDir()), Web: standalone.Web{Addr: "8080"}}, `"8080"`, "127.0.0.1:8080"},
		{"the address belongs to somebody else", standalone.Config{Engine: engine(t.TempDir()), Web: standalone.Web{Addr: "192.0.2.1:8080", Anonymous: true}}, "does not have", "--http"},
		{"all interfaces without a login", standalone.Config{Engine: engine(t.TempDir()), Web: standalone.Web{Addr: ":0"}, Access: loopbackOnly}, "anyone", "--anonymous"},
		{"another interface without a login", standalone.Config{Engine: engine(t.TempDir()), Web: standalone.Web{Addr: "192.0.2.1:0"}, Access: loopbackOnly}, "anyone", "--anonymous"},
		{"the data directory is a file", standalone.Config{Engine: engine(file), Web: web}, "not a directory", "--data"},
		{"the data directory is below a file", standalone.Config{Engine: engine(filepath.Join(file, "x")), Web: web}, "not a directory", "--data"},
		{"the data directory is in use", standalone.Config{Engine: engine(shared), Web: web}, "in use by another process", "data directory"},
		{"the key file is broken", standalone.Config{Engine: engine(brokenKeys), Web: web}, brokenKeys + "/s3-credentials.json", "correct the file"},
		{"the bucket is a file", standalone.Config{Engine: &standalone.Engine{Dir: filepath.Dir(file), Addr: "127.0.0.1:0", Bucket: "file"}, Web: web}, "no directory", "another name"},
		{"half a key pair", standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir(), Addr: "127.0.0.1:0", AccessKey: "a"}, Web: web}, "belong together", ""},
		{"no store", standalone.Config{Web: web}, "store", ""},
		{"a camera without a name", standalone.Config{Engine: engine(t.TempDir()), Web: web, Cameras: []standalone.Camera{{Clip: simcam.Workshop()}}}, "prefix", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message, hint := fails(t, tt.cfg)
			if !strings.Contains(message, tt.says) || !strings.Contains(hint, tt.hint) || tt.hint != "" && hint == "" {
				t.Errorf("error %q, hint %q; want %q and %q", message, hint, tt.says, tt.hint)
			}
		})
	}
}

func TestFallbackToFreePorts(t *testing.T) {
	busy := taken(t)
	s := start(t, standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir(), Addr: busy, Fallback: true}, Web: standalone.Web{Addr: busy, Fallback: true}})
	if strings.Contains(s.Web, busy) || strings.Contains(s.S3, busy) {
		t.Errorf("web %s, store %s; the port %s is taken", s.Web, s.S3, busy)
	}
	if status, _, _ := get(t, s.Web+"/healthz"); status != 200 {
		t.Errorf("/healthz is status %d", status)
	}
}

// client of a bucket on the embedded engine, or wherever change says.
func client(t *testing.T, b *s3servertest.Bucket, change func(*s3.Config)) *s3.Client {
	t.Helper()
	cfg := s3.Config{Endpoint: b.URL, Region: b.Region, Bucket: b.Name(), PathStyle: true, Credentials: s3.Static(b.AccessKey, s3.Secret(b.SecretKey), ""),
		MaxAttempts: 1, TryTimeout: 3 * time.Second}
	if change != nil {
		change(&cfg)
	}
	c, err := s3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestStartFailuresOfAnExternalStore(t *testing.T) {
	b := s3servertest.New(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>hello</html>") }))
	t.Cleanup(page.Close)
	missing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(missing.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(broken.Close)
	says := func(status int, code string) func(*s3.Config) {
		return func(c *s3.Config) { c.Transport = roundTrip(answer(status, s3Error(code))) }
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	tests := []struct {
		name       string
		change     func(*s3.Config)
		says, hint string
	}{
		{"no such bucket", func(c *s3.Config) { c.Bucket = "not-there" }, `no bucket "not-there"`, "--bucket"},
		{"an unknown key", func(c *s3.Config) { c.Credentials = s3.Static("WHO", "x", "") }, "credentials", "S3CAM_S3_ACCESS_KEY"},
		{"a wrong secret", func(c *s3.Config) { c.Credentials = s3.Static(b.AccessKey, "wrong", "") }, "credentials", "S3CAM_S3_SECRET_KEY"},
		{"nothing listens", func(c *s3.Config) { c.Endpoint = "http://" + closed(t) }, "nothing answers", "--s3-url"},
		{"no answer", func(c *s3.Config) { c.Endpoint = "http://" + silent.Addr().String() }, "does not answer", "--s3-url"},
		{"a web site", func(c *s3.Config) { c.Endpoint = page.URL }, "not come from an S3 store", "--s3-url"},
		{"a certificate that nobody knows", func(c *s3.Config) { c.Endpoint = secure.URL }, "certificate", "AWS_CA_BUNDLE"},
		{"https to a server without", func(c *s3.Config) { c.Endpoint = strings.Replace(page.URL, "http:", "https:", 1) }, "another protocol", "http or https"},
		{"a server that hangs up", func(c *s3.Config) { c.Endpoint = broken.URL }, "breaks the connection off", "--s3-url"},
		{"no listing", says(404, "NoSuchKey"), "no such bucket", "--bucket"},
		{"a fault of the store", says(500, "InternalError"), "has a fault", "again"},
		{"an overloaded store", says(503, "SlowDown"), "overloaded", "again"},
		{"a full store", says(507, "InsufficientStorage"), "full", "room"},
		{"a session token that is none", says(400, "InvalidToken"), "session token", "S3CAM_S3_SESSION_TOKEN"},
		{"a web site without such a page", func(c *s3.Config) { c.Endpoint = missing.URL }, "not come from an S3 store", "--s3-url"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			message, hint := fails(t, standalone.Config{Store: client(t, b, tt.change), Web: standalone.Web{Addr: "127.0.0.1:0"}})
			if !strings.Contains(message, tt.says) || !strings.Contains(hint, tt.hint) || tt.hint != "" && hint == "" {
				t.Errorf("error %q, hint %q; want %q and %q", message, hint, tt.says, tt.hint)
			}
			if strings.Contains(message+hint, "wrong") {
				t.Errorf("the error shows the secret: %s", message)
			}
		})
	}
}

// roundTrip is a network of one answer.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What Run was told wrong is told apart from what went wrong: repeating it cannot help.
func TestConfigurationErrors(t *testing.T) {
	web := standalone.Web{Addr: "127.0.0.1:0"}
	engine := func(change func(*standalone.Engine)) standalone.Config {
		e := &standalone.Engine{Dir: t.TempDir(), Addr: "127.0.0.1:0"}
		change(e)
		return standalone.Config{Engine: e, Web: web}
	}
	none := func(*standalone.Engine) {}
	play := engine(none)
	play.Playback.M3U8TargetDuration = -4
	origin := engine(none)
	origin.Web.CORSOrigins = []string{"Foo"}
	host := engine(none)
	host.Web.Hosts = []string{"cam.example.org:443"}
	public := engine(none)
	public.Web.Addr, public.Access.LoopbackOnly = ":0", true
	for _, tt := range []struct {
		name string
		cfg  standalone.Config
		says string
	}{
		{"a bucket's name", engine(func(e *standalone.Engine) { e.Bucket = "A_" }), `--bucket: "A_"`},
		{"the key file as a bucket", engine(func(e *standalone.Engine) { e.Bucket = "s3-credentials.json" }), "--bucket"},
		{"half a key pair", engine(func(e *standalone.Engine) { e.AccessKey = "a" }), "--s3-secret-key"},
		{"a region", engine(func(e *standalone.Engine) { e.Region = "a b" }), `"a b"`},
		{"no directory", engine(func(e *standalone.Engine) { e.Dir = "" }), "--data"},
		{"a port", engine(func(e *standalone.Engine) { e.Addr = "127.0.0.1:99999" }), `--s3: "127.0.0.1:99999"`},
		{"an address", engine(func(e *standalone.Engine) { e.Addr = "foo" }), `--s3: "foo"`},
		{"a parameter of playback", play, "M3U8TargetDuration is -4"},
		{"an origin", origin, `"Foo"`},
		{"a host", host, `"cam.example.org:443"`},
		{"everybody", public, "anyone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := standalone.Run(t.Context(), tt.cfg)
			if !errors.Is(err, standalone.ErrConfig) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v; want one of the configuration that says %q", err, tt.says)
			}
		})
	}
	cfg := engine(none)
	cfg.Web.Addr = taken(t)
	if err := standalone.Run(t.Context(), cfg); err == nil || errors.Is(err, standalone.ErrConfig) {
		t.Errorf("a port in use: %v; want an error that is not the configuration's", err)
	}
}

// closed returns an address at which nothing listens any more.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A server over a store of somebody else: it lists, reads heads and streams through the S3 client.
func TestExternalStore(t *testing.T) {
	b := s3servertest.New(t)
	source := start(t, standalone.Config{
		Engine:    &standalone.Engine{Dir: t.TempDir(), Volatile: true},
		Recording: &standalone.Recording{Camera: standalone.Camera{ID: "a b/demo", Clip: simcam.FrontDoor()}, Start: recordingStart(), Duration: 9 * time.Second},
	})
	// Copy the footage over.
	url := source.Web + "/replay.m3u8?camera_id=a%20b/demo&start=2021-01-01T00:00:00Z&end=2021-01-01T00:00:09Z"
	polltest.Until(t, 20*time.Second, "the recording is there", func() bool {
		status, _, body := get(t, url)
		return status == 200 && strings.Count(string(body), "#EXTINF") == 3
	})
	up := client(t, b, nil)
	want := map[string][]byte{}
	for _, seg := range playlist(t, url).Segments {
		_, _, data := get(t, source.Web+"/"+seg.URI)
		want[seg.URI] = data
		key := strings.ReplaceAll(strings.TrimPrefix(seg.URI, "segments/"), "%20", " ")
		if _, err := up.Put(t.Context(), key, strings.NewReader(string(data)), int64(len(data)), s3.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, delivery := range []httpapi.Delivery{httpapi.Direct, httpapi.Redirect} {
		s := start(t, standalone.Config{Store: client(t, b, nil), Playback: standalone.Playback{Live: delivery, Replay: delivery}})
		p := playlist(t, strings.Replace(url, source.Web, s.Web, 1))
		if len(p.Segments) != 3 || p.Duration() != 9*time.Second {
			t.Fatalf("%d segments, %v", len(p.Segments), p.Duration())
		}
		for _, seg := range p.Segments {
			status, _, data := get(t, s.Web+"/"+seg.URI)
			if status != 200 || string(data) != string(want[seg.URI]) {
				t.Errorf("%s: status %d, %d bytes; want %d", seg.URI, status, len(data), len(want[seg.URI]))
			}
			status, header, part := get(t, s.Web+"/"+seg.URI, "Range", "bytes=188-375")
			if status != 206 || string(part) != string(want[seg.URI][188:376]) {
				t.Errorf("%s: a range is status %d, %d bytes, %s", seg.URI, status, len(part), header.Get("Content-Range"))
			}
		}
		if delivery == httpapi.Direct {
			seg := s.Web + "/" + p.Segments[0].URI
			if status, header, _ := get(t, seg, "Range", "bytes=99999999-"); status != 416 || !strings.HasPrefix(header.Get("Content-Range"), "bytes */") {
				t.Errorf("a range beyond the end is status %d, %s", status, header.Get("Content-Range"))
			}
			if status, _, body := get(t, strings.Replace(seg, "00/00.ts", "00/59.ts", 1)); status != 404 || !strings.Contains(string(body), "segment_not_found") {
				t.Errorf("a segment that is not there is status %d, %s", status, body)
			}
		}
	}
}
