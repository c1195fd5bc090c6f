// SPDX-License-Identifier: Apache-2.0

package segment

import "time"

// Segment is one recorded segment as a listing shows it, optionally refined by what its first packets say.
type Segment struct {
	Key   time.Time // the whole second, UTC, in the object key; identifies the segment below its prefix
	Start time.Time // start of its first frame: Key, or the exact time when the first PTS is known (see StartFromPTS)
	Size  int64     // bytes
}

// GapTolerance is how much longer than the camera's usual segment a distance between two starts may be before it counts
// as a gap. Keys have a resolution of one second, so two starts known only by key may be off by 1 s in their distance;
// half a second more absorbs a late key frame.
const GapTolerance = 1500 * time.Millisecond

// Gap tells whether a distance between the starts of two neighbouring segments means that footage is missing between
// them, for a camera whose segments usually last usual.
func Gap(distance, usual time.Duration) bool { return distance > usual+GapTolerance }

// Timescale is the clock of PTS, DTS and (divided by 300) PCR: 90 kHz (ISO/IEC 13818-1 2.4.3.6).
const Timescale = 90000

// PTSModulus is the number of distinct PTS values (33 bits): the clock wraps every 26.5 hours.
const PTSModulus = 1 << 33

// PTS returns the 33-bit timestamp that the contract prescribes for an instant: 90 kHz x UTC since the Unix epoch,
// rounded to the nearest tick, modulo 2^33.
func PTS(t time.Time) int64 { return Ticks(t) & (PTSModulus - 1) }

// Ticks returns the same clock without the modulus. It is exact for years 1..9999 and never overflows there.
func Ticks(t time.Time) int64 {
	return t.Unix()*Timescale + (int64(t.Nanosecond())*9+50000)/100000
}

// TimeOfTicks is the inverse of [Ticks], exact to the nanosecond of rounding.
func TimeOfTicks(ticks int64) time.Time {
	sec, rest := ticks/Timescale, ticks%Timescale
	if rest < 0 {
		sec, rest = sec-1, rest+Timescale
	}
	return time.Unix(sec, (rest*100000+4)/9).UTC()
}

// StartFromPTS returns the exact start of the segment stored under the second key whose first video PTS is pts90k. It
// reports false when the PTS does not belong to that second, as in buckets of the original SDK, whose timestamps are not
// wall-clock: then only the key counts.
func StartFromPTS(key time.Time, pts90k int64) (time.Time, bool) {
	base := key.Unix() * Timescale
	// One tick of rounding may put the first frame just before the second's start.
	offset := (pts90k - base + 1) & (PTSModulus - 1)
	if offset > Timescale {
		return time.Time{}, false
	}
	t := TimeOfTicks(base + offset - 1)
	if t.Before(key) {
		t = key
	}
	return t, true
}
