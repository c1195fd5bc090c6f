// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// disk is a small file system of its own for the server's data: full, or read-only, when the test wants it. Without root it is a folder, and
// neither can be had.
type disk struct {
	dir    string // mount point
	kind   string // "ext4", "tmpfs", "folder"
	source string
}

func newDisk(t testing.TB, megabytes int64) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Log("SKIPPED, NOT TESTED: full and read-only disks, because mounting one needs root")
		return &disk{dir: t.TempDir(), kind: "folder"}
	}
	d := &disk{dir: t.TempDir()}
	image := filepath.Join(t.TempDir(), "disk.img")
	err := os.WriteFile(image, nil, 0o600)
	if err == nil {
		err = os.Truncate(image, megabytes<<20)
	}
	if err == nil {
		_, err = command("mkfs.ext4", "-q", "-m", "0", image)
	}
	var loop string
	if err == nil {
		loop, err = command("losetup", "-f", "--show", image)
	}
	if err == nil {
		t.Cleanup(func() { command("losetup", "-d", loop) })
		d.kind, d.source = "ext4", loop
		err = d.mount()
	}
	if err != nil {
		t.Logf("no ext4 on a loop device (%v); a tmpfs instead", err)
		if err = syscall.Mount("s3cam-test", d.dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
			t.Logf("SKIPPED, NOT TESTED: full and read-only disks, because nothing can be mounted: %v", err)
			return &disk{dir: d.dir, kind: "folder"}
		}
		d.kind, d.source = "tmpfs", "s3cam-test"
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, 0); err != nil {
			syscall.Unmount(d.dir, syscall.MNT_DETACH)
		}
	})
	return d
}

func (d *disk) mounted() bool { return d.kind != "folder" }

// fill leaves so many bytes free, or fewer.
func (d *disk) fill(leave int64) error {
	f, err := os.Create(filepath.Join(d.dir, "ballast"))
	if err != nil {
		return err
	}
	defer f.Close()
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &st); err != nil {
		return err
	}
	size := int64(st.Bavail)*st.Bsize - leave
	for ; size > 4096; size -= size / 16 { // metadata needs some, too
		if err = syscall.Fallocate(int(f.Fd()), 0, 0, size); !errors.Is(err, syscall.ENOSPC) {
			break
		}
	}
	return err
}

// empty takes away what fill has put there.
func (d *disk) empty() error {
	err := os.Remove(filepath.Join(d.dir, "ballast"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// fail is an error that the file system meets, upon which it lets nothing be written any more, as disks that die do (mount option errors=remount-ro).
func (d *disk) fail() error {
	return os.WriteFile("/sys/fs/ext4/"+filepath.Base(d.source)+"/trigger_fs_error", []byte("s3cam test"), 0o200)
}

// repair does what has to be done then, with nobody using it: unmount, check, mount.
func (d *disk) repair() error {
	if err := unmounted(d.dir); err != nil {
		return fmt.Errorf("unmount: %w", err)
	}
	out, err := exec.Command("e2fsck", "-f", "-y", d.source).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 { // it was repaired
		err = nil
	}
	if err != nil {
		return fmt.Errorf("e2fsck: %w: %s", err, out)
	}
	return d.mount()
}

func (d *disk) mount() error {
	return syscall.Mount(d.source, d.dir, "ext4", 0, "errors=remount-ro")
}
