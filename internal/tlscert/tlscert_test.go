// SPDX-License-Identifier: Apache-2.0

package tlscert_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/tlscert"
)

// write makes a certificate for hosts and writes it and its key.
func write(t *testing.T, dir string, valid time.Duration, hosts ...string) (certFile, keyFile string) {
	t.Helper()
	cert, key, _, err := tlscert.SelfSigned(hosts, valid, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put(t, certFile, cert)
	put(t, keyFile, key)
	return certFile, keyFile
}

func put(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	certFile, keyFile := write(t, dir, 1000*time.Hour, "cam.example.org", "192.168.1.10", "*.wild.org")
	_, otherKey := write(t, other, time.Hour, "cam.example.org")
	expired, expiredKey := write(t, t.TempDir(), -time.Minute, "cam.example.org")
	junk, locked := filepath.Join(dir, "junk.pem"), filepath.Join(dir, "locked.pem")
	put(t, junk, []byte("not PEM"))
	put(t, locked, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	big := filepath.Join(dir, "big.pem")
	put(t, big, make([]byte, 2<<20))
	for _, tt := range []struct {
		name, cert, key string
		is              error
		says            string
	}{
		{"good", certFile, keyFile, nil, ""},
		{"no file", certFile + "x", keyFile, os.ErrNotExist, "cert.pemx"},
		{"no key file", certFile, keyFile + "x", os.ErrNotExist, "key.pemx"},
		{"another key", certFile, otherKey, tlscert.ErrMismatch, otherKey},
		{"no PEM", junk, keyFile, nil, "holds no PEM, no certificate"},
		{"files exchanged", keyFile, certFile, nil, "holds PRIVATE KEY, no certificate"},
		{"certificate twice", certFile, certFile, nil, "holds CERTIFICATE, no private key"},
		{"a passphrase", certFile, locked, nil, "protected by a passphrase"},
		{"too big", big, keyFile, nil, "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, doubts, err := tlscert.Load(tt.cert, tt.key, nil, time.Now())
			if tt.says == "" {
				if err != nil || len(doubts) > 0 || cert == nil {
					t.Fatal(err, doubts)
				}
				return
			}
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q, %v", err, tt.says, tt.is)
			}
		})
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(keyFile, 0); err != nil {
			t.Fatal(err)
		}
		if _, _, err := tlscert.Load(certFile, keyFile, nil, time.Now()); !errors.Is(err, os.ErrPermission) {
			t.Errorf("unreadable: %v", err)
		}
		_ = os.Chmod(keyFile, 0o600)
	}
	for _, tt := range []struct {
		name   string
		host   string
		at     time.Duration
		doubts []error
	}{
		{"its name", "cam.example.org", 0, nil},
		{"its address", "192.168.1.10", 0, nil},
		{"a wildcard", "a.wild.org", 0, nil},
		{"another name", "cam.example.com", 0, []error{tlscert.ErrHost}},
		{"another address", "192.168.1.11", 0, []error{tlscert.ErrHost}},
		{"it ends soon", "cam.example.org", 900 * time.Hour, []error{tlscert.ErrEnding}},
		{"it has ended", "cam.example.org", 1001 * time.Hour, []error{tlscert.ErrExpired}},
		{"it has not begun", "x", -2 * time.Hour, []error{tlscert.ErrNotYet, tlscert.ErrHost}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, doubts, err := tlscert.Load(certFile, keyFile, []string{tt.host}, time.Now().Add(tt.at))
			if err != nil || len(doubts) != len(tt.doubts) {
				t.Fatal(err, doubts)
			}
			for i, want := range tt.doubts {
				if !errors.Is(doubts[i], want) {
					t.Errorf("%v, want %v", doubts[i], want)
				}
			}
		})
	}
	if _, doubts, err := tlscert.Load(expired, expiredKey, nil, time.Now()); err != nil || len(doubts) != 1 || !errors.Is(doubts[0], tlscert.ErrExpired) {
		t.Errorf("%v, %v", doubts, err)
	}
}

// serve runs an HTTPS server and returns its address.
func serve(t *testing.T, s tlscert.Source, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, TLSConfig: tlscert.ServerConfig(s), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	go func() { _ = srv.ServeTLS(l, "", "") }()
	t.Cleanup(func() { srv.Close() })
	return l.Addr().String()
}

