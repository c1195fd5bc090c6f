// SPDX-License-Identifier: Apache-2.0

package aac

import (
	"errors"
	"fmt"
	"io"
)

// Errors of Scanner that a caller may test with errors.Is.
var (
	// ErrTruncated: the stream ends within a frame.
	ErrTruncated = errors.New("last ADTS frame is truncated")
	// ErrNoFrames: the stream holds no ADTS frame at all.
	ErrNoFrames = errors.New("no ADTS frame")
)

// Scanner cuts a byte stream into ADTS frames. It passes over ID3v2 tags (with and without footer) before and between frames, an ID3v1
// tag, and garbage. To lock onto a stream, and after garbage or a change of format, it wants a header that is followed by
// another header of the same format, by a tag, or by the end of the stream. A frame for which that is not so counts as garbage.
type Scanner struct {
	r    io.Reader
	buf  []byte // buf[pos:] was read and not yet used
	pos  int
	eof  bool
	fail error // what the reader said, reported when buf is used up
	err  error

	locked bool
	last   Header
	frames int64

	offset  int64 // of buf[0]
	start   int64
	skipped int64
	tagPTS  int64
	hasPTS  bool
}

// bufBytes holds a frame, the tag or header behind it and room to read.
const bufBytes = 32 << 10

// NewScanner returns a Scanner that reads from r.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{r: r, buf: make([]byte, 0, bufBytes)}
}

// Skipped returns how many bytes of garbage were passed over: neither frames nor tags.
func (s *Scanner) Skipped() int64 { return s.skipped }

// Offset returns where in the stream the frame returned last begins.
func (s *Scanner) Offset() int64 { return s.start }

// Timestamp returns the 90 kHz time in the last ID3 tag that had one: Apple's packed audio segments (RFC 8216 section 3.4)
// carry in a PRIV frame the time of the first sample behind the tag.
func (s *Scanner) Timestamp() (pts90k int64, ok bool) { return s.tagPTS, s.hasPTS }

// Next returns the next frame, header included, and its header. The frame is valid until the next call. At the end of the
// stream the error is io.EOF, or ErrTruncated when the last frame is cut off, or ErrNoFrames when there was none in a
// stream that is not empty. Errors of the reader come after the frames read before them.
func (s *Scanner) Next() (frame []byte, h Header, err error) {
	if s.err != nil {
		return nil, Header{}, s.err
	}
	frame, h, err = s.next()
	if err != nil {
		s.err = err
		return nil, Header{}, err
	}
	s.start = s.offset + int64(s.pos)
	s.pos += len(frame)
	s.frames++
	s.locked, s.last = true, h
	return frame, h, nil
}

func (s *Scanner) next() ([]byte, Header, error) {
	for {
		if err := s.skipTags(); err != nil {
			return nil, Header{}, err
		}
		b := s.peek(MinHeaderBytes)
		if len(b) == 0 {
			return nil, Header{}, s.end()
		}
		h, err := ParseHeader(b)
		if errors.Is(err, ErrShort) {
			if s.locked {
				return nil, Header{}, s.truncated(len(b), MinHeaderBytes)
			}
			s.skip(len(b))
			continue
		}
		if err == nil && (s.locked && sameFormat(h, s.last) || s.confirmed(h)) {
			if b = s.peek(h.FrameBytes); len(b) >= h.FrameBytes {
				return b[:h.FrameBytes], h, nil
			}
			return nil, Header{}, s.truncated(len(b), h.FrameBytes)
		}
		s.locked = false
		s.resync()
	}
}

// confirmed reports whether what follows the frame at hand makes it believable.
func (s *Scanner) confirmed(h Header) bool {
	b := s.peek(h.FrameBytes + id3HeaderBytes) // the longer of the two that may follow
	if len(b) < h.FrameBytes {
		return false
	}
	b = b[h.FrameBytes:]
	if len(b) == 0 || isTag(b) || isID3v1(b) {
		return true
	}
	next, err := ParseHeader(b)
	return err == nil && sameFormat(h, next) || errors.Is(err, ErrShort)
}

func sameFormat(a, b Header) bool {
	return a.Profile == b.Profile && a.SampleRate == b.SampleRate && a.Channels == b.Channels && a.MPEG2 == b.MPEG2
}

// resync drops at least one byte and then all that cannot begin a frame or tag.
func (s *Scanner) resync() {
	b := s.peek(1)
	n := 1
	for n < len(b) && b[n] != 0xff && b[n] != 'I' {
		n++
	}
	s.skip(n)
}

func (s *Scanner) skip(n int) {
	s.pos += n
	s.skipped += int64(n)
}

func (s *Scanner) truncated(have, want int) error {
	if s.fail != nil {
		return s.fail
	}
	return fmt.Errorf("%w: %d of %d bytes at byte %d", ErrTruncated, have, want, s.offset+int64(s.pos))
}

func (s *Scanner) end() error {
	switch {
	case s.fail != nil:
		return s.fail
	case s.frames > 0 || s.skipped == 0:
		return io.EOF
	}
	return fmt.Errorf("%w in %d bytes", ErrNoFrames, s.skipped)
}

// peek returns at least n unread bytes, or fewer at the end of the stream. n is at most MaxFrameBytes and the header of a tag.
func (s *Scanner) peek(n int) []byte {
	for empty := 0; len(s.buf)-s.pos < n && !s.eof; {
		if cap(s.buf)-len(s.buf) < bufBytes/4 {
			s.offset += int64(s.pos)
			s.buf = s.buf[:copy(s.buf, s.buf[s.pos:])]
			s.pos = 0
		}
		got, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		if got < 0 || got > cap(s.buf)-len(s.buf) {
			got, err = 0, fmt.Errorf("reader returned an impossible count %d", got)
		}
		s.buf = s.buf[:len(s.buf)+got]
		if empty++; got > 0 {
			empty = 0
		} else if err == nil && empty == 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.fail = err
			}
		}
	}
	return s.buf[s.pos:]
}
