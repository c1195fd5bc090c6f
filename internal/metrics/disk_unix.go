// SPDX-License-Identifier: Apache-2.0

//go:build unix && !solaris && !aix

package metrics

import "golang.org/x/sys/unix"

// DiskSpace returns how much is free for this user on the file system of a path, and its size, in bytes.
func DiskSpace(path string) (free, size int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}
