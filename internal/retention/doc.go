// SPDX-License-Identifier: Apache-2.0

// Package retention decides how long footage is kept, and deletes what is older: by days and by bytes for each camera, and by
// what is left on the disk for all of them, oldest first.
//
// # What is deleted
//
// Only objects whose names are those of segments (segment.ParseKey), below a camera's own prefix, and never one that a hold
// covers: from a hold's start, less the longest segment of 30 s, to its end. What else lies in a bucket stays. Holds are read
// again before each batch, so one that is made while a round runs counts from the next batch on; when holds or rules
// cannot be read, nothing is deleted.
//
//   - Age: segments that began longer ago than the camera's days. The round refuses with [ErrClock], unless it is forced, for
//     a day (Config.Doubt) after the clock of a running process stepped ahead by more than a day, or since a round was last
//     run more than MaxSilence ago ([Seen]) and nothing was recorded in the middle of that time: cameras that take their time from this machine follow its clock at once, so
//     footage alone proves nothing. And as long as the newest footage of all cameras is older than MaxSilence. A clock that jumps ahead by
//     less deletes too early by what it jumped; one that is behind deletes too little.
//   - Bytes: the oldest of a camera until the rest is within its bytes. What holds cover does not count.
//   - Disk: the oldest of all cameras until the reserve is free again. Free inodes count too: 1 % are kept.
//
// Bytes and disk never take the last MinAge of a camera (10 minutes before its newest segment), whatever the limit says.
//
// # How
//
// Nothing is remembered between runs but the rules and what [Seen] says: a round looks at what is there, so that a crash at any moment costs
// nothing but the round. The cost of the age and disk limits follows what they delete, plus a few listings of folders per
// camera; a limit by bytes lists all of a camera once, and then what is new. A round is bounded in time and deletions,
// waits as long as it works, and goes on soon when it was not enough. What a store refuses ([Refused]) stays the oldest of its camera: it
// is counted, logged and tried again, and nothing newer goes in its place. Where deleting makes no room, the disk guard
// deletes half as much each time, down to a batch.
//
// Memory: 16 bytes per camera and hour with footage for cameras limited by bytes, 512 segments per camera in the disk guard.
//
// This package is internal and may change.
package retention
