// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/playback"
)

// Kept is a Memory that also keeps each window in a file, so that a server that is started again after a crash goes on with the
// numbers and durations that viewers have seen. The files are not synced: they survive the process, not a power cut, after which
// windows are made anew as with Memory. One process at a time may use a folder. A Kept may be used concurrently.
type Kept struct {
	*Memory
	dir  string
	seed maphash.Seed
	mu   [64]sync.Mutex // by window, so that files follow one another as versions do

	pruning sync.Mutex
	pruned  time.Time
}

var _ playback.WindowStore = (*Kept)(nil)

// maxKeptBytes bounds a file that is read.
const maxKeptBytes = 64 << 20

// keepFor is how long a file stays after it was last written: numbers of a live window should not go back for a player that was
// paused over the weekend; an EVENT playlist ends with its viewer.
const (
	keepLive  = RetainLive
	keepEvent = 24 * time.Hour
	pruneEach = time.Hour
)

const (
	suffixLive  = ".json"
	suffixEvent = ".event.json"
)

// NewKept opens the folder, which is made when it is missing.
func NewKept(dir string, cfg MemoryConfig) (*Kept, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("live windows: %w", err)
	}
	k := &Kept{Memory: NewMemory(cfg), dir: dir, seed: maphash.MakeSeed()}
	if err := k.begin(); err != nil {
		return nil, fmt.Errorf("live windows: %w", err)
	}
	k.prune()
	return k, nil
}

// epochFile says in which epoch the windows beside it were written.
const epochFile = "epoch"

// begin removes the windows of an earlier epoch: what was written last before a crash of the machine or its disk may be missing, and from an older
// state numbers would go back.
func (k *Kept) begin() error {
	now := epoch(k.dir)
	name := filepath.Join(k.dir, epochFile)
	if was, err := os.ReadFile(name); err == nil && now != "" && string(was) == now {
		return nil
	}
	files, err := os.ReadDir(k.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Type().IsRegular() {
			if err := os.Remove(filepath.Join(k.dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(name, []byte(now), 0o600)
}

// prune removes files that nobody can need any more, once in pruneEach.
func (k *Kept) prune() {
	if !k.pruning.TryLock() {
		return
	}
	defer k.pruning.Unlock()
	now := k.cfg.Now()
	if now.Sub(k.pruned).Abs() < pruneEach {
		return
	}
	k.pruned = now
	files, err := os.ReadDir(k.dir)
	if err != nil {
		return
	}
	for _, f := range files {
		if f.Name() == epochFile {
			continue
		}
		keep := keepLive
		if strings.HasSuffix(f.Name(), suffixEvent) {
			keep = keepEvent
		}
		if fi, err := f.Info(); err == nil && fi.Mode().IsRegular() && now.Sub(fi.ModTime()) > keep {
			os.Remove(filepath.Join(k.dir, f.Name())) // one that stays is only a file too many
		}
	}
}

// Load implements playback.WindowStore.
func (k *Kept) Load(ctx context.Context, id string) (playback.Window, error) {
	w, err := k.Memory.Load(ctx, id)
	if err != nil || w.Version != 0 {
		return w, err
	}
	l := k.lock(id)
	defer l.Unlock()
	if w, err = k.Memory.Load(ctx, id); err != nil || w.Version != 0 { // read by somebody else meanwhile
		return w, err
	}
	if kept, ok := k.read(id); ok {
		k.Memory.restore(kept)
		return kept, nil
	}
	return w, nil
}

// Save implements playback.WindowStore. A disk that takes no files costs only what they are for.
func (k *Kept) Save(ctx context.Context, w playback.Window) error {
	l := k.lock(w.ID)
	defer l.Unlock()
	defer k.prune()
	if err := k.Memory.Save(ctx, w); err != nil {
		return err
	}
	w.Version++
	if err := k.write(&w); err != nil {
		k.cfg.Logger.Warn("live window not kept for the next start", "window", w.ID, "err", err)
		os.Remove(k.path(w.ID)) // rather none than one that viewers are ahead of
	}
	return nil
}

func (k *Kept) lock(id string) *sync.Mutex {
	l := &k.mu[maphash.String(k.seed, id)%uint64(len(k.mu))]
	l.Lock()
	return l
}

// path hashes the id: a camera's prefix has slashes and any length. The id of an EVENT window has a line break.
func (k *Kept) path(id string) string {
	sum := sha256.Sum256([]byte(id))
	suffix := suffixLive
	if strings.Contains(id, "\n") {
		suffix = suffixEvent
	}
	return filepath.Join(k.dir, hex.EncodeToString(sum[:16])+suffix)
}

// read is false when there is nothing, or nothing that can be used: then the window is made anew.
func (k *Kept) read(id string) (w playback.Window, ok bool) {
	fi, err := os.Stat(k.path(id))
	if err == nil && fi.Size() > maxKeptBytes {
		err = fmt.Errorf("%d bytes", fi.Size())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(k.path(id))
	}
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return playback.Window{}, false
	case err == nil && (w.ID != id || w.Version <= 0 || w.MediaSequence < 0 || w.DiscontinuitySequence < 0):
		err = ErrUnreadable
	}
	if err != nil {
		k.cfg.Logger.Warn("kept live window cannot be read; it is made anew", "window", id, "err", err)
		return playback.Window{}, false
	}
	return w, true
}

// inPlace is the most that is written over a file: within a page of memory, which the kernel fills at once, so a process that is
// killed leaves the old text or the new one. A new file for each change costs four times as much and takes inodes, for which polls
// then wait together with the footage.
const inPlace = 4096

// write replaces the text as a whole: a process that is killed leaves the old one or the new one.
func (k *Kept) write(w *playback.Window) error {
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	path := k.path(w.ID)
	if len(text) <= inPlace {
		if ok, err := overwrite(path, text); ok || err != nil {
			return err
		}
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// overwrite puts text in the place of a file's, if there is one of at most inPlace bytes, and line breaks behind it as far as it was longer.
func overwrite(path string, text []byte) (ok bool, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	fi, err := f.Stat()
	if err == nil && fi.Mode().IsRegular() && fi.Size() <= inPlace {
		for int64(len(text)) < fi.Size() {
			text = append(text, '\n')
		}
		_, err = f.WriteAt(text, 0)
		ok = err == nil
	}
	return ok, errors.Join(err, f.Close())
}
