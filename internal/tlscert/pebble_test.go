// SPDX-License-Identifier: Apache-2.0

package tlscert_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/tlscert"
)

// pebbleVersion of Let's Encrypt's test authority. It is built by `go install` in a folder of its own: a module that only this test needs
// shall not be among ours.
const pebbleVersion = "v2.10.1"

var pebbles struct {
	once sync.Once
	dir  string
	err  error
}

// TestMain removes what was built.
func TestMain(m *testing.M) {
	code := m.Run()
	if pebbles.dir != "" {
		os.RemoveAll(pebbles.dir)
	}
	os.Exit(code)
}

// pebble starts the authority for certificates that are good for so many seconds; it looks for challenges at the given ports.
type pebble struct {
	t      *testing.T
	dir    string
	addr   string
	client *http.Client
	cmds   []*exec.Cmd
	said   lines
	config map[string]any
	dns    string
	env    []string
}

// lines is what processes and loggers say.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func free(t *testing.T) (addr string, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String(), l.Addr().(*net.TCPAddr).Port
}

func newPebble(t *testing.T, life, tlsPort, httpPort int, env ...string) *pebble {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED by -short: builds Pebble and waits for certificates to end")
	}
	b := &pebbles
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "s3cam-pebble-"); b.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "go", "install", "github.com/letsencrypt/pebble/v2/cmd/pebble@"+pebbleVersion, "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@"+pebbleVersion)
		cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "GOBIN="+b.dir, "GOFLAGS=", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
	})
	if b.err != nil {
		t.Skipf("SKIPPED: ACME against Let's Encrypt's Pebble, because it cannot be built here: %v", b.err)
	}
	p := &pebble{t: t, dir: t.TempDir(), env: append(os.Environ(), env...)}
	certPEM, keyPEM, _, err := tlscert.SelfSigned([]string{"127.0.0.1"}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(p.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool(t, certPEM)}}}
	p.addr, _ = free(t)
	p.dns, _ = free(t)
	p.config = map[string]any{"listenAddress": p.addr, "certificate": filepath.Join(p.dir, "cert.pem"), "privateKey": filepath.Join(p.dir, "key.pem"),
		"tlsPort": tlsPort, "httpPort": httpPort, "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "short", "validityPeriod": life}}}
	p.start()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("Pebble said:\n%s", p.said.String())
		}
	})
	return p
}

