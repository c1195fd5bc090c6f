// SPDX-License-Identifier: Apache-2.0

package aac

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	id3HeaderBytes = 10
	id3v1Bytes     = 128
	// maxTagParsed is how much of a tag is searched for a timestamp; the rest, such as pictures, is only passed over.
	maxTagParsed = 4 << 10
)

// isTag reports whether b begins with the header of an ID3v2 tag (ID3v2.4 section 3.1): "ID3", version 2 to 4, revision, flags (the
// lower four are 0), size as four 7 bit numbers. At the end of a stream b may hold less than that.
func isTag(b []byte) bool {
	if !bytes.HasPrefix(b, []byte("ID3")) {
		return false
	}
	for i, c := range b[3:min(len(b), id3HeaderBytes)] {
		switch {
		case i == 0 && (c < 2 || c > 4), i == 1 && c == 0xff, i == 2 && c&0x0f != 0, i >= 3 && c >= 0x80:
			return false
		}
	}
	return true
}

func isID3v1(b []byte) bool { return bytes.HasPrefix(b, []byte("TAG")) }

// skipTags passes over all tags at hand.
func (s *Scanner) skipTags() error {
	for {
		b := s.peek(id3HeaderBytes)
		size := 0
		switch {
		case isTag(b) && len(b) >= id3HeaderBytes:
			size = id3HeaderBytes + int(b[6])<<21 + int(b[7])<<14 + int(b[8])<<7 + int(b[9])
			footer := b[5]&0x10 != 0
			s.readTag(size)
			if footer {
				size += id3HeaderBytes
			}
		case s.locked && isID3v1(b):
			size = id3v1Bytes
		default:
			return nil
		}
		if err := s.discard(size); err != nil {
			return err
		}
	}
}

// discard passes over n bytes that are no garbage.
func (s *Scanner) discard(n int) error {
	for left := n; left > 0; {
		b := s.peek(1)
		if len(b) == 0 {
			if s.fail != nil {
				return s.fail
			}
			return fmt.Errorf("%w: tag of %d bytes at the end, %d missing", ErrTruncated, n, left)
		}
		k := min(left, len(b))
		s.pos += k
		left -= k
	}
	return nil
}

// readTag looks for a timestamp in the tag of size bytes at hand.
func (s *Scanner) readTag(size int) {
	b := s.peek(min(size, maxTagParsed))
	b = b[:min(size, maxTagParsed, len(b))]
	if pts, ok := TagTimestamp(b); ok {
		s.tagPTS, s.hasPTS = pts, true
	}
}

// timestampOwner names the PRIV frame of RFC 8216 section 3.4.
const timestampOwner = "com.apple.streaming.transportStreamTimestamp\x00"

// TagTimestamp returns the 33 bit 90 kHz timestamp that an ID3v2.3 or ID3v2.4 tag of Apple packed audio carries (RFC 8216
// section 3.4): a PRIV frame with the owner com.apple.streaming.transportStreamTimestamp and eight bytes, big endian.
func TagTimestamp(tag []byte) (pts90k int64, ok bool) {
	if !isTag(tag) || len(tag) < id3HeaderBytes {
		return 0, false
	}
	version, body := tag[3], tag[id3HeaderBytes:]
	// Frame: identifier 4, size 4, flags 2, content.
	for len(body) >= 10 && body[0] != 0 {
		size := int64(binary.BigEndian.Uint32(body[4:]))
		if version >= 4 { // four 7 bit numbers
			size = int64(body[4]&0x7f)<<21 | int64(body[5]&0x7f)<<14 | int64(body[6]&0x7f)<<7 | int64(body[7]&0x7f)
		}
		id := body[:4]
		if body = body[10:]; size > int64(len(body)) {
			return 0, false
		}
		content := body[:size]
		body = body[size:]
		if string(id) != "PRIV" || !bytes.HasPrefix(content, []byte(timestampOwner)) {
			continue
		}
		if content = content[len(timestampOwner):]; len(content) == 8 {
			return int64(binary.BigEndian.Uint64(content) & (1<<33 - 1)), true
		}
	}
	return 0, false
}
