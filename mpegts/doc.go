// SPDX-License-Identifier: Apache-2.0

// Package mpegts writes, checks and reads MPEG transport streams (ISO/IEC 13818-1) that carry one H.264 video and at most one
// AAC audio stream, the form in which s3cam stores segments and HLS (RFC 8216) delivers them.
//
//   - [Muxer] turns access units and ADTS frames into 188-byte packets in the caller's buffer. It allocates nothing per frame.
//   - [Analyzer] reads a stream and says in plain words what is wrong with it, and what is in it. It is strict.
//   - [Demuxer] gets the elementary streams back out of segments, also out of those that other muxers wrote. It is tolerant.
//   - [FirstPTS] finds the time stamp at which a segment starts in its first bytes, [EndPTS] that at which it ends in its last.
//
// All times are int64 counts of a 90 kHz clock. On the wire they have 33 bits and wrap every 26.5 hours; functions that
// take a time accept any int64 and reduce it, functions that give a time from the wire give 0 to 2^33-1.
//
// Everything here is pure: no clock, no goroutine, no logging; only the Demuxer reads, from the io.Reader that it was given. Values are
// not safe for concurrent use, but distinct values are independent. Input is untrusted: broken packets give findings or errors,
// never a panic, and memory is bounded whatever the input: a Muxer holds one audio PES (8 kB), an Analyzer about 200 kB,
// a Demuxer at most MaxUnitBytes per stream.
//
// The names, PIDs and time rules are a stable promise, because stored segments outlive programs; the Go API is experimental.
package mpegts
