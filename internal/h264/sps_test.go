// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/h264"
)

func TestParseSPS(t *testing.T) {
	type want struct {
		profile, level, w, h, codedW, codedH int
		pocType, reorder, refs               int
		rate                                 string
		sar                                  [2]int
		chroma, depth                        int
	}
	// All but the last four were written by libx264 for this test (testsrc2, 192x144 unless said).
	tests := []struct {
		name, nal string
		want      want
	}{
		{"high, B pyramid", "6764000bacd94304ec0440000003004000000c83c50a6580",
			want{100, 11, 192, 144, 192, 144, 0, 2, 4, "25", [2]int{1, 1}, 1, 8}},
		{"constrained baseline", "6742c00bda0c13b011000003000100000300320f142aa0",
			want{66, 11, 192, 144, 192, 144, 2, 0, 1, "25", [2]int{1, 1}, 1, 8}},
		{"interlaced: the height counts pairs of macroblock rows", "67640015acd9430afcb8088000000300800000190f8a14cb",
			want{100, 21, 192, 144, 192, 160, 0, 2, 4, "25", [2]int{1, 1}, 1, 8}},
		{"cropping on the right and below, extended sample aspect ratio", "6764000bacd94304f9a4ffc0170016c4000003000400000300c83c50a658",
			want{100, 11, 182, 138, 192, 144, 0, 2, 4, "25", [2]int{92, 91}, 1, 8}},
		{"1440x1080 in 68 macroblock rows", "67640028acd9405a0227e5c044000003000400000300c83c60c658",
			want{100, 40, 1440, 1080, 1440, 1088, 0, 2, 4, "25", [2]int{1, 1}, 1, 8}},
		{"monochrome", "6764000bf3650c13b016c80000030008000003019078a14cb0",
			want{100, 11, 192, 144, 192, 144, 0, 2, 4, "25", [2]int{1, 1}, 0, 8}},
		{"ten bits", "676e000ba6cd94304ec044000003000400000300c83c50a658",
			want{110, 11, 192, 144, 192, 144, 0, 2, 4, "25", [2]int{1, 1}, 1, 10}},
		{"lossless high 4:4:4 predictive", "67f4000baeb418276022000003000200000300641e285540",
			want{244, 11, 192, 144, 192, 144, 2, 0, 1, "25", [2]int{1, 1}, 1, 8}},
		{"NTSC rate", "6764000cacd94304ec04400000fa40003a9803c50a6580",
			want{100, 12, 192, 144, 192, 144, 0, 2, 4, "30000/1001", [2]int{1, 1}, 1, 8}},
		{"film rate", "6764000bacd94304ec04400000fa40002ee003c50a6580",
			want{100, 11, 192, 144, 192, 144, 0, 2, 4, "24000/1001", [2]int{1, 1}, 1, 8}},
		{"HRD parameters before the bitstream restriction", "6764000cacd94304ec0440000003004000000c980800493c00124fe4c30078a14cb0",
			want{100, 12, 192, 144, 192, 144, 0, 2, 4, "25", [2]int{1, 1}, 1, 8}},
		{"sample aspect ratio from the table", "6764000bacec304ec384000003000400000300c83c50a4e0",
			want{100, 11, 192, 144, 192, 144, 0, 1, 2, "25", [2]int{4, 3}, 1, 8}},
		{"no reference frames: nothing to reorder without a bitstream restriction", "6764100bacb8609d80880000030008000003019020",
			want{100, 11, 192, 144, 192, 144, 2, 0, 0, "25", [2]int{1, 1}, 1, 8}},
		{"no VUI, picture order count type 2", "6742000ba681609640", want{66, 11, 352, 288, 352, 288, 2, 0, 1, "unknown", [2]int{}, 1, 8}},
		{"no VUI: the level says how far pictures may be reordered", "6742e00a96528589c8",
			want{66, 10, 176, 144, 176, 144, 0, 4, 4, "unknown", [2]int{}, 1, 8}},
		{"no VUI, level 4", "674d0028e7202c12c8", want{77, 40, 352, 288, 352, 288, 0, 16, 3, "unknown", [2]int{}, 1, 8}},
		{"nal_ref_idc 1", "2742e00da918283f600d418041adb0ad7bdf01", want{66, 13, 320, 240, 320, 240, 0, 7, 2, "unknown", [2]int{}, 1, 8}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := h264.ParseSPS(unhex(t, tt.nal))
			if err != nil {
				t.Fatal(err)
			}
			got := want{s.ProfileIDC, s.LevelIDC, s.Width, s.Height, s.CodedWidth, s.CodedHeight, s.POCType, s.MaxNumReorder,
				s.MaxNumRefFrames, s.FrameRate.String(), [2]int{s.SARWidth, s.SARHeight}, s.ChromaFormat, s.BitDepthLuma}
			if got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if s.VUITruncated {
				t.Error("VUITruncated is set")
			}
		})
	}
}

