// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"os"

	"golang.org/x/sys/unix"
)

// dirID identifies a directory for as long as its file system exists: inode numbers are reused, birth times are not.
type dirID struct {
	ino    uint64
	sec    int64
	nsec   uint32
	device uint64
	valid  bool
}

func identify(f *os.File) dirID {
	var st unix.Statx_t
	const want = unix.STATX_INO | unix.STATX_BTIME
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, want, &st); err != nil || st.Mask&want != want {
		return dirID{} // never known: every level is synced every time
	}
	return dirID{st.Ino, st.Btime.Sec, st.Btime.Nsec, unix.Mkdev(st.Dev_major, st.Dev_minor), true}
}
