// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/h264"
)

// pic is one picture of a synthetic stream: when it is shown after the last restart, and what it is.
type pic struct {
	shown  int
	idr    bool
	mmco5  bool
	nonRef bool
}

// order writes pictures "I0 P3 b1 b2": I restarts with an IDR picture, M with memory_management_control_operation 5, b is no reference.
func order(s string) []pic {
	var pics []pic
	for _, f := range strings.Fields(s) {
		var p pic
		if _, err := fmt.Sscan(f[1:], &p.shown); err != nil {
			panic(err)
		}
		p.idr, p.mmco5, p.nonRef = f[0] == 'I', f[0] == 'M', f[0] == 'b'
		pics = append(pics, p)
	}
	return pics
}

// encode writes the access units with picture order count type 0.
func encode(s sps, pics []pic) [][]byte {
	lsbs, frameNums := uint64(1)<<or(s.lsbBits, 6), uint64(1)<<or(s.frameNumBits, 4)
	frameNum, id := uint64(0), uint64(0)
	var aus [][]byte
	for i, p := range pics {
		sl := slice{sps: s, nalType: 1, refIDC: 2, typ: 5, lsb: uint64(2*p.shown) % lsbs, frameNum: frameNum, payload: 10}
		var set []byte
		if i == 0 || p.idr {
			set = annexB(s.nal(), pps(0, s.id, false, false))
		}
		switch {
		case p.idr:
			id++
			sl.nalType, sl.refIDC, sl.typ, sl.frameNum, sl.idrPicID = 5, 3, 7, 0, id%2
			frameNum = 1
		case p.mmco5:
			sl.mmco = []uint64{5}
			frameNum = 1
		case p.nonRef:
			sl.refIDC, sl.typ = 0, 6
		default:
			frameNum = (frameNum + 1) % frameNums
		}
		aus = append(aus, append(set, annexB(sl.nal())...))
	}
	return aus
}

