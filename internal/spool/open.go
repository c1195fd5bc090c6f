// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"

	"github.com/s3cam/s3cam/uploader"
)

// New opens the spool in cfg.Dir and reads the headers of what is there. What a crash has left behind is cleared away, counted in
// Stats and logged: the file that was being written, and files that are damaged. Files that it does not know are left alone.
//
// The error says what to do when the folder cannot be used: its parent is missing, it cannot be written, another process has it. A disk that
// is full is no error, since it may be full of what is in the spool, and what else fills it may go away; it is logged, and Put tells.
func New(cfg Config) (*Spool, error) {
	if cfg.Dir == "" || cfg.MaxBytes < 1 || cfg.MaxItems < 0 {
		return nil, fmt.Errorf("the spool needs a folder and a size: %q, %d bytes, %d files", cfg.Dir, cfg.MaxBytes, cfg.MaxItems)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d, locked, err := openFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if !locked {
		cfg.Logger.Warn("spool: this file system has no locks: no other process may use the folder", "folder", cfg.Dir)
	}
	if info, err := os.Stat(cfg.Dir); err == nil && info.Mode().Perm()&0o007 != 0 {
		cfg.Logger.Warn("spool: every user of this system can enter the folder with footage", "folder", cfg.Dir, "hint", "chmod 700")
	}
	s, err := open(cfg, d)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("folder %s: %w", cfg.Dir, err), d.close())
	}
	return s, nil
}

// open opens a spool on f.
func open(cfg Config, f fileSystem) (*Spool, error) {
	if cfg.MaxItems == 0 {
		cfg.MaxItems = MaxItems
	}
	s := &Spool{cfg: cfg, fs: f, log: cfg.Logger, next: 1}
	if err := f.list(s.find); err != nil {
		return nil, err
	}
	if s.next == math.MaxUint64 {
		return nil, fmt.Errorf("the file %s leaves no number for the next one: remove it", name(math.MaxUint64-1))
	}
	s.sort()
	if err := s.trim(s.cfg.MaxItems); err != nil {
		return nil, err
	}
	s.stats.FoundItems = len(s.files)
	if st := s.stats; st.FoundItems+st.FoundTemporary+st.FoundDamaged+st.FoundForeign+st.FoundSurplus > 0 {
		s.log.Info("spool: opened", "segments", st.FoundItems, "bytes", st.Bytes, "disk", st.Disk, "unfinished", st.FoundTemporary,
			"damaged", st.FoundDamaged, "foreign", st.FoundForeign, "surplus", st.FoundSurplus)
	}
	return s, s.probe()
}

// find looks at one name of the folder.
func (s *Spool) find(name string) error {
	if name == temp {
		s.stats.FoundTemporary++
		return s.discard(name)
	}
	seq, ok := sequence(name)
	if !ok {
		return s.foreign(name, errors.New("it is not the spool's"))
	}
	s.next = max(s.next, seq+1, seq) // seq, when seq+1 is 0
	if seq == math.MaxUint64 {
		return nil
	}
	it, disk, err := s.head(seq)
	switch {
	case err == nil:
		s.add(entry{seq, uint32(it.Size), it.CRC32C, blocksOf(disk)})
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, errNoFile), errors.Is(err, errVersion):
		return s.foreign(name, err)
	case passing(err):
		return err
	case errors.Is(err, errNoHeader), errors.Is(err, errHeader), errors.Is(err, errTruncated):
		s.stats.FoundDamaged++
		s.log.Warn("spool: a damaged file is removed", "file", name, "disk", disk, "error", err)
		return s.discard(name)
	default: // the flash does not give it back now: it is counted as lost when its turn comes and it still does not
		s.log.Warn("spool: a file cannot be read", "file", name, "error", err)
		s.add(entry{seq: seq, blocks: blocksOf(disk)})
	}
	if len(s.files) >= s.cfg.MaxItems+s.cfg.MaxItems/8+16 { // keep memory bounded
		s.sort()
		return s.trim(s.cfg.MaxItems)
	}
	return nil
}

func (s *Spool) foreign(name string, why error) error {
	if s.stats.FoundForeign++; s.stats.FoundForeign <= 3 { // one line is a hint, a thousand fill the log
		s.log.Warn("spool: a file is left alone", "file", name, "reason", why)
	}
	return nil
}

func (s *Spool) discard(name string) error {
	if err := s.fs.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it cannot be cleaned up: %w", err)
	}
	return nil
}

// sort is Shell's: slices.SortFunc would be made for this type once more, 10 KB of flash on mipsle.
func (s *Spool) sort() {
	for gap := len(s.files) / 2; gap > 0; gap /= 2 {
		for i := gap; i < len(s.files); i++ {
			for j := i; j >= gap && s.files[j].seq < s.files[j-gap].seq; j -= gap {
				s.files[j], s.files[j-gap] = s.files[j-gap], s.files[j]
			}
		}
	}
}

// trim removes the oldest files beyond n. Nobody can be told which they were: only a smaller MaxItems than before leads here.
func (s *Spool) trim(n int) error {
	for len(s.files) > n {
		if err := s.discard(name(s.files[0].seq)); err != nil {
			return err
		}
		s.forget(0)
		if s.stats.FoundSurplus++; s.stats.FoundSurplus == 1 {
			s.log.Warn("spool: there are more segments than may be, the oldest are removed", "most", s.cfg.MaxItems)
		}
	}
	return nil
}

// probe tells whether files can be written.
func (s *Spool) probe() error {
	err := s.write(make([]byte, fixedBytes), [2][]byte{}, nil)
	if rerr := s.fs.remove(temp); err == nil {
		err = rerr
	}
	if noRoom(err) {
		s.log.Error("spool: the disk is full", "segments_of_the_spool", len(s.files), "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("it cannot be written: %w", err)
	}
	return nil
}

// head reads and checks the header of a file, and that the file has the length that it should. The item's strings are its own.
func (s *Spool) head(seq uint64) (it uploader.SpoolItem, disk int64, err error) {
	f, err := s.fs.open(name(seq))
	if err != nil {
		return it, 0, err
	}
	defer f.Close()
	size, disk, err := f.stat()
	if err != nil {
		return it, 0, err
	}
	b, err := s.readHead(f, min(size, 512)) // enough for all but long keys and tags
	if err != nil {
		return it, disk, err
	}
	n, err := headerBytes(b)
	if err != nil {
		return it, disk, err
	}
	if n > len(b) {
		if b, err = s.readHead(f, min(size, int64(n))); err != nil {
			return it, disk, err
		}
	}
	if it, n, err = parseHeader(b); err != nil {
		return it, disk, err
	}
	if size != int64(n)+int64(it.Size) {
		return it, disk, fmt.Errorf("%w: %d bytes instead of %d", errTruncated, size, int64(n)+int64(it.Size))
	}
	return it, disk, nil
}

func (s *Spool) readHead(f file, n int64) ([]byte, error) {
	if int64(cap(s.scratch)) < n {
		s.scratch = make([]byte, n)
	}
	b := s.scratch[:n]
	if got, err := f.ReadAt(b, 0); int64(got) < n {
		if err == nil || err == io.EOF { // it has become shorter
			err = errTruncated
		}
		return nil, err
	}
	return b, nil
}
