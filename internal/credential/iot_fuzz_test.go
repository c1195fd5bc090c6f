// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"testing"

	"github.com/s3cam/s3cam/internal/credential"
)

// FuzzParseIoT: any answer of the credential endpoint is a whole pair of keys or an error.
func FuzzParseIoT(f *testing.F) {
	for _, s := range []string{`{"credentials":{"accessKeyId":"A","secretAccessKey":"B","sessionToken":"C","expiration":"2018-01-18T09:18:06Z"}}`, `{"credentials":{"accessKeyId":"A"}}`,
		`{"message":"Access Denied"}`, `{"credentials":{"accessKeyId":"A\r\n","secretAccessKey":"B","sessionToken":"C","expiration":"x"}}`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := credential.ParseIoT(body)
		if err == nil && (c.AccessKeyID == "" || c.SecretAccessKey == "" || c.Expires.IsZero()) {
			t.Errorf("%q gives keys %q until %v", body, c.AccessKeyID, c.Expires)
		}
	})
}
