// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/polltest"
)

// testCertificate makes a certificate for 127.0.0.1, which vouches for itself.
func testCertificate(tb testing.TB) tls.Certificate {
	return certtest.New(tb, "nobody").Issue(certtest.Leaf{SelfSigned: true}).Certificate
}

func poolOf(c tls.Certificate) *x509.CertPool { return certtest.PoolOf(c.Leaf) }

// answerTLS is a TLS server that answers every request with 200.
func answerTLS(tb testing.TB, certificate tls.Certificate) *server {
	cfg := &tls.Config{Certificates: []tls.Certificate{certificate}} // one for all connections: it has the ticket keys
	return serve(tb, func(_ int, raw net.Conn) {
		c := tls.Server(raw, cfg)
		defer c.Close()
		for br := bufio.NewReader(c); readRequest(br) != nil; {
			io.WriteString(c, ok200)
		}
	})
}

func TestSessionsAreTakenUpAgain(t *testing.T) {
	certificate := testCertificate(t)
	s := answerTLS(t, certificate)
	c := newClient(t, http1.Config{Address: s.address(), TLS: &tls.Config{RootCAs: poolOf(certificate)}})
	for range 3 {
		if _, err := c.Do(ctx(t), put(randomBytes(10), 0)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if st := c.Stats(); st.Dials != 3 || st.Resumed != 2 {
		t.Errorf("%+v, want 3 connections, 2 of them resumed", st)
	}
}

// withoutAES runs the calling test once more in a process whose crypto/tls believes that the CPU has no AES instructions, and reports true
// there. It needs a CPU on which they can be switched off.
func withoutAES(t *testing.T) bool {
	const mark = "S3CAM_TEST_WITHOUT_AES"
	if os.Getenv(mark) != "" {
		return true
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1", "GODEBUG=cpu.aes=off")
	out, err := cmd.CombinedOutput()
	t.Logf("without AES:\n%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) && !strings.Contains(string(out), "--- SKIP: "+t.Name()) {
		t.Errorf("in a process without AES instructions: %v", err)
	}
	return false
}

// opensslServer runs openssl s_server and returns its address. It answers GET with a page.
func opensslServer(t *testing.T, certificate tls.Certificate, args ...string) string {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("SKIPPED: openssl is not installed: a server that picks the cipher is not tested")
	}
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(openssl, append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", certFile, "-key", keyFile, "-www"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for scan := bufio.NewScanner(out); scan.Scan(); {
		if address, ok := strings.CutPrefix(scan.Text(), "ACCEPT "); ok {
			go io.Copy(io.Discard, out)
			return address
		}
	}
	t.Fatal("openssl s_server does not listen")
	return ""
}

// TestCipherWithoutAESInstructions: such a machine gets ChaCha20 from a server that would take AES, and AES from one that has nothing else.
func TestCipherWithoutAESInstructions(t *testing.T) {
	if !withoutAES(t) {
		return
	}
	certificate := testCertificate(t)
	both := "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
	for _, tt := range []struct {
		name      string
		server    []string
		anyCipher bool
		cipher    uint16
		dials     int // of two connections
	}{
		{"the server prefers AES", []string{"-serverpref", "-ciphersuites", both}, false, tls.TLS_CHACHA20_POLY1305_SHA256, 2},
		{"the server prefers AES, any cipher is offered", []string{"-serverpref", "-ciphersuites", both}, true, tls.TLS_AES_128_GCM_SHA256, 2},
		{"the server has only AES: it is remembered", []string{"-ciphersuites", "TLS_AES_128_GCM_SHA256"}, false, tls.TLS_AES_128_GCM_SHA256, 3},
		{"only AES and no TLS 1.2", []string{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, false, tls.TLS_AES_256_GCM_SHA384, 3},
		{"only TLS 1.2 with AES", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, false, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 2},
	} {
		c := newClient(t, http1.Config{Address: opensslServer(t, certificate, tt.server...), AnyCipher: tt.anyCipher, TLS: &tls.Config{RootCAs: poolOf(certificate)}})
		for range 2 {
			resp, err := c.Do(ctx(t), &http1.Request{Method: "GET", Target: "/"})
			if err != nil || resp.Status != 200 {
				t.Errorf("%s: %+v, %v", tt.name, resp, err)
			}
			c.Close()
		}
		if st := c.Stats(); st.Cipher != tt.cipher || st.Dials != tt.dials {
			t.Errorf("%s: cipher %s in %d dials, want %s in %d", tt.name, tls.CipherSuiteName(st.Cipher), st.Dials, tls.CipherSuiteName(tt.cipher), tt.dials)
		}
	}
}

// TestAServerWithNothingInCommonIsExplained: the alert alone says nothing to somebody who has a private server.
func TestAServerWithNothingInCommonIsExplained(t *testing.T) {
	certificate := testCertificate(t)
	offered := make(chan []uint16, 4)
	cfg := &tls.Config{
		Certificates: []tls.Certificate{certificate}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { offered <- hello.CipherSuites; return nil, nil },
	}
	s := serve(t, func(_ int, raw net.Conn) { _ = tls.Server(raw, cfg).Handshake(); raw.Close() })
	c := newClient(t, http1.Config{Address: s.address(), TLS: &tls.Config{RootCAs: poolOf(certificate)}})
	_, err := c.Do(ctx(t), put(randomBytes(10), 0))
	if !errors.Is(err, http1.ErrNotSent) || !strings.Contains(err.Error(), "handshake failure (the server needs a certificate with a key of RSA") {
		t.Errorf("%v, want ErrNotSent and what the server needs", err)
	}
	for _, id := range <-offered {
		if suite := tls.CipherSuiteName(id); !strings.Contains(suite, "GCM") && !strings.Contains(suite, "CHACHA20") {
			t.Errorf("%s is offered", suite)
		}
	}
}

// TestManyClientsDialAtOnceWithoutAES: the list of suites is one for the process, yet each connection offers what its client wants.
func TestManyClientsDialAtOnceWithoutAES(t *testing.T) {
	if !withoutAES(t) {
		return
	}
	certificate := testCertificate(t)
	prefersAES := opensslServer(t, certificate, "-serverpref", "-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			want := tls.TLS_CHACHA20_POLY1305_SHA256
			if i%2 == 1 {
				want = tls.TLS_AES_128_GCM_SHA256
			}
			c := newClient(t, http1.Config{Address: prefersAES, AnyCipher: i%2 == 1, TLS: &tls.Config{RootCAs: poolOf(certificate)}})
			for range 5 {
				if resp, err := c.Do(ctx(t), &http1.Request{Method: "GET", Target: "/"}); err != nil || resp.Status != 200 || c.Stats().Cipher != want {
					t.Errorf("client %d: %+v, %v, cipher %s", i, resp, err, tls.CipherSuiteName(c.Stats().Cipher))
				}
				c.Close()
			}
		})
	}
	wg.Wait()
}

// TestAHandshakeThatHangsDoesNotHoldUpOthers: the lock on the list of suites is held only until the ClientHello is written.
func TestAHandshakeThatHangsDoesNotHoldUpOthers(t *testing.T) {
	certificate := testCertificate(t)
	silent := serve(t, func(_ int, c net.Conn) { io.Copy(io.Discard, c) })
	tlsConfig := &tls.Config{RootCAs: poolOf(certificate)}
	hanging := newClient(t, http1.Config{Address: silent.address(), TLS: tlsConfig, ConnectTimeout: 5 * time.Second})
	hung, cancel := cancelable(t)
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = hanging.Do(hung, put(nil, 0)) }()
	polltest.Until(t, time.Minute, "the connection comes", func() bool { return silent.count() > 0 })
	c := newClient(t, http1.Config{Address: answerTLS(t, certificate).address(), TLS: tlsConfig})
	if _, err := c.Do(ctx(t), put(randomBytes(10), 0)); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
		t.Error("the hanging handshake ended before the other")
	default:
	}
	cancel()
	<-ended
}

func TestReadingTheOfferOfAClientHello(t *testing.T) {
	hello := func(suites ...byte) []byte {
		b := append([]byte{22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3}, make([]byte, 32)...)
		b = append(b, 2, 0xaa, 0xbb, 0, byte(len(suites)))
		return append(b, suites...)
	}
	for name, tt := range map[string]struct {
		hello []byte
		want  bool
	}{
		"ChaCha20 and TLS 1.2":  {hello(0xc0, 0x2b, 0x13, 0x03), true},
		"AES too":               {hello(0x13, 0x03, 0x13, 0x01), false},
		"AES-256 first":         {hello(0x13, 0x02, 0x13, 0x03), false},
		"only TLS 1.2":          {hello(0xc0, 0x2b), false},
		"nothing":               {nil, false},
		"cut in the suites":     {hello(0x13, 0x03)[:47], false},
		"cut in the session id": {hello(0x13, 0x03)[:44], false},
	} {
		if got := http1.OffersOnlyChaCha(tt.hello); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
