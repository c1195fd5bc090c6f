// SPDX-License-Identifier: Apache-2.0

//go:build unix

package state

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const lockStep = 5 * time.Millisecond

// acquire takes the lock of all processes; closing the file, or the end of the process, frees it. The file is never removed:
// one who waits for it would then hold the lock of a file that others no longer find.
func acquire(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := Adopt(f); err != nil {
		f.Close()
		return nil, err
	}
	for waited := time.Duration(0); ; waited += lockStep {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil, errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS): // some file systems have no locks
			return f, nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, err
		case waited >= LockTimeout:
			f.Close()
			return nil, ErrLocked
		}
		time.Sleep(lockStep) // flock has no time limit of its own
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}
