// SPDX-License-Identifier: Apache-2.0

// Package registry knows the cameras of a standalone server: which key pair or certificate each has, and what it may do with
// it. It is the s3server.Accounts of the embedded store.
//
// # What a camera may do
//
// Store segments under its own prefix, whole path segments compared, in the form of package segment, with a start between
// [Limits.BackFill] ago and [MaxAhead] from now, each at most [Limits.MaxObject] large; and do that over an object for
// [Limits.Grace] after it was stored. It cannot read, list, delete or change anything, not even its own.
//
// # Two ways to show who it is
//
// A key pair of its own, kept here. Or a certificate of the registry's own authority ([Authority]), for which package
// credserver gives session keys that end after an hour; session keys are computed, not kept: any process with the same
// directory can check them ([Registry.Issue]).
//
// Both are replaced by [Registry.Rotate] with a time in which old and new are good, and both end at once with
// [Registry.Disable] and [Registry.Remove], running sessions too.
//
// # Where it is kept
//
// cameras.json (package state) and ca/ in the server's data directory, for their owner alone. Key pairs stand there in clear,
// since signatures cannot be checked without them. A running server sees changes of another process within a second.
//
// This package is internal and may change. Bounds: [MaxCameras] cameras, two live key pairs or certificates each.
package registry
