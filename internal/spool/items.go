// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"

	"github.com/s3cam/s3cam/uploader"
)

// Put implements uploader.Spool. When it returns nil the segment survives a power cut. The oldest segments leave so that the cap holds, and
// also when the disk is full although the cap is not reached; then there is one more try. parts are not kept.
func (s *Spool) Put(it uploader.SpoolItem, parts [2][]byte) (out []uploader.SpoolItem, err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.op.Unlock()
	if len(parts[0])+len(parts[1]) != it.Size {
		return nil, fmt.Errorf("spool: %s: %d bytes are there, %d announced", it.Key, len(parts[0])+len(parts[1]), it.Size)
	}
	if s.next == math.MaxUint64 {
		return nil, errors.New("spool: no number is left for another file")
	}
	head, err := appendHeader(s.header[:0], &it)
	if err != nil {
		return nil, fmt.Errorf("spool: %.100q: %w", it.Key, err)
	}
	s.header = head

	need := roundUp(int64(len(head)) + int64(it.Size))
	// The file system may need more blocks than expected: for this the last word is after writing.
	room := func(need int64) error {
		if need > s.cfg.MaxBytes {
			return fmt.Errorf("a segment that occupies %d bytes does not fit into a spool of %d", need, s.cfg.MaxBytes)
		}
		for len(s.files) > 0 && (s.stats.Disk+need > s.cfg.MaxBytes || len(s.files) >= s.cfg.MaxItems) {
			old, err := s.evict()
			if err != nil {
				return err
			}
			out = append(out, old)
		}
		return nil
	}
	if err = room(need); err == nil {
		err = s.store(head, &it, parts, room)
	}
	if noRoom(err) && len(s.files) > 0 {
		for before := s.stats.Disk; len(s.files) > 0 && before-s.stats.Disk < need; {
			old, everr := s.evict()
			if everr != nil {
				return out, fmt.Errorf("spool: %w", errors.Join(err, everr))
			}
			out = append(out, old)
		}
		err = s.store(head, &it, parts, room)
	}
	if noRoom(err) {
		return out, fmt.Errorf("spool: the disk is full, with %d segments of the spool left on it: %w", len(s.files), err)
	}
	if err != nil {
		return out, fmt.Errorf("spool: %w", err)
	}
	return out, nil
}

// store makes the file of an item, durably, and takes it into the list.
func (s *Spool) store(head []byte, it *uploader.SpoolItem, parts [2][]byte, room func(int64) error) error {
	var disk int64
	err := s.write(head, parts, func(n int64) error {
		disk = n
		return room(n)
	})
	if err == nil {
		err = s.fs.rename(temp, name(s.next))
	}
	if err != nil {
		_ = s.fs.remove(temp) // else the next try or start does it
		return err
	}
	seq := s.next
	s.next++
	if err := s.fs.sync(); err != nil {
		// Whether a power cut would spare it is not known, and the caller keeps it.
		if rerr := s.fs.remove(name(seq)); rerr != nil {
			s.log.Warn("spool: a file cannot be removed; its segment may be stored twice", "file", name(seq), "error", rerr)
		}
		return err
	}
	s.add(entry{seq, uint32(it.Size), it.CRC32C, blocksOf(disk)})
	return nil
}

