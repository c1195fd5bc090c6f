// SPDX-License-Identifier: Apache-2.0

// Package clip makes one file out of the stored segments of a range of time: MP4 cut at the bounds of GOPs, or MPEG-TS cut at the
// bounds of segments. docs/design/clip.md has the reasons.
//
// [Open] looks at the first and the last segment, so that what will be delivered is known, to the frame, before the first
// byte; [Clip.WriteMP4] and [Clip.WriteTS] then go through the segments once, reading one ahead.
//
//   - The clip begins with the last IDR picture at or before the start that was asked for, and ends before the first IDR
//     picture at or after the end. With less footage it begins later or ends earlier.
//   - Time is the camera's. Over a gap the last picture stands still, for as long as nothing was recorded, unless gaps are cut.
//     A clock that went back is not followed: what was recorded then comes behind what was there before.
//   - Nothing is lost silently. A segment that is missing, shorter than listed, or damaged ends the file in the middle with
//     an error, unless the caller wants what there is: then it is left out and counted.
//   - Sound is taken in one format, that of the first segment that has any, of the first and last. What differs is left out
//     and counted.
//
// Bounds: three segments in memory, each at most MaxSegmentBytes, and one fragment (package mp4). A clip has the goroutine that reads ahead only
// while a Write method runs. A Clip is not safe for concurrent use.
package clip
