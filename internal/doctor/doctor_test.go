// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/doctor"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/s3"
)

// expect looks for a line of a check at a level that says something, with advice where it is not ok.
func expect(t *testing.T, lines []doctor.Line, check string, level doctor.Level, says string) {
	t.Helper()
	for _, l := range lines {
		if l.Check == check && l.Level == level && strings.Contains(l.Found+" | "+l.Advice, says) {
			if (l.Advice == "") != (level == doctor.OK) {
				t.Errorf("%s: advice %q at level %s", check, l.Advice, level)
			}
			return
		}
	}
	t.Errorf("no line %s %s with %q in\n%s", check, level, says, text(lines))
}

func absent(t *testing.T, lines []doctor.Line, check string) {
	t.Helper()
	for _, l := range lines {
		if l.Check == check {
			t.Errorf("unexpected: %+v", l)
		}
	}
}

func text(lines []doctor.Line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%s %s %s -> %s\n", l.Level, l.Check, l.Found, l.Advice)
	}
	return b.String()
}

func run(t *testing.T, cfg doctor.Config) []doctor.Line {
	t.Helper()
	return doctor.Run(t.Context(), cfg, nil)
}

func TestADirectoryThatIsRight(t *testing.T) {
	dir := t.TempDir()
	var told int
	lines := doctor.Run(t.Context(), doctor.Config{Dir: dir, Connections: 1}, func(doctor.Line) { told++ })
	for _, check := range []string{"version", "rights", "secrets"} {
		expect(t, lines, check, doctor.OK, "")
	}
	if told != len(lines) {
		t.Errorf("told %d of %d lines", told, len(lines))
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDirectoriesThatAreWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, run(t, doctor.Config{Dir: filepath.Join(t.TempDir(), "no")}), "rights", doctor.Fail, "does not exist")
	expect(t, run(t, doctor.Config{Dir: file}), "rights", doctor.Fail, "is a file")
	open := t.TempDir()
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s3-credentials.json", "access.json"} {
		if err := os.WriteFile(filepath.Join(open, name), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, run(t, doctor.Config{Dir: open}), "secrets", doctor.Warn, "[s3-credentials.json access.json]")
	if os.Geteuid() == 0 {
		t.Log("SKIPPED: a directory without rights, because root may everything")
	} else {
		closed := t.TempDir()
		if err := os.Chmod(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		expect(t, run(t, doctor.Config{Dir: closed}), "rights", doctor.Fail, "chown")
	}
	if _, err := os.Stat("/proc/self"); err == nil { // a file system that nobody can write, and without attributes
		expect(t, run(t, doctor.Config{Dir: "/proc"}), "rights", doctor.Fail, "/proc cannot be written")
	}
	expect(t, run(t, doctor.Config{Connections: 1 << 40}), "limits", doctor.Warn, "LimitNOFILE")
}

func bucketClient(t *testing.T, b *s3servertest.Bucket, change func(*s3.Config)) *s3.Client {
	t.Helper()
	cfg := s3.Config{Endpoint: b.URL, Region: b.Region, Bucket: b.Name(), PathStyle: true, Credentials: s3.Static(b.AccessKey, s3.Secret(b.SecretKey), ""),
		MaxAttempts: 1, TryTimeout: 5 * time.Second}
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

func probes(t *testing.T, b *s3servertest.Bucket) (keys []string) {
	t.Helper()
	err := bucketClient(t, b, nil).List(t.Context(), doctor.ProbePrefix, "", 0, func(key []byte, _ int64) bool {
		keys = append(keys, string(key))
		return true
	})
	if err != nil {
		t.Error(err)
	}
	return keys
}

func TestAStoreThatIsRight(t *testing.T) {
	b := s3servertest.New(t)
	c := bucketClient(t, b, nil)
	if _, err := c.Put(t.Context(), doctor.ProbePrefix+"of-a-run-that-was-killed", strings.NewReader("x"), 1, s3.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	lines := run(t, doctor.Config{Store: c})
	for _, check := range []string{"store.list", "store.put", "store.get", "store.consistent", "store.delete", "clock.store"} {
		expect(t, lines, check, doctor.OK, "")
	}
	if left := probes(t, b); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if doctor.Worst(lines) == doctor.Fail {
		t.Error(text(lines))
	}
}

func TestStoresThatAreWrong(t *testing.T) {
	b := s3servertest.New(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	tests := []struct {
		name   string
		change func(*s3.Config)
		check  string
		says   string
	}{
		{"no such bucket", func(c *s3.Config) { c.Bucket = "no-such-bucket" }, "store.list", "create the bucket"},
		{"an unknown key", func(c *s3.Config) { c.Credentials = s3.Static("NOBODY", "secret", "") }, "store.list", "check the keys"},
		{"a wrong secret", func(c *s3.Config) { c.Credentials = s3.Static(b.AccessKey, "the-wrong-secret", "") }, "store.list", "check the keys"},
		{"nobody there", func(c *s3.Config) { c.Endpoint = "http://" + nobody.Addr().String() }, "store.list", "check --s3-url"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := run(t, doctor.Config{Store: bucketClient(t, b, tt.change)})
			expect(t, lines, tt.check, doctor.Fail, tt.says)
			if strings.Contains(text(lines), "the-wrong-secret") || doctor.Worst(lines) != doctor.Fail {
				t.Error(text(lines))
			}
		})
	}
	expect(t, run(t, doctor.Config{StoreSkipped: "it does not run"}), "store", doctor.Warn, "it does not run")
}

// front passes requests to a bucket's engine, unless change answers them.
func front(t *testing.T, b *s3servertest.Bucket, change func(w http.ResponseWriter, r *http.Request) bool, after func(*http.Response)) string {
	t.Helper()
	to, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change != nil && change(w, r) {
			return
		}
		req := r.Clone(r.Context())
		req.RequestURI, req.URL.Scheme, req.URL.Host = "", to.Scheme, to.Host // the Host header is signed and stays
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		if after != nil {
			after(resp)
		}
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	return s.URL
}

const denied = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`

func refuse(when func(r *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !when(r) {
			return false
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, denied)
		return true
	}
}

func TestRightsThatAreMissing(t *testing.T) {
	b := s3servertest.New(t)
	list := func(r *http.Request) bool { return r.URL.Query().Has("list-type") }
	method := func(m string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == m && !list(r) }
	}
	tests := []struct {
		name  string
		when  func(*http.Request) bool
		check string
		level doctor.Level
		says  string
	}{
		{"listing", list, "store.list", doctor.Fail, "s3:ListBucket"},
		{"storing, which is the cameras' business", method("PUT"), "store.put", doctor.Warn, "only cameras store"},
		{"reading", method("GET"), "store.get", doctor.Fail, "s3:GetObject"},
		{"deleting", method("DELETE"), "store.delete", doctor.Warn, "s3:DeleteObject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := bucketClient(t, b, func(cfg *s3.Config) { cfg.Endpoint = front(t, b, refuse(tt.when), nil) })
			lines := run(t, doctor.Config{Store: c})
			expect(t, lines, tt.check, tt.level, tt.says)
			for _, key := range probes(t, b) { // where deleting is refused it says which to remove
				if !strings.Contains(text(lines), key) {
					t.Errorf("%s was left behind and nobody was told", key)
				}
				_ = bucketClient(t, b, nil).Delete(t.Context(), key)
			}
		})
	}
}

func TestAClockThatIsWrong(t *testing.T) {
	b := s3servertest.New(t)
	shift := func(by time.Duration) *s3.Client {
		return bucketClient(t, b, func(cfg *s3.Config) {
			cfg.Endpoint = front(t, b, nil, func(r *http.Response) { r.Header.Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat)) })
		})
	}
	expect(t, run(t, doctor.Config{Store: shift(time.Minute)}), "clock.store", doctor.Warn, "off from the store")
	expect(t, run(t, doctor.Config{Store: shift(-time.Hour)}), "clock.store", doctor.Fail, "set the clock")
	web := func(date string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header()["Date"] = []string{date} }))
		t.Cleanup(s.Close)
		return s.URL
	}
	now := time.Now().UTC()
	expect(t, run(t, doctor.Config{TimeURL: web(now.Format(http.TimeFormat))}), "clock.web", doctor.OK, "agrees")
	expect(t, run(t, doctor.Config{TimeURL: web(now.Add(-24 * time.Hour).Format(http.TimeFormat))}), "clock.web", doctor.Fail, "off from http")
	expect(t, run(t, doctor.Config{TimeURL: web("noon")}), "clock.web", doctor.Warn, "does not say")
	expect(t, run(t, doctor.Config{TimeURL: "http://127.0.0.1:1"}), "clock.web", doctor.Warn, "does not answer")
}

func TestPagesElsewhereNeedTheStoresConsent(t *testing.T) {
	open, err := s3server.New(s3server.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", AccessKey: "TESTACCESSKEY", SecretKey: "secret", CORSOrigins: []string{"https://page.example"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- open.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	c, err := s3.New(s3.Config{Endpoint: open.URL(), Region: open.Region(), Bucket: s3server.DefaultBucket, PathStyle: true, Credentials: s3.Static("TESTACCESSKEY", "secret", "")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	expect(t, run(t, doctor.Config{Store: c, Origin: "https://page.example"}), "store.cors", doctor.OK, "may load")
	lines := run(t, doctor.Config{Store: c, Origin: "https://other.example"})
	expect(t, lines, "store.cors", doctor.Fail, "CORS rules")
	if strings.Contains(text(lines), "X-Amz") {
		t.Errorf("a signed URL is shown:\n%s", text(lines))
	}
}

func TestCamerasThatAreSilent(t *testing.T) {
	now := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	cameras := func(list ...playback.Camera) doctor.Config {
		return doctor.Config{Now: func() time.Time { return now }, Cameras: func(context.Context) ([]playback.Camera, error) { return list, nil }}
	}
	lines := run(t, cameras(
		playback.Camera{ID: "gate", Last: now.Add(-5 * time.Second)}, playback.Camera{ID: "yard", Last: now.Add(-time.Hour)},
		playback.Camera{ID: "ahead", Last: now.Add(time.Hour)}, playback.Camera{ID: "sold", Last: now.Add(-30 * 24 * time.Hour)}))
	expect(t, lines, "cameras", doctor.OK, "1 of 4")
	expect(t, lines, "cameras", doctor.Warn, "yard: nothing for 1h0m0s, since 2026-11-25 08:00:00 UTC")
	expect(t, lines, "cameras", doctor.Warn, "ahead: its newest segment begins 1h0m0s from now")
	if strings.Contains(text(lines), "sold") {
		t.Error("a camera that was taken away a month ago is missed")
	}
	var many []playback.Camera
	for i := range 500 {
		many = append(many, playback.Camera{ID: fmt.Sprint("cam", i), Last: now.Add(-time.Hour)})
	}
	if lines = run(t, cameras(many...)); len(lines) > 40 {
		t.Errorf("%d lines", len(lines))
	}
	expect(t, lines, "cameras", doctor.Warn, "480 more")
	expect(t, lines, "cameras", doctor.Warn, "none of the 500 cameras recorded")
	expect(t, run(t, cameras()), "cameras", doctor.Warn, "nothing is recorded")
	expect(t, run(t, doctor.Config{Cameras: func(context.Context) ([]playback.Camera, error) { return nil, errors.New("broken") }}), "cameras", doctor.Fail, "broken")
}

func TestSites(t *testing.T) {
	status := func(code int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	type wrong = map[string]func(http.ResponseWriter, *http.Request)
	tests := []struct {
		name  string
		wrong wrong
		cfg   doctor.Config
		check string
		level doctor.Level
		says  string
	}{
		{"right", nil, doctor.Config{}, "site.ready", doctor.OK, "ready"},
		{"closed to strangers", nil, doctor.Config{}, "site.access", doctor.OK, "strangers see nothing"},
		{"a good token", nil, doctor.Config{Token: "good"}, "site.token", doctor.OK, "good"},
		{"a bad token", nil, doctor.Config{Token: "revoked"}, "site.token", doctor.Fail, "token make"},
		{"another server", wrong{"/healthz": status(200, "<html>")}, doctor.Config{}, "site", doctor.Fail, "not what s3cam says"},
		{"a name that is not allowed", wrong{"/healthz": status(421, "")}, doctor.Config{}, "site", doctor.Fail, "--host"},
		{"not ready", wrong{"/readyz": status(503, `{"status":"not ready","reasons":["the disk is nearly full"]}`)}, doctor.Config{}, "site.ready", doctor.Fail, "nearly full"},
		{"a proxy that keeps /readyz", wrong{"/readyz": status(404, "")}, doctor.Config{}, "site.ready", doctor.Warn, "proxy"},
		{"open to strangers", wrong{"/cameras": status(200, `{"cameras":[{"id":"a"},{"id":"b"}]}`)}, doctor.Config{ExpectLogin: true}, "site.access", doctor.Warn, "strangers see 2 cameras"},
		{"a store that fails", wrong{"/cameras": status(502, "")}, doctor.Config{}, "site.access", doctor.Fail, "502"},
		{"a clock that is off", wrong{"/healthz": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			io.WriteString(w, `{"status":"ok"}`)
		}}, doctor.Config{}, "clock.site", doctor.Fail, "set the clock"},
		{"a page elsewhere that is not allowed", nil, doctor.Config{Origin: "https://page.example"}, "site.cors", doctor.Fail, "--cors-origin"},
		{"one that is", wrong{"/cameras": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Access-Control-Allow-Origin", "*") }},
			doctor.Config{Origin: "https://page.example"}, "site.cors", doctor.OK, "may use"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(ours(tt.wrong))
			defer s.Close()
			tt.cfg.URL = s.URL
			expect(t, run(t, tt.cfg), tt.check, tt.level, tt.says)
		})
	}
	expect(t, run(t, doctor.Config{URL: "video.example.org"}), "site", doctor.Fail, "https://")
	expect(t, run(t, doctor.Config{URL: "http://127.0.0.1:1"}), "site", doctor.Fail, "does not answer")
	lookup := func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil }
	refuse := func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }
	expect(t, run(t, doctor.Config{URL: "http://video.example", Lookup: lookup, Transport: transport(refuse)}), "certificate", doctor.Warn, "not encrypted")
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Ten broken installations taught these: each is told for what it is, with what to do about it.
func TestWhatIsWrongWithTheFilesOfAServer(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "cameras.json")
	if err := os.WriteFile(file, []byte("{bad"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, run(t, doctor.Config{Dir: dir}), "files", doctor.Fail, "the last backup")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := run(t, doctor.Config{Dir: dir})
	expect(t, lines, "files", doctor.OK, "whole")
	absent(t, lines, "owner")
	if os.Geteuid() != 0 {
		t.Log("SKIPPED: files that belong to root, because this is not root")
		return
	}
	if err := os.Chown(dir, 64321, 64321); err != nil {
		t.Fatal(err)
	}
	expect(t, run(t, doctor.Config{Dir: dir}), "owner", doctor.Fail, "chown -R")
}

func TestAServerWithTLSIsNotTakenForAnother(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"status":"ok"}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	addr := s.Listener.Addr().String()
	expect(t, run(t, doctor.Config{Ports: []doctor.Port{{Flag: "--http", Addr: addr, TLS: true}}}), "port.http", doctor.OK, "answers")
	expect(t, run(t, doctor.Config{Ports: []doctor.Port{{Flag: "--http", Addr: addr}}}), "port.http", doctor.Fail, "with TLS, and these flags are for one without")
	expect(t, run(t, doctor.Config{URL: "http://" + addr}), "site", doctor.Fail, "https://"+addr)
}
