// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/segment"
	"github.com/s3cam/s3cam/uploader"
)

// bits writes syntax elements of a NAL unit.
type bits struct {
	b []byte
	n uint
}

func (w *bits) u(k uint, v uint32) *bits {
	for ; k > 0; k-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[len(w.b)-1] |= byte(v>>(k-1)&1) << (7 - w.n%8)
		w.n++
	}
	return w
}

func (w *bits) ue(v uint32) *bits {
	k := uint(0)
	for x := v + 1; x > 1; x >>= 1 {
		k++
	}
	return w.u(k, 0).u(k+1, v+1)
}

func (w *bits) stop() []byte { w.u(1, 1); return w.b }

// sps returns a sequence parameter set without start code: Baseline, width x height in macroblocks, POC type 2.
func sps(id, width, height uint32) []byte {
	w := &bits{}
	w.u(8, 0x67).u(8, 66).u(8, 0xC0).u(8, 30).ue(id).ue(0).ue(2).ue(1).u(1, 0).ue(width-1).ue(height-1).u(1, 1).u(1, 1).u(1, 0).u(1, 0)
	return w.stop()
}

// pps returns a picture parameter set that refers to sps.
func pps(id, sps uint32) []byte {
	w := &bits{}
	w.u(8, 0x68).ue(id).ue(sps).u(1, 0).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, 0).ue(0).ue(0).ue(0).u(1, 0).u(1, 0).u(1, 0)
	return w.stop()
}

var (
	start4 = []byte{0, 0, 0, 1}
	start3 = []byte{0, 0, 1}
	aud    = []byte{0, 0, 0, 1, 9, 0xF0}
)

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// sets are the parameter sets of the fake encoder with start codes.
func sets() []byte { return join(start4, sps(0, 20, 15), start4, pps(0, 0)) }

// slice returns a slice NAL unit of about size bytes without start code, whose bytes depend on n only.
func slice(idr bool, n, size int) []byte {
	w := &bits{}
	if idr {
		w.u(8, 0x65).ue(0).ue(7).ue(0)
	} else {
		w.u(8, 0x41).ue(0).ue(5).ue(0)
	}
	b := w.stop()
	b = append(b, byte(n>>21)|0x80, byte(n>>14)|0x80, byte(n>>7)|0x80, byte(n)|0x80) // see pictureNumber
	x := uint32(n)*2654435761 + 1
	for len(b) < size {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b = append(b, byte(x)|1) // never zero, so no start code comes up
	}
	return b
}

// pictureNumber returns the n of a slice with its 4-byte start code.
func pictureNumber(idr bool, nal []byte) int {
	n := 0
	for _, c := range nal[len(start4)+len(slice(idr, 0, 0))-4:][:4] {
		n = n<<7 | int(c&0x7F)
	}
	return n
}

// encoder makes a stream of pictures.
type encoder struct {
	fps, gop int
	size     int // of a P picture; an IDR has four times as much
	noSets   bool
	n        int
}

func (e *encoder) time(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(e.fps)
}

// next returns the next access unit, without delimiter, with parameter sets in front of an IDR.
func (e *encoder) next() uploader.AccessUnit {
	idr := e.n%e.gop == 0
	size := e.size
	if idr {
		size *= 4
	}
	var data []byte
	if idr && !e.noSets {
		data = append(data, sets()...)
	}
	data = append(append(data, start4...), slice(idr, e.n, size)...)
	t := e.time(e.n)
	e.n++
	return uploader.AccessUnit{Data: data, PTS: t, DTS: t}
}

// adts returns an AAC-LC frame, 48 kHz mono, of size bytes whose payload depends on n.
func adts(n, size int) []byte {
	size = max(size, 12)
	b := make([]byte, size)
	copy(b, []byte{0xFF, 0xF1, 0x4C, 0x40 | byte(size>>11), byte(size >> 3), byte(size<<5) | 0x1F, 0xFC})
	binary.BigEndian.PutUint32(b[7:], uint32(n))
	for i := 11; i < size; i++ {
		b[i] = byte(n * i)
	}
	return b
}

const audioStep = 1024 * time.Second / 48000

// stored is an object in a bucket.
type stored struct {
	key, tags string
	data      []byte
	at        time.Time
}

// bucket is a Putter in memory that refuses what a server would refuse: a wrong checksum, a wrong size, a key that exists.
// before, when set, runs first in each Put, may block, and its error ends the try; lie makes it store all the same.
type bucket struct {
	t      testing.TB
	before func(ctx context.Context, o *uploader.Object, try int) error
	server func() time.Time // the Date header

	mu      sync.Mutex
	tries   int
	inside  int
	objects []stored
	byKey   map[string]int
}

// errLied is given by before to store the object and yet report a failure.
var errLied = errors.New("the connection was cut after the body")

