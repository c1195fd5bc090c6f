// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// asked notes what the parts below the API were asked for: camera and range.
type asked struct {
	footage
	mu   sync.Mutex
	list []question
}

type question struct {
	what, camera string
	start, end   time.Time
}

func (a *asked) note(what, camera string, start, end time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, question{what, camera, start, end})
}

func (a *asked) Live(_ context.Context, camera string) (hls.Playlist, error) {
	a.note("live", camera, time.Time{}, time.Time{})
	return a.playlist(), nil
}

func (a *asked) Replay(ctx context.Context, camera string, start, end time.Time) (hls.Playlist, error) {
	a.note("replay", camera, start, end)
	return a.footage.Replay(ctx, camera, start, end)
}

func (a *asked) CoverageAt(_ context.Context, camera string, start, end time.Time, _ playback.CoverageOptions) (playback.Coverage, error) {
	a.note("coverage", camera, start, end)
	return playback.Coverage{}, nil
}

func (a *asked) Segments(_ context.Context, camera string, start, end time.Time, _ time.Duration) ([]segment.Segment, error) {
	a.note("clip", camera, start, end)
	return nil, playback.ErrNoSegments
}

func (a *asked) Open(_ context.Context, key string, _, _ int64) (*httpapi.Object, error) {
	camera, at, _ := segment.ParseKey(key)
	a.note("open", camera, at, at.Add(time.Second))
	return &httpapi.Object{Body: io.NopCloser(strings.NewReader("TS")), Size: 2}, nil
}

// over puts what notes questions below the API of a world.
func (a *asked) over(w *world) {
	h, err := httpapi.New(httpapi.Config{Playback: a, Objects: a, Clips: httpapi.Clips{Max: 1}, Authorize: w.acc.Authorize, Account: w.acc, Site: site{}, Now: w.time})
	if err != nil {
		w.t.Fatal(err)
	}
	w.http = h
}

func nine() time.Time { return time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC) }

// whoMay are callers with what each may see; from and to are zero where that is all.
func whoMay(w *world) []struct {
	name     string
	edit     func(*http.Request)
	cameras  []string
	clips    bool
	from, to time.Time
} {
	return []struct {
		name     string
		edit     func(*http.Request)
		cameras  []string
		clips    bool
		from, to time.Time
	}{
		{"nobody", nil, nil, false, time.Time{}, time.Time{}},
		{"gate by session", with(w.login("anna")), []string{"gate"}, true, time.Time{}, time.Time{}},
		{"yard/* by session", with(w.login("bob")), []string{"yard/*"}, true, time.Time{}, time.Time{}},
		{"gate by token", bearer(w.token(time.Hour, token.Watch, "gate")), []string{"gate"}, false, time.Time{}, time.Time{}},
		{"yard/* by token", query(w.token(time.Hour, token.Watch, "yard/*")), []string{"yard/*"}, false, time.Time{}, time.Time{}},
		{"a range of gate", bearer(w.ranged(nine(), nine().Add(time.Hour), "gate")), []string{"gate"}, true, nine(), nine().Add(time.Hour)},
		{"a range of yard", query(w.ranged(nine(), nine().Add(time.Hour), "yard*")), []string{"yard*"}, true, nine(), nine().Add(time.Hour)},
	}
}

