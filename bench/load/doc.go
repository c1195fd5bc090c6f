// SPDX-License-Identifier: Apache-2.0

// Package load runs a fleet against the real `s3cam serve` with its embedded store: cameras that store a segment every few
// seconds, and viewers who play live as players do. It measures how long stored segments and playlists take, and audits that
// nothing was lost on the way.
//
// Cameras PUT what the uploader has cut, one connection each, with If-None-Match, at their own moments of the segment's length. The
// bodies are real segments filled up with null packets to the size that was asked for. A camera that falls behind by more
// than its ring drops, as the device does, and counts it.
//
// Viewers load a playlist, again after its target duration, or half of it when nothing had changed (RFC 8216bis 6.3.4), and fetch
// each segment that they find, one after the other, beginning three before the end.
//
// What must hold: every acknowledged segment is listed with its size, nothing else is; every viewer's playlists are legal
// reloads of each other; what a viewer was shown is every segment that was acknowledged meanwhile, and each was fetched whole.
// Segments are audited and deleted (through the store's API) when they are older than Config.Keep, so a long run fits on a disk.
//
// Cameras, viewers and auditor share this process. Latencies are those that it sees, waiting for a processor included.
package load
