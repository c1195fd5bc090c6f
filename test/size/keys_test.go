// SPDX-License-Identifier: Apache-2.0

package size_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Kinds of keys. Those of each kind are made once; nothing here depends on who has which.
var keys = map[string]func() crypto.Signer{
	"RSA-2048": sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) }),
	"RSA-4096": sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 4096)) }),
	"P-224":    func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)) },
	"P-256":    func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) },
	"P-384":    func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) },
	"P-521":    func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) },
	"Ed25519":  func() crypto.Signer { _, key, err := ed25519.GenerateKey(rand.Reader); return must(key, err) },
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// chain makes certificates for keys of the given kinds, root first. Edit, when not nil, changes the one with the index before it is signed.
func chain(t *testing.T, edit func(i int, c *x509.Certificate), kinds ...string) (root []byte, leaf tls.Certificate) {
	t.Helper()
	var parent *x509.Certificate
	var signer crypto.Signer
	for i, kind := range kinds {
		key := keys[kind]()
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: kind + " " + string(rune('A'+i))},
			NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		if i == len(kinds)-1 {
			c.IsCA, c.KeyUsage, c.ExtKeyUsage = false, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
			c.IPAddresses, c.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"camera.example"}
		}
		if edit != nil {
			edit(i, c)
		}
		if parent == nil {
			parent, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
		if err != nil {
			t.Fatalf("%s signed by %s: %v", kind, parent.Subject, err)
		}
		if parent, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		signer = key
		if i == 0 {
			root = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		} else {
			leaf.Certificate = append([][]byte{der}, leaf.Certificate...)
		}
		leaf.PrivateKey = key
	}
	return root, leaf
}

