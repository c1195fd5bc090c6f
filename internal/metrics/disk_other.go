// SPDX-License-Identifier: Apache-2.0

//go:build !unix || solaris || aix

package metrics

import "errors"

// DiskSpace returns how much is free for this user on the file system of a path, and its size, in bytes.
func DiskSpace(string) (free, size int64, err error) {
	return 0, 0, errors.New("not known on this system")
}
