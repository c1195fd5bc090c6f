// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
)

// front is the server that cameras talk to: it passes requests on to the store, over a faulty link too, or fails as servers and their proxies do.
// What it saw the store acknowledge must be stored, whether the camera heard of it or not.
type front struct {
	addr string

	mu    sync.Mutex
	rnd   *rand.Rand
	share float64 // of the requests that fail
	quiet chan struct{}
	acks  map[string][]ack
	made  map[string]int // faults by name
}

// ack is what the store acknowledged.
type ack struct {
	size int64
	crc  string // x-amz-checksum-crc32c of the request
}

func newFront(t testing.TB, backend string, pair *tls.Certificate, seed uint64) *front {
	t.Helper()
	f := &front{rnd: rand.New(rand.NewPCG(seed, 11)), quiet: make(chan struct{}), acks: map[string][]ack{}, made: map[string]int{}}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	transport := &http.Transport{DisableCompression: true, IdleConnTimeout: 2 * time.Second, ResponseHeaderTimeout: 30 * time.Second}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: backend})
			p.Out.Host = p.In.Host // it is signed
		},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode == 200 && r.Request.Method == "PUT" {
				key := strings.TrimPrefix(r.Request.URL.Path, "/"+bucket+"/")
				f.mu.Lock()
				f.acks[key] = append(f.acks[key], ack{r.Request.ContentLength, r.Request.Header.Get("x-amz-checksum-crc32c")})
				f.mu.Unlock()
			}
			return nil
		},
		Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
	}
	srv := &http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, proxy) }),
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if pair != nil {
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*pair}}
		go srv.ServeTLS(ln, "", "")
	} else {
		go srv.Serve(ln)
	}
	t.Cleanup(func() { f.set(0); srv.Close(); transport.CloseIdleConnections() })
	return f
}

// set makes a share of the requests fail. Those that hang end now.
func (f *front) set(share float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.share = share
	close(f.quiet)
	f.quiet = make(chan struct{})
}

// The faults of a front.
var frontFaults = []string{"500 after the body", "503 after the body", "503 before the body", "silence", "reads and never answers", "stores and never answers",
	"cut in the body", "stores and cuts", "slow answer", "an answer that is no S3"}

// muted swallows an answer.
type muted struct{ h http.Header }

func (m muted) Header() http.Header         { return m.h }
func (m muted) WriteHeader(int)             {}
func (m muted) Write(b []byte) (int, error) { return len(b), nil }

func (f *front) serve(w http.ResponseWriter, r *http.Request, proxy http.Handler) {
	f.mu.Lock()
	what, cut := "", f.rnd.Int64N(40_000)
	if f.rnd.Float64() < f.share {
		what = frontFaults[f.rnd.IntN(len(frontFaults))]
		f.made[what]++
	}
	quiet := f.quiet
	f.mu.Unlock()
	hang := func() {
		select {
		case <-quiet:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}
	answer := func(status int, code string) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>`+code+`</Code><Message>made by the test</Message></Error>`)
	}
	switch what {
	case "":
		proxy.ServeHTTP(w, r)
	case "500 after the body":
		io.Copy(io.Discard, r.Body)
		answer(500, "InternalError")
	case "503 after the body":
		io.Copy(io.Discard, r.Body)
		answer(503, "SlowDown")
	case "503 before the body":
		w.Header().Set("Connection", "close")
		answer(503, "SlowDown")
	case "silence":
		hang()
	case "reads and never answers":
		io.Copy(io.Discard, r.Body)
		hang()
	case "stores and never answers":
		proxy.ServeHTTP(muted{http.Header{}}, r)
		hang()
	case "cut in the body":
		io.CopyN(io.Discard, r.Body, cut)
		panic(http.ErrAbortHandler)
	case "stores and cuts":
		proxy.ServeHTTP(muted{http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case "slow answer":
		select {
		case <-time.After(2 * time.Second):
		case <-quiet:
		}
		proxy.ServeHTTP(w, r)
	case "an answer that is no S3":
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(502)
		io.WriteString(w, "<html><body>Bad Gateway</body></html>")
	}
}

// authority is the certificate of the fronts, which vouches for itself.
type authority struct {
	pool          *x509.CertPool
	file, keyFile string // PEM; file is for the agent too
	pair          tls.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	p := certtest.New(t, "nobody").Issue(certtest.Leaf{Name: "s3cam faults", SelfSigned: true})
	file, keyFile := p.Files(t, t.TempDir())
	return &authority{certtest.PoolOf(p.Leaf), file, keyFile, p.Certificate}
}
