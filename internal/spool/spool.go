// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/s3cam/s3cam/uploader"
)

// MaxItems is the default of Config.MaxItems: 13 hours of segments of 3 s.
const MaxItems = 16384

const (
	// blockBytes is what a file is expected to occupy in multiples of, before the file system has told.
	blockBytes = 4096

	suffix = ".seg"
	temp   = "new.tmp" // the file being written; there is only one
)

// Config says where a spool is and how large it may become.
type Config struct {
	// Dir is the folder of one camera, for nothing else. It is made if missing; its parent must be there.
	Dir string
	// MaxBytes is the most that the files may occupy on disk, in blocks as the file system counts them.
	MaxBytes int64
	MaxItems int          // most files; 0 means MaxItems
	Logger   *slog.Logger // nil discards
}

// Spool is a folder of segments; it implements uploader.Spool. It is safe for use by several goroutines: one call at a time, the others
// wait, also for the flash, except in Usage and Stats. No other process can open the same folder meanwhile.
type Spool struct {
	cfg Config
	fs  fileSystem
	log *slog.Logger

	op      sync.Mutex // held during every call
	scratch []byte     // for headers that are read
	header  []byte     // the one that is written
	oldest  *uploader.SpoolItem
	next    uint64 // sequence number of the next file
	closed  bool

	mu    sync.Mutex // for a moment, to change the following with op held, or to read it
	files []entry    // oldest first
	stats Stats
}

// entry is a file; its name is the sequence number.
type entry struct {
	seq    uint64
	size   uint32 // bytes of the segment
	crc    uint32 // of it
	blocks uint32 // of 512 bytes
}

// Stats says what is in a spool, and what New found.
type Stats struct {
	Items int
	Bytes int64 // of segments
	Disk  int64 // of blocks

	FoundItems     int // whole segments of earlier runs
	FoundTemporary int // files that were being written when the program ended; removed
	FoundDamaged   int // files with a wrong header or length; removed
	FoundForeign   int // files that are not the spool's, or of a newer version of it; left alone and not counted
	FoundSurplus   int // oldest segments beyond MaxItems; removed
}

var _ uploader.Spool = (*Spool)(nil)

func name(seq uint64) string {
	const hex = "0123456789abcdef"
	b := [16 + len(suffix)]byte{16: '.', 's', 'e', 'g'}
	for i := range 16 {
		b[15-i] = hex[seq>>(4*i)&15]
	}
	return string(b[:])
}

// sequence is the reverse of name.
func sequence(s string) (seq uint64, ok bool) {
	digits, ok := strings.CutSuffix(s, suffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 16, 64)
	return seq, err == nil && name(seq) == s
}

func roundUp(n int64) int64 { return (n + blockBytes - 1) / blockBytes * blockBytes }

func blocksOf(disk int64) uint32 { return uint32(min((disk+511)/512, 1<<32-1)) }

// add takes a file into the list, as the newest.
func (s *Spool) add(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, e)
	s.stats.Bytes += int64(e.size)
	s.stats.Disk += int64(e.blocks) * 512
}

// forget takes file i out of the list.
func (s *Spool) forget(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.files[i]
	s.stats.Bytes -= int64(e.size)
	s.stats.Disk -= int64(e.blocks) * 512
	s.files = slices.Delete(s.files, i, i+1)
	if i == 0 {
		s.oldest = nil
	}
}

// Usage implements uploader.Spool. The bytes are those of the segments; Stats tells what they occupy.
func (s *Spool) Usage() (items int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files), s.stats.Bytes
}

// Stats returns the present state. It never waits for the flash.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Items = len(s.files)
	return st
}

// enter begins a call.
func (s *Spool) enter() error {
	s.op.Lock()
	if s.closed {
		s.op.Unlock()
		return fmt.Errorf("spool: %w", fs.ErrClosed)
	}
	return nil
}

// Close lets others use the folder. What is in it stays. Later calls fail.
func (s *Spool) Close() error {
	if err := s.enter(); err != nil {
		return nil
	}
	defer s.op.Unlock()
	s.closed = true
	return s.fs.close()
}
