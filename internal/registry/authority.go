// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"time"

	"github.com/s3cam/s3cam/internal/state"
)

const (
	authorityDir  = "ca"
	authorityFile = "ca.pem"
	maxCommonName = 64 // RFC 5280, ub-common-name
)

// Authority is the certificate authority of a data directory: ECDSA on P-256, in ca/ca.pem. It vouches for the cameras before
// the server and for the server before the cameras; nobody else needs to trust it.
//
// Its certificates are good until the end of 2049, as those of AWS IoT are: what ends a camera's is that it is taken away in
// the registry, which is asked each time, and a server's key lives as long as the process.
type Authority struct {
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

// Pair is a certificate and its private key, in PEM form.
type Pair struct {
	Certificate, Key []byte
	fingerprint      [sha256.Size]byte
}

// String keeps the key out of logs.
func (p *Pair) String() string { return "certificate " + fmt.Sprintf("%x", p.fingerprint[:8]) }

// GoString is String.
func (p *Pair) GoString() string { return p.String() }

// lastDay is the end of all certificates.
func lastDay() time.Time { return time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC) }

// early is subtracted from the time at which a certificate begins to be good: clocks of cameras are late.
const early = 24 * time.Hour

// OpenAuthority reads the authority of a data directory, and makes it when there is none. Of several processes that make it
// at a time all get the same. One that is gone while cameras have certificates of it is an error: with another they would not get
// in, and nobody would know before their spools are full.
func OpenAuthority(dir string, now time.Time) (*Authority, error) {
	path := filepath.Join(dir, authorityDir, authorityFile)
	text, err := createOnce(path, func() ([]byte, error) {
		switch id, err := certified(dir); {
		case err != nil:
			return nil, err
		case id != "":
			return nil, fmt.Errorf("%s has gone, and the camera %s has a certificate of it (hint: put it back, from the last backup; without it remove the cameras that have certificates, and add them anew)", path, id)
		}
		return newAuthority(now)
	})
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	a, err := parseAuthority(text)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %s: %w (hint: put the last backup in its place; without it all cameras need new certificates)", path, err)
	}
	return a, nil
}

// certified returns a camera that has a certificate; empty when none has.
func certified(dir string) (string, error) {
	f, err := state.Open[*document](filepath.Join(dir, File))
	if err != nil {
		return "", err
	}
	doc, err := f.Get()
	if err != nil || doc == nil {
		return "", err
	}
	for id, c := range doc.Cameras {
		if c != nil && len(c.Certificates) > 0 {
			return id, nil
		}
	}
	return "", nil
}

func parseAuthority(text []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, err
	}
	a := &Authority{cert: pair.Leaf, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !a.cert.IsCA {
		return nil, fmt.Errorf("it is no authority with an ECDSA key")
	}
	a.key = key
	return a, nil
}

func newAuthority(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t, err := template("s3cam cameras "+rand.Text()[:8], now.Add(-early))
	if err != nil {
		return nil, err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), private...), nil
}

func template(name string, from time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name[:min(len(name), maxCommonName)]},
		NotBefore: from.UTC(), NotAfter: lastDay()}, err
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// PEM returns the authority's certificate: what cameras trust.
func (a *Authority) PEM() []byte { return bytes.Clone(a.pem) }

// Pool returns the authority's certificate alone.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a *Authority) sign(name string, usage x509.ExtKeyUsage, change func(*x509.Certificate)) (*Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t, err := template(name, a.cert.NotBefore)
	if err != nil {
		return nil, err
	}
	t.KeyUsage, t.ExtKeyUsage, t.BasicConstraintsValid = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}, true
	change(t)
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	private, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	return &Pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), private, sha256.Sum256(der)}, nil
}

// Client makes a certificate for a camera. Of a name longer than 64 characters it holds the beginning; the registry knows
// the whole.
func (a *Authority) Client(thing string, now time.Time) (*Pair, error) {
	return a.sign(thing, x509.ExtKeyUsageClientAuth, func(t *x509.Certificate) { t.NotBefore = now.Add(-early).UTC() })
}

// Server makes a certificate for a server with these host names and IP addresses.
func (a *Authority) Server(hosts []string) (*Pair, error) {
	return a.sign("s3cam", x509.ExtKeyUsageServerAuth, func(t *x509.Certificate) {
		for _, h := range hosts {
			if ip := net.ParseIP(h); ip != nil {
				t.IPAddresses = append(t.IPAddresses, ip)
			} else {
				t.DNSNames = append(t.DNSNames, h)
			}
		}
	})
}