// run pushes all and returns the frames and the largest number of access units that were held back once the first had come out.
func run(t testing.TB, cfg h264.ReorderConfig, aus [][]byte) (frames []h264.Frame, held int) {
	t.Helper()
	r, err := h264.NewReorderer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	drain := func() {
		for {
			f, ok := r.Next()
			if !ok {
				return
			}
			frames = append(frames, f)
		}
	}
	for i, au := range aus {
		if err := r.Push(au); err != nil {
			t.Fatalf("access unit %d: %v", i, err)
		}
		drain()
		held = max(held, i+1-len(frames))
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	drain()
	check(t, frames, aus)
	return frames, held
}

// check tests what always holds: every access unit once and unchanged, in order, DTS rising and never above PTS, no PTS twice.
func check(t testing.TB, frames []h264.Frame, aus [][]byte) {
	t.Helper()
	if len(frames) != len(aus) {
		t.Fatalf("%d frames of %d access units", len(frames), len(aus))
	}
	seen := map[int64]bool{}
	for i, f := range frames {
		if !bytes.Equal(f.Data, aus[i]) {
			t.Fatalf("frame %d is not access unit %d", i, i)
		}
		if f.DTS > f.PTS || i > 0 && f.DTS <= frames[i-1].DTS || seen[f.PTS] {
			t.Fatalf("frame %d: PTS %d, DTS %d after DTS %d, PTS seen before: %v", i, f.PTS, f.DTS, frames[max(i-1, 0)].DTS, seen[f.PTS])
		}
		seen[f.PTS] = true
	}
}

func TestReorderer(t *testing.T) {
	const tick = 3600 // 25 frames per second
	long := func(n int) string {
		s := "I0"
		for i := 1; i < n; i++ {
			s += fmt.Sprint(" P", i)
		}
		return s
	}
	bAfter := func(n int) string {
		return fmt.Sprintf("%s P%d b%d b%d P%d b%d b%d", long(n), n+2, n, n+1, n+5, n+3, n+4)
	}
	tests := []struct {
		name  string
		sps   sps
		pics  string
		delay int64 // in frames, of the first picture
		held  int
	}{
		{"no reordering, said in the VUI", sps{reorder: 1}, long(40), 0, 0},
		{"reordering allowed, but the stream does not: 16 frames to see that, then none are held", sps{reorder: 3}, long(80), 0, 17},
		{"the same where nothing is said", sps{level: 30}, long(80), 0, 31},
		{"one picture", sps{reorder: 3}, "I0", 0, 1},
		{"B pictures", sps{reorder: 2}, "I0 P3 b1 b2 P6 b4 b5 P7", 1, 3},
		{"B pictures where the VUI says more than is used", sps{reorder: 4}, "I0 P3 b1 b2 P6 b4 b5 P7", 3, 5},
		{"B pictures without VUI: what is seen", sps{level: 30}, "I0 P3 b1 b2 P6 b4 b5 P7", 1, 8},
		{"B pyramid", sps{reorder: 3}, "I0 P4 B2 b1 b3 P8 B6 b5 b7", 2, 5},
		{"two groups of pictures", sps{reorder: 2}, "I0 P3 b1 b2 I0 P2 b1 P4 b3", 1, 3},
		{"the last pictures of a group go out at the next IDR picture", sps{reorder: 3}, "I0 P2 b1 I0 I0 P1", 2, 3},
		{"the count wraps at 16", sps{reorder: 2, lsbBits: 4}, "I0 P3 b1 b2 P6 b4 b5 P9 b7 b8 P12 b10 b11 P15 b13 b14 P18 b16 b17", 1, 3},
		{"operation 5 restarts the count", sps{reorder: 2}, "I0 P3 b1 b2 M6 P3 b1 b2 P5 b4", 1, 3},
		{"a stream that begins between IDR pictures", sps{reorder: 2}, "P20 b18 b19 P23 b21 b22 I0 P2 b1", 1, 3},
		{"pictures behind an IDR picture that are shown before it, against the rules, but seen", sps{reorder: 3, lsbBits: 5},
			"I0 I0 b-7 b-6 b-5 b-4", 2, 5},
		{"none are held over IDR pictures either, once it is known that the stream does not reorder", sps{reorder: 3}, long(40) + " " + long(40) + " I0 I0 P1", 0, 17},
		{"pictures are missing", sps{reorder: 2}, "I0 P6 b3 P12 b9 P14", 1, 2},
		{"reordering begins after 20 pictures", sps{reorder: 2}, bAfter(20), 0, 16},
		{"reordering begins after 40 pictures and the VUI does not say that it may", sps{level: 30}, bAfter(40), 0, 31},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pics := order(tt.pics)
			frames, held := run(t, h264.ReorderConfig{FrameRate: h264.Rate{Num: 25, Den: 1}}, encode(tt.sps, pics))

			// Pictures are shown by number within what an IDR picture or operation 5 begins.
			want := make([]int64, len(pics))
			for from := 0; from < len(pics); {
				to := from + 1
				for to < len(pics) && !pics[to].idr && !pics[to].mmco5 {
					to++
				}
				if pics[from].mmco5 {
					pics[from].shown = 0
				}
				for i := from; i < to; i++ {
					rank := int64(from)
					for j := from; j < to; j++ {
						if pics[j].shown < pics[i].shown {
							rank++
						}
					}
					want[i] = rank * tick
				}
				from = to
			}
			for i, f := range frames {
				if f.PTS != want[i] {
					t.Errorf("picture %d: PTS %d, want %d", i, f.PTS, want[i])
				}
			}
			if got := frames[0].DTS; got != -tt.delay*tick {
				t.Errorf("DTS begins at %d, want %d", got, -tt.delay*tick)
			}
			if held != tt.held {
				t.Errorf("%d access units held, want %d", held, tt.held)
			}
			if !strings.Contains(tt.name, "begins after") {
				for i, f := range frames {
					if f.DTS != (int64(i)-tt.delay)*tick {
						t.Errorf("picture %d: DTS %d is off the constant rate", i, f.DTS)
					}
				}
			}
		})
	}
}

