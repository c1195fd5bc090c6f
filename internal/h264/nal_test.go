// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/h264"
)

// unhex reads hex with spaces.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNALUnits(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"no start code", "09 f0 00 00", ""},
		{"a start code and nothing behind it", "00 00 01", ""},
		{"3-byte start code", "00 00 01 09 f0", "0:09f0"},
		{"4-byte start code", "00 00 00 01 09 f0", "0:09f0"},
		{"mixed start codes", "00 00 00 01 09 f0 00 00 01 67 42 00 00 00 01 68 ce", "0:09f0 6:6742 11:68ce"},
		{"trailing zeros go, as before a start code so at the end", "00 00 01 09 f0 00 00 00 00 00 01 65 88 00 00 00", "0:09f0 7:6588"},
		{"leading zeros and garbage are passed over", "aa 00 00 00 00 01 09 f0", "2:09f0"},
		{"empty units are left out", "00 00 01 00 00 01 00 00 00 00 01 09 f0", "7:09f0"},
		{"emulation prevention is no start code", "00 00 01 65 00 00 03 01 00 00 03 00 00 01 41", "0:6500000301000003 11:41"},
		{"01 without two zeros is no start code", "00 00 01 65 01 00 01 01 01 00 01", "0:6501000101010001"},
		{"a lone byte", "00 00 01 0a", "0:0a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := unhex(t, tt.in)
			var got []string
			for at, nal := range h264.Offsets(in) {
				got = append(got, fmt.Sprintf("%d:%x", at, nal))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("Offsets = %q, want %q", s, tt.want)
			}
			i := 0
			for nal := range h264.NALUnits(in) {
				if _, want, _ := strings.Cut(got[i], ":"); hex.EncodeToString(nal) != want {
					t.Errorf("NALUnits[%d] = %x, want %s", i, nal, want)
				}
				i++
			}
			if i != len(got) {
				t.Errorf("NALUnits gave %d units, Offsets %d", i, len(got))
			}
		})
	}
}

func TestOffsetsSplitABufferWithoutLoss(t *testing.T) {
	in := annexB(aud, sei, slice{nalType: 5, refIDC: 3, typ: 7, payload: 300}.nal())
	in = append(in, annexB3(slice{nalType: 5, refIDC: 3, firstMB: 50, typ: 7, payload: 10}.nal())...)
	var cuts []int
	for at := range h264.Offsets(in) {
		cuts = append(cuts, at)
	}
	var joined []byte
	for i, at := range cuts {
		end := len(in)
		if i+1 < len(cuts) {
			end = cuts[i+1]
		}
		joined = append(joined, in[at:end]...)
	}
	if len(cuts) != 4 || !bytes.Equal(joined, in) {
		t.Errorf("cuts at %v give %d bytes of %d", cuts, len(joined), len(in))
	}
}

func TestIterationCanStop(t *testing.T) {
	n := 0
	for range h264.NALUnits(annexB(aud, sei, endSeq)) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("saw %d units after a break at 2", n)
	}
}

func TestWalkingAllocatesNothing(t *testing.T) {
	in := annexB(aud, sei, slice{nalType: 5, refIDC: 3, typ: 7, payload: 3000}.nal())
	n := 0
	if got := testing.AllocsPerRun(100, func() {
		for nal := range h264.NALUnits(in) {
			n += len(nal)
		}
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
