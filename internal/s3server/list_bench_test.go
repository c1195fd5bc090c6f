// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/segment"
)

// daysOfSegments fills a bucket with a camera's 3 s segments of some days, straight into its directory.
func daysOfSegments(tb testing.TB, days int) *s3servertest.Bucket {
	tb.Helper()
	b := s3servertest.New(tb)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for at := start; at.Before(start.AddDate(0, 0, days)); at = at.Add(3 * time.Second) {
		name := filepath.Join(b.Dir(), segment.Key("cam1", at))
		if at.Second() == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				tb.Fatal(err)
			}
		}
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return b
}

// BenchmarkList compares the native listing with the one behind HTTP, both in process: the budget of a 24 h replay is 25 ms.
func BenchmarkList(b *testing.B) {
	bucket := daysOfSegments(b, 2)
	from := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, n := range []int{40, 1200, 28800} {
		after := segment.Key("cam1", from.Add(-time.Second))
		b.Run(fmt.Sprintf("native/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				err := bucket.List(b.Context(), "cam1/", after, n, func([]byte, int64) bool { got++; return got < n })
				if err != nil || got != n {
					b.Fatal(got, err)
				}
			}
		})
		b.Run(fmt.Sprintf("keys/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				err := bucket.ListKeys(b.Context(), "cam1/", after, func([]byte) bool { got++; return got < n })
				if err != nil || got != n {
					b.Fatal(got, err)
				}
			}
		})
		b.Run(fmt.Sprintf("gateway/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				in := &s3.ListObjectsV2Input{
					Bucket: aws.String(bucket.Name()), Prefix: aws.String("cam1/"), StartAfter: &after, MaxKeys: aws.Int32(int32(min(n, 1000))),
					ContinuationToken: aws.String(""),
				}
				got := 0
				for got < n {
					page, token, err := bucket.Server.ListByGateway(b.Context(), in)
					if err != nil {
						b.Fatal(err)
					}
					got += page
					in.ContinuationToken = &token
				}
			}
		})
	}
	b.Run("native/folders", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if err := bucket.ListFolders(b.Context(), "cam1/2026/01/02/", func(string) bool { n++; return true }); err != nil || n != 24 {
				b.Fatal(n, err)
			}
		}
	})
}
