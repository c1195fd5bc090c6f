// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"testing"

	"github.com/s3cam/s3cam/internal/s3put"
)

// TestPinnedRoots lists what is trusted when nothing is configured. The fingerprints are what
// openssl x509 -fingerprint -sha256 says about the files of Debian's ca-certificates.
func TestPinnedRoots(t *testing.T) {
	want := []struct{ name, end, sha256 string }{
		{"Amazon Root CA 1", "2038-01-17", "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e"},
		{"Amazon Root CA 2", "2040-05-26", "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4"},
		{"Amazon Root CA 3", "2040-05-26", "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4"},
		{"Amazon Root CA 4", "2040-05-26", "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092"},
		{"Starfield Services Root Certificate Authority - G2", "2037-12-31", "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5"},
		{"DigiCert Global Root CA", "2031-11-10", "4348a0e9444c78cb265e058d5e8944b4d84f9662bd26db257f8934a443c70161"},
		{"DigiCert Global Root G2", "2038-01-15", "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f"},
		{"DigiCert Global Root G3", "2038-01-15", "31ad6648f8104138c738f39ea4320133393e3a18cc02296ef97c2ac9ef6731d0"},
	}
	rest, err := os.ReadFile("roots.pem")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for _, w := range want {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("%s is missing", w.name)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(block.Bytes)
		if cert.Subject.CommonName != w.name || cert.NotAfter.Format("2006-01-02") != w.end || hex.EncodeToString(sum[:]) != w.sha256 {
			t.Errorf("%s, %s, %x; want %+v", cert.Subject.CommonName, cert.NotAfter.Format("2006-01-02"), sum, w)
		}
		if !cert.IsCA || !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			t.Errorf("%s is not a self-signed root", w.name)
		}
		pool.AddCert(cert)
	}
	if block, _ := pem.Decode(rest); block != nil {
		t.Error("there are more roots than the table has")
	}
	if !s3put.PinnedRoots().Equal(pool) {
		t.Error("PinnedRoots differs from roots.pem")
	}
}
