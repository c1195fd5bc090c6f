// SPDX-License-Identifier: Apache-2.0

// Package state keeps one JSON value in one file for several processes: people, keys and rules that a command line changes
// while a server is running.
//
// A file is replaced whole (temporary file, fsync, rename, fsync of the folder), so that a crash or a power cut leaves the old
// value or the new one. Updates of all processes come one after the other, by a lock on a file beside it. Readers notice a
// replaced file by themselves; while they run, one that is damaged or gone leaves the last value in use, beside an error. One that is gone
// when a program starts is an error too: the lock beside it, which stays, tells that it has been there.
//
// Files hold secrets: they are made with mode 0600, folders with 0700. What root makes in the folder of another user belongs to that
// user ([Adopt]): the server, which runs as that user, has to read it.
//
// Bounds: a file of [MaxBytes]; one look at the folder a second however often Get is called; an Update waits [LockTimeout] for
// others. On systems without flock only the goroutines of one process wait for each other.
//
// This package is internal and may change.
package state