func TestFilesAreTakenWhenTheyChangeAndConnectionsStay(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := write(t, dir, 1000*time.Hour, "one.org")
	var log logBuffer
	f, err := tlscert.OpenFiles(tlscert.FilesConfig{CertFile: certFile, KeyFile: keyFile, Hosts: []string{"one.org"}, Every: 5 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	addr := serve(t, f, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }))
	names := func() []string {
		t.Helper()
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].DNSNames
	}
	await := func(want string, what func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !what(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waited in vain for %s; log:\n%s", want, &log)
			}
		}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	from := func() string {
		t.Helper()
		res, err := client.Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	first := from()
	if !slices.Equal(names(), []string{"one.org"}) || !f.Covers("one.org") || f.Covers("two.org") {
		t.Fatalf("names %v", names())
	}
	// Key and certificate come one after the other, as renewing programs write them.
	cert, key, _, err := tlscert.SelfSigned([]string{"one.org", "two.org"}, 1000*time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	put(t, keyFile, key)
	await("the complaint", func() bool { return strings.Contains(log.String(), "the old certificate stays") })
	if got := names(); !slices.Equal(got, []string{"one.org"}) {
		t.Errorf("half new: %v", got)
	}
	put(t, certFile, cert)
	await("the new certificate", func() bool { return f.Reloads() == 1 })
	if got := names(); !slices.Equal(got, []string{"one.org", "two.org"}) || !f.Covers("two.org") {
		t.Errorf("new: %v", got)
	}
	// Broken, absent, expired: the last good one stays.
	n := strings.Count(log.String(), "the old certificate stays")
	for i, spoil := range []func(){
		func() { put(t, certFile, []byte("broken")) },
		func() { os.Remove(certFile) },
		func() { write(t, dir, -time.Minute, "late.org") },
	} {
		spoil()
		await("complaint", func() bool { return strings.Count(log.String(), "the old certificate stays") > n+i })
		if got := names(); len(got) != 2 {
			t.Errorf("spoiled %d: %v", i, got)
		}
	}
	write(t, dir, 1000*time.Hour, "three.org")
	await("the third", func() bool { return f.Reloads() == 2 })
	await("a complaint about the name", func() bool { return strings.Contains(log.String(), "the certificate is for other names than one.org") })
	if again := from(); again != first {
		t.Errorf("the connection was dropped: %s, now %s", first, again)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, max := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if _, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: max}); err == nil {
			t.Errorf("TLS version %x was accepted", max)
		}
	}
	if _, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}); err == nil {
		t.Error("a suite without forward secrecy or authenticated encryption was accepted")
	}
}

func TestRedirectIsNoOpenRedirect(t *testing.T) {
	covers := func(host string) bool { return host == "cam.example.org" }
	for _, tt := range []struct {
		name, method, host, target string
		port, status               int
		to                         string
	}{
		{"its name", "GET", "cam.example.org", "/a/b?c=d%20e", 443, 308, "https://cam.example.org/a/b?c=d%20e"},
		{"its name with a port", "HEAD", "CAM.example.org:80", "/", 8443, 308, "https://cam.example.org:8443/"},
		{"the address it listens on", "GET", "192.0.2.7:80", "/x", 443, 308, "https://192.0.2.7/x"},
		{"escapes stay", "GET", "cam.example.org", "/a%2Fb", 443, 308, "https://cam.example.org/a%2Fb"},
		{"two slashes", "GET", "cam.example.org", "//evil.org/x", 443, 308, "https://cam.example.org//evil.org/x"},
		{"another name", "GET", "evil.org", "/", 443, 400, ""},
		{"another address", "GET", "192.0.2.8", "/", 443, 400, ""},
		{"its name as a user", "GET", "cam.example.org@evil.org", "/", 443, 400, ""},
		{"a name that ends like it", "GET", "evil-cam.example.org", "/", 443, 400, ""},
		{"a bad port", "GET", "cam.example.org:99999", "/", 443, 400, ""},
		{"no host", "GET", "", "/", 443, 400, ""},
		{"a line break", "GET", "cam.example.org\r\nX: y", "/", 443, 400, ""},
		{"something is sent", "POST", "cam.example.org", "/login", 443, 405, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://placeholder"+tt.target, nil)
			r.Host = tt.host
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 80}))
			w := httptest.NewRecorder()
			tlscert.Redirect(covers, tt.port).ServeHTTP(w, r)
			if w.Code != tt.status || w.Header().Get("Location") != tt.to {
				t.Errorf("%d %q, want %d %q", w.Code, w.Header().Get("Location"), tt.status, tt.to)
			}
		})
	}
}

