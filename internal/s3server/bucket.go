// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MaxReadRange is the most that ReadRange reads at once.
const MaxReadRange = 1 << 20

// ErrNotFound says that there is no such object (or, for a listing, no such bucket). errors.Is works with it and fs.ErrNotExist.
var ErrNotFound = fmt.Errorf("s3server: no such object: %w", fs.ErrNotExist)

// Bucket reads the objects of one bucket in process, straight from the file system: no HTTP, no signature, no copy. What a PUT
// has published is there at once. A Bucket has the listing and reading methods of s3.Client and may be used concurrently,
// also while the Server is not running.
type Bucket struct {
	name string
	dir  string // absolute
}

// OpenBucket opens the bucket of a store's directory without its Server, which may be running in another process: what is read,
// and what DeleteKeys removes, is the same for both. The error says that there is none.
func OpenBucket(dir, name string) (*Bucket, error) {
	if err := CheckBucket(name); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	}
	abs = filepath.Join(abs, name)
	fi, err := os.Lstat(abs)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	case !fi.IsDir():
		return nil, fmt.Errorf("open bucket %s: %s is no directory", name, abs)
	}
	return &Bucket{name: name, dir: abs}, nil
}

// Name returns the bucket's name.
func (b *Bucket) Name() string { return b.name }

// Dir returns the absolute path of the directory that holds the bucket's objects.
func (b *Bucket) Dir() string { return b.dir }

// Open opens an object. The caller closes the file; its Stat gives size and time of storage, and http.ServeContent sends it by
// sendfile. An overwrite does not disturb an open file. The error is ErrNotFound when there is no object of that key.
func (b *Bucket) Open(_ context.Context, key string) (*os.File, error) {
	clean, err := cleanKey(key)
	if err != nil {
		return nil, fmt.Errorf("open object %q: %w", key, ErrNotFound)
	}
	if _, err = lookup(b.dir, clean); err == nil {
		var f *os.File
		if f, err = os.Open(filepath.Join(b.dir, clean)); err == nil {
			return f, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("open object %q: %w", key, ErrNotFound)
	}
	return nil, fmt.Errorf("open object %q: %w", key, err)
}

// ReadRange reads n bytes (at most MaxReadRange) of an object from offset on, fewer when the object ends earlier, none and no
// error when offset is at or behind its end. The slice is the caller's.
func (b *Bucket) ReadRange(ctx context.Context, key string, offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || n > MaxReadRange {
		return nil, fmt.Errorf("read object %q: bad range: offset %d, %d bytes", key, offset, n)
	}
	f, err := b.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, n)
	got, err := f.ReadAt(buf, offset)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read object %q: %w", key, err)
	}
	return buf[:got], nil
}

// List calls yield for every object whose key begins with prefix and is greater than startAfter, in the byte order of keys, until
// yield returns false. key is valid during the call only. The cost follows what is reported: directories that lie before
// startAfter or outside prefix are not read. pageSize has no meaning here and is accepted for the sake of s3.Client's
// signature. An object that is stored or deleted during the listing may or may not be reported.
func (b *Bucket) List(ctx context.Context, prefix, startAfter string, pageSize int, yield func(key []byte, size int64) bool) error {
	w := walker{ctx: ctx, root: b.dir, prefix: prefix, after: startAfter, sizes: true, yield: yield}
	if err := w.list(); err != nil {
		return fmt.Errorf("list %s/%s: %w", b.name, prefix, err)
	}
	return nil
}

// ListKeys is List without sizes, which cost one system call each: two thirds of a long listing.
func (b *Bucket) ListKeys(ctx context.Context, prefix, startAfter string, yield func(key []byte) bool) error {
	w := walker{ctx: ctx, root: b.dir, prefix: prefix, after: startAfter, yield: func(key []byte, _ int64) bool { return yield(key) }}
	if err := w.list(); err != nil {
		return fmt.Errorf("list %s/%s: %w", b.name, prefix, err)
	}
	return nil
}

// ListFolders calls yield for every folder that begins with prefix, up to the next slash, without prefix and slash, in order,
// until yield returns false. Folders without any object below them are not reported.
func (b *Bucket) ListFolders(ctx context.Context, prefix string, yield func(name string) bool) error {
	w := walker{ctx: ctx, root: b.dir, prefix: prefix}
	if err := w.folders(yield); err != nil {
		return fmt.Errorf("list folders %s/%s: %w", b.name, prefix, err)
	}
	return nil
}

// The same on the Server's own bucket.

// Bucket returns the bucket of Config.Bucket.
func (s *Server) Bucket() *Bucket { return s.store }

// Open is Bucket.Open on Config.Bucket.
func (s *Server) Open(ctx context.Context, key string) (*os.File, error) {
	return s.store.Open(ctx, key)
}

// ReadRange is Bucket.ReadRange on Config.Bucket.
func (s *Server) ReadRange(ctx context.Context, key string, offset, n int64) ([]byte, error) {
	return s.store.ReadRange(ctx, key, offset, n)
}

// List is Bucket.List on Config.Bucket.
func (s *Server) List(ctx context.Context, prefix, startAfter string, pageSize int, yield func(key []byte, size int64) bool) error {
	return s.store.List(ctx, prefix, startAfter, pageSize, yield)
}

// ListKeys is Bucket.ListKeys on Config.Bucket.
func (s *Server) ListKeys(ctx context.Context, prefix, startAfter string, yield func(key []byte) bool) error {
	return s.store.ListKeys(ctx, prefix, startAfter, yield)
}

// ListFolders is Bucket.ListFolders on Config.Bucket.
func (s *Server) ListFolders(ctx context.Context, prefix string, yield func(name string) bool) error {
	return s.store.ListFolders(ctx, prefix, yield)
}