func TestSPSFrameRate(t *testing.T) {
	tests := []struct {
		name         string
		units, scale uint64
		want         string
	}{
		{"a tick is a field", 1, 50, "25"},
		{"12.5 frames", 1, 25, "25/2"},
		{"in lowest terms", 540000, 27000000, "25"},
		{"no ticks", 0, 50, "unknown"},
		{"no sane rate", 268435456, 268435459, "unknown"},
		{"too slow", 1, 1, "unknown"},
		{"one frame in a second", 1, 2, "1"},
		{"too fast", 1, 90000, "unknown"},
		{"the largest numbers", 1<<32 - 1, 1<<32 - 1, "unknown"},
		{"the largest scale", 1 << 30, 1<<32 - 1, "4294967295/2147483648"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := h264.ParseSPS(sps{units: tt.units, scale: tt.scale}.nal())
			if err != nil || s.FrameRate.String() != tt.want || !s.FixedFrameRate {
				t.Errorf("FrameRate = %v (fixed %v), %v, want %s", s.FrameRate, s.FixedFrameRate, err, tt.want)
			}
		})
	}
}

func TestReorderDepthWithoutBitstreamRestriction(t *testing.T) {
	tests := []struct {
		name string
		sps  sps
		want int
	}{
		{"level 3, CIF", sps{level: 30, mbsW: 22, mbsH: 18}, 16},
		{"level 3, SD", sps{level: 30, mbsW: 45, mbsH: 36}, 5},
		{"level 3.1, 720p", sps{level: 31, mbsW: 80, mbsH: 45}, 5},
		{"level 4, 1080p", sps{level: 40, mbsW: 120, mbsH: 68}, 4},
		{"level 5.1, 2160p", sps{level: 51, mbsW: 240, mbsH: 135}, 5},
		{"level 6, 1080p", sps{level: 60, mbsW: 120, mbsH: 68}, 16},
		{"level 1b of the baseline profile", sps{level: 11, constraints: 0x10}, 4},
		{"level 1.1", sps{level: 11}, 9},
		{"level 9 is 1b in the high profile", sps{profile: 100, level: 9}, 4},
		{"more reference frames than the level allows", sps{level: 40, mbsW: 120, mbsH: 68, refs: 6}, 6},
		{"a level nobody knows", sps{level: 77}, 16},
		{"intra profile", sps{profile: 100, constraints: 0x10}, 0},
		{"picture order count type 2", sps{pocType: 2}, 0},
		{"picture order count type 1", sps{pocType: 1, level: 11}, 9},
		{"said in the VUI", sps{reorder: 4}, 3},
		{"said to be none", sps{reorder: 1}, 0},
		{"an illegal number in the VUI", sps{level: 11, reorder: 18}, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := h264.ParseSPS(tt.sps.nal())
			if err != nil || s.MaxNumReorder != tt.want {
				t.Errorf("MaxNumReorder = %d, %v, want %d", s.MaxNumReorder, err, tt.want)
			}
		})
	}
}

func TestATruncatedVUIIsNoError(t *testing.T) {
	whole := sps{units: 1, scale: 50, reorder: 3}.nal()
	full, err := h264.ParseSPS(whole)
	if err != nil {
		t.Fatal(err)
	}
	kept, lost := 0, 0
	for n := len(whole) - 1; n > 10; n-- {
		s, err := h264.ParseSPS(whole[:n])
		if err != nil {
			continue // cut before the VUI
		}
		if s.Width != full.Width || s.POCType != full.POCType || !s.VUITruncated {
			t.Errorf("%d of %d bytes: %+v", n, len(whole), s)
		}
		if s.FrameRate.Valid() {
			kept++
		} else {
			lost++
		}
		if s.BitstreamRestriction {
			t.Errorf("%d of %d bytes: the restriction cannot be known", n, len(whole))
		}
	}
	if kept == 0 || lost == 0 {
		t.Errorf("frame rate kept in %d, lost in %d cuts", kept, lost)
	}
}