// FuzzNobodySeesMore: whatever a request looks like, what lies below the API is asked about cameras and times that its caller may see,
// and lobby, which is public.
func FuzzNobodySeesMore(f *testing.F) {
	const times = "&start=2026-11-25T09:10:00Z&end=2026-11-25T09:20:00Z"
	for _, camera := range []string{
		"gate", "gate2", "gat", "GATE", "Gate", "yard", "yard2", "yard/1", "yard/", "/yard/1", "yard//1", "yard/*", "yard*", "*", "yard/../gate", "./gate", "gate/..", "gate/../lobby", "lobby/../gate",
		"gate%00", "gate%00lobby", "gate%0a", "gate+", "%20gate", "gate%2f", "gate%2f..%2flobby", "gate%252f..%252flobby", "%67ate", "%2567ate", "gate%e2%80%8d", "ｇate", "gate%cc%81", "gate%ff", "gate;x", "gate&camera_id=lobby",
		"lobby&camera_id=gate", "lobby&%63amera_id=gate", "lobby;camera_id=gate", "gate&token=x", "gate&token=&token=", "", "lobby",
	} {
		f.Add("GET", "/playlist.m3u8?camera_id="+camera)
		f.Add("HEAD", "/replay.m3u8?camera_id="+camera+times)
		f.Add("GET", "/coverage?camera_id="+camera+"&start=1&resolution=day")
		f.Add("GET", "/clip.ts?camera_id="+camera+times)
		if p := strings.NewReplacer("&", "%26", ";", "%3b", "+", "%20").Replace(camera); p != "" {
			f.Add("GET", "/segments/"+p+"/2026/11/25/09/30/00.ts")
			f.Add("HEAD", "/segments/"+p+"/2026/11/25/08/30/00.ts")
			f.Add("GET", "/segments/"+strings.ReplaceAll(p+"/2026/11/25/09/30/00.ts", "/", "%2f"))
			f.Add("GET", "/segments//"+p+"//2026/11/25/09/30/00.ts")
			f.Add("GET", "/segments/lobby/../"+p+"/2026/11/25/09/30/00.ts")
		}
	}
	for _, target := range []string{"/playlist.m3u8/?camera_id=gate", "//playlist.m3u8?camera_id=gate", "/playlist%2em3u8?camera_id=gate", "/%70laylist.m3u8?camera_id=gate", "/clip%2ets?camera_id=gate" + times, "/CLIP.ts?camera_id=gate" + times,
		"/clip.ts%00?camera_id=gate" + times, "/x/../clip.ts?camera_id=gate" + times, "/playlist.m3u8;x?camera_id=gate", "/replay.m3u8?camera_id=gate&start=1&end=9999999999", "/replay.m3u8?camera_id=gate&start=1764060000&start=1",
		"/replay.m3u8?camera_id=gate&start=2026-11-25T09:00:00Z", "/replay.m3u8?camera_id=gate&start=2026-11-25T10:30:00%2b01:00&end=2026-11-25T11:00:00%2b01:00", "/replay.m3u8?camera_id=gate&start=2026-11-25T09:00:00Z&end="} {
		f.Add("GET", target)
		f.Add("PROPFIND", target)
		f.Add("OPTIONS", target)
		f.Add("POST", target)
	}
	w := newWorld(f)
	a := &asked{}
	a.over(w)
	callers := whoMay(w)
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return // net/http gives no such request to a handler
		}
		for _, c := range callers {
			a.list = nil
			r := httptest.NewRequest("GET", "/", nil)
			r.Method, r.URL, r.Host = method, &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}, "cams.example.org"
			if c.edit != nil {
				c.edit(r)
			}
			rec := httptest.NewRecorder()
			w.http.ServeHTTP(rec, r)
			if rec.Code >= 500 && rec.Code != 501 {
				t.Errorf("%s %s as %s: status %d", method, target, c.name, rec.Code)
			}
			for _, q := range a.list {
				if q.camera == "lobby" {
					continue
				}
				switch {
				case !token.Match(c.cameras, q.camera), q.what == "clip" && !c.clips:
					t.Errorf("%s %s as %s: %s of %q was asked for", method, target, c.name, q.what, q.camera)
				case c.from.IsZero():
				case q.what == "live", q.what != "open" && (q.start.Before(c.from) || q.end.IsZero() || q.end.After(c.to)), q.what == "open" && !(q.end.After(c.from) && q.start.Before(c.to)):
					t.Errorf("%s %s as %s: %s of %v to %v was asked for", method, target, c.name, q.what, q.start, q.end)
				}
			}
			if cache := rec.Header().Get("Cache-Control"); strings.Contains(cache, "public") && u.Path != "/login.css" {
				t.Errorf("%s %s as %s: Cache-Control %q", method, target, c.name, cache)
			}
		}
	})
}

// Whatever name of a host a request brings, and whatever it says of a proxy that nobody trusts: no answer repeats it.
func TestNoAnswerRepeatsTheHost(t *testing.T) {
	w := emptyWorld(t, access.Config{Public: []string{"lobby"}})
	setup := w.acc.SetupPath()
	targets := []string{"/", "/index.html?x=1", "/login", "/login?next=//evil.example", "/logout", "/password", "/session", "/cameras", "/healthz", "/nothing", setup, "/setup?token=x", "/playlist.m3u8?camera_id=gate",
		"/playlist.m3u8?camera_id=lobby", "/segments/lobby/2026/11/25/09/30/00.ts"}
	for _, target := range targets {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "PROPFIND"} {
			res := w.do(method, target, "", func(r *http.Request) {
				r.Host = "evil.example"
				for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Url", "X-Rewrite-Url", "X-Host"} {
					r.Header.Set(name, "evil.example")
				}
				r.Header.Set("Forwarded", "host=evil.example;proto=https")
				r.Header.Set("X-Forwarded-Proto", "https")
				r.Header.Set("X-Forwarded-Prefix", "//evil.example")
			})
			if strings.Contains(text(res), "evil") {
				t.Errorf("%s %s: the body repeats it", method, target)
			}
			for name, values := range res.Header {
				if strings.Contains(strings.Join(values, " "), "evil") {
					t.Errorf("%s %s: %s: %v", method, target, name, values)
				}
			}
			for _, c := range res.Cookies() {
				if c.Domain != "" || c.Secure {
					t.Errorf("%s %s: cookie %v", method, target, c)
				}
			}
		}
	}
}

