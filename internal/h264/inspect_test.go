// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
)

func TestInspect(t *testing.T) {
	s := sps{}
	idr := slice{nalType: 5, refIDC: 3, typ: 7, payload: 100}.nal()
	p := slice{refIDC: 2, typ: 5, frameNum: 1, lsb: 2, payload: 100}.nal()
	b := slice{typ: 6, frameNum: 2, lsb: 4, payload: 100}.nal()
	i := slice{refIDC: 3, typ: 2, frameNum: 3, lsb: 6, payload: 100}.nal()
	tests := []struct {
		name string
		in   []byte
		want h264.Info
		err  error
	}{
		{"AUD, parameter sets, IDR", annexB(aud, s.nal(), pps(0, 0, false, false), idr),
			h264.Info{HasAUD: true, HasSPS: true, HasPPS: true, HasSlice: true, IDR: true, Intra: true, Reference: true,
				SliceType: h264.SliceI, AUDBytes: 6, SliceOffset: 6 + 4 + len(s.nal()) + 4 + len(pps(0, 0, false, false))}, nil},
		{"3-byte start codes", annexB3(aud, p),
			h264.Info{HasAUD: true, HasSlice: true, Reference: true, SliceType: h264.SliceP, AUDBytes: 5, SliceOffset: 5}, nil},
		{"two delimiters are both counted", annexB(aud, aud, p),
			h264.Info{HasAUD: true, HasSlice: true, Reference: true, AUDBytes: 12, SliceOffset: 12}, nil},
		{"a delimiter behind an SPS is not a leading one", annexB(s.nal(), aud, idr),
			h264.Info{HasAUD: true, HasSPS: true, HasSlice: true, IDR: true, Intra: true, Reference: true, SliceType: h264.SliceI,
				SliceOffset: 4 + len(s.nal()) + 6}, nil},
		{"a slice alone", annexB(p), h264.Info{HasSlice: true, Reference: true}, nil},
		{"B slice nobody refers to", annexB(b), h264.Info{HasSlice: true, SliceType: h264.SliceB}, nil},
		{"I picture with recovery point", annexB(sei, recovery, i),
			h264.Info{HasSlice: true, Reference: true, Intra: true, RecoveryPoint: true, SliceType: h264.SliceI, SliceOffset: 19}, nil},
		{"recovery point behind another message in one SEI unit", annexB([]byte{6, 5, 2, 1, 2, 6, 1, 0xc4, 0x80}, i),
			h264.Info{HasSlice: true, Reference: true, Intra: true, RecoveryPoint: true, SliceType: h264.SliceI, SliceOffset: 13}, nil},
		{"payload that looks like a recovery point", annexB([]byte{6, 5, 4, 6, 1, 0xc4, 0x80, 0x80}, i),
			h264.Info{HasSlice: true, Reference: true, Intra: true, SliceType: h264.SliceI, SliceOffset: 12}, nil},
		{"recovery point behind a long message full of emulation prevention",
			annexB((&bitWriter{b: append(append([]byte{5, 255, 45}, bytes.Repeat([]byte{0, 0, 1, 7, 0, 0}, 50)...), 6, 1, 0xc4)}).nal(6), i),
			h264.Info{HasSlice: true, Reference: true, Intra: true, RecoveryPoint: true, SliceType: h264.SliceI, SliceOffset: 4 + 1 + 3 + 300 + 99 + 3 + 1}, nil},
		{"the second slice of a picture", annexB(slice{refIDC: 2, firstMB: 40, typ: 5}.nal()),
			h264.Info{HasSlice: true, Reference: true, FirstMB: 40}, nil},
		{"end of sequence at the end", annexB(p, endSeq), h264.Info{HasSlice: true, Reference: true, EndOfSequence: true}, nil},
		{"end of sequence, 3-byte start code, padding", append(annexB3(p, endSeq), 0, 0, 0),
			h264.Info{HasSlice: true, Reference: true, EndOfSequence: true}, nil},
		{"an SPS as an item of its own", annexB(s.nal()), h264.Info{HasSPS: true, SliceOffset: 4 + len(s.nal())}, h264.ErrNoSlice},
		{"an AUD as an item of its own", annexB(aud), h264.Info{HasAUD: true, AUDBytes: 6, SliceOffset: 6}, h264.ErrNoSlice},
		{"parameter sets behind the slice are not looked for", annexB(idr, s.nal()),
			h264.Info{HasSlice: true, IDR: true, Intra: true, Reference: true, SliceType: h264.SliceI}, nil},
		{"data partition A is a slice", annexB(slice{nalType: 2, refIDC: 2, typ: 5}.nal()), h264.Info{HasSlice: true, Reference: true}, nil},
		{"zero bytes before the start code", append([]byte{0, 0}, annexB(p)...), h264.Info{HasSlice: true, Reference: true}, nil},
		{"nothing", nil, h264.Info{}, h264.ErrNoStartCode},
		{"only zero bytes", make([]byte, 9), h264.Info{SliceOffset: 9}, h264.ErrNoStartCode},
		{"length prefixed units, as in MP4", append([]byte{0, 0, 2, byte(len(p))}, p...), h264.Info{SliceOffset: len(p) + 4}, h264.ErrNoStartCode},
		{"a start code and nothing behind it", []byte{0, 0, 1}, h264.Info{SliceOffset: 3}, h264.ErrNoSlice},
		{"a slice cut off within its header", []byte{0, 0, 1, 0x65}, h264.Info{}, h264.ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := h264.Inspect(tt.in)
			if got != tt.want {
				t.Errorf("Inspect = %+v\nwant      %+v", got, tt.want)
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if got.AUDBytes > 0 && got.AUDBytes < len(tt.in) {
				if rest, _ := h264.Inspect(tt.in[got.AUDBytes:]); rest.HasAUD {
					t.Error("au[AUDBytes:] still has a delimiter")
				}
			}
		})
	}
}

func TestInspectReportsAnIllegalSliceType(t *testing.T) {
	w := &bitWriter{}
	if _, err := h264.Inspect(annexB(w.ue(0).ue(10).ue(0).nal(0x41))); err == nil {
		t.Error("slice_type 10 was accepted")
	}
}

func TestInspectCostDoesNotGrowWithTheFrame(t *testing.T) {
	head := annexB(aud, slice{nalType: 5, refIDC: 3, typ: 7, payload: 10}.nal())
	au := slices.Grow(head, 64<<20)[:64<<20] // 64 MiB take 2 ms and more to run through
	for i := len(head); i < len(au); i++ {
		au[i] = 0x55
	}
	best := time.Hour
	for range 20 {
		start := time.Now()
		if info, err := h264.Inspect(au); err != nil || !info.IDR {
			t.Fatalf("%+v, %v", info, err)
		}
		best = min(best, time.Since(start))
	}
	if best > 100*time.Microsecond {
		t.Errorf("Inspect takes %v for a frame of 64 MiB", best)
	}
	if got := testing.AllocsPerRun(100, func() { _, _ = h264.Inspect(au) }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