// TestReordererSpreadsTheChangeOfTheDelay: when B pictures begin late, the DTS in between stay well apart and are back at the frame rate soon.
func TestReordererSpreadsTheChangeOfTheDelay(t *testing.T) {
	pics := []pic{{idr: true}}
	for i := 1; i < 40; i++ {
		pics = append(pics, pic{shown: i})
	}
	for i := 40; i < 80; i += 4 {
		pics = append(pics, pic{shown: i + 3}, pic{shown: i + 1}, pic{shown: i, nonRef: true}, pic{shown: i + 2, nonRef: true})
	}
	frames, _ := run(t, h264.ReorderConfig{FrameRate: h264.Rate{Num: 25, Den: 1}}, encode(sps{reorder: 3}, pics))
	uneven := 0
	for i := 1; i < len(frames); i++ {
		step := frames[i].DTS - frames[i-1].DTS
		if step < 900 {
			t.Errorf("DTS of picture %d is %d ticks after the one before it", i, step)
		}
		if step != 3600 {
			uneven++
		}
	}
	if first, last := frames[0], frames[len(frames)-1]; first.DTS != 0 || last.DTS != int64(len(frames)-1-2)*3600 {
		t.Errorf("DTS from %d to %d", first.DTS, last.DTS)
	}
	if uneven == 0 || uneven > 4 {
		t.Errorf("%d uneven steps, want 1 to 4", uneven)
	}
}

func TestReordererOnRandomStructures(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var pics []pic
		var want []int64
		depth := 0
		for base := 0; base < 120; {
			if base == 0 || rng.IntN(6) == 0 {
				pics = append(pics, pic{idr: true})
				want = append(want, int64(base))
				base++
				continue
			}
			start := base
			for i := len(pics) - 1; !pics[i].idr; i-- {
				start = min(start, int(want[i]))
			}
			start-- // the IDR picture is number 0
			n := 1 + rng.IntN(8)
			perm := append([]int{n - 1}, rng.Perm(n-1)...)
			for i, k := range perm {
				pics = append(pics, pic{shown: base + k - start, nonRef: i > 0 && rng.IntN(2) == 0})
				want = append(want, int64(base+k))
				before := 0
				for _, e := range perm[:i] {
					if e > k {
						before++
					}
				}
				depth = max(depth, before)
			}
			base += n
		}
		s := sps{reorder: depth + 1, lsbBits: 8}
		if seed%3 == 0 {
			s = sps{level: 40, lsbBits: 8} // says nothing
		}
		rate := h264.Rate{Num: 30000, Den: 1001}
		frames, held := run(t, h264.ReorderConfig{FrameRate: rate}, encode(s, pics))
		for i, f := range frames {
			if f.PTS != rate.Ticks(want[i]) {
				t.Fatalf("seed %d: picture %d of %d has PTS %d, want %d", seed, i, len(frames), f.PTS, rate.Ticks(want[i]))
			}
		}
		if held > 32 {
			t.Errorf("seed %d: %d access units held", seed, held)
		}
	}
}

func TestReordererBoundsHowLongAPictureWaits(t *testing.T) {
	// One picture is said to be shown after thousands that follow it.
	pics := []pic{{idr: true}, {shown: 30000}}
	for i := 1; i < 2000; i++ {
		pics = append(pics, pic{shown: i, nonRef: true})
	}
	s := sps{reorder: 3, lsbBits: 16}
	if _, held := run(t, h264.ReorderConfig{FrameRate: h264.Rate{Num: 25, Den: 1}}, encode(s, pics)); held > 33 {
		t.Errorf("%d access units held", held)
	}

	r, err := h264.NewReorderer(h264.ReorderConfig{FrameRate: h264.Rate{Num: 25, Den: 1}, MaxBytes: 4000})
	if err != nil {
		t.Fatal(err)
	}
	aus := encode(sps{reorder: 5}, order("I0 P9 P8 P7"))
	aus[1] = append(aus[1], bytes.Repeat([]byte{0x55}, 3000)...)
	aus[2] = append(aus[2], bytes.Repeat([]byte{0x55}, 3000)...)
	for i, want := range []error{nil, nil, h264.ErrTooLarge, nil} {
		if err := r.Push(aus[i]); !errors.Is(err, want) {
			t.Errorf("access unit %d: %v, want %v", i, err, want)
		}
	}
}

