// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/s3cam/s3cam/internal/h264"
)

// scan returns the NAL types of every access unit, "9 7 8 5 | 9 1".
func scan(t *testing.T, r io.Reader, limit int) (string, error) {
	t.Helper()
	s := h264.NewScanner(r, limit)
	var units []string
	for {
		au, err := s.Next()
		if err != nil {
			if _, again := s.Next(); !errors.Is(again, err) {
				t.Errorf("a second call gives %v after %v", again, err)
			}
			return strings.Join(units, " | "), err
		}
		var types []string
		for nal := range h264.NALUnits(au) {
			types = append(types, fmt.Sprint(h264.NALType(nal)))
		}
		units = append(units, strings.Join(types, " "))
	}
}

func TestScannerGroupsNALUnitsIntoAccessUnits(t *testing.T) {
	plain := sps{}
	set := [][]byte{plain.nal(), pps(0, 0, false, false)}
	idr := slice{nalType: 5, refIDC: 3, typ: 7, payload: 20}
	ref := func(frameNum, lsb uint64) slice {
		return slice{refIDC: 2, typ: 5, frameNum: frameNum, lsb: lsb, payload: 20}
	}
	at := func(s slice, firstMB uint64) slice { s.firstMB = firstMB; return s }
	nonRef := func(s slice) slice { s.refIDC = 0; return s }
	other := func(s slice, idrPicID uint64) slice { s.idrPicID = idrPicID; return s }

	fields := sps{interlaced: true}
	field := func(s slice, bottom bool) []byte {
		s.sps, s.field, s.bottom = fields, true, bottom
		return s.nal()
	}
	type1 := sps{pocType: 1, offsets: []int64{2}}
	withDelta := func(d0, d1 int64) []byte {
		return slice{sps: type1, refIDC: 2, typ: 5, frameNum: 1, bottomFieldPOC: true, delta: [2]int64{d0, d1}, firstMB: uint64(d0 + d1)}.nal()
	}
	redundant := func(s slice, n uint64) []byte {
		s.redundantPresent, s.redundant = true, n
		return s.nal()
	}
	prefix := []byte{14 | 0x60, 0x80, 0x40, 0x20}

	tests := []struct {
		name string
		nals [][]byte
		want string
	}{
		{"parameter sets, then one slice per picture",
			[][]byte{set[0], set[1], idr.nal(), ref(1, 2).nal(), ref(2, 4).nal()}, "7 8 5 | 1 | 1"},
		{"four slices per picture, told apart by frame_num",
			[][]byte{set[0], set[1], idr.nal(), at(idr, 25).nal(), at(idr, 50).nal(), ref(1, 2).nal(), at(ref(1, 2), 50).nal(), ref(2, 4).nal()},
			"7 8 5 5 5 | 1 1 | 1"},
		{"the first slice of a picture is lost: frame_num still tells",
			[][]byte{set[0], set[1], idr.nal(), at(ref(1, 2), 50).nal(), at(ref(2, 4), 50).nal()}, "7 8 5 | 1 | 1"},
		{"arbitrary slice order: first_mb_in_slice 0 comes last",
			[][]byte{set[0], set[1], at(idr, 50).nal(), idr.nal(), at(ref(1, 2), 50).nal(), ref(1, 2).nal()}, "7 8 5 5 | 1 1"},
		{"pictures that differ only in pic_order_cnt_lsb",
			[][]byte{set[0], set[1], idr.nal(), at(nonRef(ref(1, 2)), 9).nal(), at(nonRef(ref(1, 4)), 9).nal()}, "7 8 5 | 1 | 1"},
		{"a reference picture after one that is none",
			[][]byte{set[0], set[1], idr.nal(), at(nonRef(ref(1, 2)), 9).nal(), at(ref(1, 2), 9).nal()}, "7 8 5 | 1 | 1"},
		{"nal_ref_idc 2 and 1 are the same picture",
			[][]byte{set[0], set[1], idr.nal(), ref(1, 2).nal(), func() []byte { s := at(ref(1, 2), 9); s.refIDC = 1; return s.nal() }()}, "7 8 5 | 1 1"},
		{"another PPS id",
			[][]byte{set[0], set[1], pps(1, 0, false, false), idr.nal(), at(ref(1, 2), 9).nal(), func() []byte { s := at(ref(1, 2), 9); s.pps = 1; return s.nal() }()},
			"7 8 8 5 | 1 | 1"},
		{"IDR pictures in a row differ in idr_pic_id",
			[][]byte{set[0], set[1], at(idr, 9).nal(), at(other(idr, 1), 9).nal(), at(other(idr, 1), 20).nal()}, "7 8 5 | 5 5"},
		{"IDR pictures in a row that wrongly do not differ",
			[][]byte{set[0], set[1], idr.nal(), idr.nal(), at(idr, 9).nal(), idr.nal()}, "7 8 5 | 5 5 | 5"},
		{"delimiters begin access units",
			[][]byte{aud, set[0], set[1], idr.nal(), aud, ref(1, 2).nal(), aud, at(ref(1, 2), 9).nal()}, "9 7 8 5 | 9 1 | 9 1"},
		{"SEI begins the next access unit",
			[][]byte{set[0], set[1], sei, idr.nal(), sei, ref(1, 2).nal(), sei, sei, ref(2, 4).nal()}, "7 8 6 5 | 6 1 | 6 6 1"},
		{"parameter sets begin the next access unit",
			[][]byte{set[0], set[1], idr.nal(), set[0], set[1], other(idr, 1).nal(), set[1], ref(1, 2).nal()}, "7 8 5 | 7 8 5 | 8 1"},
		{"reserved types 15 to 18 begin an access unit, 12, 19 to 31 and 0 do not",
			[][]byte{set[0], set[1], idr.nal(), {12, 0xff, 0x80}, {19, 0x88}, {24, 1}, {0, 1}, {15, 1}, {16, 1}, ref(1, 2).nal(), {17, 1}}, "7 8 5 12 19 24 0 | 15 16 1 | 17"},
		{"the end of the sequence belongs to the picture before it",
			[][]byte{set[0], set[1], idr.nal(), endSeq, {11}, idr.nal(), endSeq}, "7 8 5 10 11 | 5 10"},
		{"after the end of the sequence even an equal slice is new",
			[][]byte{set[0], set[1], idr.nal(), endSeq, at(idr, 9).nal()}, "7 8 5 10 | 5"},
		{"redundant pictures belong to the primary picture before them",
			[][]byte{plain.nal(), pps(0, 0, false, true), redundant(idr, 0), redundant(idr, 1), redundant(at(idr, 9), 1), redundant(ref(1, 2), 0), redundant(ref(1, 2), 1)},
			"7 8 5 5 5 | 1 1"},
		{"the two fields of a frame are two access units",
			[][]byte{fields.nal(), set[1], field(idr, false), field(ref(0, 1), true), field(ref(1, 2), false), field(at(ref(1, 2), 9), false), field(ref(1, 3), true)},
			"7 8 5 | 1 | 1 1 | 1"},
		{"a frame after a field with the same numbers",
			[][]byte{fields.nal(), set[1], field(idr, false), slice{sps: fields, refIDC: 2, firstMB: 9, typ: 5}.nal(), field(at(ref(0, 0), 9), true)}, "7 8 5 | 1 | 1"},
		{"picture order count type 1: delta_pic_order_cnt of frame and bottom field",
			[][]byte{type1.nal(), pps(0, 0, true, false), withDelta(0, 1), withDelta(1, 0), withDelta(1, 1), withDelta(1, 1)}, "7 8 1 | 1 | 1 1"},
		{"a prefix NAL unit goes with its slice",
			[][]byte{set[0], set[1], prefix, idr.nal(), prefix, at(idr, 9).nal(), prefix, ref(1, 2).nal(), {20, 1, 2, 3}, prefix, ref(2, 4).nal()},
			"7 8 14 5 14 5 | 14 1 20 | 14 1"},
		{"data partitions", [][]byte{set[0], set[1], idr.nal(),
			func() []byte { s := ref(1, 2); s.nalType = 2; return s.nal() }(), {0x43, 0x80}, {0x44, 0x80},
			func() []byte { s := ref(2, 4); s.nalType = 2; return s.nal() }()}, "7 8 5 | 2 3 4 | 2"},
		{"without parameter sets first_mb_in_slice 0 begins a picture",
			[][]byte{idr.nal(), at(idr, 9).nal(), ref(1, 2).nal(), at(ref(1, 2), 9).nal(), ref(2, 4).nal()}, "5 5 | 1 1 | 1"},
		{"IDR before its parameter sets", [][]byte{sei, idr.nal(), set[0], set[1], ref(1, 2).nal()}, "6 5 | 7 8 1"},
		{"a broken SPS is as good as none", [][]byte{{0x67, 1}, set[1], idr.nal(), ref(1, 2).nal()}, "7 8 5 | 1"},
		{"nothing but parameter sets", set, "7 8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			four, three := annexB(tt.nals...), annexB3(tt.nals...)
			for name, r := range map[string]io.Reader{
				"4-byte start codes":   bytes.NewReader(four),
				"3-byte start codes":   bytes.NewReader(three),
				"byte by byte":         iotest.OneByteReader(bytes.NewReader(four)),
				"3-byte, byte by byte": iotest.OneByteReader(bytes.NewReader(three)),
				"in halves":            iotest.HalfReader(bytes.NewReader(four)),
				"data with EOF":        iotest.DataErrReader(bytes.NewReader(four)),
				"padding":              bytes.NewReader(bytes.ReplaceAll(four, []byte{0, 0, 0, 1}, slices.Concat(make([]byte, 40), []byte{1}))),
			} {
				got, err := scan(t, r, 0)
				if got != tt.want || !errors.Is(err, io.EOF) {
					t.Errorf("%s: %q, %v\nwant %q", name, got, err, tt.want)
				}
			}
		})
	}
}

