// SPDX-License-Identifier: Apache-2.0

package webui_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/webui"
)

// maxBundle is the budget of everything that a browser may have to load, gzipped (1 kB = 1000 bytes).
const maxBundle = 260_000

func get(t *testing.T, h http.Handler, method, target string, header map[string]string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func site(t *testing.T, cfg webui.Config) http.Handler {
	t.Helper()
	h, err := webui.Handler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// bundled returns the paths of all files of the bundle as they are on disk, with what they hold.
func bundled(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir("dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		files[strings.TrimPrefix(filepath.ToSlash(name), "dist")] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestEveryFileOfTheBundleIsServedAsItIs(t *testing.T) {
	h := site(t, webui.Config{})
	for name, want := range bundled(t) {
		res := get(t, h, "GET", name, nil)
		got := body(t, res)
		if name == "/config.json" {
			want = []byte(`{"apiBase":""}` + "\n")
		}
		if res.StatusCode != 200 || !bytes.Equal(got, want) {
			t.Errorf("GET %s = %d with %d bytes, want 200 with %d", name, res.StatusCode, len(got), len(want))
		}
		if n := res.Header.Get("Content-Length"); n != strconv.Itoa(len(want)) {
			t.Errorf("GET %s has Content-Length %s, want %d", name, n, len(want))
		}
		wantCache := "no-cache"
		if strings.HasPrefix(name, "/assets/") {
			wantCache = "public, max-age=31536000, immutable"
		}
		if got := res.Header.Get("Cache-Control"); got != wantCache {
			t.Errorf("GET %s has Cache-Control %q, want %q", name, got, wantCache)
		}
		if ct := res.Header.Get("Content-Type"); ct == "" || ct == "application/octet-stream" {
			t.Errorf("GET %s has Content-Type %q: its extension is missing from the table", name, ct)
		}
	}
	if index := body(t, get(t, h, "GET", "/", nil)); !bytes.Equal(index, bundled(t)["/index.html"]) {
		t.Error("GET / is not index.html")
	}
}

func TestFilesAreWhatTheHandlerServes(t *testing.T) {
	cfg := webui.Config{APIBase: "https://api.example.com"}
	files, err := webui.Files(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h := site(t, cfg)
	last := ""
	for _, f := range files {
		res := get(t, h, http.MethodGet, "/"+f.Name, nil)
		if !bytes.Equal(body(t, res), f.Body) || res.Header.Get("Content-Type") != f.ContentType || res.Header.Get("Cache-Control") != f.CacheControl {
			t.Errorf("%s is served differently", f.Name)
		}
		if f.Name <= last {
			t.Errorf("%s comes after %s", f.Name, last)
		}
		last = f.Name
	}
	if len(files) != len(bundled(t)) {
		t.Errorf("%d files, the bundle has %d", len(files), len(bundled(t)))
	}
	if _, err := webui.Files(webui.Config{APIBase: "ftp://x"}); err == nil {
		t.Error("a bad address of the API was accepted")
	}
}

func TestBundleStaysWithinItsBudget(t *testing.T) {
	h := site(t, webui.Config{})
	total := 0
	for name := range bundled(t) {
		if name == "/licenses.md" {
			continue // loaded only by who wants to read it
		}
		total += len(body(t, get(t, h, "GET", name, map[string]string{"Accept-Encoding": "gzip"})))
	}
	t.Logf("%d bytes gzipped of %d", total, maxBundle)
	if total > maxBundle {
		t.Errorf("the bundle is %d bytes gzipped, want at most %d", total, maxBundle)
	}
}

// The policy forbids inline scripts and styles and other origins; a bundle that needs them would not work.
func TestIndexNeedsNothingThatThePolicyForbids(t *testing.T) {
	files := bundled(t)
	index := string(files["/index.html"])
	for _, bad := range []string{`<script>`, `<style`, ` style=`, ` onload=`, ` onerror=`, `//`} {
		if strings.Contains(strings.ReplaceAll(index, "<!doctype html>", ""), bad) {
			t.Errorf("index.html contains %q", bad)
		}
	}
	refs := regexp.MustCompile(`(?:src|href)="\./([^"]+)"`).FindAllStringSubmatch(index, -1)
	if len(refs) < 3 {
		t.Fatalf("index.html refers to %d files, want the icon, a script and a stylesheet", len(refs))
	}
	for _, ref := range refs {
		if files["/"+ref[1]] == nil {
			t.Errorf("index.html refers to %s, which the bundle lacks", ref[1])
		}
	}
}

func TestAcceptEncodingIsHonoured(t *testing.T) {
	h := site(t, webui.Config{})
	plain := body(t, get(t, h, "GET", "/", nil))
	for _, tt := range []struct {
		name, accept string
		gzip         bool
	}{
		{"none", "", false},
		{"gzip", "gzip", true},
		{"what browsers send", "gzip, deflate, br, zstd", true},
		{"upper case", "GZIP", true},
		{"anything", "*", true},
		{"forbidden", "gzip;q=0", false},
		{"forbidden with a decimal", "gzip; q=0.000", false},
		{"anything but gzip", "gzip;q=0, *", false},
		{"anything but gzip, the other way round", "*, gzip;q=0", false},
		{"gzip if need be", "br, gzip;q=0.1", true},
		{"others only", "br, deflate", false},
		{"a weight that is none", "gzip;q=yes", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := get(t, h, "GET", "/", map[string]string{"Accept-Encoding": tt.accept})
			if got := res.Header.Get("Vary"); got != "Accept-Encoding" {
				t.Errorf("Vary = %q, want Accept-Encoding", got)
			}
			got := body(t, res)
			if encoding := res.Header.Get("Content-Encoding"); (encoding == "gzip") != tt.gzip {
				t.Fatalf("Content-Encoding = %q, want gzip: %v", encoding, tt.gzip)
			}
			if tt.gzip {
				z, err := gzip.NewReader(bytes.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				if got, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, plain) {
				t.Error("the body is not index.html")
			}
		})
	}
}

func TestUnchangedFilesAreNotSentAgain(t *testing.T) {
	h := site(t, webui.Config{})
	for _, accept := range []string{"", "gzip"} {
		first := get(t, h, "GET", "/", map[string]string{"Accept-Encoding": accept})
		etag := first.Header.Get("ETag")
		for _, tt := range []struct {
			name, match string
			want        int
		}{
			{"the same", etag, 304},
			{"one of several", `"x", ` + etag, 304},
			{"weakly", "W/" + etag, 304},
			{"anything", "*", 304},
			{"another", `"x"`, 200},
		} {
			res := get(t, h, "GET", "/", map[string]string{"Accept-Encoding": accept, "If-None-Match": tt.match})
			if res.StatusCode != tt.want {
				t.Errorf("If-None-Match %s (%s), Accept-Encoding %q: status %d, want %d", tt.match, tt.name, accept, res.StatusCode, tt.want)
			}
			if n := len(body(t, res)); (n == 0) != (tt.want == 304) {
				t.Errorf("status %d has %d bytes", res.StatusCode, n)
			}
			if res.Header.Get("ETag") != etag || res.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("status %d lacks ETag or Cache-Control: %v", res.StatusCode, res.Header)
			}
		}
	}
	plain := get(t, h, "GET", "/", nil).Header.Get("ETag")
	zipped := get(t, h, "GET", "/", map[string]string{"Accept-Encoding": "gzip"}).Header.Get("ETag")
	if plain == zipped {
		t.Error("the two encodings of one file share a strong ETag")
	}
}

func TestMethodsAndUnknownPaths(t *testing.T) {
	h := site(t, webui.Config{})
	for _, tt := range []struct {
		method, target string
		want           int
	}{
		{"HEAD", "/", 200},
		{"HEAD", "/config.json", 200},
		{"HEAD", "/nothing", 404},
		{"GET", "/nothing", 404},
		{"GET", "/assets", 404},
		{"GET", "/assets/", 404},
		{"GET", "/assets/index-00000000.js", 404},
		{"GET", "/../webui.go", 404},
		{"GET", "/dist/index.html", 404},
		{"GET", "//", 404},
		{"POST", "/", 405},
		{"OPTIONS", "/nothing", 405},
	} {
		res := get(t, h, tt.method, tt.target, nil)
		if res.StatusCode != tt.want {
			t.Errorf("%s %s = %d, want %d", tt.method, tt.target, res.StatusCode, tt.want)
		}
		b := body(t, res)
		if tt.method == "HEAD" && tt.want == 200 && (len(b) != 0 || res.Header.Get("Content-Length") == "0") {
			t.Errorf("HEAD %s: %d bytes of body, Content-Length %s", tt.target, len(b), res.Header.Get("Content-Length"))
		}
		if tt.want >= 400 && res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s may be cached although it is an error", tt.method, tt.target)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("%s %s has no policy: %q", tt.method, tt.target, csp)
		}
	}
}

func TestPolicyNamesTheConfiguredOriginsOnly(t *testing.T) {
	h := site(t, webui.Config{
		APIBase:        "https://api.example.com/v1",
		ConnectSources: []string{"https://bucket.s3.eu-west-1.amazonaws.com", "http://127.0.0.1:9000/"},
	})
	res := get(t, h, "GET", "/config.json", nil)
	if got, want := string(body(t, res)), `{"apiBase":"https://api.example.com/v1"}`+"\n"; got != want {
		t.Errorf("config.json = %s, want %s", got, want)
	}
	csp := res.Header.Get("Content-Security-Policy")
	want := "connect-src 'self' https://api.example.com https://bucket.s3.eu-west-1.amazonaws.com http://127.0.0.1:9000;"
	if !strings.Contains(csp, want) {
		t.Errorf("policy = %s\nwant %s", csp, want)
	}
	for _, bad := range []string{"unsafe", "*"} {
		if strings.Contains(csp, bad) {
			t.Errorf("policy contains %s: %s", bad, csp)
		}
	}
}

func TestConfigTellsWhereCamerasAreAndWhereToSignIn(t *testing.T) {
	h := site(t, webui.Config{Zone: "Asia/Shanghai", CameraZones: map[string]string{"gate": "Etc/GMT+3", "ho/me": "America/Argentina/Buenos_Aires"}, Login: "login"})
	const want = `{"apiBase":"","login":"login","zone":"Asia/Shanghai","zones":{"gate":"Etc/GMT+3","ho/me":"America/Argentina/Buenos_Aires"}}` + "\n"
	if got := string(body(t, get(t, h, "GET", "/config.json", nil))); got != want {
		t.Errorf("config.json = %s, want %s", got, want)
	}
	const none = `{"apiBase":"","clips":false}` + "\n"
	if got := string(body(t, get(t, site(t, webui.Config{NoClips: true}), "GET", "/config.json", nil))); got != none {
		t.Errorf("without clips config.json = %s, want %s", got, none)
	}
}

// TestBundleIsSmall holds the promise of docs/design/site.md: everything that a viewer loads, Video.js included.
func TestBundleIsSmall(t *testing.T) {
	files, err := webui.Files(webui.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const budget = 260_000
	total := 0
	for _, f := range files {
		if f.Name == "licenses.md" { // only who asks for it loads it
			continue
		}
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(f.Body); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %d gzipped", f.Name, len(f.Body), b.Len())
		total += b.Len()
	}
	t.Logf("%d bytes in all", total)
	if total > budget {
		t.Errorf("the bundle has %d bytes gzipped, at most %d are allowed", total, budget)
	}
}

func TestBadConfigIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  webui.Config
		want []string
	}{
		{"no scheme", webui.Config{APIBase: "api.example.com"}, []string{"APIBase"}},
		{"another scheme", webui.Config{APIBase: "javascript:alert(1)"}, []string{"APIBase"}},
		{"a policy smuggled in", webui.Config{ConnectSources: []string{"https://a;script-src *"}}, []string{"ConnectSources[0]"}},
		{"an origin with a path", webui.Config{ConnectSources: []string{"https://a", "https://a/b"}}, []string{"ConnectSources[1]"}},
		{"a zone that is none", webui.Config{Zone: "Berlin, Germany", CameraZones: map[string]string{"gate": "+02:00"}}, []string{"Zone:", "CameraZones[gate]"}},
		{"a script to sign in", webui.Config{Login: "javascript:alert(1)"}, []string{"Login"}},
		{"all problems at once", webui.Config{APIBase: "x", ConnectSources: []string{"y"}}, []string{"APIBase", "ConnectSources[0]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := webui.Handler(tt.cfg)
			if err == nil {
				t.Fatal("Handler accepted it")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not name %s", err, want)
				}
			}
		})
	}
}
