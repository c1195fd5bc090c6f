// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// unit is a PES packet of a stored segment with its full time.
type unit struct {
	data     []byte
	pts, dts time.Time
	random   bool
}

// content is what one stored object holds.
type content struct {
	start        time.Time // second in the key
	video, audio []unit
	hasAudio     bool // announced
	firstCC      map[uint16]byte
	lastCC       map[uint16]byte
}

// read takes an object apart and checks what must hold for every segment: whole packets, tables first, continuity within, an IDR
// with delimiter, SPS and PPS first, key = floor(PTS) unless moved, DTS rising.
func read(t testing.TB, o stored) content {
	t.Helper()
	_, start, ok := segment.ParseKey(o.key)
	if !ok {
		t.Fatalf("%q is not a segment key", o.key)
	}
	c := content{start: start, firstCC: map[uint16]byte{}, lastCC: map[uint16]byte{}}
	if len(o.data)%188 != 0 || len(o.data) < 3*188 {
		t.Fatalf("%s has %d bytes", o.key, len(o.data))
	}
	for i := 0; i < len(o.data); i += 188 {
		p := o.data[i : i+188]
		pid := uint16(p[1]&0x1F)<<8 | uint16(p[2])
		if want := []uint16{0, 0x1000, 0x100}; i/188 < 3 && pid != want[i/188] {
			t.Fatalf("%s: packet %d has PID %#x, want %#x", o.key, i/188, pid, want[i/188])
		}
		if p[0] != 0x47 {
			t.Fatalf("%s: packet %d has no sync byte", o.key, i/188)
		}
		if p[3]&0x10 == 0 {
			continue // no payload, no count
		}
		cc := p[3] & 15
		if last, ok := c.lastCC[pid]; !ok {
			c.firstCC[pid] = cc
		} else if cc != (last+1)&15 {
			t.Fatalf("%s: PID %#x counts %d after %d at packet %d", o.key, pid, cc, last, i/188)
		}
		c.lastCC[pid] = cc
	}
	d := mpegts.NewDemuxer(bytes.NewReader(o.data))
	for {
		u, err := d.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", o.key, err)
		}
		if u.Damaged {
			t.Fatalf("%s: damaged unit at %d", o.key, u.Offset)
		}
		got := unit{bytes.Clone(u.Data), fullTime(start, u.PTS), fullTime(start, u.DTS), u.RandomAccess}
		if u.Kind == mpegts.Video {
			if n := len(c.video); n > 0 && !got.dts.After(c.video[n-1].dts) {
				t.Errorf("%s: DTS %v after %v", o.key, got.dts, c.video[n-1].dts)
			}
			c.video = append(c.video, got)
		} else {
			c.audio = append(c.audio, got)
		}
	}
	c.hasAudio = len(d.Streams()) == 2
	first, err := h264.Inspect(c.video[0].data)
	if err != nil || !first.IDR || first.AUDBytes == 0 || !first.HasSPS || !first.HasPPS || !c.video[0].random {
		t.Fatalf("%s starts with %+v (random access %v), %v; want AUD, SPS, PPS, IDR", o.key, first, c.video[0].random, err)
	}
	if order := types(c.video[0].data); order[0] != h264.TypeAUD {
		t.Fatalf("%s starts with NAL units %v", o.key, order)
	}
	return c
}

func types(au []byte) []int {
	var list []int
	for nal := range h264.NALUnits(au) {
		list = append(list, h264.NALType(nal))
	}
	return list
}

// fullTime finds the time near near whose 33-bit timestamp is pts.
func fullTime(near time.Time, pts int64) time.Time {
	base := segment.Ticks(near)
	diff := (pts - base) & (segment.PTSModulus - 1)
	if diff >= segment.PTSModulus/2 {
		diff -= segment.PTSModulus
	}
	return segment.TimeOfTicks(base + diff)
}

// readAll reads objects in key order as they are, and checks what holds from one to the next when nothing was dropped.
func readAll(t testing.TB, objects []stored) []content {
	t.Helper()
	var all []content
	for _, o := range objects {
		c := read(t, o)
		if n := len(all); n > 0 {
			prev := all[n-1]
			if !c.start.After(prev.start) {
				t.Errorf("%s is stored after %v", o.key, prev.start)
			}
			if last := prev.video[len(prev.video)-1]; !c.video[0].dts.After(last.dts) {
				t.Errorf("%s starts at %v, the one before ends with %v", o.key, c.video[0].dts, last.dts)
			}
			for pid, cc := range c.firstCC {
				if last, ok := prev.lastCC[pid]; ok && cc != (last+1)&15 {
					t.Errorf("%s: PID %#x begins with counter %d, the one before ended with %d", o.key, pid, cc, last)
				}
			}
		}
		if !c.video[0].pts.Truncate(time.Second).Equal(c.start) && !c.video[0].pts.Add(12*time.Microsecond).Truncate(time.Second).Equal(c.start) {
			t.Errorf("%s starts with PTS %v", o.key, c.video[0].pts)
		}
		all = append(all, c)
	}
	return all
}

// slices returns the picture data of all segments: the NAL units from the first slice on.
func slicesOf(t testing.TB, all []content) [][]byte {
	t.Helper()
	var list [][]byte
	for _, c := range all {
		for _, v := range c.video {
			info, err := h264.Inspect(v.data)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, v.data[info.SliceOffset:])
		}
	}
	return list
}
