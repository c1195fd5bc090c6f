// SPDX-License-Identifier: Apache-2.0

package uploader

import "github.com/s3cam/s3cam/mpegts"

// ring is a buffer of whole transport packets, used from the tail round to the head without holes. Its size and all
// positions in it are multiples of 188, so a packet never goes round the end.
type ring struct {
	buf  []byte
	head int // where the next packet goes
	used int
}

func newRing(bytes int) (ring, error) {
	bytes = (bytes + mpegts.PacketSize - 1) / mpegts.PacketSize * mpegts.PacketSize
	buf, err := allocate(bytes)
	return ring{buf: buf}, err
}

func (r *ring) free() int { return len(r.buf) - r.used }

// room is the free space at the head up to the end of the buffer.
func (r *ring) room() []byte { return r.buf[r.head : r.head+min(r.free(), len(r.buf)-r.head)] }

// advance takes n bytes of room into use.
func (r *ring) advance(n int) {
	r.used += n
	r.head = r.at(r.head + n)
}

// at brings a position into the buffer from up to one round outside.
func (r *ring) at(pos int) int {
	if pos >= len(r.buf) {
		return pos - len(r.buf)
	}
	if pos < 0 {
		return pos + len(r.buf)
	}
	return pos
}

// parts gives the one or two pieces of memory that hold n bytes from pos on.
func (r *ring) parts(pos, n int) [2][]byte {
	first := min(n, len(r.buf)-pos)
	p := [2][]byte{r.buf[pos : pos+first : pos+first]}
	if first < n {
		p[1] = r.buf[: n-first : n-first]
	}
	return p
}

// dropTail frees the n oldest bytes.
func (r *ring) dropTail(n int) { r.used -= n }

// dropHead frees the n newest bytes.
func (r *ring) dropHead(n int) {
	r.used -= n
	r.head = r.at(r.head - n)
}

// cut frees n bytes from pos on and moves the after bytes that follow them, up to the head, into their place.
func (r *ring) cut(pos, n, after int) {
	for to, from := pos, r.at(pos+n); after > 0; {
		k := min(after, len(r.buf)-to, len(r.buf)-from)
		copy(r.buf[to:to+k], r.buf[from:from+k])
		to, from, after = r.at(to+k), r.at(from+k), after-k
	}
	r.dropHead(n)
}
