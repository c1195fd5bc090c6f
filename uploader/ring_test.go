// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRingSizeIsWholePackets(t *testing.T) {
	for _, n := range []int{64 << 10, 4 << 20, 188 * 1000, 188*1000 + 1} {
		r, err := newRing(n)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.buf)%188 != 0 || len(r.buf) < n || len(r.buf) >= n+188 {
			t.Errorf("a ring of %d bytes has %d", n, len(r.buf))
		}
		release(r.buf)
	}
}

// A ring behaves as a list of byte strings from which the first, the last, or one in the middle can be taken.
func TestRingAgainstAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r, err := newRing(188 * 40)
	if err != nil {
		t.Fatal(err)
	}
	defer release(r.buf)
	type piece struct {
		pos  int
		data []byte
	}
	var list []piece
	check := func(step int) {
		t.Helper()
		total := 0
		for _, p := range list {
			parts := r.parts(p.pos, len(p.data))
			if got := append(bytes.Clone(parts[0]), parts[1]...); !bytes.Equal(got, p.data) {
				t.Fatalf("step %d: content at %d differs", step, p.pos)
			}
			total += len(p.data)
		}
		if r.used != total || r.free() != len(r.buf)-total {
			t.Fatalf("step %d: used %d, free %d, want used %d", step, r.used, r.free(), total)
		}
	}
	full := 0
	for step := range 20000 {
		switch op := rng.IntN(10); {
		case op < 6: // append
			data := make([]byte, 188*(1+rng.IntN(12)))
			if len(data) > r.free() {
				full++
				continue
			}
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			list = append(list, piece{r.head, data})
			for rest := data; len(rest) > 0; {
				n := copy(r.room(), rest)
				r.advance(n)
				rest = rest[n:]
			}
		case len(list) == 0:
		case op < 7:
			r.dropTail(len(list[0].data))
			list = list[1:]
		case op < 8:
			r.dropHead(len(list[len(list)-1].data))
			list = list[:len(list)-1]
		case len(list) > 1:
			i := 1 + rng.IntN(len(list)-1)
			n, after := len(list[i].data), 0
			for j := i + 1; j < len(list); j++ {
				list[j].pos = r.at(list[j].pos - n)
				after += len(list[j].data)
			}
			r.cut(list[i].pos, n, after)
			list = slices.Delete(list, i, i+1)
		}
		check(step)
	}
	if full < 100 {
		t.Errorf("the ring was full %d times only", full)
	}
}

// What lies beside a discarded range keeps its content, whatever the alignment.
func TestDiscardLeavesNeighboursAlone(t *testing.T) {
	buf, err := allocate(64 << 10)
	if err != nil {
		t.Fatal(err)
	}
	defer release(buf)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		for i := range buf {
			buf[i] = 0xA5
		}
		from := rng.IntN(len(buf))
		to := from + rng.IntN(len(buf)-from+1)
		discard(buf[from:to])
		for i, c := range buf {
			if inside := i >= from && i < to; c != 0xA5 && !(inside && c == 0) {
				t.Fatalf("discard of %d..%d left %#x at %d", from, to, c, i)
			}
		}
	}
	discard(nil)
	discard(buf[:0])
}
