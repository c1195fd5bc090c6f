// SPDX-License-Identifier: Apache-2.0

// Package spool parks segments on flash while the uplink cannot take them. A [Spool] is one folder with the segments of one camera, one
// file each; it implements uploader.Spool.
//
// A segment that Put has acknowledged is there after a crash of the program or a power cut at any later instant: its file is written under
// a temporary name and synced, then renamed, then the folder is synced. A cut before that leaves nothing or the whole, never a part under
// a final name. What flash loses all the same is found by two checksums, of the header at the start and of the segment when it is read.
//
// The order is that of the Puts, over restarts too, not that of the keys: a device that boots with the clock of 1970 must not throw away
// what it records now in favour of what it recorded last week. Within a run of the device both orders are the same.
//
// Bounds: Config.MaxBytes of disk blocks, as the file system counts them, and Config.MaxItems files, the oldest leave first; 24 bytes of
// memory a file (393 KB for the default of 16384 files), and the largest header. Segments never pass through the Go heap. The folder itself
// and what others put into it are not counted.
//
// The format is in docs/ref/spool.md. Experimental: internal to this module.
package spool
