// SPDX-License-Identifier: Apache-2.0

// Package spool parks segments on flash while the uplink cannot take them. A [Spool] is one folder with the segments of one camera, one
// file each; it implements uploader.Spool.
//
// A segment that Put has acknowledged survives a crash of the program and a power cut at any instant after: its file is written under
// a temporary name, synced, renamed, and the folder is synced. A cut before leaves either nothing or a whole file, never a part of one
// under its final name. What a cut does to a file in use all the same (flash that lies) is found by two checksums.
//
// Bounds: MaxItems files, Config.MaxBytes of disk blocks; memory 24 bytes a file. The oldest files leave when room is needed. The
// format is described in docs/ref/spool.md. Experimental: internal to this module.
package spool
