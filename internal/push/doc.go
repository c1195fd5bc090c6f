// SPDX-License-Identifier: Apache-2.0

// Package push plays the camera for a recording: it reads H.264 in Annex B (with AAC in ADTS beside it) or MPEG-TS from a
// file or pipe, and feeds an [uploader.Uploader] frame by frame, at the pace of the clock or as fast as segments are
// stored. `s3cam push` and the demo's recording use it.
//
// [Open] looks at the beginning of the input: it tells the formats apart by their content, finds parameter sets that come
// only after the first key frame, and learns size and frame rate. [Run] does the rest.
//
// Raw H.264 has no timestamps: they follow from the frame rate and, with B pictures, from the picture order counts.
//
// Bounds: the look ahead holds at most [MaxLookAhead] bytes in memory, an access unit may have [MaxAccessUnitBytes]. This
// package is internal and may change.
package push
