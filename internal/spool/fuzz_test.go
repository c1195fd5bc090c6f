// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
)

// Figures that no program writes are refused although the checksum is right.
func TestAHeaderWithImpossibleFiguresIsRefused(t *testing.T) {
	it, _ := item(1)
	good, err := appendHeader(nil, &it)
	if err != nil {
		t.Fatal(err)
	}
	for what, at := range map[string]int{"nanoseconds": 27, "pictures": 31, "duration": 39, "size": 51, "flags": 61, "the last two bytes": 63} {
		b := bytes.Clone(good)
		b[at] |= 0x80
		binary.LittleEndian.PutUint32(b[12:], 0)
		binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b, castagnoli()))
		if got, _, err := parseHeader(b); !errors.Is(err, errHeader) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for n := range 3 {
		it, _ := item(n)
		if n == 2 {
			it.Tags = ""
		}
		b, err := appendHeader(nil, &it)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, "and more"...))
		f.Add(b[:len(b)-1])
		f.Add(b[:fixedBytes])
	}
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		it, n, err := parseHeader(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the input is another one now")
		}
		if err != nil {
			return
		}
		again, err := appendHeader(nil, &it)
		if err != nil || !bytes.Equal(again, b[:n]) {
			t.Errorf("%+v was read from\n%x and is written as\n%x, %v", it, b[:n], again, err)
		}
	})
}

// Whatever a file holds, the spool opens, gives it back whole or not at all, and goes on.
func FuzzFile(f *testing.F) {
	it, data := item(1)
	b, err := appendHeader(nil, &it)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(b, data...))
	f.Add(append(b, data[1:]...))
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		fl := newFlash()
		fl.names[name(7)] = &inode{data: b, synced: len(b)}
		s, err := openOn(fl, Config{MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if old, ok := s.Oldest(); ok {
			if len(b) < old.Size {
				t.Fatalf("%d bytes out of %d", old.Size, len(b))
			}
			_, _ = s.Read(old, make([]byte, old.Size))
			if err := s.Delete(old); err != nil {
				t.Fatal(err)
			}
		}
		it, data := item(2)
		if _, err := s.Put(it, [2][]byte{data}); err != nil {
			t.Fatal(err)
		}
		if old, ok := s.Oldest(); !ok || old != it {
			t.Errorf("Oldest = %+v, want %+v", old, it)
		}
	})
}
