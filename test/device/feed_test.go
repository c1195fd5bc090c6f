// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"time"
)

// shape is how a firmware hands out a picture: as packs of items, one call each.
type shape func(u unit) [][]item

var start4 = []byte{0, 0, 0, 1}

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// withoutAUD are the NAL units but the delimiter: encoders give it out rarely, and a pack has room for four.
func withoutAUD(u unit) (nals [][]byte) {
	for _, n := range u.nals {
		if n[0]&31 != 9 {
			nals = append(nals, n)
		}
	}
	return nals
}

// nalPerItem is what the manual shows: each NAL unit is an item, with a start code of four bytes.
func nalPerItem(u unit) [][]item {
	var pack []item
	nals := withoutAUD(u)
	for _, n := range nals {
		if len(pack) == 4 { // more than fit: the rest goes with the last
			pack[3].first = join(pack[3].first, start4, n)
			continue
		}
		pack = append(pack, item{first: join(start4, n)})
	}
	return [][]item{pack}
}

// wholeUnit is one item with everything.
func wholeUnit(u unit) [][]item { return [][]item{{{first: u.data}}} }

// nalPerCall is one call for each NAL unit, all with the time of the picture.
func nalPerCall(u unit) (packs [][]item) {
	for _, n := range withoutAUD(u) {
		packs = append(packs, []item{{first: join(start4, n)}})
	}
	return packs
}

// shortCodes is nalPerItem with start codes of three bytes.
func shortCodes(u unit) [][]item {
	packs := nalPerItem(u)
	for i := range packs[0] {
		packs[0][i].first = packs[0][i].first[1:]
	}
	return packs
}

// splitAt cuts each item in two at byte n, as an encoder's ring buffer does where it wraps.
func splitAt(of shape, n int) shape {
	return func(u unit) [][]item {
		packs := of(u)
		for _, p := range packs {
			for i := range p {
				if whole := p[i].first; len(whole) > n {
					p[i] = item{first: whole[:n:n], second: whole[n:]}
				}
			}
		}
		return packs
	}
}

// feed describes what a camera gives out.
type feed struct {
	clip   *clip
	shape  shape         // default nalPerItem
	from   int           // first picture, counted from the start of the clip
	frames int           // how many
	base   time.Duration // timestamp of picture 0
	speed  float64       // of the clock that paces; 0: as fast as the calls return
	audio  bool
}

// firstStamp is the encoder's clock at the first picture: some time after it was switched on.
const firstStamp = 7 * time.Second

// write puts the calls into the script, paced from the player's zero on.
func (f feed) write(s *script) *script {
	if f.shape == nil {
		f.shape = nalPerItem
	}
	if f.base == 0 {
		f.base = firstStamp
	}
	c := f.clip
	nextAudio := 0
	if f.audio {
		nextAudio = int(time.Duration(c.at(f.from)) * time.Microsecond / c.audioStep)
	}
	for n := f.from; n < f.from+f.frames; n++ {
		at := time.Duration(c.at(n)) * time.Microsecond
		if f.speed > 0 {
			s.wait(time.Duration(float64(at-time.Duration(c.at(f.from))*time.Microsecond) / f.speed))
		}
		for _, pack := range f.shape(c.units[n%len(c.units)]) {
			s.video(uint64((f.base+at)/time.Microsecond), pack...)
		}
		for f.audio && time.Duration(nextAudio)*c.audioStep <= at {
			t := f.base + time.Duration(nextAudio)*c.audioStep
			s.audio(uint64(t/time.Microsecond), item{first: c.audio[nextAudio%len(c.audio)]})
			nextAudio++
		}
	}
	return s
}