func TestScannerLosesNoByte(t *testing.T) {
	in := annexB(sps{}.nal(), pps(0, 0, false, false))
	for i := range uint64(200) {
		in = append(in, annexB3(sei)...)
		in = append(in, annexB(slice{refIDC: 2, typ: 5, frameNum: i % 16, lsb: 2 * i % 64, payload: int(i * i % 9000)}.nal())...)
	}
	s := h264.NewScanner(iotest.HalfReader(bytes.NewReader(in)), 0)
	var joined []byte
	for {
		au, err := s.Next()
		if err != nil {
			break
		}
		if s.Offset() != int64(len(joined)) {
			t.Fatalf("Offset = %d, want %d", s.Offset(), len(joined))
		}
		joined = append(joined, au...)
	}
	if !bytes.Equal(joined, in) {
		t.Errorf("access units together have %d bytes and differ from the %d read", len(joined), len(in))
	}
}

// script gives its pieces one by one and fails the test when more is asked for than the scanner needs.
type script struct {
	t      *testing.T
	pieces [][]byte
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, errors.New("asked for more than was needed")
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func TestScannerDeliversAsSoonAsTheNextUnitIsRecognised(t *testing.T) {
	set := annexB(sps{}.nal(), pps(0, 0, false, false))
	idr := slice{nalType: 5, refIDC: 3, typ: 7, payload: 500}.nal()
	p := slice{refIDC: 2, typ: 5, frameNum: 1, lsb: 2, payload: 500}.nal()
	first := slices.Concat(set, annexB(idr))
	tests := []struct {
		name string
		next []byte // all of the next access unit that has come
	}{
		{"the header byte of a delimiter", annexB(aud)[:5]},
		{"the header byte of an SEI unit", annexB(sei)[:5]},
		{"the start of a slice header", annexB(p)[:9]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := h264.NewScanner(&script{t, [][]byte{first[:100], first[100:], tt.next}}, 0)
			au, err := s.Next()
			if err != nil || !bytes.Equal(au, first) {
				t.Errorf("got %d bytes, %v; want %d", len(au), err, len(first))
			}
		})
	}
}