// check runs `s3cam-agent check --connect` of a target against an HTTPS server, and returns what it says and whether it was content. device
// is a file with certificate and key of the device; empty: it has none.
func check(t *testing.T, target string, root []byte, server *tls.Config, device string, env ...string) (string, bool) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/role-aliases/") {
			io.WriteString(w, `{"credentials":{"accessKeyId":"ASIAEXAMPLE","secretAccessKey":"s","sessionToken":"t","expiration":"`+
				time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}}`)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	s.TLS, s.Config.ErrorLog = server, log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, root, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"check", "--connect", "--endpoint", s.URL, "--bucket", "b", "--region", "eu-central-1", "--ca-file", ca}
	if device == "" {
		args = append(args, "--access-key", "A", "--secret-key", "S")
	} else {
		args = append(args, "--iot-endpoint", strings.TrimPrefix(s.URL, "https://"), "--iot-thing", "cam", "--iot-role-alias", "role", "--iot-cert", device, "--iot-key", device)
	}
	program := agent(t, target)
	if target != "amd64" {
		args = append([]string{program}, args...)
		program = "qemu-mipsel"
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// emulated lists the targets that the tests of keys run: mipsle too where there is an emulator, for its cryptography is other code.
func emulated(t *testing.T) []string {
	if _, err := exec.LookPath("qemu-mipsel"); err != nil {
		t.Log("SKIPPED: no qemu-mipsel here (package qemu-user), so only the agent for amd64 is tested")
		return []string{"amd64"}
	}
	return []string{"amd64", "mipsle"}
}

// The agent leaves out kinds of keys and ciphers (scripts/agent-crypto.sh). Chains of AWS, of public authorities and of those who made their
// own must verify as before.
func TestAgentTrustsTheChainsThatServersHave(t *testing.T) {
	sign := func(at int, with x509.SignatureAlgorithm) func(int, *x509.Certificate) {
		return func(i int, c *x509.Certificate) {
			if i == at {
				c.SignatureAlgorithm = with
			}
		}
	}
	tests := []struct {
		name  string
		kinds []string
		edit  func(int, *x509.Certificate)
	}{
		{"Amazon with RSA", []string{"RSA-2048", "RSA-2048", "RSA-2048"}, nil},
		{"Amazon with ECDSA", []string{"P-384", "P-256", "P-256"}, nil},
		{"an ECDSA server below Amazon's RSA", []string{"RSA-4096", "RSA-2048", "P-256"}, nil},
		{"Let's Encrypt with ECDSA", []string{"RSA-4096", "P-384", "P-256"}, nil},
		{"Let's Encrypt with RSA", []string{"RSA-4096", "RSA-2048", "RSA-4096"}, nil},
		{"a private CA with P-256", []string{"P-256", "P-256"}, nil},
		{"a private CA with P-384", []string{"P-384", "P-384"}, nil},
		{"a private CA that signs with RSA-PSS", []string{"RSA-2048", "P-256"}, sign(1, x509.SHA384WithRSAPSS)},
		{"SHA-512 by P-256", []string{"P-256", "P-256"}, sign(1, x509.ECDSAWithSHA512)},
		{"SHA-512 by RSA", []string{"RSA-2048", "RSA-2048"}, sign(1, x509.SHA512WithRSA)},
	}
	for _, target := range emulated(t) {
		for _, tt := range tests {
			for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
				t.Run(target+"/"+tt.name+"/"+tls.VersionName(version), func(t *testing.T) {
					root, leaf := chain(t, tt.edit, tt.kinds...)
					out, ok := check(t, target, root, &tls.Config{Certificates: []tls.Certificate{leaf}, MaxVersion: version}, "")
					if !ok || !strings.Contains(out, "the clock of this device is right") {
						t.Errorf("check: %v\n%s", ok, out)
					}
				})
			}
		}
	}
}

func TestAgentAgreesOnKeysAndCiphers(t *testing.T) {
	hybrid := []tls.CurveID{tls.X25519MLKEM768}
	tests := []struct {
		name   string
		server *tls.Config
		noAES  bool
		want   string // "" = it works
	}{
		{"X25519MLKEM768", &tls.Config{CurvePreferences: hybrid}, false, ""},
		{"X25519", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}, false, ""},
		{"P-256", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP256}}, false, ""},
		{"P-384", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}, false, ""},
		{"P-384 in TLS 1.2", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}, MaxVersion: tls.VersionTLS12}, false, ""},
		{"X25519 on a processor without AES", &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}, true, ""},
		{"AES-128 in TLS 1.2", &tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, MaxVersion: tls.VersionTLS12}, false, ""},
		{"AES-256 in TLS 1.2", &tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}, MaxVersion: tls.VersionTLS12}, true, ""},
		{"ChaCha20 in TLS 1.2", &tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}, MaxVersion: tls.VersionTLS12}, false, ""},
		{"only CBC", &tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}, MaxVersion: tls.VersionTLS12}, false, "1.2 with ECDHE and AES-GCM or ChaCha20"},
		{"only P-521", &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP521}}, false, "handshake failure"},
		{"only TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false, "protocol version"},
	}
	root, leaf := chain(t, nil, "P-256", "P-256")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.server.Certificates = []tls.Certificate{leaf}
			var env []string
			if tt.noAES {
				env = []string{"GODEBUG=cpu.aes=off"}
			}
			out, ok := check(t, "amd64", root, tt.server, "", env...)
			if ok != (tt.want == "") || !strings.Contains(out, tt.want) {
				t.Errorf("check: %v, want %q in\n%s", ok, tt.want, out)
			}
		})
	}
}

// What is left out, and what nobody may get past: an error that names the reason.
func TestAgentRefusesWhatItCannotVerify(t *testing.T) {
	at := func(at int, edit func(*x509.Certificate)) func(int, *x509.Certificate) {
		return func(i int, c *x509.Certificate) {
			if i == at {
				edit(c)
			}
		}
	}
	const needs = "needs a certificate with a key of RSA, P-256 or P-384"
	tests := []struct {
		name  string
		kinds []string
		edit  func(int, *x509.Certificate)
		other bool // the client trusts another root of the same names
		want  string
	}{
		{name: "a server with Ed25519", kinds: []string{"P-256", "Ed25519"}, want: needs},
		{name: "a server with P-521", kinds: []string{"P-256", "P-521"}, want: needs},
		{name: "an authority with Ed25519 in between", kinds: []string{"P-256", "Ed25519", "P-256"}, want: "keys of Ed25519 are left out"},
		{name: "an authority with P-521 in between", kinds: []string{"RSA-2048", "P-521", "P-256"}, want: "unsupported elliptic curve"},
		{name: "an authority with P-224 in between", kinds: []string{"RSA-2048", "P-224", "P-256"}, want: "unsupported elliptic curve"},
		{name: "a root with P-521", kinds: []string{"P-521", "P-256"}, want: "ca.pem"},
		{name: "a root with Ed25519", kinds: []string{"Ed25519", "P-256"}, want: "ca.pem"},
		{name: "another root of the same name", kinds: []string{"P-256", "P-256"}, other: true, want: "unknown authority"},
		{name: "another RSA root of the same name", kinds: []string{"P-384", "P-384", "P-256"}, other: true, want: "unknown authority"},
		{name: "another host", kinds: []string{"P-256", "P-256"}, want: "127.0.0.2",
			edit: at(1, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 2)} })},
		{name: "a certificate that has ended", kinds: []string{"RSA-2048", "P-256"}, want: "expired",
			edit: at(1, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })},
		{name: "a host outside of the authority's constraints", kinds: []string{"P-256", "P-384", "P-256"}, want: "not permitted",
			edit: at(1, func(c *x509.Certificate) {
				c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"elsewhere.example"}
			})},
		{name: "a certificate that is no authority in between", kinds: []string{"P-256", "P-256", "P-256"}, want: "unknown authority",
			edit: at(1, func(c *x509.Certificate) { c.IsCA = false })},
		{name: "for clients only", kinds: []string{"P-256", "P-256"}, want: "incompatible key usage",
			edit: at(1, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })},
	}
	for _, target := range emulated(t) {
		for _, tt := range tests {
			t.Run(target+"/"+tt.name, func(t *testing.T) {
				root, leaf := chain(t, tt.edit, tt.kinds...)
				if tt.other {
					root, _ = chain(t, tt.edit, tt.kinds...)
				}
				out, ok := check(t, target, root, &tls.Config{Certificates: []tls.Certificate{leaf}}, "")
				if ok || !strings.Contains(out, tt.want) {
					t.Errorf("check: %v, want a failure that says %q:\n%s", ok, tt.want, out)
				}
			})
		}
	}
}

// The device's own key, as AWS IoT knows it.
func TestAgentProvesItselfToAWSIoT(t *testing.T) {
	tests := []struct {
		name, kind string
		sec1       bool // PEM of openssl ecparam and openssl genrsa -traditional, not PKCS #8
		want       string
	}{
		{"RSA as AWS makes it", "RSA-2048", true, ""},
		{"RSA in PKCS #8", "RSA-2048", false, ""},
		{"P-256", "P-256", true, ""},
		{"P-256 in PKCS #8", "P-256", false, ""},
		{"P-384", "P-384", false, ""},
		{"P-521", "P-521", true, "unsupported elliptic curve"},
		{"Ed25519", "Ed25519", false, "Ed25519 are left out"},
	}
	for _, target := range emulated(t) {
		for _, tt := range tests {
			t.Run(target+"/"+tt.name, func(t *testing.T) {
				root, leaf := chain(t, nil, "P-256", "P-256")
				authority, own := chain(t, nil, "RSA-2048", tt.kind)
				pool := x509.NewCertPool()
				pool.AppendCertsFromPEM(authority)
				block := &pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(own.PrivateKey))}
				switch key := own.PrivateKey.(type) {
				case *rsa.PrivateKey:
					if tt.sec1 {
						block = &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
					}
				case *ecdsa.PrivateKey:
					if tt.sec1 {
						block = &pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(key))}
					}
				}
				device := filepath.Join(t.TempDir(), "device.pem")
				content := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), pem.EncodeToMemory(block)...)
				if err := os.WriteFile(device, content, 0o600); err != nil {
					t.Fatal(err)
				}
				server := &tls.Config{Certificates: []tls.Certificate{leaf}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
				given := make(chan bool, 8)
				server.VerifyConnection = func(s tls.ConnectionState) error { given <- len(s.VerifiedChains) > 0; return nil }
				out, ok := check(t, target, root, server, device)
				if tt.want != "" {
					if ok || !strings.Contains(out, tt.want) {
						t.Errorf("check: %v, want a failure that says %q:\n%s", ok, tt.want, out)
					}
					return
				}
				if !ok || !strings.Contains(out, "credentials  ASIAEXAMPLE") || !<-given {
					t.Errorf("check: %v, want credentials for a certificate that the server has verified:\n%s", ok, out)
				}
			})
		}
	}
}
