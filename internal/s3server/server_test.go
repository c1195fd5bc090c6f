// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/s3server"
)

const (
	rootAccess = "ROOTACCESSKEY"
	rootSecret = "root/secret+key"
)

func config(t *testing.T) s3server.Config {
	return s3server.Config{
		Dir: t.TempDir(), Addr: "127.0.0.1:0", AccessKey: rootAccess, SecretKey: rootSecret, Durability: s3server.DurabilityNone,
	}
}

// run starts a server and stops it at the end of the test; the returned function stops it at once and returns Run's error.
func run(t *testing.T, cfg s3server.Config) (*s3server.Server, func() error) {
	t.Helper()
	s, err := s3server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return s, stop
}

func TestNewReportsEveryProblemAtOnce(t *testing.T) {
	_, err := s3server.New(s3server.Config{
		Addr: "nonsense", Bucket: "UPPER", Durability: "some", CertFile: "only.pem", MaxRequests: 9, MaxConnections: 8,
		DrainTimeout: -1, CORSOrigins: []string{"example.org"}, AccessKey: "a/b",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Dir", "nonsense", "UPPER", "Durability", "KeyFile", "MaxRequests", "DrainTimeout", "example.org", "AccessKey", "SecretKey"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := config(t)
	cfg.Addr = ln.Addr().String()
	_, err = s3server.New(cfg)
	if err == nil || !strings.Contains(err.Error(), cfg.Addr) || !strings.Contains(err.Error(), "hint: another program") {
		t.Errorf("error %v, want the address and a hint", err)
	}
	cfg.Addr = "127.0.0.1:0"
	s, err := s3server.New(cfg) // the failed one left the directory free
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	_ = s.Close()
}

func TestOneProcessPerDirectory(t *testing.T) {
	cfg := config(t)
	_, stop := run(t, cfg)
	if _, err := s3server.New(cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second server on one directory: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s, _ := run(t, cfg)
	targetOf(t, s, rootAccess, rootSecret).put(t, "a", "again")
}

func TestSeveralServersInOneProcessKeepTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.Dir = "data" // relative to the working directory
	a, _ := run(t, cfg)
	b, _ := run(t, config(t))
	ta, tb := targetOf(t, a, rootAccess, rootSecret), targetOf(t, b, rootAccess, rootSecret)
	ta.put(t, "x", "in a")
	tb.put(t, "x", "in b")
	if got := ta.do(t, rawRequest{method: "GET", path: ta.path("x")}).body; got != "in a" {
		t.Errorf("a holds %q", got)
	}
	if got := tb.do(t, rawRequest{method: "GET", path: tb.path("x")}).body; got != "in b" {
		t.Errorf("b holds %q", got)
	}
	if after, _ := os.Getwd(); after != before {
		t.Errorf("working directory %s, was %s", after, before)
	}
	if b, err := os.ReadFile("data/video/x"); err != nil || string(b) != "in a" {
		t.Errorf("data/video/x: %q, %v", b, err)
	}
}

func TestRequestsBeforeRunWait(t *testing.T) {
	s, err := s3server.New(config(t))
	if err != nil {
		t.Fatal(err)
	}
	tg := targetOf(t, s, rootAccess, rootSecret)
	answer := make(chan int, 1)
	c, err := tg.dial() // the port is bound already
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		res, err := tg.send(c, bufio.NewReader(c), rawRequest{method: "PUT", path: tg.path("x"), body: "x"})
		if err != nil {
			t.Error(err)
		}
		answer <- res.status
	}()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if status := <-answer; status != 200 {
		t.Errorf("status %d", status)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRunAfterCancelReturns(t *testing.T) {
	s, err := s3server.New(config(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestOnStored(t *testing.T) {
	type call struct {
		bucket, key string
		size        int64
	}
	var mu sync.Mutex
	var calls []call
	cfg := config(t)
	cfg.Bucket = "footage"
	var s *s3server.Server
	cfg.OnStored = func(bucket, key string, size int64) {
		if b, err := s.ReadRange(context.Background(), key, 0, 1<<20); err != nil || int64(len(b)) != size {
			t.Errorf("%s not readable in the hook: %d bytes, %v", key, len(b), err)
		}
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, call{bucket, key, size})
	}
	s, _ = run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	for _, r := range []rawRequest{
		{path: "/footage/cam1/a.ts", body: "12345"},
		{path: "/footage//cam1//a.ts", body: "123"},                                                       // an overwrite, spelled badly
		{path: "/footage/cam1/b.ts", body: "1", payload: hexHash("2")},                                    // refused
		{path: "/footage/cam1/a.ts", body: "1", headers: map[string]string{"if-none-match": "*"}},         // refused
		{path: "/footage/cam1/c.ts", body: "1234567", headers: map[string]string{"x-amz-tagging": "a=b"}}, // with tags
		{path: "/footage/../x", body: "1"},                                                                // refused
	} {
		r.method = "PUT"
		tg.do(t, r)
	}
	want := []call{{"footage", "cam1/a.ts", 5}, {"footage", "cam1/a.ts", 3}, {"footage", "cam1/c.ts", 7}}
	if !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
}

// cameras is Accounts with a key per camera: PUT below its own prefix, nothing else.
type cameras map[string]string // access key and camera -> secret

func (c cameras) Lookup(access, token string) (s3server.Account, error) {
	secret, ok := c[access]
	if !ok {
		return s3server.Account{}, s3server.ErrUnknownKey
	}
	if strings.HasPrefix(access, "temp") && token != "good" {
		return s3server.Account{}, s3server.ErrInvalidToken
	}
	return s3server.Account{SecretKey: s3server.Secret(secret), Allow: func(action, bucket, key string) bool {
		return (action == "s3:PutObject" || action == "s3:PutObjectTagging") && bucket == "video" && strings.HasPrefix(key, access+"/")
	}}, nil
}

func TestAccountsMayDoWhatTheirRuleAllows(t *testing.T) {
	cfg := config(t)
	cfg.Accounts = cameras{"cam1": "s1", "cam10": "s10", "temp": "s2"}
	s, _ := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	tg.put(t, "cam2/x", "x")
	as := func(r rawRequest, access, secret string) rawRequest { r.access, r.secret = access, secret; return r }
	put := func(key string) rawRequest { return rawRequest{method: "PUT", path: "/video/" + key, body: "x"} }
	tagged := put("cam1/t.ts")
	tagged.headers = map[string]string{"x-amz-tagging": "a=b"}
	copied := put("cam1/copy")
	copied.headers = map[string]string{"x-amz-copy-source": "/video/cam2/x"}
	copied.body = ""
	token := put("temp/x")
	token.token = "good"
	forged := put("temp/y")
	forged.token = "bad"
	for _, tt := range []struct {
		name   string
		req    rawRequest
		status int
		code   string
	}{
		{"own prefix", as(put("cam1/a.ts"), "cam1", "s1"), 200, ""},
		{"own prefix with tags", as(tagged, "cam1", "s1"), 200, ""},
		{"own prefix, double slash", as(put("cam1//b.ts"), "cam1", "s1"), 200, ""},
		{"another camera", as(put("cam2/a.ts"), "cam1", "s1"), 403, "AccessDenied"},
		{"a longer name", as(put("cam10/a.ts"), "cam1", "s1"), 403, "AccessDenied"},
		{"top level", as(put("a.ts"), "cam1", "s1"), 403, "AccessDenied"},
		{"leading slash into another", as(put("/cam2/a.ts"), "cam1", "s1"), 403, "AccessDenied"},
		{"another bucket", as(rawRequest{method: "PUT", path: "/other-bucket/cam1/x", body: "x"}, "cam1", "s1"), 404, "NoSuchBucket"},
		{"read its own", as(rawRequest{method: "GET", path: "/video/cam1/a.ts"}, "cam1", "s1"), 403, "AccessDenied"},
		{"head its own", as(rawRequest{method: "HEAD", path: "/video/cam1/a.ts"}, "cam1", "s1"), 403, ""},
		{"delete its own", as(rawRequest{method: "DELETE", path: "/video/cam1/a.ts"}, "cam1", "s1"), 403, "AccessDenied"},
		{"list", as(rawRequest{method: "GET", path: "/video", query: "list-type=2&prefix=cam1%2F"}, "cam1", "s1"), 403, "AccessDenied"},
		{"list buckets", as(rawRequest{method: "GET", path: "/"}, "cam1", "s1"), 403, "AccessDenied"},
		{"create a bucket", as(rawRequest{method: "PUT", path: "/newbucket"}, "cam1", "s1"), 403, "AccessDenied"},
		{"copy from another", as(copied, "cam1", "s1"), 403, "AccessDenied"},
		{"wrong secret", as(put("cam1/a.ts"), "cam1", "s10"), 403, "SignatureDoesNotMatch"},
		{"unknown", as(put("cam1/a.ts"), "cam9", "s1"), 403, "InvalidAccessKeyId"},
		{"a temporary key with its token", as(token, "temp", "s2"), 200, ""},
		{"a temporary key with a forged token", as(forged, "temp", "s2"), 400, "InvalidToken"},
		{"a temporary key without its token", as(put("temp/z"), "temp", "s2"), 400, "InvalidToken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res := tg.do(t, tt.req); res.status != tt.status || res.code != tt.code {
				t.Errorf("%d %s, want %d %s: %.300s", res.status, res.code, tt.status, tt.code, res.body)
			}
		})
	}
	if got, want := tg.keys(t), []string{"cam1/a.ts", "cam1/b.ts", "cam1/t.ts", "cam2/x", "temp/x"}; !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
}

func TestWhatIsNotNeededIsNotThere(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	tg.put(t, "x", "x")
	b := "/" + tg.bucket
	xmlBody := `<?xml version="1.0"?><X xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></X>`
	for _, r := range []rawRequest{
		{method: "PUT", path: b + "/y", headers: map[string]string{"x-amz-copy-source": b + "/x"}},
		{method: "PUT", path: b, query: "policy=", body: "{}"},
		{method: "PUT", path: b, query: "acl=", body: xmlBody},
		{method: "PUT", path: b + "/x", query: "acl=", body: xmlBody},
		{method: "PUT", path: b, query: "versioning=", body: xmlBody},
		{method: "PUT", path: b, query: "cors=", body: xmlBody},
		{method: "PUT", path: b, query: "lifecycle=", body: xmlBody},
		{method: "PUT", path: b, query: "website=", body: xmlBody},
		{method: "PUT", path: b, query: "object-lock=", body: xmlBody},
		{method: "PUT", path: b + "/x", query: "retention=", body: xmlBody},
		{method: "GET", path: b, query: "versions="},
		{method: "POST", path: b, headers: map[string]string{"content-type": "multipart/form-data; boundary=x"}, body: "--x--"},
		{method: "PATCH", path: "/create-user", body: xmlBody},
		{method: "PATCH", path: "/list-users"},
		{method: "PATCH", path: b + "/create"},
	} {
		if res := tg.do(t, r); res.status < 400 || strings.Contains(res.body, tg.embedded.Dir()) {
			t.Errorf("%s %s?%s: %d %s", r.method, r.path, r.query, res.status, res.body)
		}
	}
	for _, query := range []string{"policy=", "acl=", "uploads=", "versioning=", "location="} {
		if res := tg.do(t, rawRequest{method: "GET", path: b, query: query, anonymous: true}); res.status != 403 {
			t.Errorf("anonymous ?%s: %d", query, res.status)
		}
	}
	if keys := tg.keys(t); !slices.Equal(keys, []string{"x"}) {
		t.Errorf("stored %q", keys)
	}
}

func TestBuckets(t *testing.T) {
	s, _ := run(t, config(t))
	tg := targetOf(t, s, rootAccess, rootSecret)
	for _, tt := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"PUT", "/second", 200, ""},
		{"PUT", "/second", 409, "BucketAlreadyOwnedByYou"},
		{"PUT", "/Bad_Name", 400, "InvalidBucketName"},
		{"PUT", "/second/x", 200, ""},
		{"DELETE", "/second", 409, "BucketNotEmpty"},
		{"DELETE", "/second/x", 204, ""},
		{"DELETE", "/second", 204, ""},
		{"DELETE", "/second", 404, "NoSuchBucket"},
		{"GET", "/", 200, ""},
		{"GET", "/healthz", 200, ""},
	} {
		body := ""
		if tt.method == "PUT" && strings.HasSuffix(tt.path, "/x") {
			body = "x"
		}
		res := tg.do(t, rawRequest{method: tt.method, path: tt.path, body: body})
		if res.status != tt.status || res.code != tt.code {
			t.Errorf("%s %s: %d %s, want %d %s: %s", tt.method, tt.path, res.status, res.code, tt.status, tt.code, res.body)
		}
		if tt.path == "/" && (!strings.Contains(res.body, "<Name>video</Name>") || strings.Contains(res.body, "second")) {
			t.Errorf("buckets: %s", res.body)
		}
		if strings.Contains(res.body, string(filepath.Separator)+"video"+string(filepath.Separator)) {
			t.Errorf("%s %s shows a path: %s", tt.method, tt.path, res.body)
		}
	}
	if res := tg.do(t, rawRequest{method: "GET", path: "/healthz", anonymous: true}); res.status != 200 {
		t.Errorf("/healthz without signature: %d", res.status)
	}
}

func TestCORS(t *testing.T) {
	cfg := config(t)
	cfg.CORSOrigins = []string{"https://site.example", "http://localhost:5173"}
	s, _ := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	tg.put(t, "x", "x")
	for _, tt := range []struct {
		name, origin string
		req          rawRequest
		status       int
		allow        string
	}{
		{"an allowed origin", "https://site.example", rawRequest{method: "GET", path: "/video/x", presign: time.Hour}, 200, "https://site.example"},
		{"another allowed origin", "http://localhost:5173", rawRequest{method: "HEAD", path: "/video/x", presign: time.Hour}, 200, "http://localhost:5173"},
		{"a foreign origin", "https://evil.example", rawRequest{method: "GET", path: "/video/x", presign: time.Hour}, 200, ""},
		{"no origin", "", rawRequest{method: "GET", path: "/video/x", presign: time.Hour}, 200, ""},
		{"an expired URL", "https://site.example", rawRequest{method: "GET", path: "/video/x", presign: time.Minute, date: time.Now().Add(-2 * time.Minute)}, 403, "https://site.example"},
		{"a missing object", "https://site.example", rawRequest{method: "GET", path: "/video/none", presign: time.Hour}, 404, "https://site.example"},
		{"a bad path", "https://site.example", rawRequest{method: "GET", path: "/video/../x", presign: time.Hour}, 400, "https://site.example"},
		{"a range", "https://site.example", rawRequest{method: "GET", path: "/video/x", headers: map[string]string{"range": "bytes=0-0"}}, 206, "https://site.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.req
			r.headers = map[string]string{"origin": tt.origin}
			for k, v := range tt.req.headers {
				r.headers[k] = v
			}
			res := tg.do(t, r)
			if got := res.header.Get("Access-Control-Allow-Origin"); res.status != tt.status || got != tt.allow || len(res.header.Values("Access-Control-Allow-Origin")) > 1 {
				t.Errorf("%d, allow-origin %q, want %d, %q", res.status, got, tt.status, tt.allow)
			}
			if exposed := res.header.Get("Access-Control-Expose-Headers"); strings.Contains(exposed, "Content-Range") != (tt.allow != "") {
				t.Errorf("exposed %q", exposed)
			}
			if vary := strings.Join(res.header.Values("Vary"), ","); tt.origin != "" && !strings.Contains(vary, "Origin") {
				t.Errorf("Vary %q", vary)
			}
		})
	}
	for _, tt := range []struct {
		origin, method string
		status         int
	}{
		{"https://site.example", "GET", 204}, {"https://site.example", "HEAD", 204},
		{"https://site.example", "PUT", 403}, {"https://evil.example", "GET", 403}, {"", "GET", 403}, {"https://site.example", "", 403},
	} {
		res := tg.do(t, rawRequest{method: "OPTIONS", path: "/video/x", anonymous: true, headers: map[string]string{
			"origin": tt.origin, "access-control-request-method": tt.method, "access-control-request-headers": "range,x-custom",
		}})
		if res.status != tt.status {
			t.Errorf("preflight %s %s: %d, want %d", tt.origin, tt.method, res.status, tt.status)
		}
		if tt.status == 204 && (res.header.Get("Access-Control-Allow-Methods") != "GET, HEAD" || res.header.Get("Access-Control-Allow-Headers") != "range,x-custom" ||
			res.header.Get("Access-Control-Max-Age") == "" || res.header.Get("Access-Control-Allow-Origin") != tt.origin) {
			t.Errorf("preflight %s: %v", tt.origin, res.header)
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	cfg := s3server.Config{AccessKey: rootAccess, SecretKey: rootSecret}
	cred := s3server.Credentials{AccessKey: rootAccess, SecretKey: rootSecret}
	js, _ := json.Marshal(map[string]any{"cred": cred, "key": cfg.SecretKey})
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cred", cred, "key", cfg.SecretKey)
	for _, s := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %q %s %v", cred, cred, cfg.SecretKey, cfg.SecretKey, &cfg), string(js), log.String()} {
		if strings.Contains(s, rootSecret) || !strings.Contains(s, "REDACTED") {
			t.Errorf("printed: %s", s)
		}
	}
}

func TestLoadOrCreateCredentials(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := s3server.LoadOrCreateCredentials(dir, "", "")
	if err != nil || !first.Created || len(first.AccessKey) != 20 || len(first.SecretKey) < 40 {
		t.Fatalf("%+v, %v", first, err)
	}
	st, err := os.Stat(filepath.Join(dir, s3server.CredentialsFile))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("file mode %v, %v, want 0600", st.Mode(), err)
	}
	if first.Readable {
		t.Error("a new file is said to be readable by others")
	}
	if err := os.Chmod(first.File, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := s3server.LoadOrCreateCredentials(dir, "", "")
	if !again.Readable {
		t.Error("it is not said that others can read the file")
	}
	if err != nil || again.Created || again.AccessKey != first.AccessKey || again.SecretKey != first.SecretKey {
		t.Errorf("second load differs: %v", err)
	}
	given, err := s3server.LoadOrCreateCredentials(dir, "AK", "SK")
	if err != nil || given.Created || given.AccessKey != "AK" || string(given.SecretKey) != "SK" || given.File != "" {
		t.Errorf("given pair: %+v, %v", given, err)
	}
	for _, pair := range [][2]string{{"AK", ""}, {"", "SK"}, {"A K", "SK"}} {
		if _, err := s3server.LoadOrCreateCredentials(dir, pair[0], pair[1]); err == nil {
			t.Errorf("pair %q accepted", pair)
		}
	}
	other := t.TempDir()
	var wg sync.WaitGroup
	keys := make([]string, 8)
	for i := range keys {
		wg.Go(func() {
			c, err := s3server.LoadOrCreateCredentials(other, "", "")
			if err != nil {
				t.Error(err)
			}
			keys[i] = c.AccessKey + string(c.SecretKey)
		})
	}
	wg.Wait()
	if slices.Sort(keys); keys[0] != keys[7] {
		t.Error("processes that start at once got different pairs")
	}
	if left, _ := os.ReadDir(other); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	for _, content := range []string{"", "{", "{}", `{"access_key":"AK"}`, `{"access_key":"a b","secret_key":"x"}`} {
		name := filepath.Join(other, s3server.CredentialsFile)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s3server.LoadOrCreateCredentials(other, "", ""); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "(hint: ") {
			t.Errorf("file %q: %v, want an error that names it and a hint", content, err)
		}
		if b, _ := os.ReadFile(name); string(b) != content {
			t.Errorf("a broken file was replaced")
		}
	}
}

func TestStalledClientsAreCutOff(t *testing.T) {
	cfg := config(t)
	cfg.StallTimeout = 150 * time.Millisecond
	s, _ := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	put := tg.head(rawRequest{method: "PUT", path: tg.path("x"), body: randomBytes(1<<20, 1)})
	for name, send := range map[string]string{"nothing sent": "", "half a head": put[:50], "a head and no body": put, "a head and some body": put + randomBytes(5000, 1)} {
		t.Run(name, func(t *testing.T) {
			c, err := tg.dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, send); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) { // 30 s of the test's own
				t.Error("the server keeps the connection")
			}
		})
	}
	if keys := tg.keys(t); len(keys) != 0 {
		t.Errorf("stored %q", keys)
	}
}
