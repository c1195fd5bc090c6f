// SPDX-License-Identifier: Apache-2.0

package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Bounds of a file.
const (
	lockSuffix = ".lock"

	MaxBytes    = 16 << 20         // of a file, read or written
	LockTimeout = 10 * time.Second // for which an Update waits for another process
	checkEvery  = time.Second      // for which Get trusts what it knows

	// racy is how old a change must be before time and size are trusted to tell it from a later one: clocks of file systems
	// advance in steps of some milliseconds, on some of two seconds.
	racy = 3 * time.Second
)

// ErrLocked is returned by Update when another process holds the lock for longer than [LockTimeout].
var ErrLocked = errors.New("another process is changing it")

// File is one value of type T, kept as JSON. It is safe for concurrent use, also by several Files of one path and by several
// processes.
type File[T any] struct {
	path       string
	now        func() time.Time
	disposable bool

	mu      sync.Mutex // of what follows
	value   T          // what the file held when it was read last; never changed afterwards
	err     error      // why it could not be read since
	seen    fs.FileInfo
	readAt  time.Time
	checked time.Time
	loaded  bool

	updating sync.Mutex // held by Update
}

// Option changes a File.
type Option func(*options)

type options struct {
	now        func() time.Time
	disposable bool
}

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// Disposable says that the file may be removed to begin anew: without it, one that was written once and is not there is an error.
func Disposable() Option { return func(o *options) { o.disposable = true } }

// Open reads the file at path. A file that never existed is the zero T and is not made before the first Update, nor is its
// folder. The error says that it cannot be read or is no T; fields that T lacks are an error too, since an Update would lose them.
func Open[T any](path string, opts ...Option) (*File[T], error) {
	o := options{now: time.Now}
	for _, opt := range opts {
		opt(&o)
	}
	f := &File[T]{path: path, now: o.now, disposable: o.disposable}
	if _, err := f.Get(); err != nil {
		return nil, err
	}
	return f, nil
}

// Path returns where the value is kept.
func (f *File[T]) Path() string { return f.path }

// Get returns the newest value: an Update through f is seen at once, that of others after a second. The caller must not change
// what the value refers to. With an error the value is the last that could be read: use it only where being out of date is
// better than nothing. A file that was there and is gone is an error too, unless it is [Disposable], which wraps fs.ErrNotExist: an editor
// that renames it, a restored backup that lacks it; holds, limits and people do not end by that. It is known from the lock beside it, so
// also by a process that starts later.
func (f *File[T]) Get() (T, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if since := now.Sub(f.checked); f.loaded && since >= 0 && since < checkEvery {
		return f.value, f.err
	}
	f.checked = now
	f.refresh(now)
	return f.value, f.err
}

// refresh reads the file if it has changed. f.mu is held.
func (f *File[T]) refresh(now time.Time) {
	info, err := os.Stat(f.path)
	if err == nil && f.loaded && f.err == nil && f.same(info) {
		return
	}
	if errors.Is(err, fs.ErrNotExist) {
		f.loaded = true
		if f.err = f.gone(); f.err == nil {
			var none T
			f.value, f.seen = none, nil
		}
		return
	}
	value, info, err := read[T](f.path)
	if err != nil {
		f.err = err
		f.loaded = true
		return
	}
	f.value, f.err, f.seen, f.readAt, f.loaded = value, nil, info, now, true
}

// gone is the error of a file that is not there and was, else nil. f.mu is held.
func (f *File[T]) gone() error {
	if f.disposable {
		return nil
	}
	if f.seen == nil {
		if info, err := os.Lstat(f.path + lockSuffix); err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(written)) {
			return nil
		}
	}
	return fmt.Errorf("state: %s has gone: %w (hint: put it back, from the last backup; to begin without it remove %s%s too)", f.path, fs.ErrNotExist, f.path, lockSuffix)
}

func (f *File[T]) same(info fs.FileInfo) bool {
	return f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() &&
		f.readAt.Sub(f.seen.ModTime()) >= racy
}