func TestReordererPictureOrderCountTypes1And2(t *testing.T) {
	rate := h264.Rate{Num: 25, Den: 1}
	// Type 1: each reference picture counts 4, a non-reference picture lies 2 before the reference picture that precedes it.
	s1 := sps{pocType: 1, offsets: []int64{4}, offsetNonRef: -2, reorder: 2, deltaZero: true}
	var aus [][]byte
	var want []int64
	aus = append(aus, append(annexB(s1.nal(), pps(0, 0, false, false)), annexB(slice{sps: s1, nalType: 5, refIDC: 3, typ: 7}.nal())...))
	want = append(want, 0)
	for i := uint64(1); i < 40; i++ { // frame_num wraps at 16
		aus = append(aus, annexB(slice{sps: s1, refIDC: 2, typ: 5, frameNum: i % 16}.nal()), annexB(slice{sps: s1, typ: 6, frameNum: (i + 1) % 16}.nal()))
		want = append(want, int64(2*i), int64(2*i-1))
	}
	frames, _ := run(t, h264.ReorderConfig{FrameRate: rate}, aus)
	for i, f := range frames {
		if f.PTS != want[i]*3600 || f.DTS != int64(i-1)*3600 {
			t.Errorf("type 1, picture %d: PTS %d, DTS %d, want %d, %d", i, f.PTS, f.DTS, want[i]*3600, int64(i-1)*3600)
		}
	}

	// Type 2: output order is decoding order, nothing is held.
	s2 := sps{pocType: 2, level: 30}
	aus = [][]byte{append(annexB(s2.nal(), pps(0, 0, false, false)), annexB(slice{sps: s2, nalType: 5, refIDC: 3, typ: 7}.nal())...)}
	for i := uint64(1); i < 40; i++ {
		aus = append(aus, annexB(slice{sps: s2, refIDC: byte(i % 2), typ: 5, frameNum: (i + 1) / 2 % 16}.nal()))
	}
	frames, held := run(t, h264.ReorderConfig{FrameRate: rate}, aus)
	for i, f := range frames {
		if f.PTS != int64(i)*3600 || f.DTS != f.PTS {
			t.Errorf("type 2, picture %d: PTS %d, DTS %d", i, f.PTS, f.DTS)
		}
	}
	if held != 0 {
		t.Errorf("type 2: %d access units held", held)
	}
}

func TestReordererFields(t *testing.T) {
	s := sps{interlaced: true, reorder: 2}
	field := func(frameNum, lsb uint64, ref byte, bottom bool) []byte {
		return annexB(slice{sps: s, refIDC: ref, typ: 5, frameNum: frameNum, lsb: lsb, field: true, bottom: bottom}.nal())
	}
	aus := [][]byte{
		append(annexB(s.nal(), pps(0, 0, false, false)), annexB(slice{sps: s, nalType: 5, refIDC: 3, typ: 7, field: true}.nal())...),
		field(0, 1, 2, true),                        // P field of the same frame
		field(1, 8, 2, false), field(1, 9, 2, true), // frame 4
		field(2, 4, 0, false), field(2, 5, 0, true), // frame 2
		field(2, 6, 0, false), // a lone field, frame 3
		annexB(slice{sps: s, refIDC: 2, typ: 5, frameNum: 2, lsb: 12}.nal()), // a whole frame, 6
		field(3, 10, 0, true), field(3, 10, 0, false), // bottom field first, frame 5
	}
	frames, _ := run(t, h264.ReorderConfig{FrameRate: h264.Rate{Num: 25, Den: 1}}, aus)
	wantPTS := []int64{0, 1, 6, 7, 2, 3, 4, 10, 8, 9}  // in half frames
	wantDTS := []int64{-2, -1, 0, 1, 2, 3, 4, 6, 8, 9} // the lone field counts as a frame
	for i, f := range frames {
		if f.PTS != 1800*wantPTS[i] || f.DTS != 1800*wantDTS[i] {
			t.Errorf("access unit %d: PTS %d, DTS %d, want %d, %d", i, f.PTS, f.DTS, 1800*wantPTS[i], 1800*wantDTS[i])
		}
	}
}

