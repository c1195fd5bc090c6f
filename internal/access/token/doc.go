// SPDX-License-Identifier: Apache-2.0

// Package token makes and checks playback tokens: strings that let whoever has them watch some cameras for a while, without a
// login and without anything being stored. docs/ref/access.md is the reference for users.
//
//	s3t1.<payload>.<HMAC-SHA-256 of "s3t1.<payload>">        both base64url without padding (RFC 4648 section 5)
//
// The payload is JSON: {"k":"key id","x":1764072000,"c":["cam1","yard/*"],"r":"wc"}: the key that signed it, when it expires
// (Unix seconds), cameras, and rights (w: watch, c: clip). A token for a range of footage has its start and end too (Unix seconds):
// "f":1764060000,"t":1764060060. One that ends with the person who made it names him by an id: "b":"x4k2v7qd3mpa". Members of another name are refused: they might be limits that this
// version does not know.
//
// Several keys may be good at a time. A token ends with its key: taking a key away revokes all that it signed.
//
// The package is pure: no clock, no files, no network, no logging. Secrets print as REDACTED and are compared in constant time.
// It is bounded to tokens of [MaxBytes] with [MaxCameras] cameras and [MaxKeys] keys. It is internal; the form of a token is
// stable.
package token
