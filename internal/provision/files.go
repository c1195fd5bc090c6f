// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The names of a camera's files.
const (
	keyFile  = "device.key"
	certFile = "device.crt"
	confFile = "agent.conf"
)

// Files are the paths of what was written for a camera.
type Files struct {
	Key         string `json:"key"` // mode 0600
	Certificate string `json:"certificate"`
	Config      string `json:"config"`
}

// files writes a camera's files under other names first: they appear together, or not at all.
type files struct {
	dir     string
	made    bool // the folder was made here
	renew   bool
	written []string
}

const pending, former = ".new", ".old"

// newFiles makes the folder. Files that are there already are an error unless the camera is renewed: then they are kept under
// another name.
func newFiles(o AddOptions) (*files, error) {
	f := &files{dir: o.Dir, renew: o.Renew}
	if _, err := os.Stat(f.dir); errors.Is(err, fs.ErrNotExist) {
		f.made = true
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{keyFile, certFile, confFile} {
		if _, err := os.Lstat(filepath.Join(f.dir, name)); err == nil && !o.Renew {
			return nil, fail(ErrExists, "choose another folder with --out, or move it away", "%s exists already", filepath.Join(f.dir, name))
		}
	}
	return f, nil
}

// write stores a file durably under its name for the time being.
func (f *files) write(name string, content []byte, mode fs.FileMode) error {
	path := filepath.Join(f.dir, name+pending)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	f.written = append(f.written, name)
	_, err = w.Write(content)
	return errors.Join(err, w.Sync(), w.Close())
}

// commit gives the files their names. Those of before stay as *.old.
func (f *files) commit() (Files, error) {
	for _, name := range f.written {
		path := filepath.Join(f.dir, name)
		if f.renew {
			if err := os.Rename(path, path+former); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return Files{}, fmt.Errorf("keep the former file: %w", err)
			}
		}
		if err := os.Rename(path+pending, path); err != nil {
			return Files{}, err
		}
	}
	at := func(name string) string { return filepath.Join(f.dir, name) }
	return Files{at(keyFile), at(certFile), at(confFile)}, nil
}

// discard removes what was written and not committed.
func (f *files) discard() {
	for _, name := range f.written {
		_ = os.Remove(filepath.Join(f.dir, name+pending)) // it may have its name already
	}
	if f.made {
		_ = os.Remove(f.dir) // only when it is empty
	}
}
