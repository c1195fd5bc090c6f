// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/internal/tlscert"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

// certificate makes a certificate for 127.0.0.1 and names, and returns its files and who trusts it.
func certificate(t *testing.T, dir string, names ...string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	cert, key, _, err := tlscert.SelfSigned(append([]string{"127.0.0.1"}, names...), 1000*time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string][]byte{keyFile: key, certFile: cert} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return certFile, keyFile, roots
}

func TestOneCertificateForViewersAndCameras(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, roots := certificate(t, dir, "nvr.local")
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir()}, Web: standalone.Web{Anonymous: true, Hosts: []string{"other.local"}},
		Playback: standalone.Playback{Live: httpapi.Presign, Replay: httpapi.Redirect},
		TLS:      standalone.TLS{CertFile: certFile, KeyFile: keyFile, Redirect: "127.0.0.1:0", HSTS: time.Hour}})
	if !strings.HasPrefix(r.Web, "https://127.0.0.1:") || !strings.HasPrefix(r.S3, "https://127.0.0.1:") {
		t.Fatalf("addresses %+v", r.Addresses)
	}
	// A camera that knows the certificate uploads.
	c, err := s3.New(s3.Config{Endpoint: r.S3, Region: r.Region, Bucket: r.Bucket, PathStyle: true, RootCAs: roots,
		Credentials: s3.Static(r.AccessKey, s3.Secret(r.SecretKey), "")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	now := time.Now()
	for i := range 6 {
		put(t, c, segment.Key("door", now.Add(time.Duration(3*i-18)*time.Second)))
	}
	// One that does not know it does not.
	stranger, err := s3.New(s3.Config{Endpoint: r.S3, Region: r.Region, Bucket: r.Bucket, PathStyle: true, Credentials: s3.Static("a", "b", ""), MaxAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Put(t.Context(), "door/x", bytes.NewReader(nil), 0, s3.PutOptions{}); err == nil {
		t.Error("a camera that does not trust the certificate sent its request")
	}
	// A viewer gets a playlist by HTTP/2, and segments from the store's port.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	res, err := client.Get(r.Web + "/playlist.m3u8?camera_id=door")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	_, _ = text.ReadFrom(res.Body)
	res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") != "max-age=3600" {
		t.Errorf("%d by %s, %v", res.StatusCode, res.Proto, res.Header)
	}
	if !strings.Contains(text.String(), "\n"+r.S3+"/video/door/") {
		t.Errorf("segments are not signed for the store's port:\n%s", &text)
	}
	// Browsers that come by http are sent on, but only to names of this server.
	for host, want := range map[string]string{"": r.Web + "/door?x=y", "nvr.local": "https://nvr.local:" + port(r.Web) + "/door?x=y", "other.local": "https://other.local:" + port(r.Web) + "/door?x=y", "evil.org": ""} {
		req, err := http.NewRequest(http.MethodGet, r.Redirect+"/door?x=y", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("host %q: %d %q, want %q", host, res.StatusCode, got, want)
		}
	}
	if res, err := http.Get("http://" + strings.TrimPrefix(r.Web, "https://") + "/healthz"); err == nil {
		res.Body.Close()
		if res.StatusCode == 200 {
			t.Error("the web port answers without TLS too")
		}
	}
	// A new certificate is taken by both ports while they run.
	_, _, renewed := certificate(t, dir)
	for _, url := range []string{r.Web, r.S3} {
		polltest.Until(t, 40*time.Second, url+" has the new certificate", func() bool {
			conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{RootCAs: renewed})
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
}

// Connections that say nothing neither pile up at the redirects nor keep cameras from their keys.
func TestSilentConnectionsOfTheSmallPorts(t *testing.T) {
	certFile, keyFile, _ := certificate(t, t.TempDir())
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir(), Volatile: true}, TLS: standalone.TLS{CertFile: certFile, KeyFile: keyFile, Redirect: "127.0.0.1:0"},
		CameraKeys: standalone.CameraKeys{CredentialsAddr: "127.0.0.1:0"}})
	silent := func(addr string, n int) (first net.Conn) {
		for range n {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			if first == nil {
				first = c
			}
		}
		_ = first.SetReadDeadline(time.Now().Add(5 * time.Second)) // half of what a head may take
		return first
	}
	var timeout net.Error
	first := silent(strings.TrimPrefix(r.Redirect, "http://"), 300)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}
	if res, err := client.Get(r.Redirect + "/"); err != nil || res.StatusCode != http.StatusPermanentRedirect {
		t.Errorf("a browser among silent connections: %v, %v", res, err)
	}
	if _, err := first.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("300 silent connections are all kept")
	}
	silent(r.Credentials, 1100)
	for range 5 {
		c, err := tls.Dial("tcp", r.Credentials, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatalf("a camera among silent connections: %v", err)
		}
		c.Close()
	}
}

func port(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }

func TestTheStoreMayStayWithoutTLS(t *testing.T) {
	certFile, keyFile, _ := certificate(t, t.TempDir())
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir()}, TLS: standalone.TLS{CertFile: certFile, KeyFile: keyFile, PlainStore: true}})
	if !strings.HasPrefix(r.S3, "http://") || !strings.HasPrefix(r.Web, "https://") {
		t.Fatalf("%+v", r.Addresses)
	}
	put(t, store(t, r), segment.Key("door", time.Now()))
}

func TestTLSConfigurationErrors(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, _ := certificate(t, dir)
	_, otherKey, _ := certificate(t, t.TempDir())
	for _, tt := range []struct {
		name string
		tls  standalone.TLS
		says string
	}{
		{"half a pair", standalone.TLS{CertFile: certFile}, "belong together"},
		{"another key", standalone.TLS{CertFile: certFile, KeyFile: otherKey}, "does not belong"},
		{"no file", standalone.TLS{CertFile: certFile + "x", KeyFile: keyFile}, "cert.pemx"},
		{"files and ACME", standalone.TLS{CertFile: certFile, KeyFile: keyFile, Domains: []string{"a.org"}}, "exclude"},
		{"a domain that is none", standalone.TLS{Domains: []string{"nvr"}}, `"nvr"`},
		{"a redirect to nowhere", standalone.TLS{Redirect: ":0"}, "--http-redirect"},
		{"mail without ACME", standalone.TLS{Email: "a@b.org"}, "--acme-domain"},
		{"plain without TLS", standalone.TLS{PlainStore: true}, "--s3-plain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir(), Addr: "127.0.0.1:0"}, Web: standalone.Web{Addr: "127.0.0.1:0"}, TLS: tt.tls}
			cfg.Ready = func(standalone.Addresses) { panic(fmt.Sprint("it started: ", tt.name)) }
			err := standalone.Run(t.Context(), cfg)
			if !errors.Is(err, standalone.ErrConfig) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}