// Nobody can have somebody log in into a session that he knows.
func TestASessionIsNeverTheOneThatWasBrought(t *testing.T) {
	w := newWorld(t)
	brought := strings.Repeat("A", 43)
	res := w.do("POST", "/session", `{"name":"anna","password":"`+password+`"}`, with(&http.Cookie{Name: "s3cam_session", Value: brought}))
	if len(res.Cookies()) != 1 || res.Cookies()[0].Value == brought || len(res.Cookies()[0].Value) < 43 {
		t.Fatalf("%v", res.Cookies())
	}
	if res := w.do("GET", "/session", "", with(&http.Cookie{Name: "s3cam_session", Value: brought})); res.StatusCode != 401 {
		t.Errorf("the session that was brought: %d", res.StatusCode)
	}
	// The name of the other cookie, or of another scheme, opens nothing.
	for _, name := range []string{"__Host-s3cam_session", "S3cam_session", "session"} {
		if res := w.do("GET", "/session", "", with(&http.Cookie{Name: name, Value: res.Cookies()[0].Value})); res.StatusCode != 401 {
			t.Errorf("as %s: %d", name, res.StatusCode)
		}
	}
}

// Other rights hold from the next second on in sessions that are open; the session itself ends with the person or the password.
func TestASessionHasTheRightsOfNow(t *testing.T) {
	w := newWorld(t)
	root, anna := with(w.login("root")), with(w.login("anna"))
	status := func(edit func(*http.Request), method, target, body string) int {
		return w.do(method, target, body, edit).StatusCode
	}
	if status(root, "GET", "/playlist.m3u8?camera_id=yard/a", "") != 200 || status(anna, "GET", "/playlist.m3u8?camera_id=gate", "") != 200 {
		t.Fatal("the rights of before")
	}
	w.edit(func(text string) string { // by hand, as an owner might
		text = strings.Replace(text, `"role": "admin"`, `"role": "viewer", "cameras": ["lobby"]`, 1)
		return strings.Replace(text, `"gate"`, `"shed"`, 1)
	})
	w.wait(2 * time.Second)
	for _, tt := range []struct {
		edit           func(*http.Request)
		method, target string
		body           string
		want           int
	}{
		{root, "GET", "/playlist.m3u8?camera_id=yard/a", "", 403},
		{root, "POST", "/share", `{"camera_id":"gate","expires_in":60}`, 403},
		{anna, "GET", "/playlist.m3u8?camera_id=gate", "", 403},
		{anna, "GET", "/playlist.m3u8?camera_id=shed", "", 200},
	} {
		if got := status(tt.edit, tt.method, tt.target, tt.body); got != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.target, got, tt.want)
		}
	}
	w.edit(func(text string) string { return strings.Replace(text, `"role": "viewer"`, `"role": "Admin"`, 1) }) // no such role
	w.wait(2 * time.Second)
	if got := status(root, "GET", "/playlist.m3u8?camera_id=yard/a", ""); got != 403 {
		t.Errorf("a role that does not exist: %d", got)
	}
}

// peaks is the most memory that the heap had.
type peaks struct{ most uint64 }

func (p *peaks) watch() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			p.most = max(p.most, m.HeapInuse)
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-ended }
}

// A burst of logins from a thousand networks is worked off a few at a time: the memory of argon2 is that of those.
func TestAThousandLoginsAtATime(t *testing.T) {
	w := newWorld(t)
	var peak peaks
	stop := peak.watch()
	var wg sync.WaitGroup
	codes := make([]int, 1000)
	for i := range codes {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // the browser's patience
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, "POST", "/session", strings.NewReader(`{"name":"nobody`+string(rune('a'+i%26))+`","password":"x"}`))
			r.Header.Set("Content-Type", "application/json")
			r.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:1", i)
			rec := httptest.NewRecorder()
			w.http.ServeHTTP(rec, r)
			codes[i] = rec.Code
		})
	}
	wg.Wait()
	stop()
	count := map[int]int{}
	for _, c := range codes {
		count[c]++
	}
	t.Logf("answers %v, heap at most %d MiB", count, peak.most>>20)
	if peak.most > 400<<20 {
		t.Errorf("the heap had %d MiB", peak.most>>20)
	}
	for c := range count {
		if !slices.Contains([]int{200, 401, 429, 499, 503}, c) {
			t.Errorf("an answer %d", c)
		}
	}
	// Who knows his password gets in afterwards.
	if res := w.do("POST", "/session", `{"name":"anna","password":"`+password+`"}`, from("198.51.100.7")); res.StatusCode != 200 {
		t.Errorf("anna: %d", res.StatusCode)
	}
}
