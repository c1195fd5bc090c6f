// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

const (
	maxSyncs     = 64   // fsyncs at a time: each blocks an operating system thread
	maxKnownDirs = 8192 // cameras x one minute folder each, with room
)

// syncData puts the bytes of a staged file on disk.
func (g *gateway) syncData(f *os.File) error {
	if g.durability == DurabilityNone {
		return nil
	}
	return g.dirs.limited(f)
}

// syncParents puts the directory entries that lead from the bucket to the key on disk.
func (g *gateway) syncParents(bucketDir, key string) error {
	if g.durability != DurabilityFull {
		return nil
	}
	return g.dirs.sync(bucketDir, key)
}

// dirSyncer syncs directories and remembers which of them are on disk themselves, so that the usual PUT costs one directory
// sync. A directory is remembered by identity (inode and birth time), not by name: one that was deleted and made again is
// new. Whoever made a directory need not be the one who needs it, so every PUT checks, and the first one into a new minute
// folder syncs minute, hour, … until it meets a level that is known. It is safe for concurrent use.
type dirSyncer struct {
	slots chan struct{}
	fsync func(*os.File) error // (*os.File).Sync; tests watch it and make it fail

	mu    sync.Mutex
	known map[string]dirID
}

func newDirSyncer() *dirSyncer {
	return &dirSyncer{slots: make(chan struct{}, maxSyncs), fsync: (*os.File).Sync, known: make(map[string]dirID)}
}

// limited syncs a file or directory when a slot is free.
func (d *dirSyncer) limited(f *os.File) error {
	d.slots <- struct{}{}
	defer func() { <-d.slots }()
	return d.fsync(f)
}

// sync makes the entry of key durable, and the entries of all directories between bucketDir, which is durable, and key.
func (d *dirSyncer) sync(bucketDir, key string) error {
	type level struct {
		dir string
		id  dirID
	}
	var done []level
	for p := key; ; {
		p = filepath.Dir(p)
		dir := filepath.Join(bucketDir, p)
		id, err := d.syncOne(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted again by somebody: nothing is left to keep
		}
		if err != nil {
			return err
		}
		if p == "." || d.isKnown(dir, id) {
			break
		}
		done = append(done, level{dir, id})
	}
	if len(done) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known)+len(done) > maxKnownDirs {
		clear(d.known)
	}
	for _, l := range done {
		if l.id.valid {
			d.known[l.dir] = l.id
		}
	}
	return nil
}

func (d *dirSyncer) isKnown(dir string, id dirID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return id.valid && d.known[dir] == id
}

func (d *dirSyncer) syncOne(dir string) (dirID, error) {
	f, err := os.Open(dir)
	if err != nil {
		return dirID{}, err
	}
	defer f.Close()
	if err := d.limited(f); err != nil {
		return dirID{}, err
	}
	return identify(f), nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
