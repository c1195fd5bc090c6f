// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/credential"
)

const (
	host  = "c3example.credentials.iot.eu-west-1.amazonaws.com"
	thing = "front-door:7"
	alias = "cams-device"
)

// issue makes a certificate for a name, which is a host's and a device's alike.
func issue(a *certtest.Authority, name string, from, until time.Time) (cert, key []byte) {
	p := a.Issue(certtest.Leaf{Name: name, Hosts: []string{name}, From: from, Until: until})
	return p.CertPEM, p.KeyPEM
}

// answer is what the endpoint says; the zero value is a set of credentials for an hour.
type answer struct {
	status  int
	kind    string        // x-amzn-ErrorType
	body    string        // "" with status 200: credentials
	life    time.Duration // of these
	noDate  bool
	date    time.Duration // added to the true time
	barrier chan struct{} // wait for it
}

// endpoint is an AWS IoT credential endpoint: a TLS server that demands a certificate of its devices' authority and the exact SNI, and
// checks each request. It answers with what is queued, and with good credentials when nothing is.
type endpoint struct {
	t              *testing.T
	devices, hosts *certtest.Authority
	thing          string
	certFile       string
	keyFile        string
	listener       net.Listener
	server         *http.Server
	logs           safeBuffer

	mu       sync.Mutex
	queue    []answer
	always   *answer
	requests []string // the common name of the device of each
	times    []time.Time
	dials    int
	dialErr  error
	issued   int
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newEndpoint starts one on l, with certificates of its own.
func newEndpoint(t *testing.T, l net.Listener) *endpoint {
	e := &endpoint{t: t, devices: certtest.New(t, "devices"), hosts: certtest.New(t, "hosts"), thing: thing, listener: l}
	dir := t.TempDir()
	e.certFile, e.keyFile = filepath.Join(dir, "device.pem"), filepath.Join(dir, "device.key")
	e.provision(e.devices, "device 1")
	e.serve(host, certtest.From(), certtest.Until())
	t.Cleanup(func() { hides(t, "the log", e.logs.String()) })
	return e
}

// provision gives the device another certificate.
func (e *endpoint) provision(a *certtest.Authority, name string) {
	cert, key := issue(a, name, certtest.From(), certtest.Until())
	for file, b := range map[string][]byte{e.certFile: cert, e.keyFile: key} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			e.t.Fatal(err)
		}
	}
}

// serve starts the server with a certificate for a name.
func (e *endpoint) serve(name string, from, until time.Time) {
	cert, key := issue(e.hosts, name, from, until)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		e.t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: e.devices.Pool(),
		SessionTicketsDisabled: true, // a write that nobody waits for blocks a pipe
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if h.ServerName != host {
				e.t.Errorf("SNI %q, want %q", h.ServerName, host)
			}
			return nil, nil
		}}
	e.server = &http.Server{Handler: e, ErrorLog: log.New(io.Discard, "", 0)}
	e.server.SetKeepAlivesEnabled(false)
	server, listener, done := e.server, tls.NewListener(e.listener, cfg), make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	e.t.Cleanup(func() { server.Close(); <-done })
}

// ServeHTTP checks a request and answers it.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	for _, c := range []struct{ what, got, want string }{
		{"method", r.Method, "GET"}, {"target", r.RequestURI, "/role-aliases/" + alias + "/credentials"}, {"Host", r.Host, host},
		{"x-amzn-iot-thingname", r.Header.Get("x-amzn-iot-thingname"), e.thing},
	} {
		if c.got != c.want {
			e.t.Errorf("%s %q, want %q", c.what, c.got, c.want)
		}
	}
	e.requests = append(e.requests, r.TLS.PeerCertificates[0].Subject.CommonName)
	e.times = append(e.times, time.Now())
	var a answer
	switch {
	case len(e.queue) > 0:
		a, e.queue = e.queue[0], e.queue[1:]
	case e.always != nil:
		a = *e.always
	}
	if a.body == "" && a.status == 0 {
		e.issued++
		if a.life == 0 {
			a.life = time.Hour
		}
		c := numbered(e.issued)
		a.body = fmt.Sprintf(`{"credentials":{"accessKeyId":"%s","secretAccessKey":"%s","sessionToken":"%s","expiration":"%s"}}`, c.AccessKeyID,
			string(c.SecretAccessKey), string(c.SessionToken), time.Now().Add(a.life).UTC().Format(time.RFC3339))
	}
	e.mu.Unlock()
	if a.barrier != nil {
		<-a.barrier
	}
	if a.noDate {
		w.Header()["Date"] = nil
	} else {
		w.Header().Set("Date", time.Now().Add(a.date).UTC().Format(http.TimeFormat))
	}
	if a.kind != "" {
		w.Header().Set("x-amzn-ErrorType", a.kind)
	}
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	_, _ = io.WriteString(w, a.body)
}

// want sets the name of the thing that is to come.
func (e *endpoint) want(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.thing = name
}

func (e *endpoint) next(a ...answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = append(e.queue, a...)
}

// from now on the answer is a; nil: credentials.
func (e *endpoint) from(a *answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.always = a
}

func (e *endpoint) refuse(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dialErr = err
}

// count returns how many requests and connections there were.
func (e *endpoint) count() (requests, dials int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.requests), e.dials
}

func (e *endpoint) lastDevice() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.requests[len(e.requests)-1]
}

// config is that of the device; dial connects to the endpoint.
func (e *endpoint) config(dial func(ctx context.Context) (net.Conn, error)) credential.IoTConfig {
	return credential.IoTConfig{Endpoint: host, ThingName: thing, RoleAlias: alias, CertFile: e.certFile, KeyFile: e.keyFile, RootCAs: e.hosts.Pool(),
		Logger: slog.New(slog.NewTextHandler(&e.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			e.mu.Lock()
			err := e.dialErr
			e.dials++
			e.mu.Unlock()
			if addr != host+":443" {
				e.t.Errorf("dials %s", addr)
			}
			if err != nil {
				return nil, err
			}
			return dial(ctx)
		}}
}

// onTCP is an endpoint on a port of this machine.
func onTCP(t *testing.T) (*endpoint, credential.IoTConfig) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := newEndpoint(t, l)
	return e, e.config(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	})
}

// pipes is a listener in memory, for the virtual time of synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// inMemory is an endpoint in a synctest bubble.
func inMemory(t *testing.T) (*endpoint, credential.IoTConfig) {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	e := newEndpoint(t, p)
	return e, e.config(func(ctx context.Context) (net.Conn, error) {
		mine, theirs := net.Pipe()
		select {
		case p.conns <- theirs:
			return mine, nil
		case <-p.closed:
			return nil, errors.New("connection refused")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

func newIoT(t *testing.T, cfg credential.IoTConfig) *credential.IoT {
	t.Helper()
	p, err := credential.NewIoT(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}