func TestBrokenSPS(t *testing.T) {
	w := func() *bitWriter { return (&bitWriter{}).u(8, 66).u(8, 0).u(8, 30) }
	tests := []struct {
		name string
		nal  []byte
		want string
	}{
		{"nothing", nil, "not a sequence"},
		{"another type", pps(0, 0, false, false), "not a sequence"},
		{"forbidden_zero_bit", []byte{0xe7, 66, 0, 30, 0xf0}, "not a sequence"},
		{"cut off", []byte{0x67, 66, 0}, "truncated"},
		{"only zero bytes behind the header", append([]byte{0x67}, make([]byte, 40)...), "truncated"},
		{"id 32", w().ue(32).nal(0x67), "seq_parameter_set_id is 32"},
		{"frame_num of 17 bits", w().ue(0).ue(13).nal(0x67), "log2_max_frame_num_minus4"},
		{"picture order count type 3", w().ue(0).ue(0).ue(3).nal(0x67), "pic_order_cnt_type is 3"},
		{"17 reference frames", w().ue(0).ue(0).ue(2).ue(17).nal(0x67), "max_num_ref_frames"},
		{"too wide", w().ue(0).ue(0).ue(2).ue(1).u(1, 0).ue(5000).ue(1).nal(0x67), "pic_width_in_mbs_minus1"},
		{"too many macroblocks", sps{mbsW: 1000, mbsH: 1000}.nal(), "too large"},
		{"more offsets than bits", w().ue(0).ue(0).ue(1).u(1, 0).se(0).se(0).ue(255).nal(0x67), "truncated"},
		{"nothing is left by cropping", w().ue(0).ue(0).ue(2).ue(1).u(1, 0).ue(10).ue(8).u(1, 1).u(1, 1).u(1, 1).ue(44).ue(44).ue(0).ue(0).u(1, 0).nal(0x67), "cropping"},
		{"an endless Exp-Golomb code", append([]byte{0x67, 66, 0, 30}, []byte{0, 0, 3, 0, 0, 3, 0, 0, 3, 0, 0, 3, 1}...), "Exp-Golomb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := h264.ParseSPS(tt.nal)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v, error %v, want one about %q", s, err, tt.want)
			}
		})
	}
}

func TestParsePPS(t *testing.T) {
	p, err := h264.ParsePPS(pps(7, 3, true, true))
	if err != nil || p.ID != 7 || p.SPSID != 3 {
		t.Errorf("%+v, %v", p, err)
	}
	groups := func(typ uint64, rest func(*bitWriter)) []byte {
		w := (&bitWriter{}).ue(1).ue(0).u(1, 1).u(1, 0).ue(2).ue(typ)
		rest(w)
		return w.ue(0).ue(0).u(3, 0).se(0).se(0).se(0).u(3, 0).nal(0x68)
	}
	for typ, rest := range map[uint64]func(*bitWriter){
		0: func(w *bitWriter) { w.ue(1).ue(2).ue(3) },
		1: func(*bitWriter) {},
		2: func(w *bitWriter) { w.ue(1).ue(2).ue(3).ue(4) },
		5: func(w *bitWriter) { w.u(1, 0).ue(9) },
		6: func(w *bitWriter) { w.ue(3).u(2, 0).u(2, 1).u(2, 2).u(2, 0) },
	} {
		if p, err := h264.ParsePPS(groups(typ, rest)); err != nil || p.ID != 1 || !p.CABAC {
			t.Errorf("slice group map type %d: %+v, %v", typ, p, err)
		}
	}
	for name, nal := range map[string][]byte{
		"an SPS":                      sps{}.nal(),
		"id 256":                      (&bitWriter{}).ue(256).ue(0).u(32, 0).nal(0x68),
		"SPS id 32":                   (&bitWriter{}).ue(0).ue(32).u(32, 0).nal(0x68),
		"slice group map type 7":      groups(7, func(*bitWriter) {}),
		"a slice group map cut off":   groups(6, func(w *bitWriter) { w.ue(100000) }),
		"a slice group map too large": groups(6, func(w *bitWriter) { w.ue(4000000) }),
		"nine slice groups":           (&bitWriter{}).ue(0).ue(0).u(2, 0).ue(8).nal(0x68),
		"cut off":                     {0x68, 0xce},
	} {
		if p, err := h264.ParsePPS(nal); err == nil {
			t.Errorf("%s was accepted: %+v", name, p)
		}
	}
}

