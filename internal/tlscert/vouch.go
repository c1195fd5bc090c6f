// SPDX-License-Identifier: Apache-2.0

package tlscert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"time"
)

// Vouchers returns, in PEM form, what a client has to trust that is to trust this certificate: itself, when it is self-signed; the
// roots, when an authority that this machine knows has issued it; else the topmost authority of the chain that the server sends. Nil when
// nothing of it is known.
func Vouchers(cert *tls.Certificate, now time.Time) []byte {
	var chain []*x509.Certificate
	for _, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil
	}
	leaf, top := chain[0], chain[len(chain)-1]
	if selfSigned(leaf) {
		return encode(leaf)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if now.After(leaf.NotAfter) { // who vouches for it is the same as before
		now = leaf.NotAfter
	}
	found, err := leaf.Verify(x509.VerifyOptions{Intermediates: between, CurrentTime: now})
	if err == nil {
		var roots []*x509.Certificate
		for _, c := range found {
			roots = append(roots, c[len(c)-1])
		}
		return encode(roots...)
	}
	if top.IsCA {
		return encode(top)
	}
	return nil
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// encode writes each certificate once.
func encode(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		if block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); !bytes.Contains(text, block) {
			text = append(text, block...)
		}
	}
	return text
}
