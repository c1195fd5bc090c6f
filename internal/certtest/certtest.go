// SPDX-License-Identifier: Apache-2.0

// Package certtest makes certificates for tests: an authority, and what it issues to servers and devices. For tests only.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority issues certificates. It is valid for as long as clocks in tests go.
type Authority struct {
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// From is when an [Authority] begins to be valid, and what it issues unless a [Leaf] says another.
func From() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// Until is when that ends.
func Until() time.Time { return time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC) }

// New makes an authority.
func New(tb testing.TB, name string) *Authority {
	tb.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: From(), NotAfter: Until(),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key := newKey(tb)
	return &Authority{tb, sign(tb, tmpl, tmpl, key, key), key}
}

// Pool has the authority as the only root.
func (a *Authority) Pool() *x509.CertPool { return PoolOf(a.cert) }

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte { return certPEM(a.cert.Raw) }

// PoolOf has one certificate as the only root.
func PoolOf(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}

// Leaf says what to issue, for servers and clients alike. The zero value is for 127.0.0.1.
type Leaf struct {
	Name        string    // common name; default "test"
	Hosts       []string  // names and addresses; default 127.0.0.1
	From, Until time.Time // default those of the authority
	Serial      int64     // default a random one
	SelfSigned  bool      // nobody vouches for it
}

// Pair is a certificate with its key.
type Pair struct {
	tls.Certificate        // with its Leaf
	CertPEM, KeyPEM []byte // the key as PKCS #8
}

// Issue makes a certificate with a key of its own.
func (a *Authority) Issue(l Leaf) Pair {
	a.tb.Helper()
	if l.Name == "" {
		l.Name = "test"
	}
	if l.Hosts == nil {
		l.Hosts = []string{"127.0.0.1"}
	}
	if l.From.IsZero() {
		l.From = From()
	}
	if l.Until.IsZero() {
		l.Until = Until()
	}
	if l.Serial == 0 {
		l.Serial = mathrand.Int64()
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(l.Serial), Subject: pkix.Name{CommonName: l.Name}, NotBefore: l.From, NotAfter: l.Until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, h := range l.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
	key := newKey(a.tb)
	parent, signer := a.cert, a.key
	if l.SelfSigned {
		parent, signer = tmpl, key
	}
	cert := sign(a.tb, tmpl, parent, key, signer)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.tb.Fatal(err)
	}
	return Pair{tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, certPEM(cert.Raw),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
}

// Files writes the pair as cert.pem and key.pem into a folder.
func (p Pair) Files(tb testing.TB, dir string) (cert, key string) {
	tb.Helper()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, text := range map[string][]byte{cert: p.CertPEM, key: p.KeyPEM} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return cert, key
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func sign(tb testing.TB, tmpl, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
