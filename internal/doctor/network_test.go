// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/doctor"
)

func TestPorts(t *testing.T) {
	s3cam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"status":"ok"}`) }))
	defer s3cam.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	host := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	port := func(addr string) doctor.Config {
		return doctor.Config{Ports: []doctor.Port{{Flag: "--http", Addr: addr}}}
	}
	expect(t, run(t, port(host(s3cam))), "port.http", doctor.OK, "s3cam answers")
	expect(t, run(t, port(host(other))), "port.http", doctor.Fail, "something else answers")
	expect(t, run(t, port(free.Addr().String())), "port.http", doctor.Warn, "nobody listens")
	expect(t, run(t, port("8080")), "port.http", doctor.Fail, "is not an address")
	expect(t, run(t, port("192.0.2.1:0")), "port.http", doctor.Fail, "does not have the address")
}

func TestNames(t *testing.T) {
	lookup := func(_ context.Context, host string) ([]string, error) {
		switch host {
		case "video.example":
			return []string{"192.0.2.7"}, nil
		case "bent.example":
			return []string{"127.0.0.1"}, nil
		}
		return nil, errors.New("no such host")
	}
	lines := run(t, doctor.Config{Lookup: lookup, Hosts: []string{"video.example", "bent.example", "nowhere.example", "192.0.2.1"}})
	expect(t, lines, "dns", doctor.OK, "video.example leads to 192.0.2.7")
	expect(t, lines, "dns", doctor.Warn, "bent.example")
	expect(t, lines, "dns", doctor.Fail, "nowhere.example leads nowhere")
}

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T, parent *authority) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "Test Authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(1000 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a := &authority{key: key, pool: x509.NewCertPool()}
	signer, signerKey := tmpl, key
	if parent != nil {
		tmpl.Subject.CommonName = "Test Intermediate"
		signer, signerKey = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, signer, &key.PublicKey, signerKey)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) issue(t *testing.T, from, to time.Time, chain ...*x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: from, NotAfter: to, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for _, more := range chain {
		c.Certificate = append(c.Certificate, more.Raw)
	}
	return c
}

// site is a server at https://localhost that answers as ours does.
func site(t *testing.T, cert tls.Certificate, handler http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "https://localhost:" + port
}

// ours answers like the standalone server, with what is in wrong instead.
func ours(wrong map[string]func(http.ResponseWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := wrong[r.URL.Path]; f != nil {
			f(w, r)
			return
		}
		switch r.URL.Path {
		case "/healthz":
			io.WriteString(w, `{"status":"ok"}`)
		case "/readyz":
			io.WriteString(w, `{"status":"ready"}`)
		case "/cameras":
			if r.Header.Get("Authorization") != "Bearer good" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			io.WriteString(w, `{"cameras":[{"id":"gate"}]}`)
		}
	})
}

func TestCertificatesAsViewersSeeThem(t *testing.T) {
	root := newAuthority(t, nil)
	between := newAuthority(t, root)
	day := 24 * time.Hour
	now := time.Now()
	tests := []struct {
		name  string
		cert  tls.Certificate
		roots *x509.CertPool
		host  string
		level doctor.Level
		says  string
	}{
		{"right", root.issue(t, now.Add(-day), now.Add(60*day)), root.pool, "localhost", doctor.OK, "trusted"},
		{"with its chain", between.issue(t, now.Add(-day), now.Add(60*day), between.cert), root.pool, "localhost", doctor.OK, "trusted"},
		{"ends soon", root.issue(t, now.Add(-80*day), now.Add(10*day)), root.pool, "localhost", doctor.Warn, "ends in 9 days"},
		{"has ended", root.issue(t, now.Add(-80*day), now.Add(-day)), root.pool, "localhost", doctor.Fail, "ended on"},
		{"not good yet", root.issue(t, now.Add(day), now.Add(80*day)), root.pool, "localhost", doctor.Fail, "not good before"},
		{"for another name", root.issue(t, now.Add(-day), now.Add(60*day)), root.pool, "127.0.0.1", doctor.Fail, "not for 127.0.0.1"},
		{"without its chain", between.issue(t, now.Add(-day), now.Add(60*day)), root.pool, "localhost", doctor.Fail, "full chain"},
		{"nobody vouches for it", root.issue(t, now.Add(-day), now.Add(60*day), root.cert), x509.NewCertPool(), "localhost", doctor.Fail, "nobody vouches"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := strings.Replace(site(t, tt.cert, ours(nil)), "localhost", tt.host, 1)
			lines := run(t, doctor.Config{URL: address, RootCAs: tt.roots})
			expect(t, lines, "certificate", tt.level, tt.says)
			if tt.level == doctor.Fail {
				absent(t, lines, "site")
			} else {
				expect(t, lines, "site", doctor.OK, "answers")
			}
		})
	}
	plain := httptest.NewServer(ours(nil))
	defer plain.Close()
	expect(t, run(t, doctor.Config{URL: strings.Replace(plain.URL, "http:", "https:", 1)}), "certificate", doctor.Fail, "no TLS")
}

func TestCertificateFiles(t *testing.T) {
	a := newAuthority(t, nil)
	dir := t.TempDir()
	write := func(name string, c tls.Certificate) (certFile, keyFile string) {
		certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
		der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600),
			os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)); err != nil {
			t.Fatal(err)
		}
		return certFile, keyFile
	}
	now := time.Now()
	cert, key := write("good", a.issue(t, now.Add(-time.Hour), now.Add(900*time.Hour)))
	expect(t, run(t, doctor.Config{CertFile: cert, KeyFile: key}), "certificate.file", doctor.OK, "good until")
	expect(t, run(t, doctor.Config{CertFile: cert, KeyFile: key, Hosts: []string{"127.0.0.2"}}), "certificate.file", doctor.Fail, "--host")
	old, oldKey := write("old", a.issue(t, now.Add(-900*time.Hour), now.Add(-time.Hour)))
	expect(t, run(t, doctor.Config{CertFile: old, KeyFile: oldKey}), "certificate.file", doctor.Fail, "renew it")
	expect(t, run(t, doctor.Config{CertFile: cert, KeyFile: oldKey}), "certificate.file", doctor.Fail, "of one issue")
	expect(t, run(t, doctor.Config{CertFile: filepath.Join(dir, "none"), KeyFile: key}), "certificate.file", doctor.Fail, "is the path right")
}
