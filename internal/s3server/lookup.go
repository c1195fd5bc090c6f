// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// errLinked says that the way to a key leads through something that is no directory: a file, or a symbolic link, whose
// target would be outside the bucket's listing and perhaps outside of the bucket.
var errLinked = errors.New("a part of the key is no directory in the bucket")

// lookup returns what is stored under a clean key. Links are not part of a bucket, as in listings: what lies behind one
// is not there, and neither is a key that is a link, a pipe or another special file (opening a pipe would block).
func lookup(bucketDir, key string) (fs.FileInfo, error) {
	switch err := checkParents(bucketDir, key); {
	case errors.Is(err, errLinked):
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	}
	fi, err := os.Lstat(filepath.Join(bucketDir, key))
	switch {
	case err == nil && !fi.Mode().IsRegular():
		return nil, fs.ErrNotExist
	case errors.Is(err, syscall.ENOTDIR):
		return nil, fs.ErrNotExist
	}
	return fi, err
}

// checkParents refuses a clean key with errLinked when something above it exists that is no directory. Other errors are the file system's:
// what it cannot read for the moment may be there.
func checkParents(bucketDir, key string) error {
	for i := range len(key) {
		if key[i] != '/' {
			continue
		}
		fi, err := os.Lstat(bucketDir + string(filepath.Separator) + filepath.FromSlash(key[:i]))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // nor is anything below it
		case err == nil && fi.IsDir():
		case err == nil, errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
			return errLinked
		default:
			return err
		}
	}
	return nil
}
