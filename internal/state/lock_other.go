// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package state

import (
	"io/fs"
	"os"
)

func acquire(name string) (*os.File, error) { return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) }

func syncDir(string) error { return nil }

// Adopt does nothing on systems without owners that are numbers.
func Adopt(*os.File) error { return nil }

// MkdirAll is os.MkdirAll with mode 0700.
func MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

func ours(info fs.FileInfo) bool { return info.Mode().IsRegular() }

func createAnew(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}
