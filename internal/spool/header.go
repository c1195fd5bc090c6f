// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// A file is a header and the bytes of the segment (docs/ref/spool.md). All numbers are little endian.
//
//	 0        8         10       12       16       24       28         32         40       48       52       56     58     60      62  64
//	┌────────┬─────────┬────────┬────────┬────────┬────────┬──────────┬──────────┬────────┬────────┬────────┬──────┬──────┬───────┬───┬─ ─ ┬─ ─ ─┐
//	│s3camspl│ version │ header │ CRC32C │ start  │ start  │ pictures │ duration │ unsure │ segment│ CRC32C │ key  │ tags │ flags │ 0 │key │ tags │
//	│        │ 1       │ bytes  │ of it  │ s      │ ns     │          │ ns       │ run    │ bytes  │ of it  │ bytes│ bytes│       │   │    │      │
//	└────────┴─────────┴────────┴────────┴────────┴────────┴──────────┴──────────┴────────┴────────┴────────┴──────┴──────┴───────┴───┴─ ─ ┴─ ─ ─┘
const (
	magic      = "s3camspl"
	version    = 1
	fixedBytes = 64
	maxKey     = 1024
	maxTags    = 8 << 10 // all header fields of a PUT together may have as many
	maxHeader  = fixedBytes + maxKey + maxTags

	flagMaybe = 1 // the object may be stored already
)

// What is wrong with a file.
var (
	errNoHeader  = errors.New("it does not begin with a header of a spooled segment")
	errHeader    = errors.New("its header is damaged")
	errVersion   = errors.New("it was written by a newer program")
	errTruncated = errors.New("it has another length than its header says")
	errChecksum  = errors.New("its checksum is wrong")
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // built once, by hash/crc32

// appendHeader appends the header of it.
func appendHeader(dst []byte, it *uploader.SpoolItem) ([]byte, error) {
	switch {
	case it.Key == "" || len(it.Key) > maxKey:
		return nil, fmt.Errorf("a key of %d bytes, 1 to %d can be kept", len(it.Key), maxKey)
	case len(it.Tags) > maxTags:
		return nil, fmt.Errorf("tags of %d bytes, at most %d can be kept", len(it.Tags), maxTags)
	case it.Size < 0 || it.Size > uploader.MaxRingBytes || it.Frames < 0 || int64(it.Frames) > 1<<31-1 || it.Duration < 0:
		return nil, fmt.Errorf("impossible figures: %d bytes, %d pictures, %v", it.Size, it.Frames, it.Duration)
	}
	from := len(dst)
	le := binary.LittleEndian
	dst = append(dst, magic...)
	dst = le.AppendUint16(dst, version)
	dst = le.AppendUint16(dst, uint16(fixedBytes+len(it.Key)+len(it.Tags)))
	dst = le.AppendUint32(dst, 0)
	dst = le.AppendUint64(dst, uint64(it.Start.Unix()))
	dst = le.AppendUint32(dst, uint32(it.Start.Nanosecond()))
	dst = le.AppendUint32(dst, uint32(it.Frames))
	dst = le.AppendUint64(dst, uint64(it.Duration))
	dst = le.AppendUint64(dst, it.UnsureRun)
	dst = le.AppendUint32(dst, uint32(it.Size))
	dst = le.AppendUint32(dst, it.CRC32C)
	dst = le.AppendUint16(dst, uint16(len(it.Key)))
	dst = le.AppendUint16(dst, uint16(len(it.Tags)))
	flags := uint16(0)
	if it.Maybe {
		flags = flagMaybe
	}
	dst = le.AppendUint16(dst, flags)
	dst = le.AppendUint16(dst, 0)
	dst = append(dst, it.Key...)
	dst = append(dst, it.Tags...)
	le.PutUint32(dst[from+12:], crc32.Checksum(dst[from:], castagnoli()))
	return dst, nil
}

// headerBytes returns the length of the header that b, its first fixedBytes or more, begins. Only the fixed places of version 1 are
// looked at.
func headerBytes(b []byte) (int, error) {
	if len(b) < fixedBytes || string(b[:len(magic)]) != magic {
		return 0, errNoHeader
	}
	le := binary.LittleEndian
	if v := le.Uint16(b[8:]); v > version {
		return 0, fmt.Errorf("%w: version %d of the format", errVersion, v)
	} else if v < version {
		return 0, errHeader
	}
	key, tags := int(le.Uint16(b[56:])), int(le.Uint16(b[58:]))
	n := int(le.Uint16(b[10:]))
	if n != fixedBytes+key+tags || key == 0 || key > maxKey || tags > maxTags {
		return 0, errHeader
	}
	return n, nil
}

// parseHeader reads the header at the start of b, which may be longer, and returns its length. It writes to b's checksum
// field and restores it.
func parseHeader(b []byte) (it uploader.SpoolItem, n int, err error) {
	if n, err = headerBytes(b); err != nil {
		return it, 0, err
	}
	if n > len(b) {
		return it, 0, errTruncated
	}
	le := binary.LittleEndian
	b = b[:n]
	sum := le.Uint32(b[12:])
	le.PutUint32(b[12:], 0)
	is := crc32.Checksum(b, castagnoli())
	le.PutUint32(b[12:], sum)
	if is != sum {
		return it, 0, errHeader
	}
	ns, frames, size := le.Uint32(b[24:]), le.Uint32(b[28:]), le.Uint32(b[48:])
	duration, flags := time.Duration(le.Uint64(b[32:])), le.Uint16(b[60:])
	if ns >= 1e9 || frames > 1<<31-1 || size > uploader.MaxRingBytes || duration < 0 || flags&^flagMaybe != 0 || le.Uint16(b[62:]) != 0 {
		return it, 0, errHeader
	}
	key := fixedBytes + int(le.Uint16(b[56:]))
	return uploader.SpoolItem{
		Key: string(b[fixedBytes:key]), Start: time.Unix(int64(le.Uint64(b[16:])), int64(ns)).UTC(), Duration: duration, Frames: int(frames),
		Size: int(size), CRC32C: le.Uint32(b[52:]), Tags: string(b[key:]), UnsureRun: le.Uint64(b[40:]), Maybe: flags&flagMaybe != 0,
	}, n, nil
}
