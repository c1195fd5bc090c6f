// SPDX-License-Identifier: Apache-2.0

// Package cache keeps live windows (playback.WindowStore) that all viewers and servers of a deployment share. Memory is
// for one process.
//
// A window that is lost costs a listing, and its numbers jump forward; they never go back (see package playback). Still no
// store drops one in use silently: it logs and counts it. Bounds: number of windows and of segments in them together.
package cache
