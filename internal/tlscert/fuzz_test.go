// SPDX-License-Identifier: Apache-2.0

package tlscert_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/tlscert"
)

// FuzzLoad: whatever the two files hold, there is a certificate that can be served or an error.
func FuzzLoad(f *testing.F) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	cert, key, _, err := tlscert.SelfSigned([]string{"example.org", "127.0.0.1"}, 24*time.Hour, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cert, key)
	f.Add(key, cert)
	f.Add(append(bytes.Clone(cert), cert...), key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte{})
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		dir := t.TempDir()
		c, k := filepath.Join(dir, "c"), filepath.Join(dir, "k")
		for name, b := range map[string][]byte{c: cert, k: key} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, _, err := tlscert.Load(c, k, []string{"example.org"}, now)
		if err == nil && (got == nil || len(got.Certificate) == 0 || got.PrivateKey == nil) {
			t.Error("no error and no certificate")
		}
	})
}
