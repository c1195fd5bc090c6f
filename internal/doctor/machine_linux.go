// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// attributes looks whether files of a directory can have the attributes in which the store keeps checksums and tags, and
// whether files without a name can be made there, into which it receives.
func (d *doctor) attributes(dir string) {
	const advice = "keep the data on ext4, XFS or Btrfs; network and overlay file systems often lack this"
	f, err := os.CreateTemp(dir, ".s3cam-doctor-*")
	if err != nil {
		d.fail("attributes", advice, "%v", err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := unix.Fsetxattr(int(f.Fd()), "user.s3cam.doctor", []byte("1"), 0); err != nil {
		d.fail("attributes", advice, "the file system of %s has no extended attributes for users: %v", dir, err)
		return
	}
	fd, err := unix.Open(filepath.Clean(dir), unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		d.fail("attributes", advice, "the file system of %s cannot make unnamed files: %v", dir, err)
		return
	}
	unix.Close(fd)
	d.ok("attributes", "the file system of %s has extended attributes and unnamed files", dir)
}

// openFiles is how many files this process may have open.
func openFiles() (uint64, bool) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return r.Max, true // Go raises its own limit to it
}

// clockSynced asks the kernel whether somebody disciplines its clock.
func clockSynced() (synced, known bool) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil || errors.Is(err, unix.ENOSYS) {
		return false, false
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, true
}
