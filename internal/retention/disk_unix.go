// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package retention

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DiskOf returns a function that asks the file system of a directory.
func DiskOf(dir string) func() (Disk, error) {
	return func() (Disk, error) {
		var st unix.Statfs_t
		for {
			err := unix.Statfs(dir, &st)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return Disk{}, fmt.Errorf("free space of %s: %w", dir, err)
			}
			break
		}
		block := unitOf(&st)
		return Disk{
			Total: int64(st.Blocks) * block, Free: int64(st.Bavail) * block,
			Inodes: int64(st.Files), FreeInodes: int64(st.Ffree), Block: block,
		}, nil
	}
}
