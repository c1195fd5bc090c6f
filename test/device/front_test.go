// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// front stands before the store as the server that the camera talks to, and fails as servers do.
type front struct {
	store *store
	addr  string // host:port

	mu       sync.Mutex
	fault    fault
	left     int // requests that get fault; < 0: all
	requests []request
	silent   chan struct{} // closed at the end of the test and at each change: ends silence
}

// fault is what the front does to a request.
type fault struct {
	kind   faultKind
	status int    // of statusBefore and statusAfter
	code   string // in the error document
	header http.Header
	after  int64 // bytes of the body, of cutBody
}

type faultKind int

const (
	works        faultKind = iota
	statusAfter            // reads the whole body, answers status
	statusBefore           // answers status at once, reads nothing, closes
	silence                // accepts the request, reads nothing, answers nothing
	readsOnly              // reads everything, stores nothing, never answers
	storesOnly             // stores it, never answers
	cutBody                // reads some of the body, resets the connection
	cutAnswer              // stores it, resets the connection instead of answering
)

// request is what the front saw of one request.
type request struct {
	at                       time.Time
	method, key, host        string
	access, token, tags      string
	contentType, sha, match  string
	length, read             int64 // bytes of the body: announced, read
	status                   int   // of the answer; 0: none
	signedHeaders, userAgent string
	storedBehind             bool // the store said 200
}

func newFront(t testing.TB, s *store, l leaf) *front {
	t.Helper()
	_, _, pair := s.ca.issue(t, l)
	f := &front{store: s, silent: make(chan struct{})}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	backend, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: s.ca.Pool()}, IdleConnTimeout: time.Second}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(backend)
			p.Out.Host = p.In.Host // it is signed
		},
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	srv := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, proxy) }),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	go srv.ServeTLS(ln, "", "")
	t.Cleanup(func() {
		f.set(fault{}, 0)
		srv.Close()
		transport.CloseIdleConnections()
	})
	return f
}

// set makes the next n requests fail in this way, all when n < 0; requests that hang end now.
func (f *front) set(what fault, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.left = what, n
	close(f.silent)
	f.silent = make(chan struct{})
}

// seen returns the requests so far.
func (f *front) seen() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request(nil), f.requests...)
}

func (f *front) next() (fault, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 {
		return fault{}, f.silent
	}
	if f.left > 0 {
		f.left--
	}
	return f.fault, f.silent
}

// counted counts what is read of a body.
type counted struct {
	io.ReadCloser
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.n += int64(n)
	return n, err
}

// statusWriter remembers the status; with mute nothing of the answer goes out.
type statusWriter struct {
	http.ResponseWriter
	status int
	mute   bool
	header http.Header
}

func (w *statusWriter) Header() http.Header {
	if w.mute {
		return w.header
	}
	return w.ResponseWriter.Header()
}

func (w *statusWriter) WriteHeader(s int) {
	w.status = s
	if w.mute {
		return
	}
	w.ResponseWriter.WriteHeader(s)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(200)
	}
	if w.mute {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

func (f *front) serve(w http.ResponseWriter, r *http.Request, proxy http.Handler) {
	what, end := f.next()
	body := &counted{ReadCloser: r.Body}
	r.Body = body
	out := &statusWriter{ResponseWriter: w, header: http.Header{}, mute: what.kind == storesOnly || what.kind == cutAnswer}
	rec := request{
		at: time.Now(), method: r.Method, key: strings.TrimPrefix(r.URL.Path, "/"), host: r.Host, length: r.ContentLength,
		token: r.Header.Get("x-amz-security-token"), tags: r.Header.Get("x-amz-tagging"), contentType: r.Header.Get("Content-Type"),
		sha: r.Header.Get("x-amz-content-sha256"), match: r.Header.Get("If-None-Match"), userAgent: r.Header.Get("User-Agent"),
	}
	auth := r.Header.Get("Authorization")
	_, after, _ := strings.Cut(auth, "Credential=")
	rec.access, _, _ = strings.Cut(after, "/")
	_, after, _ = strings.Cut(auth, "SignedHeaders=")
	rec.signedHeaders, _, _ = strings.Cut(after, ",")
	defer func() {
		rec.read, rec.status, rec.storedBehind = body.n, out.status, out.status == 200
		if out.mute {
			rec.status = 0
		}
		f.mu.Lock()
		f.requests = append(f.requests, rec)
		f.mu.Unlock()
	}()
	switch what.kind {
	case works, storesOnly, cutAnswer:
		proxy.ServeHTTP(out, r)
	case statusAfter:
		io.Copy(io.Discard, body)
		refuse(out, what)
	case statusBefore:
		w.Header().Set("Connection", "close")
		refuse(out, what)
		return
	case readsOnly:
		io.Copy(io.Discard, body)
	case cutBody:
		io.CopyN(io.Discard, body, what.after)
		panic(http.ErrAbortHandler)
	}
	switch what.kind {
	case silence, readsOnly, storesOnly:
		select {
		case <-end:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	case cutAnswer:
		panic(http.ErrAbortHandler)
	}
}

func refuse(w http.ResponseWriter, what fault) {
	for k, v := range what.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(what.status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>made by the test</Message></Error>`, what.code)
}
