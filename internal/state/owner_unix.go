// SPDX-License-Identifier: Apache-2.0

//go:build unix

package state

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Adopt gives an open file or folder to the owner of the folder that it is in, when root has made it in somebody else's: `sudo s3cam camera
// add` in the directory of a service must not leave what the service cannot read. What has another owner than root already, or a
// second name (which somebody may have put there to be given it), stays as it is. For other users than root it does nothing.
func Adopt(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	folder, err := os.Stat(filepath.Dir(filepath.Clean(f.Name())))
	if err != nil {
		return err
	}
	own, ok := info.Sys().(*syscall.Stat_t)
	to, too := folder.Sys().(*syscall.Stat_t)
	if !ok || !too || own.Uid != 0 || to.Uid == 0 || !info.IsDir() && !ours(info) {
		return nil
	}
	if err := f.Chown(int(to.Uid), int(to.Gid)); err != nil {
		return fmt.Errorf("give %s to the owner of its folder: %w", f.Name(), err)
	}
	return nil
}

// ours tells whether a file is a plain one with one name: of another somebody may have put the name there.
func ours(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 1 && info.Mode().IsRegular()
}

// MkdirAll is os.MkdirAll with mode 0700; what it makes belongs to the owner of the folder that was there.
func MkdirAll(dir string) error {
	var made []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); err == nil || d == filepath.Dir(d) {
			break
		}
		made = append(made, d)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for i := len(made) - 1; i >= 0; i-- {
		f, err := os.OpenFile(made[i], os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
		if err != nil {
			return &fs.PathError{Op: "mkdir", Path: made[i], Err: err}
		}
		err = Adopt(f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// createAnew makes a file, in the place of what a crash left behind under its name.
func createAnew(name string) (*os.File, error) {
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := Adopt(f); err != nil {
		f.Close()
		os.Remove(name)
		return nil, err
	}
	return f, nil
}