func (b *bucket) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	b.mu.Lock()
	b.tries++
	try := b.tries
	b.inside++
	if b.inside > 1 {
		b.t.Error("two Puts at a time")
	}
	b.mu.Unlock()
	var now time.Time
	if b.server != nil {
		now = b.server().Truncate(time.Second)
	}
	var err error
	if b.before != nil {
		err = b.before(ctx, o, try)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inside--
	if err != nil && !errors.Is(err, errLied) {
		return now, err
	}
	data := join(o.Parts[0], o.Parts[1])
	if len(data) != o.Size {
		b.t.Errorf("%s: %d bytes in parts, Size %d", o.Key, len(data), o.Size)
	}
	if got := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)); got != o.CRC32C {
		b.t.Errorf("%s: CRC32C %08x, content has %08x", o.Key, o.CRC32C, got)
	}
	if _, dup := b.byKey[o.Key]; dup {
		return now, fmt.Errorf("412: %w", uploader.ErrExists)
	}
	if b.byKey == nil {
		b.byKey = map[string]int{}
	}
	b.byKey[o.Key] = len(b.objects)
	b.objects = append(b.objects, stored{o.Key, o.Tags, data, time.Now()})
	return now, err
}

// occupy makes key one that exists.
func (b *bucket) occupy(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byKey == nil {
		b.byKey = map[string]int{}
	}
	if _, ok := b.byKey[key]; !ok {
		b.byKey[key] = -1
	}
}

func (b *bucket) all() []stored {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]stored(nil), b.objects...)
}

func (b *bucket) bytes() []byte {
	var all []byte
	for _, o := range b.all() {
		all = append(all, o.data...)
	}
	return all
}

func mustNew(t testing.TB, cfg uploader.Config) *uploader.Uploader {
	t.Helper()
	if cfg.Prefix == "" {
		cfg.Prefix = "cam"
	}
	if cfg.UploadJitter == 0 {
		cfg.UploadJitter = -1
	}
	u, err := uploader.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func mustWrite(t testing.TB, u *uploader.Uploader, au uploader.AccessUnit) {
	t.Helper()
	if err := u.WriteVideo(au); err != nil {
		t.Fatalf("WriteVideo at %v: %v", au.PTS, err)
	}
}

func mustClose(t testing.TB, u *uploader.Uploader) {
	t.Helper()
	if err := u.Close(context.Background()); err != nil {
		t.Fatalf("Close: %v", err)
	}
	checkSums(t, u.Stats())
}

// checkSums checks the equations that Stats promises.
func checkSums(t testing.TB, s uploader.Stats) {
	t.Helper()
	sum := s.Stored
	for _, c := range []uploader.Counts{s.Pending, s.DroppedFull, s.DroppedCollision, s.DroppedClosed, s.Spooled} {
		sum.Segments += c.Segments
		sum.Frames += c.Frames
		sum.Bytes += c.Bytes
		sum.Duration += c.Duration
	}
	if sum != s.Sealed {
		t.Errorf("sealed %+v, accounted for %+v", s.Sealed, sum)
	}
	if got := s.Sealed.Segments + s.DroppedTooLarge.Segments + s.Open.Segments; got != s.Begun {
		t.Errorf("begun %d, accounted for %d", s.Begun, got)
	}
	if in, out := s.SpoolFound.Segments+s.Spooled.Segments, s.Backfilled.Segments+s.DroppedSpool.Segments+s.SpoolPending.Segments; in != out {
		t.Errorf("%d segments in the spool, accounted for %d", in, out)
	}
	if in, out := s.SpoolFound.Bytes+s.Spooled.Bytes, s.Backfilled.Bytes+s.DroppedSpool.Bytes+s.SpoolPending.Bytes; in != out {
		t.Errorf("%d bytes in the spool, accounted for %d", in, out)
	}
	if s.SpoolPending.Segments < 0 || s.SpoolPending.Bytes < 0 {
		t.Errorf("in the spool: %+v", s.SpoolPending)
	}
	if got := s.Sealed.Frames + s.Open.Frames + s.DroppedTooLarge.Frames + s.DroppedBeforeIDR; got != s.VideoFrames {
		t.Errorf("%d pictures, accounted for %d: %+v", s.VideoFrames, got, s)
	}
}

// seconds returns the keys as seconds after epoch.
func seconds(t testing.TB, epoch time.Time, objects []stored) []int {
	t.Helper()
	var got []int
	for _, o := range objects {
		_, at, ok := segment.ParseKey(o.key)
		if !ok {
			t.Fatalf("%q is not a segment key", o.key)
		}
		got = append(got, int(at.Sub(epoch)/time.Second))
	}
	return got
}

var epoch = time.Date(2026, 3, 9, 4, 5, 6, 0, time.UTC)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
