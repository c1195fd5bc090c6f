// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"testing"

	"github.com/s3cam/s3cam/s3"
)

// FuzzEndpoint: any text is an address of a store or refused at once.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:9000", "https://s3.example.org", "https://[::1]:9000", "ftp://x", "http://", "http://user:pw@host", "http://host/path", "http://host?x", "http://ho st", "http://host:99999", "\x00"} {
		f.Add(s, "video")
	}
	f.Fuzz(func(t *testing.T, endpoint, bucket string) {
		c, err := s3.New(s3.Config{Endpoint: endpoint, Region: "us-east-1", Bucket: bucket, Credentials: s3.Static("AKIDEXAMPLE", "secret", "")})
		if err == nil {
			if c.Bucket() != bucket {
				t.Errorf("bucket %q became %q", bucket, c.Bucket())
			}
			c.Close()
		}
	})
}
