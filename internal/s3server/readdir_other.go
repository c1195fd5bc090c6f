// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package s3server

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// readNames calls f for every file and directory in dir, in no order.
func readNames(dir *os.File, _ []byte, f func(name []byte, isDir bool)) error {
	for {
		entries, err := dir.ReadDir(1024)
		for _, e := range entries {
			if e.IsDir() || e.Type().IsRegular() {
				f([]byte(e.Name()), e.IsDir())
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fileSize returns the size of a regular file in dir; false when it is gone.
func fileSize(dir *os.File, name []byte) (int64, bool) {
	st, err := os.Lstat(filepath.Join(dir.Name(), string(name)))
	if err != nil || !st.Mode().IsRegular() {
		return 0, false
	}
	return st.Size(), true
}
