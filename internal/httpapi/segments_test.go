// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/httpapi"
)

const segmentKey = "cam/2026/11/25/11/59/00.ts"

func TestOnlySegmentsAreServed(t *testing.T) {
	keys := []string{"", "secret.txt", "s3-credentials.json", "cam/2026/11/25/11/59/00.ts.bak", "cam/2026/11/25/11/59/../59/00.ts", "../cam/2026/11/25/11/59/00.ts",
		"/cam/2026/11/25/11/59/00.ts", "cam//2026/11/25/11/59/00.ts", "cam/2026/11/25/11/59/", "cam/2026/13/25/11/59/00.ts", "cam\x00/2026/11/25/11/59/00.ts",
		`cam\2026/11/25/11/59/00.ts`, strings.Repeat("a", 2000) + "/2026/11/25/11/59/00.ts", "2026/11/25/11/59/00.ts"}
	for _, delivery := range []httpapi.Delivery{httpapi.Direct, httpapi.Redirect, httpapi.Presign} {
		s := serve(t, func(c *httpapi.Config) { c.Live, c.Replay = delivery, delivery })
		s.objects = map[string]string{}
		for _, k := range keys {
			s.objects[k] = "not yours"
			wantError(t, s.get("/segments/"+k), http.StatusNotFound, "segment_not_found")
		}
		if len(s.asked) > 0 || len(s.signed) > 0 {
			t.Errorf("the store was asked for %q, URLs were signed: %q", s.asked, s.signed)
		}
	}
}

func TestSegmentByRedirect(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) {
		c.Live, c.Replay, c.CORSOrigins = httpapi.Redirect, httpapi.Redirect, []string{"*"}
	})
	for _, method := range []string{"GET", "HEAD"} {
		r := s.do(method, "/segments/"+segmentKey)
		want := "https://bucket.example/" + segmentKey + "?X-Amz-Credential=AKID&X-Amz-Date=12:00:00&X-Amz-Signature=secret"
		if r.StatusCode != http.StatusFound || r.Header.Get("Location") != want || r.Header.Get("Cache-Control") != "no-store" || body(t, r) != "" {
			t.Errorf("%s: status %d to %s, Cache-Control %s", method, r.StatusCode, r.Header.Get("Location"), r.Header.Get("Cache-Control"))
		}
		if r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: no CORS header", method)
		}
	}
	if s.signed[0] != "12:00:00 for 1m0s" {
		t.Errorf("signed %s, want for a minute", s.signed[0])
	}
	if strings.Contains(s.log.String(), "secret") {
		t.Errorf("the log shows a signature:\n%s", s.log)
	}
}

func TestSegmentFromStream(t *testing.T) {
	const data = "0123456789"
	tests := []struct {
		name, method, ranges string
		status               int
		body, length, span   string
	}{
		{"all of it", "GET", "", 200, data, "10", ""},
		{"its headers", "HEAD", "", 200, "", "10", ""},
		{"a middle part", "GET", "bytes=2-4", 206, "234", "3", "bytes 2-4/10"},
		{"the rest", "GET", "bytes=7-", 206, "789", "3", "bytes 7-9/10"},
		{"more than there is", "GET", "bytes=8-99", 206, "89", "2", "bytes 8-9/10"},
		{"a suffix, which is ignored", "GET", "bytes=-3", 200, data, "10", ""},
		{"several parts, which are ignored", "GET", "bytes=0-1,3-4", 200, data, "10", ""},
		{"a reversed part, which is ignored", "GET", "bytes=4-2", 200, data, "10", ""},
		{"another unit, which is ignored", "GET", "lines=1-2", 200, data, "10", ""},
		{"nonsense, which is ignored", "GET", "bytes=18446744073709551616-", 200, data, "10", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil)
			s.objects = map[string]string{segmentKey: data}
			var headers []string
			if tt.ranges != "" {
				headers = []string{"Range", tt.ranges}
			}
			r := s.do(tt.method, "/segments/"+segmentKey, headers...)
			if got := body(t, r); r.StatusCode != tt.status || got != tt.body || r.Header.Get("Content-Length") != tt.length || r.Header.Get("Content-Range") != tt.span {
				t.Errorf("status %d, %q, length %s, range %s", r.StatusCode, got, r.Header.Get("Content-Length"), r.Header.Get("Content-Range"))
			}
			if tt.status < 300 {
				for name, want := range map[string]string{"Content-Type": "video/mp2t", "Cache-Control": "public, max-age=86400, immutable", "Accept-Ranges": "bytes",
					"Etag": `"00.ts"`, "Last-Modified": "Wed, 25 Nov 2026 11:00:00 GMT"} {
					if got := r.Header.Get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
			}
			if len(s.asked) != 1 {
				t.Errorf("the store was asked %d times, want once: %q", len(s.asked), s.asked)
			}
		})
	}
	s := serve(t, nil)
	s.objects = map[string]string{segmentKey: data}
	if r := s.get("/segments/"+segmentKey, "If-None-Match", `"00.ts"`); r.StatusCode != http.StatusNotModified || body(t, r) != "" {
		t.Errorf("with its tag the segment is status %d, want 304", r.StatusCode)
	}
	r := s.get("/segments/cam/2026/11/25/11/58/00.ts")
	wantError(t, r, http.StatusNotFound, "segment_not_found")
}

func TestSegmentFromFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "00.ts")
	data := strings.Repeat("0123456789", 20000)
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, nil)
	s.objects = map[string]string{segmentKey: data}
	s.open = func(httpapi.Object) io.ReadCloser {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
		}
		return f
	}
	srv := httptest.NewServer(s.handler)
	defer srv.Close()
	for _, tt := range []struct {
		ranges string
		status int
		want   string
	}{{"", 200, data}, {"bytes=5-9", 206, "56789"}, {"bytes=-5", 206, "56789"}, {"bytes=199990-", 206, "0123456789"}, {"bytes=200000-", 416, ""},
		{"bytes=0-1,3-4", 200, data}, {"bytes=4-2", 200, data}, {"lines=1-2", 200, data}, {"bytes=--5", 200, data}, {"bytes=-0", 200, data}, {"bytes=18446744073709551616-", 200, data}} {
		req, _ := http.NewRequest("GET", srv.URL+"/segments/"+segmentKey, nil)
		if tt.ranges != "" {
			req.Header.Set("Range", tt.ranges)
		}
		r, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != tt.status || tt.status < 300 && string(got) != tt.want {
			t.Errorf("range %q: status %d, %d bytes, %v; want %d and %d bytes", tt.ranges, r.StatusCode, len(got), err, tt.status, len(tt.want))
		}
		if tt.status < 300 && r.Header.Get("Content-Type") != "video/mp2t" {
			t.Errorf("range %q: Content-Type %s", tt.ranges, r.Header.Get("Content-Type"))
		}
	}
}

// The answer to a range beyond the end is an error like any other, however the bytes are delivered, and names the size.
func TestRangeBeyondTheEnd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "00.ts")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, nil)
	s.objects = map[string]string{segmentKey: "0123456789"}
	for _, delivered := range []string{"from a stream", "from a file"} {
		r := s.get("/segments/"+segmentKey, "Range", "bytes=10-")
		wantError(t, r, http.StatusRequestedRangeNotSatisfiable, "bad_range")
		if got := r.Header.Get("Content-Range"); got != "bytes */10" {
			t.Errorf("%s: Content-Range %q, want bytes */10", delivered, got)
		}
		s.open = func(httpapi.Object) io.ReadCloser {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
			}
			return f
		}
	}
}

// A store that sends an object in chunks does not say how large it is.
func TestSegmentOfUnknownSize(t *testing.T) {
	s := serve(t, nil)
	s.objects, s.sizeless = map[string]string{segmentKey: "0123456789"}, true
	r := s.get("/segments/" + segmentKey)
	if got := body(t, r); r.StatusCode != 200 || got != "0123456789" || r.Header.Get("Content-Length") != "" {
		t.Errorf("status %d, %q, length %q; want all of it", r.StatusCode, got, r.Header.Get("Content-Length"))
	}
	if r := s.do("HEAD", "/segments/"+segmentKey); r.StatusCode != 200 || r.Header.Get("Content-Length") != "" {
		t.Errorf("HEAD: status %d, length %q", r.StatusCode, r.Header.Get("Content-Length"))
	}
	wantError(t, s.get("/segments/"+segmentKey, "Range", "bytes=2-4"), http.StatusBadGateway, "storage_error")
}

// If-Range makes a range depend on the segment being the one that the client has; where that cannot be told it gets all.
func TestIfRangeFromStream(t *testing.T) {
	s := serve(t, nil)
	s.objects = map[string]string{segmentKey: "0123456789"}
	if r := s.get("/segments/"+segmentKey, "Range", "bytes=2-4", "If-Range", `"other"`); r.StatusCode != 200 || body(t, r) != "0123456789" {
		t.Errorf("status %d, want 200 and the whole segment", r.StatusCode)
	}
}

// A body that ends early must not look whole.
func TestSegmentCutShortByTheStore(t *testing.T) {
	s := serve(t, nil)
	s.objects = map[string]string{segmentKey: strings.Repeat("x", 1000)}
	s.open = func(httpapi.Object) io.ReadCloser { return stream{strings.NewReader("half")} }
	srv := httptest.NewServer(s.handler)
	defer srv.Close()
	r, err := srv.Client().Get(srv.URL + "/segments/" + segmentKey)
	if err == nil { // the headers may have gone out
		_, err = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if err == nil {
		t.Error("half a segment came without an error")
	}
}
