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

// fileSystem is what a spool needs of its folder. Names are those of files in it. Tests put another one in its place, which dies at a
// certain call, is full, or forgets what was not synced.
type fileSystem interface {
	list(each func(name string) error) error // in no order; each may remove
	create(name string) (file, error)        // for writing; the name must be free
	open(name string) (file, error)          // for reading
	rename(from, to string) error
	remove(name string) error
	sync() error // the folder itself: which names it has survives a power cut
	close() error
}

type file interface {
	io.Writer
	io.ReaderAt
	Sync() error
	stat() (size, disk int64, err error) // bytes of the file, and of the blocks that it occupies
	Close() error
}

// errNoFile is what is wrong with a folder, link or device under the name of a file.
var errNoFile = errors.New("it is not a regular file")

// folder is a fileSystem on disk. Its descriptor carries the lock and is the one to sync.
type folder struct {
	path string
	f    *os.File
}

// openFolder makes the folder if it is missing (its parent must be there, else the flash may not be mounted) and takes it for this process
// until it is closed.
func openFolder(path string) (d *folder, locked bool, err error) {
	path = filepath.Clean(path) // a slash at its end would make it its own parent
	parent := filepath.Dir(path)
	switch err := os.Mkdir(path, 0o700); {
	case err == nil:
		if err := syncFolder(parent); err != nil {
			_ = os.Remove(path) // else the next start takes it for one that is
			return nil, false, fmt.Errorf("the new folder %s is not on disk: %w", path, err)
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, fmt.Errorf("the folder %s for spools is missing: make it, or mount the flash that it should be on", parent)
	case !errors.Is(err, fs.ErrExist):
		return nil, false, fmt.Errorf("the folder for the spool cannot be made: %w", err)
	default: // the start that made it may have been killed before this; a parent that cannot be read is one that others have made
		_ = syncFolder(parent)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}
	if !info.IsDir() {
		return nil, false, fmt.Errorf("%s is a file, not a folder", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("the folder of the spool cannot be read: %w", err)
	}
	if locked, err = lock(f); err != nil {
		return nil, false, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return &folder{path, f}, locked, nil
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(ignoreUnsupported(f.Sync()), f.Close())
}

func (d *folder) join(name string) string { return d.path + string(filepath.Separator) + name }

// list reads the folder in pieces: it may be large.
func (d *folder) list(each func(name string) error) error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		names, err := f.Readdirnames(256)
		for _, name := range names {
			if err := each(name); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d *folder) create(name string) (file, error) {
	f, err := os.OpenFile(d.join(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// open does not follow links and does not wait for the other end of a pipe.
func (d *folder) open(name string) (file, error) {
	f, err := os.OpenFile(d.join(name), os.O_RDONLY|openFlags, 0)
	if err != nil {
		if isLink(err) {
			err = errNoFile
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoFile
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return diskFile{f}, nil
}

func (d *folder) rename(from, to string) error { return os.Rename(d.join(from), d.join(to)) }

func (d *folder) remove(name string) error { return os.Remove(d.join(name)) }

func (d *folder) sync() error { return ignoreUnsupported(d.f.Sync()) }

func (d *folder) close() error { return d.f.Close() }

type diskFile struct{ *os.File }

func (f diskFile) stat() (size, disk int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	return info.Size(), diskOf(info), nil
}