func (p *pebble) start() {
	p.t.Helper()
	text, err := json.Marshal(map[string]any{"pebble": p.config})
	if err != nil {
		p.t.Fatal(err)
	}
	file := filepath.Join(p.dir, "config.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.run("pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dnsserver", p.dns, "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", "127.0.0.1:0")
	p.run("pebble", "-config", file, "-strict", "-dnsserver", p.dns)
	if !polltest.Within(time.Minute, func() bool {
		r, err := p.client.Get(p.directory())
		if err == nil {
			r.Body.Close()
		}
		return err == nil && r.StatusCode == 200
	}) {
		p.t.Fatalf("Pebble does not answer:\n%s", p.said.String())
	}
}

func (p *pebble) run(name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(filepath.Join(pebbles.dir, name), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(p.env, "PEBBLE_VA_NOSLEEP=1"), &p.said, &p.said
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.cmds = append(p.cmds, cmd)
}

func (p *pebble) stop() {
	for _, c := range p.cmds {
		c.Process.Kill()
		c.Wait()
	}
	p.cmds = nil
}

func (p *pebble) directory() string { return "https://" + p.addr + "/dir" }

// site is a server with a certificate by ACME.
type site struct {
	acme *tlscert.ACME
	addr string
	log  lines
	stop func()
}

func newSite(t *testing.T, p *pebble, cache, addr string, before ...func(*tlscert.ACME)) *site {
	t.Helper()
	s := &site{addr: addr}
	var err error
	s.acme, err = tlscert.NewACME(tlscert.ACMEConfig{Domains: []string{"cams.example.org"}, Email: "me@example.org", CacheDir: cache, Directory: p.directory(),
		Client: p.client, Logger: slog.New(slog.NewTextHandler(&s.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range before {
		f(s.acme)
	}
	l, err := tls.Listen("tcp", addr, tlscert.ServerConfig(s.acme))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { _ = srv.Serve(l) })
	ended.Go(func() { _ = s.acme.Run(ctx) })
	s.stop = sync.OnceFunc(func() { cancel(); srv.Close(); ended.Wait() })
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("the server said:\n%s", s.log.String())
		}
	})
	return s
}

// shown is the certificate that a client sees, or nil.
func (s *site) shown() *x509.Certificate {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", s.addr, &tls.Config{ServerName: "cams.example.org", InsecureSkipVerify: true})
	if err != nil {
		return nil
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// Let's Encrypt's own test authority, with its default chaos (a part of all nonces is refused): first certificate, renewal without a restart,
// a restart with the kept account and certificate while the authority is down, and what is said when it does not renew.
func TestPebble(t *testing.T) {
	addr, port := free(t)
	p := newPebble(t, 24, port, 1, "PEBBLE_WFE_NONCEREJECT=30")
	cache := t.TempDir()
	s := newSite(t, p, cache, addr)
	var first *x509.Certificate
	if !polltest.Within(time.Minute, func() bool { first = s.shown(); return first != nil }) {
		t.Fatal("no certificate came")
	}
	if err := first.VerifyHostname("cams.example.org"); err != nil || !strings.Contains(first.Issuer.CommonName, "Pebble") {
		t.Errorf("the certificate is from %s: %v", first.Issuer, err)
	}
	// After two thirds of its 24 seconds it is renewed.
	if !polltest.Within(time.Minute, func() bool { c := s.shown(); return c != nil && !c.Equal(first) }) {
		t.Error("the certificate is not renewed")
	}
	if !polltest.Within(20*time.Second, func() bool { return strings.Count(s.log.String(), "TLS certificate by ACME ready") >= 2 }) {
		t.Error("the new certificate is not said")
	}
	if got := s.acme.NotAfter(); got.Before(time.Now()) || got.After(time.Now().Add(time.Minute)) {
		t.Errorf("it ends at %v, says NotAfter", got)
	}
	s.stop()

	// The authority is down, the server starts again: it serves what it has kept, and says that nobody renews it.
	p.stop()
	kept := newSite(t, p, cache, addr)
	seen := kept.shown()
	if seen == nil {
		t.Fatal("without the authority nothing is served")
	}
	if !polltest.Within(time.Minute, func() bool { return strings.Contains(kept.log.String(), "not renewed by ACME; the old one stays") }) {
		t.Error("nobody is told that the certificate is not renewed")
	}
	if said := kept.log.String(); !strings.Contains(said, "connection refused") || !strings.Contains(said, "level=ERROR") || !strings.Contains(said, "hint=") {
		t.Errorf("the reason is not said:\n%s", said)
	}
	if now := kept.shown(); now == nil || !now.Equal(seen) {
		t.Errorf("it does not go on serving the old certificate: %v", now)
	}
	kept.stop()

	// The authority is back, with the memory of a new one: the kept account is unknown there, and a certificate comes all the same.
	p.start()
	back := newSite(t, p, cache, addr)
	if !polltest.Within(90*time.Second, func() bool { c := back.shown(); return c != nil && !c.Equal(seen) }) {
		t.Error("no new certificate came after the authority was back")
	}
}

// An authority that does not find the answer to its challenge refuses, and its reason is what the log says.
func TestPebbleRefuses(t *testing.T) {
	addr, _ := free(t)
	_, elsewhere := free(t)
	p := newPebble(t, 3600, elsewhere, elsewhere)
	s := newSite(t, p, t.TempDir(), addr)
	if !polltest.Within(time.Minute, func() bool { return strings.Contains(s.log.String(), "no TLS certificate by ACME") }) {
		t.Fatal("nothing is said")
	}
	if said := s.log.String(); !strings.Contains(said, "hint=") || !strings.Contains(said, "cams.example.org") {
		t.Errorf("it says\n%s", said)
	}
	t.Log(s.log.String())
	if c := s.shown(); c != nil {
		t.Errorf("a certificate all the same: %v", c.Subject)
	}
}

// Port 80 alone will do: the authority finds the answer by HTTP-01.
func TestPebbleByHTTP(t *testing.T) {
	addr, _ := free(t)
	_, nobody := free(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := newPebble(t, 3600, nobody, l.Addr().(*net.TCPAddr).Port)
	s := newSite(t, p, t.TempDir(), addr, func(a *tlscert.ACME) { go http.Serve(l, a.HTTPHandler(http.NotFoundHandler())) })
	if !polltest.Within(2*time.Minute, func() bool { return s.shown() != nil }) {
		t.Errorf("no certificate came:\n%s", s.log.String())
	}
}
