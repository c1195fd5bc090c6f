// SPDX-License-Identifier: Apache-2.0

// Package segment is the contract between camera and cloud: what one recorded segment is called, which time a name
// stands for, which names can hold a range of time, and when two neighbours leave a gap.
//
// A segment is one self-contained MPEG-TS object. Its key is
//
//	<prefix>/<YYYY>/<MM>/<DD>/<hh>/<mm>/<ss>.ts
//
// in UTC and zero padded: the start of its first frame, floored to the second. The prefix is the camera id of the
// playback API. Below one prefix lexical order is time order, which is what makes listing cheap.
//
// Everything here is pure: no I/O, no clock, no state; all functions may be called concurrently. The layout is a stable
// promise: buckets outlive programs. Inputs are bounded by S3's limit of 1024 bytes for a key.
package segment