func TestScannerIsBounded(t *testing.T) {
	set := annexB(sps{}.nal(), pps(0, 0, false, false))
	small := slice{refIDC: 2, typ: 5, frameNum: 1, lsb: 2, payload: 500}.nal()
	tests := []struct {
		name  string
		in    io.Reader
		limit int
		want  string // access units before the error
		err   error
		text  string
	}{
		{"an access unit without end", io.MultiReader(bytes.NewReader(set), bytes.NewReader(annexB(small)), endless(0x55)), 100_000, "",
			h264.ErrTooLarge, "limit 100000"},
		{"one byte too many", bytes.NewReader(annexB(small, slice{refIDC: 2, typ: 5, frameNum: 2, payload: 20}.nal())), len(small) + 3, "", h264.ErrTooLarge, fmt.Sprint(len(small) + 4)},
		{"exactly the limit", bytes.NewReader(annexB(small, small)), len(small) + 4, "1 | 1", io.EOF, ""},
		{"no start code, without end", endless(0x55), 100_000, "", h264.ErrNoStartCode, "no Annex B start code"},
		{"no start code in a short file", strings.NewReader("not a video"), 0, "", h264.ErrNoStartCode, "11 bytes"},
		{"empty", strings.NewReader(""), 0, "", io.EOF, ""},
		{"zero bytes", io.LimitReader(endless(0), 50<<20), 100_000, "", io.EOF, ""},
		{"50 MB of padding between pictures",
			io.MultiReader(bytes.NewReader(annexB(small)), io.LimitReader(endless(0), 50<<20), bytes.NewReader(annexB(small))), 100_000, "1 | 1", io.EOF, ""},
		{"garbage before the first start code", io.MultiReader(strings.NewReader("garbage"), bytes.NewReader(annexB(small))), 0, "1", io.EOF, ""},
		{"an unfinished start code at the end", bytes.NewReader(append(annexB(small), 0, 0, 0, 1)), 0, "1", io.EOF, ""},
		{"a reader that fails", io.MultiReader(bytes.NewReader(annexB(small, aud, small)), iotest.ErrReader(io.ErrClosedPipe)), 0, "1", io.ErrClosedPipe, ""},
		{"a reader that gives nothing", stuck{}, 0, "", io.ErrNoProgress, ""},
		{"a reader that lies", liar{}, 0, "", nil, "impossible"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := scan(t, tt.in, tt.limit)
			if got = strings.ReplaceAll(got, "9 ", ""); got != tt.want {
				t.Errorf("access units %q, want %q", got, tt.want)
			}
			if tt.err != nil && !errors.Is(err, tt.err) || err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %q, want %v with %q", err, tt.err, tt.text)
			}
		})
	}
}

