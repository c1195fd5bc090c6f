// SPDX-License-Identifier: Apache-2.0

// Package simcam is a simulated camera: it feeds a real [uploader.Uploader] with embedded H.264 and AAC, frame by frame
// in real time, as the encoder callbacks of a camera would. The demo, the browser tests and the measurements of
// capture-to-screen latency use it.
//
// There are two clips, made by generate.sh from the drawing program in scene/: [FrontDoor] with sound and [Workshop]
// without. Both are 640x360 at 15 frames per second with an IDR every second and no B pictures, and last 20 s; then they
// begin anew without a seam.
//
// # Lockstep with the clock
//
// A camera shows the loop in lockstep with UTC: the frame with index i is captured when the Unix time modulo 20 s is
// i/15 s. Whoever sees a frame on a screen thus knows when it was captured without asking anybody, up to whole loops:
//
//	latency = (now - i/15 s) modulo 20 s
//
// which is what [FrameTime] computes. People read the same from the picture: the clock hand goes round once per loop,
// and the caption shows the second of the loop and the frame index.
//
// # The machine-readable row
//
// The top left of each picture holds 18 blocks of 16x16 pixels side by side, each black or white:
//
//	block  0      1      2 .. 17
//	       white  black  the frame index in 16 bits, most significant first, white = 1
//
// Blocks 0 and 1 are guards: a picture without them in place is not one of ours, or was scaled wrongly. The blocks are
// aligned to macroblocks, so coding does not blur them: sample the centre of block n at x = 16n+8, y = 8 in a 640x360
// picture (scale both for another size) and compare with half brightness. See [Blocks] and [Index].
//
// The clips are bounded: below 400 kB each, decoded frames 640x360. This package is internal and may change.
package simcam
