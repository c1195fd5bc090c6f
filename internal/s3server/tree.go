// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const direntBytes = 16 << 10 // about 400 names at a time

// walker lists a directory tree in the order of S3 keys. A directory d sorts as "d/", so that "a-b" comes before "a/x" and that
// before "a0": '-' < '/' < '0'. It keeps one directory's names per level, in buffers that are used again.
type walker struct {
	ctx    context.Context
	root   string
	prefix string
	after  string
	sizes  bool // look sizes up; otherwise 0 is reported
	yield  func(key []byte, size int64) bool

	key    []byte // key of the entry at hand, directories with their slash
	levels []*level
	depth  int
	dirent []byte
}

// level is one directory's names, each ending in '/' when it is a directory itself.
type level struct {
	arena   []byte
	entries []entry
}

type entry struct{ from, to int }

func (l *level) name(e entry) []byte { return l.arena[e.from:e.to] }

func (w *walker) list() error {
	start, ok := folderOf(w.prefix)
	if !ok {
		return nil // no stored key begins so
	}
	dir, err := openFolder(filepath.Join(w.root, start))
	if err != nil {
		return notFoundIsEmpty(err)
	}
	w.key = append(w.key, start...)
	_, err = w.walk(dir)
	return err
}

// folderOf returns the part of a prefix up to its last slash: the folder that all keys with the prefix are in. It reports
// false when no key can be in it, which also keeps ".." from leaving the bucket.
func folderOf(prefix string) (string, bool) {
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 {
		return "", true
	}
	clean, err := cleanKey(prefix[:i])
	return prefix[:i+1], err == nil && clean == prefix[:i]
}

func notFoundIsEmpty(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// walk reports the objects below dir, whose key is w.key, and closes it; false ends the listing. w.key is the same on return.
func (w *walker) walk(dir folder) (bool, error) {
	defer dir.close()
	if err := w.ctx.Err(); err != nil {
		return false, err
	}
	lv, err := w.enter(dir)
	if err != nil {
		return false, err
	}
	defer w.leave()
	n := len(w.key)
	defer func() { w.key = w.key[:n] }()
	for _, e := range lv.entries {
		name := lv.name(e)
		w.key = append(w.key[:n], name...)
		if name[len(name)-1] != '/' {
			if string(w.key) > w.after && w.inPrefix() && !w.report(dir, name) {
				return false, nil
			}
			continue
		}
		if !w.mayHold() {
			continue
		}
		sub, err := dir.open(name)
		if err != nil {
			if notFoundIsEmpty(err) == nil {
				continue // just deleted
			}
			return false, err
		}
		if more, err := w.walk(sub); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (w *walker) report(dir folder, name []byte) bool {
	if !w.sizes {
		return w.yield(w.key, 0)
	}
	size, ok := dir.size(name)
	return !ok || w.yield(w.key, size)
}

func (w *walker) inPrefix() bool {
	return len(w.key) >= len(w.prefix) && string(w.key[:len(w.prefix)]) == w.prefix
}

// mayHold reports whether the folder w.key can hold keys that are to be reported.
func (w *walker) mayHold() bool {
	if !w.inPrefix() && !strings.HasPrefix(w.prefix, string(w.key)) {
		return false
	}
	return string(w.key) > w.after || strings.HasPrefix(w.after, string(w.key))
}

// enter reads the names of a directory into the next level's buffers, sorted as keys.
func (w *walker) enter(dir folder) (*level, error) {
	if w.depth == len(w.levels) {
		w.levels = append(w.levels, new(level))
	}
	lv := w.levels[w.depth]
	lv.arena, lv.entries = lv.arena[:0], lv.entries[:0]
	err := dir.names(w.scratch(), func(name []byte, isDir bool) {
		if name[0] == '.' && reserved(string(name)) {
			return
		}
		from := len(lv.arena)
		lv.arena = append(lv.arena, name...)
		if isDir {
			lv.arena = append(lv.arena, '/')
		}
		lv.entries = append(lv.entries, entry{from, len(lv.arena)})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(lv.entries, func(a, b entry) int { return bytes.Compare(lv.name(a), lv.name(b)) })
	w.depth++
	return lv, nil
}

func (w *walker) leave() { w.depth-- }

func (w *walker) scratch() []byte {
	if w.dirent == nil {
		w.dirent = make([]byte, direntBytes)
	}
	return w.dirent
}

// folders reports the directories in the prefix's folder whose name continues the prefix.
func (w *walker) folders(yield func(string) bool) error {
	start, ok := folderOf(w.prefix)
	if !ok {
		return nil
	}
	dir, err := openFolder(filepath.Join(w.root, start))
	if err != nil {
		return notFoundIsEmpty(err)
	}
	defer dir.close()
	lv, err := w.enter(dir)
	if err != nil {
		return err
	}
	rest := w.prefix[len(start):]
	for _, e := range lv.entries {
		name := string(lv.name(e))
		if name[len(name)-1] != '/' || !strings.HasPrefix(name, rest) {
			continue
		}
		some, err := w.holdsObject(dir, name)
		if err != nil {
			return err
		}
		if some && !yield(name[len(rest):len(name)-1]) {
			return nil
		}
	}
	return nil
}

// holdsObject reports whether there is an object anywhere below a sub-directory. In a bucket that only PUTs have filled, the
// first path downwards ends at one.
func (w *walker) holdsObject(parent folder, name string) (bool, error) {
	if err := w.ctx.Err(); err != nil {
		return false, err
	}
	dir, err := parent.open([]byte(name))
	if err != nil {
		return false, notFoundIsEmpty(err)
	}
	defer dir.close()
	var folders []string
	found := false
	err = dir.names(w.scratch(), func(name []byte, isDir bool) {
		switch {
		case found || name[0] == '.' && reserved(string(name)):
		case isDir:
			folders = append(folders, string(name))
		default:
			found = true
		}
	})
	if err != nil || found {
		return found, err
	}
	for _, f := range folders {
		if found, err := w.holdsObject(dir, f); found || err != nil {
			return found, err
		}
	}
	return false, nil
}
