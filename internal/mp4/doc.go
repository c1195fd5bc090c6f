// SPDX-License-Identifier: Apache-2.0

// Package mp4 writes H.264 and AAC as a fragmented MP4 file (ISO/IEC 14496-12, -14, -15) to an io.Writer that cannot seek.
//
//	ftyp | moov(mvhd, trak video, trak audio, mvex(mehd, trex...)) | moof + mdat | moof + mdat | ... | mfra
//
// A Writer is given access units in Annex B form and raw AAC frames with their times, in decoding order, and writes a fragment
// at an IDR picture once the one before lasts FragmentLength, or earlier when it is large. Nothing is known in advance but the
// header: sizes, samples and places never are, so a file of any length needs the memory of one fragment
// (docs/design/clip.md says why the file is fragmented).
//
// What is promised of the samples: every slice, SEI and unknown NAL unit is there, byte for byte. Access unit delimiters and
// filler data are left out, as 14496-15 wants; parameter sets are when the header has them (see Header). The time stamps are
// those given, exact to the tick of 90 kHz for video and to half a sample for sound.
//
// Promise: internal, may change. It reads no clock and starts no goroutine. Input is untrusted: no access unit makes it panic.
// Memory is bounded: MaxFragmentBytes and one access unit, MaxFragmentSamples records, maxPoints places for mfra. In the steady
// state nothing is allocated for a frame. A Writer is not safe for concurrent use.
package mp4
