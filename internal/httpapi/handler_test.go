// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/playback"
)

func TestBadParameters(t *testing.T) {
	const times = "&start=1619866800&end=1619870400"
	long := strings.Repeat("c", 2048)
	tests := []struct {
		name, target, code, says string
	}{
		{"no camera", "/playlist.m3u8", "bad_camera_id", "missing"},
		{"an empty camera", "/playlist.m3u8?camera_id=", "bad_camera_id", "empty"},
		{"two cameras", "/playlist.m3u8?camera_id=a&camera_id=b", "bad_camera_id", "2 times"},
		{"a step up", "/playlist.m3u8?camera_id=../x", "bad_camera_id", `".."`},
		{"a dot", "/playlist.m3u8?camera_id=a/./x", "bad_camera_id", `"."`},
		{"two slashes", "/playlist.m3u8?camera_id=a//b", "bad_camera_id", "slash"},
		{"only slashes", "/playlist.m3u8?camera_id=//", "bad_camera_id", "empty"},
		{"a control byte", "/playlist.m3u8?camera_id=a%00b", "bad_camera_id", "control"},
		{"no UTF-8", "/playlist.m3u8?camera_id=a%ff", "bad_camera_id", "UTF-8"},
		{"two kilobytes", "/playlist.m3u8?camera_id=" + long, "bad_camera_id", "2048 bytes"},
		{"ten kilobytes", "/playlist.m3u8?camera_id=" + strings.Repeat(long, 5), "query_too_long", "8192"},
		{"a broken escape", "/playlist.m3u8?camera_id=%zz", "bad_query", "decoded"},
		{"a semicolon", "/playlist.m3u8?camera_id=a;b", "bad_query", "decoded"},
		{"a replay without a camera", "/replay.m3u8?start=1619866800", "bad_camera_id", "missing"},
		{"a replay without a start", "/replay.m3u8?camera_id=a", "bad_start", "missing"},
		{"a start that is no time", "/replay.m3u8?camera_id=a&start=yesterday", "bad_start", "RFC 3339"},
		{"an end that is no time", "/replay.m3u8?camera_id=a&start=1619866800&end=2021-13-01%2000:00:00", "bad_end", "2021-05-01"},
		{"an empty end", "/replay.m3u8?camera_id=a&start=1619866800&end=", "bad_end", "leave it out"},
		{"a reversed range", "/replay.m3u8?camera_id=a&start=1619870400&end=1619866800", "bad_end", "after start"},
		{"a range of nothing", "/replay.m3u8?camera_id=a&start=1619866800&end=1619866800", "bad_end", "after start"},
		{"two starts", "/replay.m3u8?camera_id=a&start=1&start=2", "bad_start", "2 times"},
		{"milliseconds", "/replay.m3u8?camera_id=a&start=1619866800000", "bad_start", "milliseconds"},
		{"coverage without a start", "/coverage?camera_id=a", "bad_start", "missing"},
		{"coverage of the future", "/coverage?camera_id=a&start=2031-01-01%2000:00:00", "bad_start", "future"},
		{"an empty start, which cannot be left out", "/replay.m3u8?camera_id=a&start=", "bad_start", "it is empty; give it a value"},
		{"coverage of a bad camera", "/coverage?camera_id=.." + times, "bad_camera_id", `".."`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil)
			r := s.get(tt.target)
			if m := wantError(t, r, http.StatusBadRequest, tt.code); !strings.Contains(m, tt.says) || len(m) > 400 || strings.Contains(m, "leave it out") && tt.code != "bad_end" {
				t.Errorf("message %q; want it to say %q in at most 400 bytes", m, tt.says)
			}
			if len(s.asked) > 0 {
				t.Errorf("playback was asked for %q", s.asked)
			}
		})
	}
}

