// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// noon is the time of the tests.
func noon() time.Time { return time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) }

// fake plays every part below the handler. Fields may be changed between requests.
type fake struct {
	mu       sync.Mutex
	now      time.Time
	live     hls.Playlist
	replay   hls.Playlist
	cameras  []playback.Camera
	coverage playback.Coverage
	options  playback.CoverageOptions
	growth   map[time.Time]int64 // what a listing says too much about the size of a segment
	err      error               // of every call
	hang     bool                // calls end with their context
	asked    []string            // what was asked for, in words
	objects  map[string]string   // by key
	open     func(httpapi.Object) io.ReadCloser
	sizeless bool     // objects do not say their size
	signed   []string // dates and validity of the signers that were made
}

func newFake() *fake {
	return &fake{now: noon(), live: window(100, 6), replay: hls.Playlist{TargetDuration: 3, Type: hls.VOD, Ended: true, Segments: window(0, 20).Segments}}
}

// window is a live window of n segments of 3 s, the first one numbered msn.
func window(msn int64, n int) hls.Playlist {
	p := hls.Playlist{TargetDuration: 3, MediaSequence: msn, Independent: true}
	for i := range n {
		at := noon().Unix() - 60 + 3*(msn+int64(i)-100)
		s := hls.Segment{Key: at, Duration: 3 * time.Second}
		if i == 0 {
			s.ProgramDateTime = time.Unix(at, 0)
		}
		p.Segments = append(p.Segments, s)
	}
	return p
}

func (f *fake) call(ctx context.Context, what string) error {
	f.mu.Lock()
	f.asked = append(f.asked, what)
	hang, err := f.hang, f.err
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (f *fake) Live(ctx context.Context, camera string) (hls.Playlist, error) {
	return f.live, f.call(ctx, "live "+camera)
}

func (f *fake) Replay(ctx context.Context, camera string, start, end time.Time) (hls.Playlist, error) {
	to := "open"
	if !end.IsZero() {
		to = end.Format(time.RFC3339Nano)
	}
	return f.replay, f.call(ctx, "replay "+camera+" "+start.Format(time.RFC3339Nano)+" "+to)
}

func (f *fake) Cameras(ctx context.Context) ([]playback.Camera, error) {
	return f.cameras, f.call(ctx, "cameras")
}

func (f *fake) CoverageAt(ctx context.Context, camera string, start, end time.Time, o playback.CoverageOptions) (playback.Coverage, error) {
	f.options = o
	return f.coverage, f.call(ctx, "coverage "+camera+" "+start.Format(time.RFC3339Nano)+" "+end.Format(time.RFC3339Nano))
}

func (f *fake) Segments(ctx context.Context, camera string, start, end time.Time, longest time.Duration) ([]segment.Segment, error) {
	if err := f.call(ctx, "segments "+camera); err != nil {
		return nil, err
	}
	if end.Sub(start) > longest {
		return nil, &playback.RangeError{Param: "end", Reason: "it is too far from start"}
	}
	var list []segment.Segment
	for key, data := range f.objects {
		if _, at, ok := segment.ParseKey(key); ok && at.Before(end) {
			list = append(list, segment.Segment{Key: at, Start: at, Size: int64(len(data))})
		}
	}
	slices.SortFunc(list, func(a, b segment.Segment) int { return a.Key.Compare(b.Key) })
	for i := range list {
		list[i].Size += f.growth[list[i].Key]
	}
	if len(list) == 0 {
		return nil, playback.ErrNoSegments
	}
	return list, nil
}

// errNotThere is the fake store's 404, errStore its other failures.
var (
	errNotThere = errors.New("no such key")
	errStore    = errors.New("store says no")
)

// storeFault is a fault as the fake store knows it.
type storeFault struct {
	httpapi.Fault
	text string
}

func (s storeFault) Error() string { return s.text }

func classify(err error) httpapi.Fault {
	var s storeFault
	switch {
	case errors.As(err, &s):
		return s.Fault
	case errors.Is(err, errNotThere):
		return httpapi.FaultMissing
	}
	return httpapi.FaultNone
}

// stream is a body that cannot seek, as one from the network.
type stream struct{ io.Reader }

func (stream) Close() error { return nil }

func (f *fake) Open(ctx context.Context, key string, offset, n int64) (*httpapi.Object, error) {
	if err := f.call(ctx, "open "+key); err != nil {
		return nil, err
	}
	data, ok := f.objects[key]
	if !ok {
		return nil, errNotThere
	}
	o := httpapi.Object{Size: int64(len(data)), Modified: noon().Add(-time.Hour), ETag: `"` + key[len(key)-5:] + `"`}
	if f.sizeless {
		defer func() { o.Size = -1 }()
	}
	if n == 0 || offset >= o.Size {
		return &o, nil
	}
	part := data[offset:]
	if n > 0 {
		part = part[:min(n, int64(len(part)))]
	}
	o.Body = stream{strings.NewReader(part)}
	if f.open != nil {
		o.Body = f.open(o)
	}
	return &o, nil
}

// signer makes URLs that show when they were signed.
type signer struct{ date string }

func (s signer) AppendGet(dst []byte, key string) []byte {
	return append(dst, "https://bucket.example/"+key+"?X-Amz-Credential=AKID&X-Amz-Date="+s.date+"&X-Amz-Signature=secret"...)
}

func (f *fake) presign(_ context.Context, at time.Time, expires time.Duration) (httpapi.Presigner, error) {
	date := at.UTC().Format("15:04:05")
	f.signed = append(f.signed, date+" for "+expires.String())
	return signer{date}, f.err
}

// server is a handler over a fake, with its log.
type server struct {
	*fake
	handler http.Handler
	log     *bytes.Buffer
}

func serve(t *testing.T, change func(*httpapi.Config)) *server {
	t.Helper()
	s := &server{fake: newFake(), log: &bytes.Buffer{}}
	cfg := httpapi.Config{
		Playback: s.fake, Objects: s.fake, Presign: s.presign, Fault: classify, Now: func() time.Time { return s.now },
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.handler, err = httpapi.New(cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

// do makes a request; headers are name, value pairs.
func (s *server) do(method, target string, headers ...string) *http.Response {
	path, query, _ := strings.Cut(target, "?")
	r := httptest.NewRequest(method, "/", nil)
	r.URL.Path, r.URL.RawQuery = path, query // as they are: also what a parser would refuse
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Result()
}

func (s *server) get(target string, headers ...string) *http.Response {
	return s.do(http.MethodGet, target, headers...)
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var in io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		in = z
	}
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantError checks status, code and form of an error.
func wantError(t *testing.T, r *http.Response, status int, code string) (message string) {
	t.Helper()
	text := body(t, r)
	var e struct {
		Error struct {
			Code, Message string
			RequestID     string `json:"request_id"`
		}
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("status %d, body %q: %v; want a JSON error", r.StatusCode, text, err)
	}
	if r.StatusCode != status || e.Error.Code != code || e.Error.Message == "" {
		t.Errorf("got %d %s %q; want %d %s and a message", r.StatusCode, e.Error.Code, e.Error.Message, status, code)
	}
	if got := r.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("an error has Cache-Control %q, want no-store", got)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("an error has Content-Type %q, want application/json", got)
	}
	if id := r.Header.Get("X-Request-Id"); id == "" || id != e.Error.RequestID {
		t.Errorf("request id %q in the header, %q in the body", id, e.Error.RequestID)
	}
	return e.Error.Message
}
