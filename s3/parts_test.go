// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/s3cam/s3cam/s3"
)

func TestPartsReadAsOne(t *testing.T) {
	want := []byte("0123456789abcdef")
	for name, p := range map[string]*s3.Parts{
		"one piece":          s3.NewParts(want),
		"two ends of a ring": s3.NewParts(want[:5], want[5:]),
		"with empty pieces":  s3.NewParts(nil, want[:1], nil, nil, want[1:15], want[15:], nil),
		"one byte in each":   s3.NewParts(bytes.SplitAfter(want, nil)...),
		"seeked to and fro": func() *s3.Parts {
			p := s3.NewParts(want[:9], want[9:])
			p.Seek(3, io.SeekStart)
			p.Seek(-3, io.SeekCurrent)
			return p
		}(),
		"seeked beyond and back": func() *s3.Parts {
			p := s3.NewParts(want[:9], want[9:])
			p.Seek(30, io.SeekEnd)
			p.Seek(0, io.SeekStart)
			return p
		}(),
	} {
		if p.Size() != int64(len(want)) {
			t.Errorf("%s: Size = %d", name, p.Size())
		}
		if err := iotest.TestReader(p, want); err != nil { // seeks too
			t.Errorf("%s: %v", name, err)
		}
		for from := range len(want) + 1 {
			var b bytes.Buffer
			p.Seek(int64(from), io.SeekStart)
			if n, err := p.WriteTo(&b); err != nil || n != int64(b.Len()) || b.String() != string(want[from:]) {
				t.Errorf("%s: WriteTo from %d = %q, %d, %v", name, from, b.String(), n, err)
			}
			if n, err := p.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("%s: Read after WriteTo = %d, %v", name, n, err)
			}
		}
	}
}

// limitedWriter takes n bytes and then fails.
type limitedWriter struct {
	n   int
	err error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.n)
	w.n -= n
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}

func TestPartsKeepTheirPlaceOnErrors(t *testing.T) {
	broken := errors.New("broken pipe")
	for _, tt := range []struct{ err, want error }{{broken, broken}, {nil, io.ErrShortWrite}} {
		p := s3.NewParts([]byte("0123"), []byte("4567"))
		if n, err := p.WriteTo(&limitedWriter{6, tt.err}); n != 6 || err != tt.want {
			t.Errorf("WriteTo = %d, %v, want 6, %v", n, err, tt.want)
		}
		if rest, err := io.ReadAll(p); string(rest) != "67" || err != nil {
			t.Errorf("then the rest is %q, %v", rest, err)
		}
	}
	p := s3.NewParts([]byte("0"))
	if _, err := p.Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek before the beginning was accepted")
	}
	if _, err := p.Seek(0, 7); err == nil {
		t.Error("a bad whence was accepted")
	}
}
