// SPDX-License-Identifier: Apache-2.0

package clip_test

import (
	"context"
	"encoding/binary"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/clip"
	"github.com/s3cam/s3cam/internal/clip/cliptest"
	"github.com/s3cam/s3cam/segment"
)

// loop is a bucket with one segment that is stored in the place of every other: fetch moves its time stamps.
type loop struct {
	data   []byte
	stamps []int   // where PTS and DTS stand
	at     []int64 // what they are
	start  time.Time
}

func newLoop(t testing.TB, start time.Time, pictures int) *loop {
	t.Helper()
	cam := cliptest.Camera{Bytes: 200, Silent: true}
	l := &loop{data: cam.Segment(start, pictures), start: start}
	base := segment.PTS(start)
	for i := 0; i+19 < len(l.data); i++ {
		b := l.data[i:]
		if b[0] == 0 && b[1] == 0 && b[2] == 1 && b[3] == 0xE0 && b[7]&0x80 != 0 {
			l.stamps = append(l.stamps, i+9)
			l.at = append(l.at, read33(b[9:])-base)
		}
	}
	if len(l.stamps) != pictures {
		t.Fatalf("%d time stamps for %d pictures", len(l.stamps), pictures)
	}
	return l
}

func read33(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(binary.BigEndian.Uint16(b[1:])>>1)<<15 | int64(binary.BigEndian.Uint16(b[3:])>>1)
}

func (l *loop) fetch(_ context.Context, key string, _ int64, dst []byte) ([]byte, error) {
	_, start, _ := segment.ParseKey(key)
	dst = append(dst[:0], l.data...)
	for i, at := range l.stamps {
		v := (segment.PTS(start) + l.at[i]) & (1<<33 - 1)
		b := dst[at:]
		b[0] = b[0]&0xF1 | byte(v>>29)&0x0E
		binary.BigEndian.PutUint16(b[1:], uint16(v>>15)<<1|1)
		binary.BigEndian.PutUint16(b[3:], uint16(v)<<1|1)
	}
	return dst, nil
}

func (l *loop) list(n int) []segment.Segment {
	list := make([]segment.Segment, n)
	for i := range list {
		at := l.start.Add(time.Duration(i) * 3 * time.Second)
		list[i] = segment.Segment{Key: at, Start: at, Size: int64(len(l.data))}
	}
	return list
}

// meter counts what is written and looks at the heap now and then.
type meter struct {
	n       int64
	next    int64
	highest uint64
}

func (m *meter) Write(b []byte) (int, error) {
	if m.n += int64(len(b)); m.n >= m.next {
		m.next = m.n + 20_000_000
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		m.highest = max(m.highest, s.HeapAlloc)
	}
	return len(b), nil
}

// A clip of 24 hours, 28,800 segments through a wrap of the time stamps, takes as much memory as one of some minutes; so
// does its sum of allocations, but for the list of segments and what a segment costs.
func TestMemoryIsFlatForADay(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: a clip of 24 hours, because of -short")
	}
	run := func(segments int) (heap, total uint64, n int64) {
		l := newLoop(t, morning().Truncate(time.Second), 75)
		cfg := clip.Config{Camera: camera, Start: l.start, End: l.start.Add(25 * time.Hour), Segments: l.list(segments), Fetch: l.fetch}
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := clip.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		m := meter{}
		res, err := c.WriteMP4(t.Context(), &m)
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if res.Pictures != int64(segments)*75 || res.Gaps != 0 || c.End().Sub(c.Start()) != time.Duration(segments)*3*time.Second {
			t.Errorf("%+v over %v", res, c.End().Sub(c.Start()))
		}
		return m.highest - min(m.highest, before.HeapAlloc), after.Mallocs - before.Mallocs, m.n
	}
	short, _, _ := run(200)
	heap, mallocs, n := run(28_800)
	t.Logf("10 min: %d bytes of heap; 24 h: %d bytes of heap, %d allocations, %d bytes written", short, heap, mallocs, n)
	if n < 28_800*75*200 {
		t.Errorf("%d bytes written", n)
	}
	if heap > short+1<<20 || heap > 8<<20 {
		t.Errorf("the heap grew by %d bytes, by %d for ten minutes", heap, short)
	}
	if perSegment := float64(mallocs) / 28_800; perSegment > 20 { // its key, the check of its time: not the 75 pictures
		t.Errorf("%.1f allocations for each segment", perSegment)
	}
}

var _ io.Writer = (*meter)(nil)
