// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync"
	"sync/atomic"
)

// body is what a Put sends: size bytes of src from its offset at the start. It can be sent several times, one pass at a
// time. net/http may still be writing a pass after its RoundTrip has returned; the lock and the generation number keep such
// a pass from touching src once release or a newer pass has begun.
type body struct {
	src   io.ReadSeeker
	start int64
	size  int64
	exact bool // src ends where the body ends, so its own WriteTo writes the right bytes

	mu      sync.Mutex
	gen     int
	full    int // passes handed out to the last byte, except those that the server refused
	earlier int // those of them before the newest pass
	newest  *pass
	err     error
}

var errBodyReleased = errors.New("body is no longer available")

// newBody finds out where src stands and whether it holds size bytes.
func newBody(src io.ReadSeeker, size int64) (*body, error) {
	if size < 0 {
		return nil, fmt.Errorf("negative size %d", size)
	}
	if src == nil {
		if size > 0 {
			return nil, errors.New("no body")
		}
		return &body{}, nil
	}
	start, err := src.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	end, err := src.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	if end-start < size {
		return nil, fmt.Errorf("body has %d bytes, want %d", end-start, size)
	}
	return &body{src: src, start: start, size: size, exact: end-start == size}, nil
}

// checksums reads the body once and returns what the request needs of its SHA-256 (hexadecimal) and CRC32C.
func (b *body) checksums(wantSHA, wantCRC bool) (sha string, crc uint32, err error) {
	if !wantSHA && !wantCRC {
		return "", 0, nil
	}
	var sum sumWriter
	if wantSHA {
		sum.sha = sha256.New()
	}
	if wantCRC {
		sum.table = crc32.MakeTable(crc32.Castagnoli)
	}
	if b.size > 0 {
		p := b.pass()
		n, err := p.writeN(&sum, b.size)
		if err == nil && n < b.size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", 0, fmt.Errorf("body: %w", err)
		}
		b.refused()
	}
	if wantSHA {
		sha = hex.EncodeToString(sum.sha.Sum(nil))
	}
	return sha, sum.crc, nil
}

type sumWriter struct {
	sha   hash.Hash
	table *crc32.Table
	crc   uint32
}

func (w *sumWriter) Write(p []byte) (int, error) {
	if w.sha != nil {
		w.sha.Write(p)
	}
	if w.table != nil {
		w.crc = crc32.Update(w.crc, w.table, p)
	}
	return len(p), nil
}

// pass begins to send the body once more and ends the pass before.
func (b *body) pass() *pass {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gen++
	b.earlier = b.full
	b.newest = &pass{b: b, gen: b.gen}
	return b.newest
}

// release waits until no pass reads src any more. The caller has made sure that a write under way fails or ends.
func (b *body) release() {
	b.mu.Lock()
	b.gen++
	b.mu.Unlock()
}

// refused records that the server has not stored what was sent so far.
func (b *body) refused() {
	b.mu.Lock()
	b.full, b.earlier = 0, 0
	b.mu.Unlock()
}

// mayBeStored reports whether a pass before the newest one was sent in full and got no definite answer.
func (b *body) mayBeStored() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.earlier > 0
}

// onKept reports whether the newest pass went to a kept connection.
func (b *body) onKept() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.newest != nil && b.newest.kept.Load()
}

// readError returns the error of src, which repeating the request cannot mend.
func (b *body) readError() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// pass reads the body once, as the Body of an http.Request.
type pass struct {
	b   *body
	gen int
	off int64 // bytes handed out
	at  bool  // src stands at off

	kept atomic.Bool // written to a connection that had served a request before; known for the built-in transport
}

// Read implements [io.Reader].
func (p *pass) Read(dst []byte) (int, error) {
	b := p.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.gen != b.gen {
		return 0, errBodyReleased
	}
	left := b.size - p.off
	if left == 0 {
		return 0, io.EOF
	}
	if err := p.seek(); err != nil {
		return 0, err
	}
	if int64(len(dst)) > left {
		dst = dst[:left]
	}
	n, err := source{b}.Read(dst)
	p.advance(int64(n))
	if err == io.EOF {
		err = nil
		if n == 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// writeN writes the next n bytes to w, without a copy where src can write itself.
func (p *pass) writeN(w io.Writer, n int64) (int64, error) {
	b := p.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.gen != b.gen {
		return 0, errBodyReleased
	}
	n = min(n, b.size-p.off)
	if n == 0 {
		return 0, nil
	}
	if err := p.seek(); err != nil {
		return 0, err
	}
	from, ok := b.src.(io.WriterTo)
	if ok && b.exact && n == b.size-p.off {
		done, err := from.WriteTo(w)
		p.advance(done)
		return done, err
	}
	done, err := io.CopyN(w, source{b}, n)
	p.advance(done)
	return done, err
}

// source reads src and remembers its error, to tell it from one of the connection.
type source struct{ b *body }

func (s source) Read(p []byte) (int, error) {
	n, err := s.b.src.Read(p)
	if err != nil && err != io.EOF {
		s.b.err = err
	}
	return n, err
}

func (p *pass) seek() error {
	if p.at {
		return nil
	}
	if _, err := p.b.src.Seek(p.b.start+p.off, io.SeekStart); err != nil {
		p.b.err = err
		return err
	}
	p.at = true
	return nil
}

func (p *pass) advance(n int64) {
	p.off += n
	if n > 0 && p.off == p.b.size {
		p.b.full++
	}
}

// Close implements [io.Closer]. The pass ends by itself when its request does.
func (p *pass) Close() error { return nil }
