// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/s3cam/s3cam/uploader"
)

const (
	// MaxItems bounds the number of segments in a spool: 13 hours of 3 s. More leave as if the disk were full.
	MaxItems = 16384

	block  = 4096 // what a file is taken to occupy in multiples of, and once more for its entry in the folder
	suffix = ".seg"
	temp   = "new.tmp"
)

// Config says where a spool is and how large it may become.
type Config struct {
	Dir      string // made if missing; its parent must be there
	MaxBytes int64
	Logger   *slog.Logger // nil discards
}

// Spool is a folder of segments. It is safe for use by several goroutines; another process that opens the same folder gets an error.
type Spool struct {
	cfg  Config
	fs   fileSystem
	log  *slog.Logger
	lock io.Closer

	mu     sync.Mutex
	files  []entry // oldest first
	next   uint64  // sequence number of the next file
	disk   int64   // bytes of blocks
	data   int64   // bytes of segments
	oldest *uploader.SpoolItem
}

type entry struct {
	seq  uint64
	size int // of the segment
	disk int64
}

// New opens the spool in cfg.Dir, and makes the folder if there is none. What a crash has left behind is cleared away: files that were being
// written, and files that are damaged, which is logged.
func New(cfg Config) (*Spool, error) {
	if cfg.Dir == "" || cfg.MaxBytes < 1 {
		return nil, errors.New("spool: folder and size must be given")
	}
	lock, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s, err := open(cfg, folder(cfg.Dir))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// open reads what is there.
func open(cfg Config, f fileSystem) (*Spool, error) {
	s := &Spool{cfg: cfg, fs: f, log: cfg.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	names, err := f.list()
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	damaged := 0
	for _, name := range names {
		if name == temp {
			if err := f.remove(name); err != nil {
				return nil, fmt.Errorf("spool: %w", err)
			}
			continue
		}
		seq, ok := sequence(name)
		if !ok {
			continue // not ours
		}
		s.next = max(s.next, seq+1)
		it, file, err := s.head(seq)
		if err != nil {
			damaged++
			s.log.Warn("spool: a damaged file is removed", "file", name, "bytes", file, "error", err)
			if err := f.remove(name); err != nil {
				return nil, fmt.Errorf("spool: %w", err)
			}
			continue
		}
		s.add(entry{seq, it.Size, blocks(file)})
	}
	slices.SortFunc(s.files, func(a, b entry) int {
		if a.seq < b.seq {
			return -1
		}
		return 1
	})
	if len(s.files) > 0 || damaged > 0 {
		s.log.Info("spool: found", "segments", len(s.files), "bytes", s.data, "damaged", damaged)
	}
	return s, nil
}

func (s *Spool) add(e entry) {
	s.files = append(s.files, e)
	s.disk += e.disk
	s.data += int64(e.size)
}

func name(seq uint64) string { return fmt.Sprintf("%016x", seq) + suffix }

func sequence(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil && n < 1<<63 && digits == fmt.Sprintf("%016x", n)
}

// blocks is what a file of n bytes occupies.
func blocks(n int64) int64 { return (n+block-1)/block*block + block }

// head reads and checks the header of a file, and that it has the length that it should.
func (s *Spool) head(seq uint64) (it uploader.SpoolItem, size int64, err error) {
	f, size, err := s.fs.open(name(seq))
	if err != nil {
		return it, 0, err
	}
	defer f.Close()
	b := make([]byte, min(size, maxHeader))
	if _, err := f.ReadAt(b, 0); err != nil {
		return it, size, err
	}
	it, n, err := parseHeader(b)
	if err == nil && size != int64(n+it.Size) {
		err = fmt.Errorf("it has %d bytes instead of %d", size, n+it.Size)
	}
	return it, size, err
}

// Put implements uploader.Spool.
func (s *Spool) Put(it uploader.SpoolItem, parts [2][]byte) (out []uploader.SpoolItem, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head, err := appendHeader(nil, &it)
	if err != nil {
		return nil, err
	}
	if len(parts[0])+len(parts[1]) != it.Size {
		return nil, errors.New("spool: the parts do not make up the size")
	}
	need := blocks(int64(len(head) + it.Size))
	if need > s.cfg.MaxBytes {
		return nil, fmt.Errorf("spool: a segment of %d bytes does not fit into %d", it.Size, s.cfg.MaxBytes)
	}
	for len(s.files) > 0 && (s.disk+need > s.cfg.MaxBytes || len(s.files) >= MaxItems) {
		out = append(out, s.evict())
	}
	for freed := int64(0); ; {
		err = s.write(head, parts)
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) || freed >= need || len(s.files) == 0 {
			break
		}
		freed += s.files[0].disk // the disk is fuller than we may make it: others use it too
		out = append(out, s.evict())
	}
	if err != nil {
		return out, fmt.Errorf("spool: %w", err)
	}
	s.add(entry{s.next, it.Size, need})
	s.next++
	return out, nil
}

// write makes the file of the next item, durably.
func (s *Spool) write(head []byte, parts [2][]byte) (err error) {
	f, err := s.fs.create(temp)
	if errors.Is(err, fs.ErrExist) { // a failed try could not remove it
		if err = s.fs.remove(temp); err == nil {
			f, err = s.fs.create(temp)
		}
	}
	if err != nil {
		return err
	}
	for _, b := range [...][]byte{head, parts[0], parts[1]} {
		if err == nil && len(b) > 0 {
			_, err = f.Write(b)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	final := name(s.next)
	if err == nil {
		err = s.fs.rename(temp, final)
	}
	if err != nil {
		_ = s.fs.remove(temp)
		return err
	}
	if err := s.fs.sync(); err != nil {
		// Whether it is there after a power cut is not known. It must not come back as a second copy of what is reported as failed.
		_ = s.fs.remove(final)
		s.next++
		return err
	}
	return nil
}

// evict removes the oldest item and returns it.
func (s *Spool) evict() uploader.SpoolItem {
	it, err := s.first()
	if err != nil {
		it = uploader.SpoolItem{Size: s.files[0].size}
	}
	if err := s.fs.remove(name(s.files[0].seq)); err != nil {
		s.log.Warn("spool: a file cannot be removed", "file", name(s.files[0].seq), "error", err)
	}
	s.drop(0)
	return it
}

// drop forgets item i.
func (s *Spool) drop(i int) {
	s.disk -= s.files[i].disk
	s.data -= int64(s.files[i].size)
	s.files = slices.Delete(s.files, i, i+1)
	if i == 0 {
		s.oldest = nil
	}
}

// first returns the oldest item, whose header is kept.
func (s *Spool) first() (uploader.SpoolItem, error) {
	if s.oldest == nil {
		it, _, err := s.head(s.files[0].seq)
		if err != nil {
			return it, err
		}
		s.oldest = &it
	}
	return *s.oldest, nil
}

// Oldest implements uploader.Spool. A file that has become unreadable is returned with its size alone; Read then says that it is corrupt.
func (s *Spool) Oldest() (uploader.SpoolItem, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) == 0 {
		return uploader.SpoolItem{}, false
	}
	it, err := s.first()
	if err != nil {
		it = uploader.SpoolItem{Size: s.files[0].size}
		s.oldest = &it
	}
	return it, true
}

// find returns the index of an item, -1 if it is not there.
func (s *Spool) find(it *uploader.SpoolItem) int {
	for i := range s.files {
		var have uploader.SpoolItem
		var err error
		if i == 0 {
			have, err = s.first()
		} else {
			have, _, err = s.head(s.files[i].seq)
		}
		if err == nil && have.Start.Equal(it.Start) {
			have.Start = it.Start
			if have == *it {
				return i
			}
		}
	}
	return -1
}

// Read implements uploader.Spool.
func (s *Spool) Read(it uploader.SpoolItem, dst []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(dst) < it.Size {
		return 0, errors.New("spool: too little room")
	}
	i := s.find(&it)
	if i < 0 {
		return 0, fmt.Errorf("spool: %w: %s is not there", uploader.ErrSpoolCorrupt, it.Key)
	}
	corrupt := func(err error) (int, error) {
		return 0, fmt.Errorf("spool: %w: %s: %w", uploader.ErrSpoolCorrupt, name(s.files[i].seq), err)
	}
	f, size, err := s.fs.open(name(s.files[i].seq))
	if err != nil {
		return corrupt(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(dst[:it.Size], size-int64(it.Size)); err != nil {
		return corrupt(err)
	}
	if crc32.Checksum(dst[:it.Size], table()) != it.CRC32C {
		return corrupt(errors.New("its checksum is wrong"))
	}
	return it.Size, nil
}

// Delete implements uploader.Spool. After a power cut during or soon after it the item may be there again, and is then uploaded once more.
func (s *Spool) Delete(it uploader.SpoolItem) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(&it)
	if i < 0 {
		return fmt.Errorf("spool: delete %s: %w", it.Key, fs.ErrNotExist)
	}
	err := s.fs.remove(name(s.files[i].seq))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		s.drop(i)
		err = s.fs.sync()
	}
	if err != nil {
		return fmt.Errorf("spool: delete %s: %w", it.Key, err)
	}
	return nil
}

// Usage implements uploader.Spool: bytes are those of the segments.
func (s *Spool) Usage() (items int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files), s.data
}

// Close lets others use the folder.
func (s *Spool) Close() error { return s.lock.Close() }
