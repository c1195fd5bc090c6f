// SPDX-License-Identifier: Apache-2.0

// Package httpapi is the playback API as one [net/http.Handler], the same for the standalone server, AWS Lambda and tests.
// docs/ref/http-api.md is the reference for users.
//
//	GET /playlist.m3u8?camera_id=               live playlist
//	GET /replay.m3u8?camera_id=&start=[&end=]   what was recorded; without end it grows
//	GET /cameras                                 cameras that have footage
//	GET /coverage?camera_id=&start=[&end=]      recorded ranges and gaps
//	GET /clip.mp4?camera_id=&start=&end=        one file to keep; also /clip.ts
//	GET /segments/<camera>/YYYY/MM/DD/hh/mm/ss.ts
//	GET /healthz
//
// Each takes HEAD and OPTIONS too; other methods get 405. Whatever is wrong is answered as {"error":{"code","message",
// "request_id"}} with the status that fits: 400 names the parameter and says how to write it, 404 means that nothing is
// recorded, 502 to 504 that the object store failed. The message never shows what is inside; the log has the whole chain
// under the request id, without signed URLs.
//
// What footage there is, and in which order, is decided by the [Playback] interface; this package translates. It renders
// and compresses a live playlist once per state of its window, so that a poll costs a lookup and a write.
//
// # Access
//
// [Config.Authorize] sees every request that names a camera before anything is looked up for it. Only names of segments
// reach the store, so that no other object of the bucket can be had. [Config.CheckHost] keeps foreign web pages away from
// a server on loopback. Which origins may read answers is [Config.CORSOrigins]; nobody by default.
//
// # Bounds
//
// A query of 8 kB, a path of 4 kB, 4096 rendered live playlists. Waiting for the store ends after [Config.Timeout]; sending
// bytes to a slow client is for the http.Server to bound, and for clips Clips.Stall. At most Clips.Max clips at a time, each
// with three segments in memory and a goroutine that reads ahead; no other request starts one. A handler is safe for concurrent use.
// This package is internal and may change; the API itself is stable within a major version.
package httpapi
