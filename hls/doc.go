// SPDX-License-Identifier: Apache-2.0

// Package hls is the media playlist (RFC 8216bis) as a value: its text, its rules, and a strict reader of such text.
//
//   - [Playlist] and [Playlist.AppendM3U8] write one. Segment URIs are filled in while writing, because the same
//     playlist is sent with relative, signed or redirected addresses.
//   - [Playlist.Validate] lists what is wrong with one.
//   - [Parse] reads one back; the tests and `s3cam playlist` use it. Package hlstest compares successive reloads.
//
// Everything here is pure: no I/O, no clock, no package state; functions may be called concurrently on different values.
// Only media playlists are known: no multivariant playlist, no parts, no keys, no maps. Stable within a major version.
//
// Bounds: a Playlist holds what its caller puts into it; Parse refuses text above [MaxBytes] and lines above [MaxLine].
package hls
