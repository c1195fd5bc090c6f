// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// DeleteKeys removes objects and the folders that are empty without them, and returns how many objects there were to remove.
// Keys that do not exist are passed over. It is made for many neighbours in order: their folder is opened once. A PUT into the
// very folder that is being removed makes it again or, seldom, is answered 500 and stored when the client repeats it. Deletes
// are not synced: after a power cut an object may be back.
//
// It stops at the first error, and when ctx ends; keys[:done] have been seen to.
func (b *Bucket) DeleteKeys(ctx context.Context, keys []string) (removed, done int, err error) {
	d := remover{root: b.dir}
	defer func() {
		if cerr := d.leave(); err == nil && cerr != nil {
			err = fmt.Errorf("delete in %s: %w", b.name, cerr)
		}
	}()
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return removed, done, err
		}
		was, err := d.remove(key)
		if err != nil {
			return removed, done, fmt.Errorf("delete %s/%s: %w", b.name, key, err)
		}
		if was {
			removed++
		}
		done++
	}
	return removed, done, nil
}

// remover removes the objects of one folder after the other.
type remover struct {
	root  string
	path  string // of the folder at hand below root, "" for none
	dir   folder
	open  bool
	empty bool // something was removed, so the folder may be empty now
}

func (d *remover) remove(key string) (bool, error) {
	clean, err := cleanKey(key)
	if err != nil || clean != key {
		return false, nil // never stored under this name
	}
	path, name := filepath.Split(key)
	if !d.open || path != d.path {
		if err := d.leave(); err != nil {
			return false, err
		}
		if err := d.enter(path); err != nil {
			return false, notFoundIsEmpty(err)
		}
	}
	if _, regular := d.dir.size([]byte(name)); !regular {
		return false, nil
	}
	if err := d.dir.remove(name, false); err != nil {
		return false, notFoundIsEmpty(err)
	}
	d.empty = true
	return true, nil
}

// enter opens a folder level by level, so that no link on the way is followed.
func (d *remover) enter(path string) error {
	switch err := checkParents(d.root, path); {
	case errors.Is(err, errLinked):
		return fs.ErrNotExist
	case err != nil:
		return err
	}
	dir, err := openFolder(d.root)
	if err != nil {
		return err
	}
	for elem := range strings.SplitSeq(strings.TrimSuffix(path, "/"), "/") {
		if elem == "" {
			continue
		}
		sub, err := dir.open([]byte(elem)) // with a slash behind it a link would be followed
		dir.close()
		if err != nil {
			return err
		}
		dir = sub
	}
	d.dir, d.path, d.open, d.empty = dir, path, true, false
	return nil
}

// leave closes the folder and removes it, and those above it, if nothing is left in them.
func (d *remover) leave() error {
	if !d.open {
		return nil
	}
	d.dir.close()
	d.open = false
	if !d.empty {
		return nil
	}
	for path := strings.TrimSuffix(d.path, "/"); path != ""; {
		parent, name := filepath.Split(path)
		up := remover{root: d.root}
		if err := up.enter(parent); err != nil {
			return notFoundIsEmpty(err)
		}
		err := up.dir.remove(name, true)
		up.dir.close()
		if err != nil {
			return notEmptyIsFine(err)
		}
		path = strings.TrimSuffix(parent, "/")
	}
	return nil
}

func notEmptyIsFine(err error) error {
	if errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		return nil
	}
	return notFoundIsEmpty(err)
}

// RemoveEmptyFolders removes the folders below prefix (which ends in '/') that hold no object and lie behind the key startAfter,
// in order, until it meets the first object behind startAfter, and returns how many. It clears what a crash between
// an object's removal and its folder's has left.
func (b *Bucket) RemoveEmptyFolders(ctx context.Context, prefix, startAfter string) (int, error) {
	start, ok := folderOf(prefix)
	if !ok || start == "" || start != prefix {
		return 0, fmt.Errorf("remove empty folders of %s: %q names no folder", b.name, prefix)
	}
	var top remover
	top.root = b.dir
	if err := top.enter(prefix); err != nil {
		return 0, notFoundIsEmpty(err)
	}
	s := sweeper{walker: walker{ctx: ctx, root: b.dir, after: startAfter, key: []byte(prefix)}}
	_, _, err := s.sweep(top.dir)
	if err != nil {
		return s.removed, fmt.Errorf("remove empty folders of %s/%s: %w", b.name, prefix, err)
	}
	return s.removed, nil
}

type sweeper struct {
	walker
	removed int
}

// sweep cleans dir, whose key is s.key, and closes it. more is false when an object behind s.after was met; empty tells that
// nothing is left in dir.
func (s *sweeper) sweep(dir folder) (more, empty bool, err error) {
	defer dir.close()
	if err := s.ctx.Err(); err != nil {
		return false, false, err
	}
	lv, err := s.enter(dir)
	if err != nil {
		return false, false, err
	}
	defer s.leave()
	n := len(s.key)
	defer func() { s.key = s.key[:n] }()
	left := 0
	for _, e := range lv.entries {
		name := string(lv.name(e))
		s.key = append(s.key[:n], name...)
		if !strings.HasSuffix(name, "/") {
			if string(s.key) > s.after {
				return false, false, nil
			}
			left++
			continue
		}
		if string(s.key) < s.after && !strings.HasPrefix(s.after, string(s.key)) {
			left++ // all before startAfter
			continue
		}
		sub, err := dir.open([]byte(name))
		if err != nil {
			if notFoundIsEmpty(err) == nil {
				continue
			}
			return false, false, err
		}
		more, empty, err := s.sweep(sub)
		if err != nil || !more {
			return more, false, err
		}
		if !empty {
			left++
			continue
		}
		switch err := dir.remove(strings.TrimSuffix(name, "/"), true); {
		case err == nil:
			s.removed++
		case notEmptyIsFine(err) == nil:
			left++
		default:
			return false, false, err
		}
	}
	return true, left == 0, nil
}
