// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/httpapi"
)

// discard is a ResponseWriter that counts.
type discard struct {
	header http.Header
	status int
	bytes  int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { d.bytes += len(b); return len(b), nil }

// poller polls one live playlist, as a player that accepts gzip does.
func poller(tb testing.TB) func() *discard {
	f := newFake()
	h, err := httpapi.New(httpapi.Config{Playback: quick{f}, Objects: f, CheckHost: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/playlist.m3u8?camera_id=front-door", nil)
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Accept-Encoding", "gzip, deflate, br")
	w := &discard{header: http.Header{}}
	return func() *discard {
		clear(w.header)
		w.bytes, w.status = 0, 0
		h.ServeHTTP(w, r)
		return w
	}
}

// quick is a fake whose answers cost nothing, so that only the handler is measured.
type quick struct{ *fake }

func (q quick) Live(context.Context, string) (hls.Playlist, error) { return q.live, nil }

// The budget of a poll beside net/http's own work: what notes the answer, and the request id.
func TestPollAllocations(t *testing.T) {
	poll := poller(t)
	if w := poll(); w.status != 200 || w.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("status %d, %v", w.status, w.header)
	}
	const budget = 2
	if n := testing.AllocsPerRun(200, func() { poll() }); n > budget {
		t.Errorf("a poll allocates %v times, want at most %d", n, budget)
	} else {
		t.Logf("a poll allocates %v times", n)
	}
}

func BenchmarkPoll(b *testing.B) {
	poll := poller(b)
	b.ReportAllocs()
	for b.Loop() {
		poll()
	}
}
