// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
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

// footage has three cameras with one segment each.
type footage struct{}

var recorded = time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC)

func (footage) playlist() hls.Playlist {
	return hls.Playlist{TargetDuration: 3, Segments: []hls.Segment{{Key: recorded.Unix(), Duration: 3 * time.Second, ProgramDateTime: recorded}}}
}

func (f footage) Live(context.Context, string) (hls.Playlist, error) { return f.playlist(), nil }
func (f footage) Replay(context.Context, string, time.Time, time.Time) (hls.Playlist, error) {
	p := f.playlist()
	p.Ended = true
	return p, nil
}

func (footage) Cameras(context.Context) ([]playback.Camera, error) {
	return []playback.Camera{{ID: "gate"}, {ID: "lobby"}, {ID: "yard/a"}}, nil
}

func (footage) CoverageAt(context.Context, string, time.Time, time.Time, playback.CoverageOptions) (playback.Coverage, error) {
	return playback.Coverage{}, nil
}

func (footage) Segments(context.Context, string, time.Time, time.Time, time.Duration) ([]segment.Segment, error) {
	return nil, playback.ErrNoSegments
}

func (footage) Open(context.Context, string, int64, int64) (*httpapi.Object, error) {
	return &httpapi.Object{Body: io.NopCloser(strings.NewReader("TS")), Size: 2}, nil
}

type site struct{}

func (site) ServeHTTP(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "the site") }

// world is a server with people, and a clock to turn.
type world struct {
	t    testing.TB
	dir  string
	book *access.Book
	acc  *access.Access
	http http.Handler
	log  bytes.Buffer
	cfg  access.Config

	mu  sync.Mutex
	now time.Time
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

const password = "correct horse"

// newWorld has the people root (admin), anna (gate), bob (yard/*) and carl (gate, makes links); lobby is public.
func newWorld(t testing.TB) *world {
	w := emptyWorld(t, access.Config{Public: []string{"lobby"}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}})
	for _, p := range []access.Person{
		{Name: "root", Role: access.Admin}, {Name: "anna", Role: access.Viewer, Cameras: []string{"gate"}},
		{Name: "bob", Role: access.Viewer, Cameras: []string{"yard/*"}}, {Name: "carl", Role: access.Viewer, Cameras: []string{"gate"}, Share: true},
	} {
		if err := w.book.Add(p, password); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func emptyWorld(t testing.TB, cfg access.Config) *world {
	w := &world{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), cfg: cfg}
	w.restart()
	return w
}

// restart is the server begun anew on the same files.
func (w *world) restart() {
	w.t.Helper()
	var err error
	if w.book, err = access.OpenBook(w.dir, w.time); err != nil {
		w.t.Fatal(err)
	}
	w.cfg.Book, w.cfg.Now, w.cfg.Logger = w.book, w.time, slog.New(slog.NewTextHandler(&w.log, nil))
	if w.acc, err = access.New(w.cfg); err != nil {
		w.t.Fatal(err)
	}
	f := footage{}
	w.http, err = httpapi.New(httpapi.Config{Playback: f, Objects: f, Clips: httpapi.Clips{Max: 1}, Authorize: w.acc.Authorize, Account: w.acc, Site: site{}, Now: w.time})
	if err != nil {
		w.t.Fatal(err)
	}
}

// do makes a request; edit may be nil.
func (w *world) do(method, target, body string, edit func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "cams.example.org"
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if edit != nil {
		edit(r)
	}
	rec := httptest.NewRecorder()
	w.http.ServeHTTP(rec, r)
	return rec.Result()
}

func text(res *http.Response) string {
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// code is the error code of an answer of the API.
func code(res *http.Response) string {
	var e struct {
		Error struct{ Code string }
	}
	_ = json.Unmarshal([]byte(text(res)), &e)
	return e.Error.Code
}

// login returns the session cookie of a person.
func (w *world) login(name string) *http.Cookie {
	w.t.Helper()
	res := w.do("POST", "/session", `{"name":"`+name+`","password":"`+password+`"}`, nil)
	if res.StatusCode != 200 || len(res.Cookies()) != 1 {
		w.t.Fatalf("login of %s: %d %s", name, res.StatusCode, text(res))
	}
	return res.Cookies()[0]
}

func with(c *http.Cookie) func(*http.Request) {
	return func(r *http.Request) { r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value}) }
}

// token makes a token with the newest key.
func (w *world) token(life time.Duration, rights token.Right, cameras ...string) string {
	w.t.Helper()
	k, err := w.book.Signer("")
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := token.Make(k, token.Claims{Expires: w.time().Add(life), Cameras: cameras, Rights: rights})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// edit changes the book's file, as an owner with an editor.
func (w *world) edit(change func(string) string) {
	w.t.Helper()
	before, err := os.ReadFile(w.book.Path())
	if err != nil {
		w.t.Fatal(err)
	}
	after := change(string(before))
	if after == string(before) {
		w.t.Fatal("the edit changes nothing")
	}
	if err := os.WriteFile(w.book.Path(), []byte(after), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// ranged makes a token for a range of footage, with all rights.
func (w *world) ranged(from, to time.Time, cameras ...string) string {
	w.t.Helper()
	k, err := w.book.Signer("")
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := token.Make(k, token.Claims{Expires: w.time().Add(365 * 24 * time.Hour), Cameras: cameras, Rights: token.All, From: from, To: to})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func query(token string) func(*http.Request) {
	return func(r *http.Request) {
		if r.URL.RawQuery != "" {
			r.URL.RawQuery += "&"
		}
		r.URL.RawQuery += "token=" + token
	}
}
