// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
)

// Limits of one request. net/http's own limits (header size, read timeouts) belong to the http.Server.
const (
	maxPathBytes  = 4096 // a key of 1024 bytes with each byte percent-encoded, and the route
	maxQueryBytes = 8192
)

// ServeHTTP checks what holds for every request, then hands it to its route.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rw := &response{Sent: Sent{ResponseWriter: w}, began: h.cfg.Now()}
	if h.cfg.RequestID != nil {
		rw.id[0] = h.cfg.RequestID(r)
	}
	if rw.id[0] == "" {
		rw.id[0] = h.ids.next()
	}
	rw.Header()["X-Request-Id"] = rw.id[:]
	var cause error
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			cause = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			if rw.Status != 0 { // too late for an answer: cut the connection, so that the client sees a broken body
				h.logRequest(r, rw, cause)
				panic(http.ErrAbortHandler)
			}
			writeError(rw, r, h.toError(cause))
		}
		h.logRequest(r, rw, cause)
	}()
	if err := h.serve(rw, r); err != nil {
		cause = err
		gone := errors.Is(r.Context().Err(), context.Canceled)
		switch {
		case rw.Status != 0: // in the middle of a body, which must not look complete
			if gone {
				rw.Status = statusClientGone
			}
			h.logRequest(r, rw, cause)
			panic(http.ErrAbortHandler)
		case gone:
			rw.Status = statusClientGone // nobody listens
		default:
			writeError(rw, r, h.toError(err))
		}
	}
}

// statusClientGone is what the log shows for a client that went away before the answer.
const statusClientGone = 499

func (h *handler) serve(w *response, r *http.Request) error {
	if !h.hostAllowed(r.Host) {
		return &Error{Status: http.StatusMisdirectedRequest, Code: "unknown_host",
			Message: "this server does not answer under the host name of the request; open it by the address that it printed, or allow the name in its configuration"}
	}
	path := r.URL.Path
	if len(path) > maxPathBytes {
		return &Error{Status: http.StatusRequestURITooLong, Code: "uri_too_long", Message: "the path is too long"}
	}
	route := routeOf(path)
	if route == nil {
		if h.cfg.Account != nil && h.cfg.Account.Has(path) {
			return h.cfg.Account.Serve(w, r)
		}
		if h.cfg.Site != nil && !strings.HasPrefix(path, segmentsPath) {
			return h.site(w, r)
		}
		return &Error{Status: http.StatusNotFound, Code: "not_found", Message: "there is nothing at this path"}
	}
	if h.cfg.Authorize != nil {
		w.Header()["Vary"] = h.varies // also a browser's own cache must not show one person what another has asked for
	}
	h.cors(w.Header(), r)
	if h.borrowed(r) {
		return &Error{Status: http.StatusForbidden, Code: "cross_origin", Message: "the request comes from a page of another site; allow its origin (--cors-origin), or use a token"}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		h.options(w, r)
		return nil
	default:
		return methodNotAllowed(w)
	}
	return route(h, w, r)
}

// A route answers with a body or returns why it cannot; it has then written nothing, unless the body broke in the middle.
type route func(h *handler, w *response, r *http.Request) error

// within returns the context for asking others on behalf of a request: it ends after Config.Timeout.
func (h *handler) within(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), h.cfg.Timeout)
}

const segmentsPath = "/segments/"

func routeOf(path string) route {
	switch path {
	case "/playlist.m3u8":
		return (*handler).live
	case "/replay.m3u8":
		return (*handler).replay
	case "/cameras":
		return (*handler).cameras
	case "/coverage":
		return (*handler).coverage
	case "/clip.mp4":
		return (*handler).clipMP4
	case "/clip.ts":
		return (*handler).clipTS
	case "/healthz":
		return (*handler).healthz
	}
	if strings.HasPrefix(path, segmentsPath) {
		return (*handler).segment
	}
	return nil
}

// site hands everything that is not ours to the web page.
func (h *handler) site(w *response, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return methodNotAllowed(w)
	}
	h.cfg.Site.ServeHTTP(w, r)
	return nil
}

func methodNotAllowed(w *response) error {
	w.Header().Set("Allow", allowedMethods)
	return &Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "use GET or HEAD"}
}

// authorize asks the hook whether the request may see a camera; an empty camera means the list of cameras.
func (h *handler) authorize(r *http.Request, camera string) (Grant, error) {
	if h.cfg.Authorize == nil {
		return Grant{}, nil
	}
	g, err := h.cfg.Authorize(r, camera)
	if err == nil {
		return g, nil
	}
	var e *Error
	if errors.As(err, &e) {
		return Grant{}, err
	}
	return Grant{}, &Error{Status: http.StatusForbidden, Code: "forbidden", Message: "you may not see this camera", Err: err}
}

// healthz says that the process answers. It asks nobody else: a store that is down for a minute is no reason to restart.
func (h *handler) healthz(w *response, r *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write([]byte(`{"status":"ok"}` + "\n"))
	}
	return nil
}

func (h *handler) logRequest(r *http.Request, w *response, cause error) {
	level := slog.LevelDebug
	switch {
	case w.Status >= 500:
		level = slog.LevelError
	case w.Status == statusClientGone:
		cause = nil
	case cause != nil && w.Status < 400:
		level = slog.LevelWarn // the body broke
	}
	if !h.log.Enabled(r.Context(), level) {
		return
	}
	path := r.URL.Path
	if len(path) > 256 {
		path = path[:256] + "..."
	}
	attrs := []slog.Attr{
		slog.String("request", w.id[0]), slog.String("method", r.Method), slog.String("path", path), slog.String("remote", r.RemoteAddr),
		slog.Int("status", w.Status), slog.Int64("bytes", w.Bytes), slog.Duration("took", h.cfg.Now().Sub(w.began)),
	}
	if cause != nil {
		attrs = append(attrs, slog.String("err", redact(cause.Error())))
	}
	h.log.LogAttrs(r.Context(), level, "request", attrs...)
}
