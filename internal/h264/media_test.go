// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"os"
	"path/filepath"
	"testing"
)

// media returns the path of a file of the footage, from S3CAM_MEDIA or ../shared/media beside the repository.
func media(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("S3CAM_MEDIA")
	if dir == "" {
		root := "."
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			if root = filepath.Join(root, ".."); len(root) > 64 {
				t.Fatal("no go.mod above the test")
			}
		}
		dir = filepath.Join(root, "..", "shared", "media")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: real footage is missing (set S3CAM_MEDIA): %v", err)
	}
	return path
}
