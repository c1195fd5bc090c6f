// SPDX-License-Identifier: Apache-2.0

// Package cache keeps live windows (playback.WindowStore) that all viewers and servers of a deployment share. Memory is
// for one process, DynamoDB for any number of Lambda instances, Redis for any number of servers.
//
// A window that is lost costs a listing, and its numbers jump forward; they never go back (see package playback). Still no
// store drops one in use silently: it logs and counts it. Bounds: Memory, number of windows
// and of segments in them together; DynamoDB, items of 400 KB (long EVENT playlists are split into several, in Redis too).
package cache
