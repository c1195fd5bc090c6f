// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"bytes"
	"errors"
	"fmt"
)

// bitReader reads the RBSP syntax elements of a NAL unit (7.2, 9.1) and drops emulation prevention bytes (00 00 03) on the way.
// Errors stick: after the first one every read gives 0 and err says why.
type bitReader struct {
	b     []byte // what is still to be loaded, emulation prevention bytes included
	acc   uint64 // the lowest n bits are loaded and not yet read
	n     uint
	zeros uint8 // zero bytes just loaded, at most 2
	err   error
}

// load adds one byte of payload to acc. It reports false at the end of the data.
func (r *bitReader) load() bool {
	for len(r.b) > 0 {
		c := r.b[0]
		r.b = r.b[1:]
		switch {
		case r.zeros == 2 && c == 3:
			r.zeros = 0
			continue
		case c != 0:
			r.zeros = 0
		case r.zeros < 2:
			r.zeros++
		}
		r.acc = r.acc<<8 | uint64(c)
		r.n += 8
		return true
	}
	return false
}

// u reads an unsigned number of k bits, k <= 32.
func (r *bitReader) u(k uint) uint32 {
	for r.n < k {
		if r.err != nil || !r.load() {
			r.fail(ErrTruncated)
			return 0
		}
	}
	r.n -= k
	return uint32(r.acc >> r.n & (1<<k - 1))
}

func (r *bitReader) flag() bool { return r.u(1) == 1 }

func (r *bitReader) skip(k uint) {
	for ; k > 32; k -= 32 {
		r.u(32)
	}
	r.u(k)
}

// ue reads an Exp-Golomb code, 9.1. The largest value is 1<<32 - 2.
func (r *bitReader) ue() uint32 {
	k := uint(0)
	for r.u(1) == 0 {
		if k++; k > 31 || r.err != nil {
			r.fail(errExpGolomb)
			return 0
		}
	}
	v := r.u(k)
	if r.err != nil {
		return 0
	}
	return uint32(1<<k-1) + v
}

var errExpGolomb = errors.New("Exp-Golomb code is longer than 63 bits")

// ueMax reads an Exp-Golomb code that must not exceed limit; name is the syntax element for the error text.
func (r *bitReader) ueMax(name string, limit uint32) uint32 {
	v := r.ue()
	if v > limit && r.err == nil {
		r.fail(fmt.Errorf("%s is %d, at most %d is legal", name, v, limit))
		return 0
	}
	return v
}

// se reads a signed Exp-Golomb code, 9.1.1.
func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v>>1) + 1
	}
	return -int32(v >> 1)
}

func (r *bitReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b, r.acc, r.n = nil, 0, 0
}

// skipBytes passes over k whole payload bytes; only used where the position is byte aligned.
func (r *bitReader) skipBytes(k int) {
	for k > 0 && r.err == nil {
		if r.n == 0 {
			// Bytes before the next zero byte cannot be emulation prevention, but for a 03 right behind two zeros.
			run := bytes.IndexByte(r.b[:min(k, len(r.b))], 0)
			if run < 0 {
				run = min(k, len(r.b))
			}
			if run > 0 && r.zeros < 2 {
				r.b, r.zeros = r.b[run:], 0
				k -= run
				continue
			}
		}
		r.u(8)
		k--
	}
}
