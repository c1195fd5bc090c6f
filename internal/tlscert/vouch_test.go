// SPDX-License-Identifier: Apache-2.0

package tlscert_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/tlscert"
)

func TestWhoVouchesForACertificate(t *testing.T) {
	certPEM, keyPEM, _, err := tlscert.SelfSigned([]string{"nvr.local"}, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	self, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	rootKey, root := made(t, "root", nil, nil)
	betweenKey, between := made(t, "between", root, rootKey)
	_, leaf := made(t, "leaf", between, betweenKey)
	chain := func(certs ...*x509.Certificate) *tls.Certificate {
		c := &tls.Certificate{}
		for _, x := range certs {
			c.Certificate = append(c.Certificate, x.Raw)
		}
		return c
	}
	text := func(c *x509.Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	for _, tt := range []struct {
		name string
		cert *tls.Certificate
		want []byte
	}{
		{"a self-signed one itself", &self, certPEM},
		{"the root that is sent", chain(leaf, between, root), text(root)},
		{"the topmost that is sent", chain(leaf, between), text(between)},
		{"nobody that is known", chain(leaf), nil},
		{"nothing at all", &tls.Certificate{}, nil},
		{"no certificate", &tls.Certificate{Certificate: [][]byte{{1, 2, 3}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tlscert.Vouchers(tt.cert, time.Now())
			if !bytes.Equal(got, tt.want) {
				t.Errorf("%s\nwant\n%s", got, tt.want)
			}
			if got == nil {
				return
			}
			// A client that trusts it takes the certificate.
			first, err := x509.ParseCertificate(tt.cert.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			sent := x509.NewCertPool()
			for _, der := range tt.cert.Certificate[1:] {
				c, err := x509.ParseCertificate(der)
				if err != nil {
					t.Fatal(err)
				}
				sent.AddCert(c)
			}
			if _, err := first.Verify(x509.VerifyOptions{Roots: pool(t, got), Intermediates: sent, DNSName: "nvr.local"}); err != nil {
				t.Error(err)
			}
		})
	}
}

// made is a certificate that parent has issued, or a root.
func made(t *testing.T, name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: name != "leaf"}
	if name == "leaf" {
		tmpl.DNSNames = []string{"nvr.local"}
	}
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, c
}
