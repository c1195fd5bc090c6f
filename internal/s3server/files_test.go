// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// filesBelow lists what a bucket's directory holds besides the engine's own temporary directory, directories included.
func filesBelow(t *testing.T, tg *target) []string {
	t.Helper()
	return filesIn(t, tg.embedded.Dir())
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(strings.TrimPrefix(path, dir), "/")
		switch {
		case err != nil:
			return err
		case rel == "" || rel == ".sgwtmp" || rel == ".sgwtmp/multipart":
		case !d.IsDir():
			found = append(found, rel)
		case emptyDir(path):
			found = append(found, rel+"/")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func emptyDir(path string) bool {
	entries, err := os.ReadDir(path)
	return err == nil && len(entries) == 0
}

// openFiles returns the number of open files of this process, in which the embedded engine runs.
func openFiles(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