func TestErrorsFromBelow(t *testing.T) {
	fault := func(f httpapi.Fault) error {
		return fmt.Errorf("list: %w", storeFault{f, "GET https://s3/?X-Amz-Signature=abc123&x=1: nope"})
	}
	tests := []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"an empty range", fmt.Errorf("replay: %w", playback.ErrNoSegments), 404, "no_segments"},
		{"a camera that playback refuses", playback.ErrBadCamera, 400, "bad_camera_id"},
		{"a range that is too long", &playback.RangeError{Param: "end", Reason: "it is more than 24h0m0s after start"}, 400, "bad_end"},
		{"a cache that others keep changing", playback.ErrConflict, 503, "busy"},
		{"a store that refuses us", fault(httpapi.FaultDenied), 502, "storage_refused"},
		{"a store that is overloaded", fault(httpapi.FaultBusy), 503, "storage_unavailable"},
		{"a store that hangs", fault(httpapi.FaultTimeout), 504, "storage_timeout"},
		{"a store that answers garbage", fault(httpapi.FaultBroken), 502, "storage_error"},
		{"something unforeseen", errors.New("boom"), 500, "internal"},
	}
	for _, tt := range tests {
		for _, target := range []string{"/playlist.m3u8?camera_id=a", "/replay.m3u8?camera_id=a&start=1619866800", "/coverage?camera_id=a&start=1619866800", "/cameras"} {
			t.Run(tt.name+" at "+target, func(t *testing.T) {
				s := serve(t, func(c *httpapi.Config) { c.CORSOrigins = []string{"*"} })
				s.err = tt.err
				r := s.get(target)
				m := wantError(t, r, tt.status, tt.code)
				if r.Header.Get("Access-Control-Allow-Origin") != "*" {
					t.Error("the error has no CORS header, so a browser hides it")
				}
				if strings.Contains(m, "https://") || strings.Contains(m, "abc123") || strings.Contains(m, "boom") {
					t.Errorf("the message shows what is inside: %q", m)
				}
				if strings.Contains(s.log.String(), "abc123") {
					t.Errorf("the log shows a signature:\n%s", s.log)
				}
				if tt.status >= 500 && !strings.Contains(s.log.String(), "level=ERROR") {
					t.Errorf("status %d is not in the log as an error:\n%s", tt.status, s.log)
				}
			})
		}
	}
}

func TestHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *httpapi.Config) { c.Timeout = 5 * time.Second })
		s.hang, s.objects = true, map[string]string{segmentKey: "x"}
		for _, target := range []string{"/playlist.m3u8?camera_id=a", "/cameras", "/segments/" + segmentKey} {
			began := time.Now()
			wantError(t, s.get(target), http.StatusGatewayTimeout, "storage_timeout")
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("%s took %v, want the timeout of 5s", target, took)
			}
		}
	})
}

func TestMethods(t *testing.T) {
	s := serve(t, nil)
	for _, target := range []string{"/playlist.m3u8?camera_id=a", "/replay.m3u8", "/cameras", "/coverage", "/healthz", "/segments/x"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"} {
			r := s.do(method, target)
			wantError(t, r, http.StatusMethodNotAllowed, "method_not_allowed")
			if got := r.Header.Get("Allow"); got != "GET, HEAD, OPTIONS" {
				t.Errorf("%s %s: Allow %q", method, target, got)
			}
		}
	}
	wantError(t, s.get("/nothing"), http.StatusNotFound, "not_found")
	if r := s.get("/healthz"); body(t, r) != "{\"status\":\"ok\"}\n" || r.StatusCode != 200 {
		t.Errorf("/healthz is status %d", r.StatusCode)
	}
	if r := s.do("HEAD", "/healthz"); body(t, r) != "" || r.StatusCode != 200 {
		t.Errorf("HEAD /healthz is status %d", r.StatusCode)
	}
}

func TestSiteGetsWhatIsNotTheAPI(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) {
		c.Site = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) })
	})
	if got := body(t, s.get("/index.html")); got != "page /index.html" {
		t.Errorf("the page answers %q", got)
	}
	wantError(t, s.do("POST", "/index.html"), http.StatusMethodNotAllowed, "method_not_allowed")
	wantError(t, s.get("/segments/no/segment"), http.StatusNotFound, "segment_not_found")
}

func TestCORS(t *testing.T) {
	const origin = "https://site.example"
	tests := []struct {
		name    string
		allowed []string
		origin  string
		want    string
		vary    bool
	}{
		{"nobody is allowed by default", nil, origin, "", false},
		{"everybody", []string{"*"}, origin, "*", false},
		{"everybody, without an origin", []string{"*"}, "", "*", false},
		{"everybody, after a redirect", []string{"*"}, "null", "*", false},
		{"a named origin", []string{"https://other.example", origin}, origin, origin, true},
		{"another origin", []string{"https://other.example"}, origin, "", true},
		{"the null origin is not a named one", []string{origin}, "null", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(c *httpapi.Config) { c.CORSOrigins = tt.allowed })
			for _, target := range []string{"/playlist.m3u8?camera_id=a", "/playlist.m3u8", "/segments/none", "/cameras"} {
				r := s.get(target, "Origin", tt.origin)
				if got := r.Header.Get("Access-Control-Allow-Origin"); got != tt.want {
					t.Errorf("%s: Allow-Origin %q, want %q", target, got, tt.want)
				}
				if exposed := r.Header.Get("Access-Control-Expose-Headers"); (tt.want != "") != strings.Contains(exposed, "ETag") {
					t.Errorf("%s: Expose-Headers %q", target, exposed)
				}
				if vary := strings.Contains(strings.Join(r.Header.Values("Vary"), ","), "Origin"); vary != tt.vary {
					t.Errorf("%s: Vary %q, Origin in it %v, want %v", target, r.Header.Values("Vary"), vary, tt.vary)
				}
			}
			r := s.do("OPTIONS", "/playlist.m3u8", "Origin", tt.origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "range")
			methods, headers := r.Header.Get("Access-Control-Allow-Methods"), r.Header.Get("Access-Control-Allow-Headers")
			if r.StatusCode != 204 || (tt.want != "") != strings.Contains(methods, "HEAD") || (tt.want != "") != strings.Contains(headers, "Range") {
				t.Errorf("preflight: status %d, methods %q, headers %q", r.StatusCode, methods, headers)
			}
		})
	}
}