func TestScannerOffsetsGoOnBehindPaddingAndGarbage(t *testing.T) {
	one := annexB(slice{refIDC: 2, typ: 5, frameNum: 1, lsb: 2, payload: 50}.nal())
	in := slices.Concat([]byte("junk"), one, make([]byte, 200_000), one)
	s := h264.NewScanner(iotest.HalfReader(bytes.NewReader(in)), 0)
	for i, want := range []int64{4, int64(4 + len(one) + 200_000)} {
		if _, err := s.Next(); err != nil || s.Offset() != want {
			t.Errorf("access unit %d: offset %d, %v, want %d", i, s.Offset(), err, want)
		}
	}
	if s.Skipped() != 4 {
		t.Errorf("Skipped = %d, want 4", s.Skipped())
	}
}

func TestScannerAllocatesNothingOnceWarm(t *testing.T) {
	set := annexB(sps{}.nal(), pps(0, 0, false, false))
	var pictures []byte
	for i := range uint64(16) {
		pictures = append(pictures, set...)
		pictures = append(pictures, annexB(slice{refIDC: 2, typ: 5, frameNum: i, lsb: 2 * i, payload: 3000}.nal())...)
	}
	s := h264.NewScanner(&loop{b: pictures}, 0)
	next := func() {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		next()
	}
	if got := testing.AllocsPerRun(500, next); got != 0 {
		t.Errorf("%v allocations per access unit, want 0", got)
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 1, nil }

// loop repeats its bytes for ever.
type loop struct {
	b  []byte
	at int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.b[l.at:])
	l.at = (l.at + n) % len(l.b)
	return n, nil
}
