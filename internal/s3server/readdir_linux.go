// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bytes"
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// readNames calls f for every file and directory in dir, in no order. The name is valid during the call only. It parses
// getdents64 records itself (struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name): os.File.ReadDir allocates two
// objects per entry, which is most of the cost of a listing. buf is scratch space of some KiB.
func readNames(dir *os.File, buf []byte, f func(name []byte, isDir bool)) error {
	fd := int(dir.Fd())
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return err
		}
		for rest := buf[:n]; len(rest) >= 19; {
			size := int(binary.NativeEndian.Uint16(rest[16:]))
			if size < 19 || size > len(rest) {
				return unix.EBADMSG
			}
			typ, name := rest[18], rest[19:size]
			rest = rest[size:]
			if i := bytes.IndexByte(name, 0); i >= 0 {
				name = name[:i]
			}
			if string(name) == "." || string(name) == ".." || len(name) == 0 {
				continue
			}
			if typ == unix.DT_UNKNOWN { // the file system does not tell
				typ = typeOf(fd, name)
			}
			if typ == unix.DT_DIR || typ == unix.DT_REG {
				f(name, typ == unix.DT_DIR)
			}
		}
	}
}

func typeOf(fd int, name []byte) byte {
	var st unix.Stat_t
	if unix.Fstatat(fd, string(name), &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return unix.DT_UNKNOWN
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return unix.DT_DIR
	case unix.S_IFREG:
		return unix.DT_REG
	}
	return unix.DT_UNKNOWN
}

// fileSize returns the size of a regular file in dir; false when it is gone.
func fileSize(dir *os.File, name []byte) (int64, bool) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), string(name), &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, false
	}
	return st.Size, true
}