func TestHostNames(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.CheckHost, c.Hosts = true, []string{"Cam.Example"} })
	for host, ok := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:8080": true, "LOCALHOST": true, "x.localhost:1": true, "[::1]:8080": true, "[::1]": true, "192.168.1.5": true,
		"cam.example": true, "CAM.example:443": true,
		"evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "": false, "cam.example.evil": false,
	} {
		r := s.get("/healthz", "Host", host)
		if ok && r.StatusCode != 200 {
			t.Errorf("Host %q is status %d, want 200", host, r.StatusCode)
		}
		if !ok {
			wantError(t, r, http.StatusMisdirectedRequest, "unknown_host")
		}
	}
}

// A page of some other site cannot use the browser of somebody who has a server on his machine to find out what it records.
func TestPagesElsewhereLoadNothingFromLoopback(t *testing.T) {
	for _, tt := range []struct {
		name     string
		change   func(*httpapi.Config)
		query    string
		headers  []string
		expected int
	}{
		{"a video element elsewhere", nil, "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "video"}, 403},
		{"a script elsewhere", nil, "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Origin", "https://evil.example"}, 403},
		{"a page of this machine", nil, "", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, 200},
		{"its own page", nil, "", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"}, 200},
		{"a link that was followed", nil, "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 200},
		{"a player that is no browser", nil, "", nil, 200},
		{"with a token", nil, "&token=s3t1.a.b", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 200},
		{"where origins are named", func(c *httpapi.Config) { c.CORSOrigins = []string{"https://shop.example"} }, "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 200},
		{"a server that is not on loopback", func(c *httpapi.Config) { c.CheckHost = false }, "", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(c *httpapi.Config) {
				c.CheckHost = true
				if tt.change != nil {
					tt.change(c)
				}
			})
			r := s.get("/replay.m3u8?camera_id=cam&start=1619866800"+tt.query, append(tt.headers, "Host", "localhost:8080")...)
			if r.StatusCode != tt.expected {
				t.Errorf("status %d, want %d", r.StatusCode, tt.expected)
			}
			if tt.expected == 403 {
				wantError(t, r, 403, "cross_origin")
				if len(s.asked) > 0 {
					t.Errorf("asked for %q", s.asked)
				}
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) {
		c.Authorize = func(r *http.Request, camera string) (g httpapi.Grant, err error) {
			switch {
			case camera == "" || camera == "open":
				return g, nil
			case r.Header.Get("Authorization") == "":
				return g, &httpapi.Error{Status: http.StatusUnauthorized, Code: "login_needed", Message: "log in first"}
			}
			return g, errors.New("not yours")
		}
	})
	s.cameras = []playback.Camera{{ID: "open", Last: noon(), Live: true}, {ID: "closed", Last: noon()}}
	s.objects = map[string]string{"open/2026/11/25/11/59/00.ts": "ts"}
	if got, want := body(t, s.get("/cameras")), `{"cameras":[{"id":"open","last":"2026-11-25T12:00:00Z","live":true}]}`+"\n"; got != want {
		t.Errorf("/cameras is %s, want %s", got, want)
	}
	for _, target := range []string{"/playlist.m3u8?camera_id=%s", "/replay.m3u8?camera_id=%s&start=1619866800", "/coverage?camera_id=%s&start=1619866800", "/segments/%s/2026/11/25/11/59/00.ts"} {
		if r := s.get(fmt.Sprintf(target, "open")); r.StatusCode != 200 {
			t.Errorf("%s of the open camera is status %d", target, r.StatusCode)
		}
		before := len(s.asked)
		wantError(t, s.get(fmt.Sprintf(target, "closed")), http.StatusUnauthorized, "login_needed")
		wantError(t, s.get(fmt.Sprintf(target, "closed"), "Authorization", "x"), http.StatusForbidden, "forbidden")
		if len(s.asked) > before {
			t.Errorf("%s: asked %q for somebody who may not", target, s.asked[before:])
		}
	}
}

func TestLists(t *testing.T) {
	s := serve(t, nil)
	if got := body(t, s.get("/cameras")); got != `{"cameras":[]}`+"\n" {
		t.Errorf("no cameras are %s", got)
	}
	s.cameras = []playback.Camera{{ID: "a/b", Last: noon().In(time.FixedZone("CST", 8*3600)), Live: true}, {ID: "never"}}
	if got, want := body(t, s.get("/cameras")), `{"cameras":[{"id":"a/b","last":"2026-11-25T12:00:00Z","live":true},{"id":"never","last":null,"live":false}]}`+"\n"; got != want {
		t.Errorf("/cameras is %s, want %s", got, want)
	}
	s.coverage.Ranges = []playback.Range{{Start: noon().Add(-time.Hour), End: noon(), Segments: 1200, Bytes: 5e9}}
	got := body(t, s.get("/coverage?camera_id=cam&start=2026-11-25T10:00:00Z"))
	want := `{"camera_id":"cam","start":"2026-11-25T10:00:00Z","end":"2026-11-25T12:00:00Z","resolution":0,` +
		`"ranges":[{"start":"2026-11-25T11:00:00Z","end":"2026-11-25T12:00:00Z","segments":1200,"bytes":5000000000}]}` + "\n"
	if got != want {
		t.Errorf("/coverage is %s, want %s", got, want)
	}
	s.coverage = playback.Coverage{Resolution: time.Hour}
	if got := body(t, s.get("/coverage?camera_id=cam&start=2026-01-01T10:00:00Z&end=2026-01-01T11:00:00Z")); !strings.Contains(got, `"resolution":3600,"ranges":[]}`) {
		t.Errorf("coarse and empty coverage is %s", got)
	}
}

func TestPanics(t *testing.T) {
	late := false
	s := serve(t, func(c *httpapi.Config) {
		c.Site = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if late {
				io.WriteString(w, "half an ans")
			}
			panic("oh no")
		})
	})
	wantError(t, s.get("/page"), http.StatusInternalServerError, "internal")
	if !strings.Contains(s.log.String(), "oh no") || !strings.Contains(s.log.String(), "handler_test.go") {
		t.Errorf("the log does not say where the panic was:\n%s", s.log)
	}
	// In the middle of a body there is no way to say so but to cut the connection.
	late = true
	srv := httptest.NewServer(s.handler)
	defer srv.Close()
	r, err := srv.Client().Get(srv.URL + "/page")
	if err == nil {
		_, err = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if err == nil {
		t.Error("a body that broke in its middle looks whole")
	}
}

func TestAccessLog(t *testing.T) {
	s := serve(t, nil)
	r := s.get("/playlist.m3u8?camera_id=cam&token=hush")
	line := s.log.String()
	for _, want := range []string{"level=DEBUG", "request=" + r.Header.Get("X-Request-Id"), "method=GET", "path=/playlist.m3u8", "status=200", "bytes=", "took="} {
		if !strings.Contains(line, want) {
			t.Errorf("the log lacks %q:\n%s", want, line)
		}
	}
	if strings.Contains(line, "hush") {
		t.Errorf("the log shows the query, which may hold a token:\n%s", line)
	}
	if a, b := s.get("/healthz"), s.get("/healthz"); a.Header.Get("X-Request-Id") == b.Header.Get("X-Request-Id") {
		t.Error("two requests have the same id")
	}
}

func TestNewChecksItsConfiguration(t *testing.T) {
	_, err := httpapi.New(httpapi.Config{Live: httpapi.Presign, Replay: 7, CORSOrigins: []string{"example.org", "https://a/", "https://ok", "*"},
		Hosts: []string{"cam.example.org:443", "http://cam", "", "two names", "fine.example"}})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, want := range []string{"no Playback", "need Presign", "delivery 7", `"example.org"`, `"https://a/"`, `"cam.example.org:443"`, `"http://cam"`, `""`, `"two names"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "https://ok") || strings.Contains(err.Error(), "fine.example") {
		t.Errorf("a good origin or host is refused: %v", err)
	}
}

// Whoever reads an answer with curl sees it as it is meant.
func TestJSONIsReadable(t *testing.T) {
	s := serve(t, nil)
	s.cameras = []playback.Camera{{ID: "a&b <c>"}}
	for target, want := range map[string]string{"/segments/x": "/segments/<camera>/YYYY", "/cameras": `"id":"a&b <c>"`} {
		if text := body(t, s.get(target)); !strings.Contains(text, want) {
			t.Errorf("%s answers %s; want it to have %s", target, text, want)
		}
	}
}
