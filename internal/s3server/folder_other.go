// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package s3server

import (
	"io"
	"os"
	"path/filepath"
)

// folder is an open directory; see folder_linux.go.
type folder struct{ f *os.File }

func openFolder(path string) (folder, error) {
	f, err := os.Open(path)
	return folder{f}, err
}

func (d folder) open(name []byte) (folder, error) {
	return openFolder(filepath.Join(d.f.Name(), string(name)))
}

func (d folder) close() { _ = d.f.Close() }

func (d folder) names(_ []byte, f func(name []byte, isDir bool)) error {
	for {
		entries, err := d.f.ReadDir(1024)
		for _, e := range entries {
			if e.IsDir() || e.Type().IsRegular() {
				f([]byte(e.Name()), e.IsDir())
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d folder) size(name []byte) (int64, bool) {
	st, err := os.Lstat(filepath.Join(d.f.Name(), string(name)))
	if err != nil || !st.Mode().IsRegular() {
		return 0, false
	}
	return st.Size(), true
}

// remove removes a file, or an empty sub-directory.
func (d folder) remove(name string, isDir bool) error {
	path := filepath.Join(d.f.Name(), name)
	if st, err := os.Lstat(path); err == nil && st.IsDir() != isDir {
		return &os.PathError{Op: "remove", Path: path, Err: os.ErrInvalid}
	}
	return os.Remove(path)
}
