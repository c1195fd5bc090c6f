// SPDX-License-Identifier: Apache-2.0

// Package standalone joins the parts of s3cam in one process: an embedded S3 store or a client of an external one, playback
// over it, the API and the web page, and simulated cameras. `s3cam demo` and `s3cam serve` are thin layers over [Run].
//
// # Closed by default
//
// Beyond loopback, and behind a proxy, whoever wants to watch logs in or has a token, unless [Web.Anonymous] says that anyone may.
// On loopback that begins with the first person, and only known host names are answered, so that no foreign page can reach the API by DNS
// rebinding. The store's port needs signed requests wherever it listens.
//
// # Life
//
// Run opens everything before it serves anything, so what can fail at the start (an address in use, a directory that
// cannot be written, a missing bucket, wrong credentials) fails at once, with a hint. It ends when its context does, in the
// order in which the bytes flow: cameras stop and store what they hold, then the web server finishes its requests, then
// the store closes. Each step is bounded; nothing that Run started outlives it.
//
// This package is internal and may change.
package standalone