func TestParameterSets(t *testing.T) {
	var p h264.ParameterSets
	step := func(what string, au []byte, wantChanged bool) {
		t.Helper()
		if changed, err := p.Update(au); changed != wantChanged || err != nil {
			t.Errorf("%s: changed %v, %v, want %v", what, changed, err, wantChanged)
		}
	}
	small, large := sps{mbsW: 11}.nal(), sps{mbsW: 22}.nal()
	idr := slice{nalType: 5, refIDC: 3, typ: 7, payload: 50}.nal()
	if p.Complete() || len(p.Append(nil)) != 0 {
		t.Error("an empty set is complete")
	}
	step("nothing", nil, false)
	step("PPS first", annexB(pps(0, 0, false, false), idr), true)
	if p.Complete() {
		t.Error("complete without an SPS")
	}
	step("the SPS for it", annexB3(aud, small, idr), true)
	if !p.Complete() {
		t.Error("not complete")
	}
	step("the same again", annexB(small, pps(0, 0, false, false), idr), false)
	step("the same with zero bytes behind", annexB(append(small, 0, 0), idr), false)
	step("behind a slice nothing is looked for", annexB(idr, large), false)
	step("another size under the same id", annexB(large, idr), true)
	if s, ok := p.SPS(0); !ok || s.Width != 352 {
		t.Errorf("SPS 0 is %d wide, %v, want 352", s.Width, ok)
	}
	step("further ids", annexB(sps{id: 4}.nal(), pps(9, 4, false, false), pps(200, 0, true, false)), true)
	want := annexB(large, sps{id: 4}.nal(), pps(0, 0, false, false), pps(9, 4, false, false), pps(200, 0, true, false))
	if got := p.Append([]byte{0xaa}); string(got) != "\xaa"+string(want) {
		t.Errorf("Append = %x\nwant     aa%x", got, want)
	}
	if s, ok := p.First(); !ok || s.ID != 0 {
		t.Errorf("First = %+v, %v", s, ok)
	}
	if _, ok := p.SPS(1); ok {
		t.Error("SPS 1 is there")
	}
	if _, ok := p.SPS(-1); ok {
		t.Error("SPS -1 is there")
	}
	if v, ok := p.PPS(9); !ok || v.SPSID != 4 {
		t.Errorf("PPS 9 = %+v, %v", v, ok)
	}
	if _, ok := p.PPS(256); ok {
		t.Error("PPS 256 is there")
	}

	// A broken set is reported, the good one beside it is taken.
	changed, err := p.Update(annexB([]byte{0x67, 1}, pps(1, 0, false, false)))
	if _, ok := p.PPS(1); !changed || err == nil || !ok {
		t.Errorf("broken SPS beside a good PPS: changed %v, %v, PPS there %v", changed, err, ok)
	}
	au := annexB(aud, large, pps(9, 4, false, false), idr)
	if got := testing.AllocsPerRun(100, func() { _, _ = p.Update(au) }); got != 0 {
		t.Errorf("%v allocations for known sets, want 0", got)
	}
}

func TestParameterSetsAreBounded(t *testing.T) {
	var p h264.ParameterSets
	group := func(id uint64, bytes int) []byte { // a PPS with a long slice group map
		w := (&bitWriter{}).ue(id).ue(0).u(2, 0).ue(7).ue(6).ue(uint64(bytes*8/3) - 1)
		for range bytes * 8 / 3 {
			w.u(3, 5)
		}
		return w.ue(0).ue(0).u(3, 0).se(0).se(0).se(0).u(3, 0).nal(0x68)
	}
	if _, err := p.Add(group(0, h264.MaxSetBytes+100)); !errors.Is(err, h264.ErrTooLarge) {
		t.Errorf("a set beyond MaxSetBytes: %v", err)
	}
	var err error
	for id := uint64(0); id < 256 && err == nil; id++ {
		_, err = p.Add(group(id, 4000))
	}
	if !errors.Is(err, h264.ErrTooLarge) || len(p.Append(nil)) > h264.MaxSetsBytes+16*256 {
		t.Errorf("256 sets of 4000 bytes: %v, %d bytes kept", err, len(p.Append(nil)))
	}
	if changed, err := p.Add(group(0, 3999)); !changed || err != nil {
		t.Errorf("a smaller set in place of a larger one: %v, %v", changed, err)
	}
	if changed, err := p.Add(aud); changed || err != nil {
		t.Errorf("an AUD: %v, %v", changed, err)
	}
}
