// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/s3cam/s3cam/internal/h264"
)

// seeds are small streams with everything in them that the readers know.
func seeds() [][]byte {
	fields := sps{interlaced: true, reorder: 2}
	field := slice{sps: fields, refIDC: 2, typ: 5, frameNum: 1, lsb: 4, field: true}
	other := field
	other.bottom = true
	type1 := sps{pocType: 1, offsets: []int64{4, -2}, offsetNonRef: -2, units: 1, scale: 50}
	return [][]byte{
		nil,
		slices.Concat(encode(sps{reorder: 3, units: 1, scale: 50}, order("I0 P4 P2 b1 b3 I0 P3 b1 b2 M4 P1"))...),
		slices.Concat(encode(sps{level: 30}, order("I0 P1 P2 P3"))...),
		slices.Concat(annexB(aud, fields.nal(), pps(0, 0, true, true), sei, recovery), annexB3(field.nal(), other.nal(), endSeq)),
		annexB(type1.nal(), pps(0, 0, true, false), slice{sps: type1, refIDC: 2, typ: 6, frameNum: 3, bottomFieldPOC: true, delta: [2]int64{1, -1}, mmco: []uint64{1, 0, 3, 2, 1, 5}}.nal()),
		annexB(slice{nalType: 5, refIDC: 3, typ: 7}.nal(), sps{profile: 100, mbsW: 120, mbsH: 68}.nal(), []byte{14, 1}, []byte{20, 2}, []byte{11}),
		{0, 0, 0, 1, 0x65, 0x88, 0, 0, 3, 0, 0, 1, 0, 0, 1, 9},
	}
}

func FuzzScanner(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, uint16(1000))
	}
	f.Fuzz(func(t *testing.T, b []byte, limit uint16) {
		read := func(r io.Reader) (aus [][]byte, err error) {
			s := h264.NewScanner(r, int(limit))
			for {
				au, err := s.Next()
				if err != nil {
					return aus, err
				}
				if len(au) == 0 || limit > 0 && len(au) > int(limit) {
					t.Fatalf("access unit of %d bytes, limit %d", len(au), limit)
				}
				if !bytes.Contains(b, au) && !bytes.Contains(b, []byte{0, 0, 0}) {
					t.Fatal("an access unit that is not part of the input")
				}
				aus = append(aus, bytes.Clone(au))
			}
		}
		whole, err1 := read(bytes.NewReader(b))
		bits, err2 := read(iotest.OneByteReader(bytes.NewReader(b)))
		if (err1 == io.EOF) != (err2 == io.EOF) {
			t.Fatalf("in one piece %v, byte by byte %v", err1, err2)
		}
		if err1 == io.EOF && !slices.EqualFunc(whole, bits, bytes.Equal) {
			t.Fatalf("%d access units in one piece, %d byte by byte, or others", len(whole), len(bits))
		}
	})
}

func FuzzInspect(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := h264.Inspect(b)
		if info.AUDBytes < 0 || info.AUDBytes > info.SliceOffset || info.SliceOffset > len(b) || info.HasSlice != (err == nil) {
			t.Fatalf("%+v, %v of %d bytes", info, err, len(b))
		}
		var p h264.ParameterSets
		_, _ = p.Update(b)
		set := p.Append(nil)
		var again h264.ParameterSets
		if _, err := again.Update(set); err != nil || !bytes.Equal(again.Append(nil), set) {
			t.Fatalf("parameter sets do not survive a round trip: %v", err)
		}
		_ = h264.EndsSequence(b)
	})
}

func FuzzParseSPS(f *testing.F) {
	for _, s := range []sps{{}, {reorder: 3, units: 1, scale: 50}, {pocType: 1, offsets: []int64{4, -2}}, {interlaced: true, profile: 100}} {
		f.Add(s.nal())
	}
	for _, s := range []string{"6764000cacd94304ec0440000003004000000c980800493c00124fe4c30078a14cb0", "67f4000baeb418276022000003000200000300641e285540"} {
		f.Add(unhex(f, s))
	}
	f.Add(pps(3, 1, true, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := h264.ParseSPS(b)
		if err == nil && (s.Width <= 0 || s.Height <= 0 || s.Width > s.CodedWidth || s.CodedWidth > 16880 || s.Height > s.CodedHeight || s.ID > 31 ||
			s.MaxNumReorder < 0 || s.MaxNumReorder > 16 || s.FrameRate != (h264.Rate{}) && !s.FrameRate.Valid()) {
			t.Fatalf("%+v", s)
		}
		_, _ = h264.ParsePPS(b)
	})
}

func FuzzReorderer(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, uint32(25), uint32(1))
	}
	f.Add(slices.Concat(encode(sps{reorder: 2}, order("I0 P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 P13 P14 P15 P16 P17 P18 P21 b19 b20 P24 b22 b23"))...), uint32(30000), uint32(1001))
	f.Fuzz(func(t *testing.T, b []byte, num, den uint32) {
		r, err := h264.NewReorderer(h264.ReorderConfig{FrameRate: h264.Rate{Num: num, Den: den}, MaxBytes: 1 << 20})
		if err != nil {
			return
		}
		s := h264.NewScanner(bytes.NewReader(b), 1<<20)
		in, out, bad := 0, 0, 0
		last := int64(-1 << 62)
		seen := map[int64]bool{}
		drain := func() {
			for {
				fr, ok := r.Next()
				if !ok {
					return
				}
				if fr.DTS > fr.PTS || fr.DTS <= last || seen[fr.PTS] {
					t.Fatalf("frame %d: PTS %d (seen %v), DTS %d after %d", out, fr.PTS, seen[fr.PTS], fr.DTS, last)
				}
				last, seen[fr.PTS] = fr.DTS, true
				out++
			}
		}
		for {
			au, err := s.Next()
			if err != nil {
				break
			}
			in++
			if err := r.Push(au); err != nil {
				if errors.Is(err, h264.ErrNoFrameRate) {
					return
				}
				bad++
			}
			drain()
			if in-out-bad > 2*34+16 && bad == 0 {
				t.Fatalf("%d access units held", in-out)
			}
		}
		if err := r.Flush(); err != nil {
			bad += 16
		}
		drain()
		if out > in || bad == 0 && out != in {
			t.Fatalf("%d access units in, %d out, %d refused", in, out, bad)
		}
	})
}
