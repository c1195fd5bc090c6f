// SPDX-License-Identifier: Apache-2.0

package tlscert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// SelfSigned makes a certificate that nobody vouches for, with a P-256 key: for a local network, where cameras and browsers
// are given the certificate itself to trust. hosts are names and addresses.
func SelfSigned(hosts []string, valid time.Duration, now time.Time) (certPEM, keyPEM []byte, fingerprint string, err error) {
	if len(hosts) == 0 {
		return nil, nil, "", errors.New("self-signed certificate: it needs a host name or address")
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, "", fmt.Errorf("self-signed certificate: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "s3cam", Organization: []string{"s3cam self-signed"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(valid), // clocks of cameras differ
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, // so that it can be put among the trusted roots
	}
	for _, h := range hosts {
		name, wild := strings.CutPrefix(h, "*.")
		host, ok := hostOf(name)
		if wild {
			host = "*." + host
		}
		if !ok {
			return nil, nil, "", fmt.Errorf("self-signed certificate: %q is no host name or address", h)
		}
		if ip := net.ParseIP(host); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, host)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, "", fmt.Errorf("self-signed certificate: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, nil, "", fmt.Errorf("self-signed certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, "", fmt.Errorf("self-signed certificate: %w", err)
	}
	sum := sha256.Sum256(der)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
		hex.EncodeToString(sum[:]), nil
}
