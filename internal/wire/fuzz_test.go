// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/s3cam/s3cam/internal/wire"
)

// readAll reads messages until the end or an error, and returns the values.
func readAll(r *wire.Reader) (values []any, err error) {
	for {
		m, err := r.Next()
		if err != nil {
			return values, err
		}
		v, err := value(r, m)
		if err == wire.ErrVoid {
			continue
		}
		if err != nil && !errors.Is(err, wire.ErrUnknownField) {
			return values, err
		}
		values = append(values, v)
	}
}

func FuzzReader(f *testing.F) {
	list := goldens()
	for _, g := range append(list, streams(list)...) {
		f.Add(g.bytes, g.reply)
	}
	f.Fuzz(func(t *testing.T, in []byte, reply bool) {
		read := func(src io.Reader) ([]any, error) {
			if reply {
				return readAll(wire.NewReplyReader(src))
			}
			return readAll(wire.NewReader(src))
		}
		values, err := read(bytes.NewReader(in))
		if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, wire.ErrProtocol) {
			t.Fatalf("ends with %v", err)
		}
		again, err2 := read(iotest.OneByteReader(bytes.NewReader(in)))
		if !reflect.DeepEqual(values, again) || err2.Error() != err.Error() {
			t.Fatalf("byte by byte it is read otherwise:\n%v, %v\n%v, %v", values, err, again, err2)
		}
	})
}

// FuzzFields: what the parser accepts comes out the same after another round.
func FuzzFields(f *testing.F) {
	for _, g := range goldens() {
		if p := g.bytes[wire.HeaderSize:]; !g.reply && len(p) > 0 {
			f.Add(p[:len(p)-1])
		}
	}
	payload := func(b []byte, err error) []byte {
		b = must(b, err)
		return b[wire.HeaderSize : len(b)-1]
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if c, err := wire.ParseConfig(p); err == nil {
			if again, err := wire.ParseConfig(payload(wire.AppendConfig(nil, c))); err != nil || again != c {
				t.Errorf("CONFIG %+v became %+v, %v", c, again, err)
			}
		}
		if c, err := wire.ParseCredentials(p); err == nil {
			if again, err := wire.ParseCredentials(payload(wire.AppendCredentials(nil, c))); err != nil || again != c {
				t.Errorf("CREDENTIALS %#v became %#v, %v", c, again, err)
			}
		}
		if h, err := wire.ParseHello(p); err == nil && h.MaxVersion != 0 {
			if again, err := wire.ParseHello(payload(wire.AppendHello(nil, h))); err != nil || again != h {
				t.Errorf("HELLO %+v became %+v, %v", h, again, err)
			}
		}
	})
}