// Update changes the value: change gets a copy of its own of the newest value in the file and may alter it at will. Nothing is
// written when it returns an error, which Update returns as it is. When Update returns nil the new value is on disk and will
// survive a power cut. A file that has gone is not begun anew, unless it is [Disposable]. change must not call the methods of f.
func (f *File[T]) Update(change func(*T) error) error {
	f.updating.Lock()
	defer f.updating.Unlock()
	dir := filepath.Dir(f.path)
	if err := MkdirAll(dir); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	lock, err := acquire(f.path + lockSuffix)
	if err != nil {
		return fmt.Errorf("state: lock %s: %w", f.path, err)
	}
	defer lock.Close()
	value, _, err := read[T](f.path)
	if errors.Is(err, fs.ErrNotExist) {
		f.mu.Lock()
		err = f.gone()
		f.mu.Unlock()
	}
	if err != nil {
		return err
	}
	if err := change(&value); err != nil {
		return err
	}
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("state: %s: %w", f.path, err)
	}
	if len(text) >= MaxBytes {
		return fmt.Errorf("state: %s would have %d bytes, at most %d are kept", f.path, len(text), MaxBytes)
	}
	// A value of its own for readers: change may have kept references into the one it got.
	fresh, err := decode[T](text)
	if err != nil {
		return fmt.Errorf("state: %s: the changed value cannot be read back: %w", f.path, err)
	}
	info, err := replace(dir, f.path, append(text, '\n'))
	if info != nil {
		trace(lock)
		f.mu.Lock()
		f.value, f.err, f.seen, f.loaded = fresh, nil, info, true
		f.readAt, f.checked = f.now(), f.now()
		f.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("state: write %s: %w", f.path, err)
	}
	return nil
}

// written is in the lock of a file that has been written.
const written = "The file beside this one has been written. This one stays.\n"

// trace notes in the lock that there is a file beside it. Without, as when the disk is full, one that goes is not missed at the next start.
func trace(lock *os.File) {
	if info, err := lock.Stat(); err == nil && info.Size() == 0 && ours(info) {
		_, _ = lock.WriteString(written)
	}
}

// replace puts text in the place of path. info is not nil once it is there, even when it is not sure to survive a power cut.
func replace(dir, path string, text []byte) (info fs.FileInfo, err error) {
	name := path + ".tmp" // one name, under the lock: what a crash leaves behind goes
	tmp, err := createAnew(name)
	if err != nil {
		return nil, err
	}
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if err == nil {
		info, err = tmp.Stat()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		os.Remove(name)
		return nil, err
	}
	return info, syncDir(dir)
}

func read[T any](path string) (T, fs.FileInfo, error) {
	var none T
	file, err := os.Open(path)
	if err != nil {
		return none, nil, fmt.Errorf("state: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return none, nil, fmt.Errorf("state: %w", err)
	}
	if !info.Mode().IsRegular() {
		return none, nil, fmt.Errorf("state: %s is not a file", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return none, nil, fmt.Errorf("state: read %s: %w", path, err)
	}
	if len(text) > MaxBytes {
		return none, nil, fmt.Errorf("state: %s is larger than %d bytes", path, MaxBytes)
	}
	v, err := decode[T](text)
	if err != nil {
		return none, nil, fmt.Errorf("state: %s: %w (hint: correct the file, or put the last backup in its place)", path, err)
	}
	return v, info, nil
}

// decode reads one JSON value and nothing behind it. The errors show no content: it may be secret.
func decode[T any](text []byte) (T, error) {
	var v, none T
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			return none, fmt.Errorf("not JSON from byte %d on", syntax.Offset)
		case errors.As(err, &kind):
			return none, fmt.Errorf("%s is of the wrong kind", kind.Field)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return none, errors.New("it ends too early")
		}
		return none, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return none, errors.New("something follows the JSON value")
	}
	return v, nil
}
