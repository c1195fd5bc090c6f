// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// A file is a header and the bytes of the segment. All numbers are little endian.
//
//	 0        8        12     16        20       24          32            40        48       50        52      53    56
//	┌────────┬────────┬──────┬─────────┬────────┬───────────┬─────────────┬─────────┬────────┬─────────┬───────┬─────┬─ ─ ─┬─ ─ ─ ┬───────┐
//	│s3camsp1│ header │ data │ CRC32C  │pictures│ start,    │ duration,   │ unsure  │ length │ length  │ flags │  0  │ key │ tags │ CRC32C│
//	│        │ bytes  │ bytes│ of data │        │ ns of Unix│ ns          │ run     │ of key │ of tags │       │     │     │      │ of all│
//	└────────┴────────┴──────┴─────────┴────────┴───────────┴─────────────┴─────────┴────────┴─────────┴───────┴─────┴─ ─ ─┴─ ─ ─ ┴───────┘
const (
	magic     = "s3camsp1"
	fixed     = 56
	maxKey    = 1024
	maxTags   = 8 << 10
	maxHeader = fixed + maxKey + maxTags + 4
	maxData   = 1 << 30 // the largest ring

	flagMaybe = 1
)

var errHeader = errors.New("no header of a spooled segment, or a damaged one")

func table() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// appendHeader appends the header of it.
func appendHeader(dst []byte, it *uploader.SpoolItem) ([]byte, error) {
	if len(it.Key) > maxKey || len(it.Tags) > maxTags || it.Size < 0 || it.Size > maxData || it.Frames < 0 || int64(it.Frames) > 1<<32-1 {
		return nil, errors.New("spool: item beyond the limits of the format")
	}
	from := len(dst)
	le := binary.LittleEndian
	dst = append(dst, magic...)
	dst = le.AppendUint32(dst, uint32(fixed+len(it.Key)+len(it.Tags)+4))
	dst = le.AppendUint32(dst, uint32(it.Size))
	dst = le.AppendUint32(dst, it.CRC32C)
	dst = le.AppendUint32(dst, uint32(it.Frames))
	dst = le.AppendUint64(dst, uint64(it.Start.UnixNano()))
	dst = le.AppendUint64(dst, uint64(it.Duration))
	dst = le.AppendUint64(dst, it.UnsureRun)
	dst = le.AppendUint16(dst, uint16(len(it.Key)))
	dst = le.AppendUint16(dst, uint16(len(it.Tags)))
	flags := byte(0)
	if it.Maybe {
		flags = flagMaybe
	}
	dst = append(dst, flags, 0, 0, 0)
	dst = append(dst, it.Key...)
	dst = append(dst, it.Tags...)
	return le.AppendUint32(dst, crc32.Checksum(dst[from:], table())), nil
}

// parseHeader reads a header from the start of b, which may be longer, and returns its length.
func parseHeader(b []byte) (it uploader.SpoolItem, n int, err error) {
	le := binary.LittleEndian
	if len(b) < fixed+4 || string(b[:8]) != magic {
		return it, 0, errHeader
	}
	size, key, tags := le.Uint32(b[8:]), int(le.Uint16(b[48:])), int(le.Uint16(b[50:]))
	n = fixed + key + tags + 4
	if size != uint32(n) || n > maxHeader || n > len(b) || key > maxKey || tags > maxTags || b[52]&^flagMaybe != 0 || b[53]|b[54]|b[55] != 0 ||
		le.Uint32(b[n-4:]) != crc32.Checksum(b[:n-4], table()) {
		return it, 0, errHeader
	}
	data := le.Uint32(b[12:])
	duration := time.Duration(le.Uint64(b[32:]))
	if data > maxData || duration < 0 || le.Uint32(b[20:]) > 1<<31-1 {
		return it, 0, errHeader
	}
	return uploader.SpoolItem{
		Key: string(b[fixed : fixed+key]), Start: time.Unix(0, int64(le.Uint64(b[24:]))).UTC(), Duration: duration,
		Frames: int(le.Uint32(b[20:])), Size: int(data), CRC32C: le.Uint32(b[16:]), Tags: string(b[fixed+key : n-4]),
		UnsureRun: le.Uint64(b[40:]), Maybe: b[52]&flagMaybe != 0,
	}, n, nil
}
