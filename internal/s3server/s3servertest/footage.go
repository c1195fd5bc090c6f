// SPDX-License-Identifier: Apache-2.0

package s3servertest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/segment"
)

// Footage writes n objects of size bytes into the bucket video of a data directory, which no server need have: named as segments of a
// camera, the first by from, step apart. There is no video in them.
func Footage(tb testing.TB, dir, camera string, from time.Time, n int, step time.Duration, size int) {
	tb.Helper()
	for i := range n {
		path := filepath.Join(dir, "video", segment.Key(camera, from.Add(time.Duration(i)*step)))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// Keys lists the bucket video of a data directory.
func Keys(tb testing.TB, dir string) []string {
	tb.Helper()
	b, err := s3server.OpenBucket(dir, "video")
	if err != nil {
		tb.Fatal(err)
	}
	var keys []string
	err = b.ListKeys(tb.Context(), "", "", func(key []byte) bool {
		keys = append(keys, string(key))
		return true
	})
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}