func TestReordererWaitsForParameterSets(t *testing.T) {
	rate := h264.Rate{Num: 10, Den: 1}
	aus := encode(sps{reorder: 2}, order("I0 P2 b1 P3"))
	set := annexB(sps{reorder: 2}.nal(), pps(0, 0, false, false))
	bare := aus[0][len(set):]
	late := [][]byte{bare, slices.Concat(set, aus[1]), aus[2], aus[3]}

	frames, _ := run(t, h264.ReorderConfig{FrameRate: rate}, late)
	if frames[0].PTS != 0 || frames[1].PTS != 18000 || frames[2].PTS != 9000 {
		t.Errorf("IDR before its parameter sets: %v %v %v", frames[0].PTS, frames[1].PTS, frames[2].PTS)
	}
	frames, _ = run(t, h264.ReorderConfig{FrameRate: rate, ParameterSets: set}, [][]byte{bare, aus[1], aus[2], aus[3]})
	if frames[1].PTS != 18000 {
		t.Errorf("parameter sets from elsewhere: %v", frames[1].PTS)
	}

	r, _ := h264.NewReorderer(h264.ReorderConfig{FrameRate: rate})
	for i := range 16 {
		if err := r.Push(bare); err != nil {
			t.Errorf("access unit %d without parameter sets: %v", i, err)
		}
	}
	if err := r.Push(bare); !errors.Is(err, h264.ErrNoParameterSets) || !strings.HasPrefix(err.Error(), "17 access units, the first: slice with picture parameter set 0") {
		t.Errorf("the 17th without parameter sets: %v", err)
	}
	r, _ = h264.NewReorderer(h264.ReorderConfig{FrameRate: rate})
	_ = r.Push(append(annexB([]byte{0x67, 1}), bare...))
	if err := r.Flush(); !errors.Is(err, h264.ErrNoParameterSets) || !strings.Contains(err.Error(), "SPS: ") {
		t.Errorf("flushed with a broken SPS: %v", err)
	}
	if _, ok := r.Next(); ok {
		t.Error("a frame came out")
	}
}

func TestReordererErrors(t *testing.T) {
	rate := h264.Rate{Num: 25, Den: 1}
	if _, err := h264.NewReorderer(h264.ReorderConfig{FrameRate: h264.Rate{Num: 1, Den: 0}}); err == nil {
		t.Error("a rate of 1/0 was accepted")
	}
	if _, err := h264.NewReorderer(h264.ReorderConfig{ParameterSets: annexB([]byte{0x67, 1})}); err == nil {
		t.Error("broken parameter sets were accepted")
	}
	aus := encode(sps{}, order("I0 P1"))
	r, _ := h264.NewReorderer(h264.ReorderConfig{})
	if err := r.Push(aus[0]); !errors.Is(err, h264.ErrNoFrameRate) {
		t.Errorf("no rate in the stream: %v", err)
	}
	r, _ = h264.NewReorderer(h264.ReorderConfig{})
	if err := r.Push(encode(sps{units: 1, scale: 50}, order("I0"))[0]); err != nil || r.FrameRate() != rate {
		t.Errorf("rate of the stream: %v, %v", r.FrameRate(), err)
	}
	r, _ = h264.NewReorderer(h264.ReorderConfig{FrameRate: rate})
	for name, tt := range map[string]struct {
		au   []byte
		want error
	}{
		"nothing":                  {nil, h264.ErrNoSlice},
		"a delimiter":              {annexB(aud), h264.ErrNoSlice},
		"an unknown parameter set": {annexB(slice{refIDC: 2, typ: 5, pps: 8}.nal()), h264.ErrNoParameterSets},
		"a slice cut off":          {aus[1][:6], h264.ErrTruncated},
	} {
		_ = r.Push(aus[0])
		if err := r.Push(tt.au); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestFramesReadsAScannerToItsEnd(t *testing.T) {
	aus := encode(sps{reorder: 2}, order("I0 P3 b1 b2 P6 b4 b5 P7"))
	aus = append(aus, annexB(aud, sps{}.nal())) // no picture
	var pts []int64
	r, _ := h264.NewReorderer(h264.ReorderConfig{FrameRate: h264.Rate{Num: 90, Den: 1}})
	for f, err := range r.Frames(h264.NewScanner(bytes.NewReader(slices.Concat(aus...)), 0)) {
		if err != nil {
			t.Fatal(err)
		}
		pts = append(pts, f.PTS/1000)
	}
	if want := []int64{0, 3, 1, 2, 6, 4, 5, 7}; !slices.Equal(pts, want) {
		t.Errorf("PTS %v, want %v", pts, want)
	}
	r, _ = h264.NewReorderer(h264.ReorderConfig{FrameRate: h264.Rate{Num: 90, Den: 1}})
	var last error
	n := 0
	for _, err := range r.Frames(h264.NewScanner(io.MultiReader(bytes.NewReader(slices.Concat(aus[:2]...)), bytes.NewReader(annexB(aud, []byte{0x41}, aud))), 0)) {
		if last = err; err == nil {
			n++
		}
	}
	if !errors.Is(last, h264.ErrTruncated) {
		t.Errorf("a broken slice: %d frames, then %v", n, last)
	}
}
