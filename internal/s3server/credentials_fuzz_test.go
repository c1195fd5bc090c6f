// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/s3cam/s3cam/internal/s3server"
)

// FuzzCredentialsFile: a key file gives a usable pair or an error that does not repeat it, and is never replaced.
func FuzzCredentialsFile(f *testing.F) {
	for _, s := range []string{`{"access_key":"S3CAMABCDEFGHIJKLMNO","secret_key":"secret"}`, `{"access_key":"a b","secret_key":"s"}`, `{"access_key":"x"}`, `{}`, `null`, `[]`, ``, `{"access_key":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		name := filepath.Join(dir, s3server.CredentialsFile)
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := s3server.LoadOrCreateCredentials(dir, "", "")
		if err == nil && (c.AccessKey == "" || c.SecretKey == "" || c.Created) {
			t.Errorf("%q gives %+v", text, c)
		}
		if now, rerr := os.ReadFile(name); rerr != nil || !bytes.Equal(now, text) {
			t.Errorf("%q became %q", text, now)
		}
	})
}
