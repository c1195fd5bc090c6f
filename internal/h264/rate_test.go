// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/s3cam/s3cam/internal/h264"
)

func TestParseRate(t *testing.T) {
	tests := []struct{ in, want string }{
		{"25", "25"}, {"12.5", "25/2"}, {"30000/1001", "30000/1001"}, {"29.97", "30000/1001"}, {"23.976", "24000/1001"},
		{"59.94", "60000/1001"}, {"50/2", "25"}, {"14.985", "2997/200"}, {"1", "1"}, {"480", "480"}, {"15.", "15"},
		{"", ""}, {"0", ""}, {"0.5", ""}, {"481", ""}, {"-25", ""}, {"25/0", ""}, {"0/0", ""}, {"abc", ""}, {"1e3", ""}, {"25.0000000001", ""},
		{"99999999999", ""}, {"25/1/1", ""}, {"NaN", ""},
	}
	for _, tt := range tests {
		got, err := h264.ParseRate(tt.in)
		if tt.want == "" {
			if err == nil {
				t.Errorf("ParseRate(%q) = %v, want an error", tt.in, got)
			}
		} else if err != nil || got.String() != tt.want {
			t.Errorf("ParseRate(%q) = %v, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

func TestTicksAreExact(t *testing.T) {
	rates := []h264.Rate{{Num: 25, Den: 1}, {Num: 30000, Den: 1001}, {Num: 25, Den: 2}, {Num: 24000, Den: 1001}, {Num: 1<<32 - 1, Den: 1<<32 - 1},
		{Num: 1<<32 - 1, Den: 1<<24 + 1}, {Num: 480, Den: 1}, {Num: 7, Den: 3}}
	half := big.NewRat(1, 2)
	for _, r := range rates {
		last := int64(-1 << 62)
		for range 2000 {
			n := rand.Int64N(1<<40) - 1<<39
			// floor(n*90000*den/num + 1/2)
			x := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(n*90000), big.NewInt(int64(r.Den))), big.NewInt(int64(r.Num)))
			x.Add(x, half)
			want := new(big.Int).Div(x.Num(), x.Denom()).Int64()
			if got := r.Ticks(n); got != want {
				t.Fatalf("%v: Ticks(%d) = %d, want %d", r, n, got, want)
			}
		}
		for n := int64(-50); n < 50; n++ {
			if got := r.Ticks(n); got <= last {
				t.Fatalf("%v: Ticks(%d) = %d does not rise", r, n, got)
			} else {
				last = got
			}
		}
	}
	if got := (h264.Rate{}).Ticks(5); got != 0 {
		t.Errorf("Ticks of an unknown rate = %d, want 0", got)
	}
	if a, b := (h264.Rate{Num: 25, Den: 1}).Ticks(1<<62), (h264.Rate{Num: 25, Den: 1}).Ticks(-1<<63); a <= 0 || b >= 0 {
		t.Errorf("Ticks of numbers beyond any stream = %d, %d", a, b)
	}
}
