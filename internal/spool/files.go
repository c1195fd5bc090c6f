// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// fileSystem is what a spool needs of its folder. Tests put one in its place that counts, fails, or forgets what was not synced.
type fileSystem interface {
	list() ([]string, error)
	create(name string) (writer, error) // fails when it is there
	open(name string) (reader, int64, error)
	rename(old, new string) error
	remove(name string) error
	sync() error // the folder: its names survive a power cut
}

type writer interface {
	io.WriteCloser
	Sync() error
}

type reader interface {
	io.ReaderAt
	io.Closer
}

// folder is a fileSystem on disk.
type folder string

func (d folder) path(name string) string { return filepath.Join(string(d), name) }

func (d folder) list() (names []string, err error) {
	f, err := os.Open(string(d))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d folder) create(name string) (writer, error) {
	f, err := os.OpenFile(d.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d folder) open(name string) (reader, int64, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (d folder) rename(old, new string) error { return os.Rename(d.path(old), d.path(new)) }

func (d folder) remove(name string) error { return os.Remove(d.path(name)) }

func (d folder) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

// lockFolder makes the folder if it is missing and takes it for this process, until the result is closed.
func lockFolder(dir string) (io.Closer, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("spool: %s is not there; make it, or mount the flash it should be on", filepath.Dir(dir))
		}
		return nil, fmt.Errorf("spool: %w", err)
	} else if err == nil {
		if err := folder(filepath.Dir(dir)).sync(); err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("spool: %s is in use by another process: %w", dir, err)
	}
	return f, nil
}
