// SPDX-License-Identifier: Apache-2.0

//go:build unix

package spool

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

func isLink(err error) bool { return errors.Is(err, syscall.ELOOP) }

// lock takes the exclusive lock of an open folder without waiting; closing it, or the end of the process, frees it. locked is
// false where the file system has none (NFS wants a file open for writing).
func lock(f *os.File) (locked bool, err error) {
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, errors.New("another process uses this spool")
		case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EBADF),
			errors.Is(err, syscall.ENOLCK):
			return false, nil
		default:
			return err == nil, err
		}
	}
}

// diskOf returns what a file occupies. stat counts in units of 512 bytes whatever the size of a block is.
func diskOf(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512
	}
	return roundUp(info.Size())
}

// ignoreUnsupported takes a folder that cannot be synced (some network and FUSE file systems) as one that need not be.
func ignoreUnsupported(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// passing tells of errors that say nothing about the file.
func passing(err error) bool {
	for _, e := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
