// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Rate is a number of frames per second as a fraction, Num/Den. The zero value means unknown.
type Rate struct{ Num, Den uint32 }

// Rates outside this range are taken for nonsense: an encoder that does not know its rate writes what it likes there
// (seen: 268435459/536870912).
const (
	MinFrameRate = 1
	MaxFrameRate = 480
)

// Valid reports whether the rate is known and between MinFrameRate and MaxFrameRate.
func (r Rate) Valid() bool {
	return r.Den > 0 && uint64(r.Num) >= MinFrameRate*uint64(r.Den) && uint64(r.Num) <= MaxFrameRate*uint64(r.Den)
}

// String gives "25" or "30000/1001", "unknown" for the zero value.
func (r Rate) String() string {
	switch r.Den {
	case 0:
		return "unknown"
	case 1:
		return strconv.FormatUint(uint64(r.Num), 10)
	}
	return fmt.Sprintf("%d/%d", r.Num, r.Den)
}

// Ticks returns the time of frame n in 90 kHz ticks, n*90000*Den/Num, rounded to the nearest tick (halves up). n may be
// negative. A rate that is not valid gives 0.
func (r Rate) Ticks(n int64) int64 {
	return r.halfTicks(2 * max(-maxHalves, min(n, maxHalves)))
}

// maxHalves bounds the frame numbers that times are worked out for; 480 frames per second take 1000 years to get there.
const maxHalves = 1 << 45

// halfTicks is Ticks for a time counted in half frames, which is what a field lasts.
func (r Rate) halfTicks(n int64) int64 {
	if !r.Valid() {
		return 0
	}
	n = max(-maxHalves, min(n, maxHalves))
	neg := n < 0
	if neg {
		n = -n
	}
	num := uint64(r.Num)
	hi, lo := bits.Mul64(uint64(n), 45000*uint64(r.Den))
	q, rem := bits.Div64(hi, lo, num) // Den <= Num and n < 1<<46, so the quotient fits
	v := int64(q)
	if 2*rem > num || 2*rem == num && !neg {
		v++
	}
	if neg {
		return -v
	}
	return v
}

// reduced returns num/den in lowest terms, the zero Rate when that does not fit or is no sane frame rate.
func reduced(num, den uint64) Rate {
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	if a == 0 || den == 0 || num/a > 1<<32-1 || den/a > 1<<32-1 {
		return Rate{}
	}
	r := Rate{uint32(num / a), uint32(den / a)}
	if !r.Valid() {
		return Rate{}
	}
	return r
}

// ParseRate reads a frame rate as people write it: "25", "12.5", "30000/1001". The usual short forms of NTSC rates
// (23.976, 23.98, 29.97, 59.94, 119.88) mean their exact value over 1001.
func ParseRate(s string) (Rate, error) {
	switch s {
	case "23.976", "23.98":
		return Rate{24000, 1001}, nil
	case "29.97":
		return Rate{30000, 1001}, nil
	case "59.94":
		return Rate{60000, 1001}, nil
	case "119.88":
		return Rate{120000, 1001}, nil
	}
	num, den, err := parseFraction(s)
	if err != nil {
		return Rate{}, fmt.Errorf("frame rate %q: want a number such as 25, 12.5 or 30000/1001", s)
	}
	if r := reduced(num, den); r.Valid() {
		return r, nil
	}
	return Rate{}, fmt.Errorf("frame rate %q: must be between %d and %d", s, MinFrameRate, MaxFrameRate)
}

func parseFraction(s string) (num, den uint64, err error) {
	den = 1
	whole, part, ok := strings.Cut(s, "/")
	if ok {
		if den, err = strconv.ParseUint(part, 10, 32); err != nil {
			return 0, 0, err
		}
		num, err = strconv.ParseUint(whole, 10, 32)
		return num, den, err
	}
	whole, part, _ = strings.Cut(s, ".")
	if len(part) > 6 {
		return 0, 0, strconv.ErrRange
	}
	for range part {
		den *= 10
	}
	num, err = strconv.ParseUint(whole+part, 10, 32)
	return num, den, err
}
