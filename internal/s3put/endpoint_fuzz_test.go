// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"context"
	"testing"

	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// FuzzEndpoint: any text is an address of a store or refused at once.
func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1:9000", "https://s3.example.org", "s3.example.org:9000", "https://[::1]:9000", "ftp://x", "http://", "http://user:pw@host", "http://host/path", "host:99999", "\x00", "a\r\nb"} {
		f.Add(s, "video", false)
	}
	f.Fuzz(func(t *testing.T, endpoint, bucket string, inHost bool) {
		c, err := s3put.New(s3put.Config{Endpoint: endpoint, Region: "us-east-1", Bucket: bucket, BucketInHost: inHost,
			Credentials: func(context.Context) (sigv4.Credentials, error) { return sigv4.Credentials{}, nil }})
		if err == nil {
			c.Close()
		}
	})
}
