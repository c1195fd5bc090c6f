// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/httpapi"
)

// Request is a request of a viewer that has been answered, for an access log.
type Request struct {
	Route  string // of a closed list
	Status int    // 0: cut before there was an answer
	Bytes  int64  // of the body
	Took   time.Duration
}

// Web counts the requests that next answers, and tells after, which may be nil, about each.
func (m *Metrics) Web(next http.Handler, after func(r *http.Request, answer http.Header, done Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := m.cfg.Now()
		rw := &httpapi.Sent{ResponseWriter: w}
		route := routeOf(r.URL.Path)
		var t *trace
		if route == "playlist" || route == "replay" {
			t = &trace{}
			r = r.WithContext(context.WithValue(r.Context(), traceKey{}, t))
		}
		whole := false
		defer func() { // also when the handler cuts the connection by a panic
			if rw.Status == 0 && whole {
				rw.Status = http.StatusOK
			}
			done := Request{Route: route, Status: rw.Status, Bytes: rw.Bytes, Took: m.cfg.Now().Sub(began)}
			m.count(r, done, t)
			if after != nil {
				after(r, w.Header(), done)
			}
		}()
		next.ServeHTTP(rw, r)
		whole = true
	})
}

func (m *Metrics) count(r *http.Request, done Request, t *trace) {
	code := "cut"
	if done.Status != 0 {
		code = strconv.Itoa(done.Status)
	}
	m.webRequests.WithLabelValues(done.Route, code).Inc()
	m.webSeconds.WithLabelValues(done.Route).Observe(done.Took.Seconds())
	m.webBytes.WithLabelValues(done.Route).Add(float64(done.Bytes))
	switch {
	case done.Route == "login":
		if r.Method == http.MethodPost && (done.Status == http.StatusUnauthorized || done.Status == http.StatusForbidden || done.Status == http.StatusTooManyRequests) {
			m.denied.WithLabelValues("login").Inc()
		}
	case done.Status == http.StatusUnauthorized || done.Status == http.StatusForbidden:
		m.denied.WithLabelValues("web").Inc()
	}
	if t == nil || r.Method != http.MethodGet {
		return
	}
	good := done.Status == http.StatusOK || done.Status == http.StatusNotModified
	source := "rendered"
	switch {
	case !good:
		source = "failed"
	case t.lists.Load() > 0:
		source = "listing"
	case t.asked.Load() > 0:
		source = "window"
	}
	kind := "live"
	if done.Route == "replay" {
		kind = "replay"
	}
	m.playlists.WithLabelValues(kind, source).Inc()
	if good && kind == "live" {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			host = r.RemoteAddr
		}
		m.viewers.saw(host, r.UserAgent(), r.Header.Get("X-Forwarded-For"), r.Header.Get("Cookie"), r.URL.RawQuery)
	}
}

// routeOf is the name of a path in metrics and logs.
func routeOf(path string) string {
	switch path {
	case "/playlist.m3u8":
		return "playlist"
	case "/replay.m3u8":
		return "replay"
	case "/cameras", "/coverage", "/healthz", "/readyz", "/metrics":
		return path[1:]
	case "/clip.mp4", "/clip.ts":
		return "clip"
	case "/login", "/logout", "/setup", "/password", "/session", "/share":
		return "login"
	}
	if strings.HasPrefix(path, "/segments/") {
		return "segment"
	}
	return "site"
}

// Connection is told when a connection of a viewer was taken (1) and when it has ended (-1).
func (m *Metrics) Connection(by int) { m.webConns.Add(float64(by)) }

// Refused counts a connection that was closed because of a limit: at once ("total", "address"), or without a request to make room ("idle").
func (m *Metrics) Refused(limit string) { m.webRefused.WithLabelValues(limit).Inc() }

// trace follows what one request for a playlist leads to.
type trace struct{ asked, lists atomic.Int32 }

type traceKey struct{}

func traceOf(ctx context.Context) *trace {
	t, _ := ctx.Value(traceKey{}).(*trace)
	return t
}

// Playback notes which playlists had to be asked for.
func (m *Metrics) Playback(p httpapi.Playback) httpapi.Playback { return tracedPlayback{p} }

type tracedPlayback struct{ httpapi.Playback }

func (p tracedPlayback) Live(ctx context.Context, camera string) (hls.Playlist, error) {
	if t := traceOf(ctx); t != nil {
		t.asked.Add(1)
	}
	return p.Playback.Live(ctx, camera)
}

func (p tracedPlayback) Replay(ctx context.Context, camera string, start, end time.Time) (hls.Playlist, error) {
	if t := traceOf(ctx); t != nil {
		t.asked.Add(1)
	}
	return p.Playback.Replay(ctx, camera, start, end)
}

// outcome is the label of an error.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "error"
}