// write makes the temporary file durable. accept, if not nil, is told what it occupies and may refuse that.
func (s *Spool) write(head []byte, parts [2][]byte, accept func(disk int64) error) (err error) {
	f, err := s.fs.create(temp)
	if errors.Is(err, fs.ErrExist) { // an earlier try could not remove it
		if err = s.fs.remove(temp); err == nil {
			f, err = s.fs.create(temp)
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	for _, b := range [...][]byte{head, parts[0], parts[1]} {
		if len(b) == 0 {
			continue
		}
		if n, err := f.Write(b); err != nil {
			return err
		} else if n < len(b) {
			return io.ErrShortWrite
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if accept == nil {
		return nil
	}
	_, disk, err := f.stat()
	if err != nil {
		return err
	}
	return accept(disk)
}

// evict removes the oldest item and returns it; with an error it is still there.
func (s *Spool) evict() (uploader.SpoolItem, error) {
	it, err := s.first()
	if passing(err) {
		return it, err
	}
	if err := s.discard(name(s.files[0].seq)); err != nil {
		return it, err
	}
	s.forget(0)
	return it, nil
}

// first returns the oldest item, whose header is kept in memory. Of a file that cannot be read only the size is known.
func (s *Spool) first() (uploader.SpoolItem, error) {
	if s.oldest == nil {
		it, _, err := s.head(s.files[0].seq)
		if passing(err) {
			return uploader.SpoolItem{}, err
		}
		if err != nil {
			s.log.Warn("spool: a segment cannot be read", "file", name(s.files[0].seq), "error", err)
			it = uploader.SpoolItem{Size: int(s.files[0].size), CRC32C: s.files[0].crc}
		}
		s.oldest = &it
	}
	return *s.oldest, nil
}

// Oldest implements uploader.Spool. Of a file that has become unreadable the size alone is returned, without a key; Read then says that it is
// corrupt, and Delete removes it.
func (s *Spool) Oldest() (uploader.SpoolItem, bool) {
	if s.enter() != nil {
		return uploader.SpoolItem{}, false
	}
	defer s.op.Unlock()
	if len(s.files) == 0 {
		return uploader.SpoolItem{}, false
	}
	it, err := s.first()
	return it, err == nil
}

// index returns where an item is in the list, -1 if it is not there, or a passing error that hides whether it is.
func (s *Spool) index(it *uploader.SpoolItem) (int, error) {
	for i, e := range s.files {
		if int64(e.size) != int64(it.Size) || e.crc != it.CRC32C { // hardly ever equal by chance
			continue
		}
		var have uploader.SpoolItem
		var err error
		if i == 0 {
			have, err = s.first()
		} else {
			have, _, err = s.head(e.seq)
		}
		if passing(err) {
			return -1, err
		}
		if err == nil && have.Start.Equal(it.Start) {
			if have.Start = it.Start; have == *it {
				return i, nil
			}
		}
	}
	return -1, nil
}

// Read implements uploader.Spool: the first it.Size bytes of dst become the segment. No other memory is needed for it.
func (s *Spool) Read(it uploader.SpoolItem, dst []byte) (int, error) {
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.op.Unlock()
	if it.Size < 0 || len(dst) < it.Size {
		return 0, fmt.Errorf("spool: %s: room for %d bytes, %d are needed: %w", it.Key, len(dst), it.Size, io.ErrShortBuffer)
	}
	i, err := s.index(&it)
	if err != nil {
		return 0, fmt.Errorf("spool: %s: %w", it.Key, err)
	}
	if i < 0 {
		return 0, fmt.Errorf("spool: %w: %s is not there", uploader.ErrSpoolCorrupt, it.Key)
	}
	if err := s.readData(s.files[i].seq, &it, dst[:it.Size]); err != nil {
		if !passing(err) {
			err = fmt.Errorf("%w: %w", uploader.ErrSpoolCorrupt, err)
		}
		return 0, fmt.Errorf("spool: %s: %w", name(s.files[i].seq), err)
	}
	return it.Size, nil
}

func (s *Spool) readData(seq uint64, it *uploader.SpoolItem, dst []byte) error {
	f, err := s.fs.open(name(seq))
	if err != nil {
		return err
	}
	defer f.Close()
	size, _, err := f.stat()
	if err != nil {
		return err
	}
	head := int64(fixedBytes + len(it.Key) + len(it.Tags))
	if size != head+int64(it.Size) {
		return errTruncated
	}
	if n, err := f.ReadAt(dst, head); n < len(dst) {
		return err
	}
	if crc32.Checksum(dst, castagnoli()) != it.CRC32C {
		return errChecksum
	}
	return nil
}

// Delete implements uploader.Spool. An item that is not there is deleted. After a power cut during Delete it may be there again, and is then
// uploaded once more.
func (s *Spool) Delete(it uploader.SpoolItem) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.op.Unlock()
	i, err := s.index(&it)
	if err != nil {
		return fmt.Errorf("spool: delete %s: %w", it.Key, err)
	}
	if i < 0 {
		return nil
	}
	file := name(s.files[i].seq)
	if err := s.fs.remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("spool: delete %s: %w", it.Key, err)
	}
	s.forget(i)
	if err := s.fs.sync(); err != nil {
		s.log.Warn("spool: after a power cut a deleted segment may be there again", "file", file, "error", err)
	}
	return nil
}
