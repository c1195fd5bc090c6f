// SPDX-License-Identifier: Apache-2.0

// Package cache keeps live windows (playback.WindowStore) that all viewers and servers of a deployment share. Memory is for one
// process, Kept for one that is started again; package dynamostore for any number of Lambda instances, package redisstore for any
// number of servers. Those two are packages of their own, so that a program links the client of none that it does not use; what they have in
// common is here, and so is the conformance test of all.
//
// A window that is lost costs a listing, and its numbers jump forward; rarely they go back by a few (docs/design/faults.md). Still no
// store drops one in use silently: it logs and counts it. Bounds: Memory, number of windows and of segments in them together.
package cache
