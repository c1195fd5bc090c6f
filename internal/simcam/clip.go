// SPDX-License-Identifier: Apache-2.0

package simcam

import (
	"time"
)

// The shape of the embedded clips. One loop is a whole number of seconds, video frames, one-second GOPs and (at
// AudioRate) AAC frames of 1024 samples, so a clip can follow itself without a seam.
const (
	Width       = 640
	Height      = 360
	FrameRate   = 15 // frames per second, constant
	LoopSeconds = 20
	Frames      = LoopSeconds * FrameRate // video frames per loop
	GOPFrames   = FrameRate               // an IDR every second, so segments of 1 s and of 3 s both work

	AudioRate   = 32000 // samples per second, mono AAC-LC
	AudioFrames = LoopSeconds * AudioRate / 1024

	BlockPixels = 16 // edge of one block of the machine-readable row, in pixels of the coded picture
	BlockCount  = 18 // 2 guard blocks and 16 bits
)

// Loop is the duration of one round of a clip.
const Loop = LoopSeconds * time.Second

// Blocks returns the machine-readable row of frame index: whether each block is white. Block 0 is white, block 1 black,
// then follow the 16 bits of the index, most significant first.
func Blocks(index int) [BlockCount]bool {
	b := [BlockCount]bool{0: true}
	for i := range 16 {
		b[2+i] = index>>(15-i)&1 == 1
	}
	return b
}

// Index reads [Blocks] back. It reports false when the guard blocks are not as they must be.
func Index(blocks [BlockCount]bool) (index int, ok bool) {
	for _, on := range blocks[2:] {
		index <<= 1
		if on {
			index |= 1
		}
	}
	return index, blocks[0] && !blocks[1]
}

// FrameTime returns the wall time at which a camera in lockstep with the clock captures the frame with this index, the
// last time it did so at or before now. Loops begin at multiples of [Loop] since the Unix epoch.
func FrameTime(index int, now time.Time) time.Time {
	start := now.UTC().Truncate(Loop) // Truncate counts from year 1, which is a whole number of loops before 1970
	at := start.Add(frameOffset(index))
	if at.After(now) {
		at = at.Add(-Loop)
	}
	return at
}

// frameOffset is the time of a frame within its loop, to the nanosecond.
func frameOffset(index int) time.Duration {
	return time.Duration(index) * time.Second / FrameRate
}
