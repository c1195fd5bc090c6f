// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
)

// errDead is what every call of a machine without power returns.
var errDead = errors.New("no power")

// flash is a fileSystem in memory that knows what would survive a power cut: of a file what was synced, of the folder the names at its last
// sync. What came after may survive or not.
type flash struct {
	names   map[string]*inode
	durable map[string]*inode
	since   []change // to the folder, after its last sync
	removed []string // by remove, in order

	calls, dieAt int   // the call of this number and all later ones fail with errDead; 0: none
	room         int64 // most bytes of blocks; 0: any number
	extra        int64 // blocks of each file beyond its data, in bytes
	fail         func(op, name string) error
	noFileSync   bool // what is broken, to see that the tests would notice
	noFolderSync bool
}

type inode struct {
	data   []byte
	synced int
}

// change gives a name a file, or none, and frees another one.
type change struct {
	name string
	to   *inode
	free string
}

func newFlash() *flash { return &flash{names: map[string]*inode{}, durable: map[string]*inode{}} }

func (f *flash) step(op, name string) error {
	if f.calls++; f.dieAt > 0 && f.calls >= f.dieAt {
		return errDead
	}
	if f.fail != nil {
		return f.fail(op, name)
	}
	return nil
}

func (f *flash) apply(c change) {
	f.since = append(f.since, c)
	applyTo(f.names, c)
}

func applyTo(m map[string]*inode, c change) {
	if c.free != "" {
		delete(m, c.free)
	}
	if c.name != "" {
		m[c.name] = c.to
	}
}

func (f *flash) disk() (n int64) {
	for _, i := range f.names {
		n += roundUp(int64(len(i.data))) + f.extra
	}
	return n
}

func (f *flash) list(each func(string) error) error {
	if err := f.step("list", ""); err != nil {
		return err
	}
	var names []string
	for n := range f.names {
		names = append(names, n)
	}
	slices.Sort(names)
	slices.Reverse(names) // no order is promised
	for _, n := range names {
		if err := each(n); err != nil {
			return err
		}
	}
	return nil
}

func (f *flash) create(name string) (file, error) {
	if err := f.step("create", name); err != nil {
		return nil, err
	}
	if f.names[name] != nil {
		return nil, fs.ErrExist
	}
	i := &inode{}
	f.apply(change{name: name, to: i})
	return &flashFile{f, i, name}, nil
}

func (f *flash) open(name string) (file, error) {
	if err := f.step("open", name); err != nil {
		return nil, err
	}
	i := f.names[name]
	if i == nil {
		return nil, fs.ErrNotExist
	}
	return &flashFile{f, i, name}, nil
}

func (f *flash) rename(from, to string) error {
	if err := f.step("rename", from); err != nil {
		return err
	}
	i := f.names[from]
	if i == nil {
		return fs.ErrNotExist
	}
	f.apply(change{name: to, to: i, free: from})
	return nil
}

func (f *flash) remove(name string) error {
	if err := f.step("remove", name); err != nil {
		return err
	}
	if f.names[name] == nil {
		return fs.ErrNotExist
	}
	f.removed = append(f.removed, name)
	f.apply(change{free: name})
	return nil
}

func (f *flash) sync() error {
	if err := f.step("sync", ""); err != nil || f.noFolderSync {
		return err
	}
	clear(f.durable)
	for n, i := range f.names {
		f.durable[n] = i
	}
	f.since = nil
	return nil
}

func (f *flash) close() error { return nil }

// cut returns what a machine finds after the power has come back: of the changes to the folder since its last sync some, in order (all up to
// one, as a journal has it, or any), and of each file what was synced and some of the rest, or zeros.
func (f *flash) cut(r *rand.Rand) *flash {
	names := map[string]*inode{}
	for n, i := range f.durable {
		names[n] = i
	}
	journal, keep := r.IntN(2) == 0, r.IntN(len(f.since)+1)
	for n, c := range f.since {
		if journal && n < keep || !journal && r.IntN(2) == 0 {
			applyTo(names, c)
		}
	}
	after := newFlash()
	after.extra = f.extra
	for n, i := range names {
		data := slices.Clone(i.data[:i.synced])
		if rest := i.data[i.synced:]; len(rest) > 0 {
			switch k := r.IntN(len(rest) + 1); r.IntN(4) {
			case 0: // nothing of it
			case 1:
				data = append(data, rest...)
			case 2:
				data = append(data, rest[:k]...)
			case 3: // the length was written, not all of the data
				data = append(append(data, rest[:k]...), make([]byte, len(rest)-k)...)
			}
		}
		kept := &inode{data: data, synced: len(data)}
		after.names[n], after.durable[n] = kept, kept
	}
	return after
}

type flashFile struct {
	f    *flash
	i    *inode
	name string
}

// Write counts as two calls: a cut can come in the middle.
func (f *flashFile) Write(b []byte) (int, error) {
	half := len(b) / 2
	for n, part := range [...][]byte{b[:half], b[half:]} {
		if err := f.f.step("write", f.name); err != nil {
			return n * half, err
		}
		if f.f.room > 0 && f.f.disk()+roundUp(int64(len(f.i.data)+len(part)))-roundUp(int64(len(f.i.data))) > f.f.room {
			return n * half, &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
		f.i.data = append(f.i.data, part...)
	}
	return len(b), nil
}

func (f *flashFile) ReadAt(b []byte, at int64) (int, error) {
	if err := f.f.step("read", f.name); err != nil {
		return 0, err
	}
	if at > int64(len(f.i.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.i.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *flashFile) Sync() error {
	if err := f.f.step("fsync", f.name); err != nil || f.f.noFileSync {
		return err
	}
	f.i.synced = len(f.i.data)
	return nil
}

func (f *flashFile) stat() (size, disk int64, err error) {
	if err := f.f.step("stat", f.name); err != nil {
		return 0, 0, err
	}
	return int64(len(f.i.data)), roundUp(int64(len(f.i.data))) + f.f.extra, nil
}

func (f *flashFile) Close() error { return f.f.step("close", f.name) }

// String shows the names, for failing tests.
func (f *flash) String() string {
	var b strings.Builder
	for n, i := range f.names {
		fmt.Fprintf(&b, "%s (%d bytes) ", n, len(i.data))
	}
	return b.String()
}