func TestHSTSIsSentOverTLSOnly(t *testing.T) {
	h := tlscert.HSTS(36*time.Hour, http.NotFoundHandler())
	for _, secure := range []bool{false, true} {
		r := httptest.NewRequest("GET", "/", nil)
		if secure {
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		want := map[bool]string{true: "max-age=129600"}[secure]
		if got := w.Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("TLS %v: %q, want %q", secure, got, want)
		}
	}
}

func TestACMEGetsACertificateByEachChallenge(t *testing.T) {
	for _, kind := range []string{"tls-alpn-01", "http-01"} {
		t.Run(kind, func(t *testing.T) {
			ca := newAuthority(t)
			cache := filepath.Join(t.TempDir(), "acme")
			open := func() *tlscert.ACME {
				t.Helper()
				a, err := tlscert.NewACME(tlscert.ACMEConfig{Domains: []string{"Cam.example.org"}, Email: "me@example.org", CacheDir: cache,
					Directory: ca.srv.URL + "/dir", Client: ca.srv.Client()})
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			a := open()
			addr := serve(t, a, http.NotFoundHandler())
			if kind == "tls-alpn-01" {
				ca.alpnAddr = addr
			} else {
				plain := httptest.NewServer(a.HTTPHandler(tlscert.Redirect(a.Covers, 443)))
				defer plain.Close()
				ca.httpAddr = plain.Listener.Addr().String()
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- a.Run(ctx) }()
			c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "cam.example.org", InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			leaf := c.ConnectionState().PeerCertificates[0]
			c.Close()
			if leaf.VerifyHostname("cam.example.org") != nil || leaf.Issuer.CommonName != "test authority" {
				t.Errorf("certificate for %v by %v", leaf.DNSNames, leaf.Issuer)
			}
			if c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}); err != nil {
				t.Errorf("without a name: %v", err)
			} else {
				c.Close()
			}
			if _, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "evil.org", InsecureSkipVerify: true}); err == nil {
				t.Error("a handshake for a foreign name went through")
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			ca.mu.Lock()
			if ca.issued != 1 || !slices.Equal(ca.used, []string{kind}) {
				t.Errorf("issued %d by %v", ca.issued, ca.used)
			}
			ca.mu.Unlock()
			// After a restart the certificate comes from the cache, which is for the owner alone.
			addr = serve(t, open(), http.NotFoundHandler())
			if c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "cam.example.org", InsecureSkipVerify: true}); err != nil {
				t.Error(err)
			} else {
				c.Close()
			}
			ca.mu.Lock()
			if ca.issued != 1 {
				t.Errorf("issued %d", ca.issued)
			}
			ca.mu.Unlock()
			if st, err := os.Stat(cache); err != nil || st.Mode().Perm() != 0o700 {
				t.Errorf("cache %v, %v", st, err)
			}
		})
	}
}

func TestNewACMERefuses(t *testing.T) {
	for _, bad := range []tlscert.ACMEConfig{
		{CacheDir: "x"},
		{CacheDir: "x", Domains: []string{"localhost"}},
		{CacheDir: "x", Domains: []string{"192.168.1.1"}},
		{CacheDir: "x", Domains: []string{"*.example.org"}},
		{CacheDir: "x", Domains: []string{"example.org:443"}},
		{CacheDir: "x", Domains: []string{"example.org"}, Directory: "http://example.org"},
		{CacheDir: "x", Domains: []string{"example.org"}, Email: "me"},
		{Domains: []string{"example.org"}},
	} {
		if _, err := tlscert.NewACME(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

func TestSelfSignedIsTrustedByItself(t *testing.T) {
	if _, _, _, err := tlscert.SelfSigned(nil, time.Hour, time.Now()); err == nil {
		t.Error("without a host")
	}
	if _, _, _, err := tlscert.SelfSigned([]string{"a b"}, time.Hour, time.Now()); err == nil {
		t.Error("with a bad host")
	}
	certFile, keyFile := write(t, t.TempDir(), time.Hour, "127.0.0.1", "nvr.local")
	f, err := tlscert.OpenFiles(tlscert.FilesConfig{CertFile: certFile, KeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	addr := serve(t, f, http.NotFoundHandler())
	cert, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"127.0.0.1", "nvr.local"} {
		c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, RootCAs: pool(t, cert)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.Close()
	}
}
