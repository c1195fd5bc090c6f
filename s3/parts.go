// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"errors"
	"io"
)

// Parts is a body of several pieces of memory, such as the two ends of a ring buffer, that is sent without joining them.
// It implements io.ReadSeeker and io.WriterTo. The pieces are referenced, not copied.
type Parts struct {
	parts [][]byte
	size  int64
	off   int64
}

// NewParts returns a Parts at its beginning.
func NewParts(parts ...[]byte) *Parts {
	p := &Parts{parts: parts}
	for _, b := range parts {
		p.size += int64(len(b))
	}
	return p
}

// Size returns the number of bytes in all pieces.
func (p *Parts) Size() int64 { return p.size }

// rest yields what lies behind the offset, piece by piece.
func (p *Parts) rest(use func([]byte) (int, error)) (total int64, err error) {
	at := int64(0)
	for _, b := range p.parts {
		if skip := max(p.off-at, 0); skip < int64(len(b)) {
			n, err := use(b[skip:])
			p.off += int64(n)
			total += int64(n)
			if err != nil || int64(n) < int64(len(b))-skip {
				return total, err
			}
		}
		at += int64(len(b))
	}
	return total, nil
}

// Read implements [io.Reader].
func (p *Parts) Read(dst []byte) (int, error) {
	if p.off >= p.size {
		return 0, io.EOF
	}
	n, _ := p.rest(func(b []byte) (int, error) {
		n := copy(dst, b)
		dst = dst[n:]
		return n, nil
	})
	return int(n), nil
}

// WriteTo implements [io.WriterTo].
func (p *Parts) WriteTo(w io.Writer) (int64, error) {
	return p.rest(func(b []byte) (int, error) {
		n, err := w.Write(b)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		return n, err
	})
}

// Seek implements [io.Seeker].
func (p *Parts) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += p.off
	case io.SeekEnd:
		offset += p.size
	default:
		return 0, errors.New("s3: bad whence")
	}
	if offset < 0 {
		return 0, errors.New("s3: seek before the beginning")
	}
	p.off = offset
	return offset, nil
}
