// SPDX-License-Identifier: Apache-2.0

// Package s3server is the embedded S3 engine of s3cam: versitygw in this process, on a directory of plain files, inside a
// wrapper that makes its promises good enough for footage.
//
// # What it is for
//
// The demo, the standalone server and the tests need an S3 endpoint without a second program. An object `cam1/2026/…/05.ts` of
// the bucket `video` is the file <Dir>/video/cam1/2026/…/05.ts; a backup is a file copy. New opens the directory and the
// port, Run serves until its context ends, and the methods of Server and Bucket read the same objects in process, without HTTP.
//
// # Promise
//
// A PUT that was answered 200 is complete, and with the default durability it survives a power cut: the data is synced before
// the object gets its name, and every new directory level is synced up to one that is known to be on disk before the answer.
// A PUT that is cut, refused or fails leaves nothing behind, no matter how the payload was signed; neither does a kill -9.
// Tags belong to the object from its first moment. Requests that are under way when Run's context ends are finished within
// Config.DrainTimeout. OnStored is called for each stored object, overwrites too, before the client sees the 200.
//
// # Closed by default
//
// Every request needs a signature; unknown keys get 403 InvalidAccessKeyId. ACLs, bucket policies, versioning, object lock,
// server-side copy, browser form posts, website and admin functions are answered NotImplemented: nothing in s3cam needs
// them and none of them can open the store by accident. Multipart uploads work (the aws command line uses them for big
// files) and are as durable as PUT. Keys with `.`, `..` or control elements, keys that are not UTF-8, keys ending in `/` and
// the engine's own temporary names are refused with 400; repeated slashes are folded, so `cam1//x` is stored as `cam1/x`.
// DeleteObjects takes 1 to 1000 keys in a document that is exactly what S3 describes, and asks for each whether it may go.
// An account can be narrowed to plain PUTs that overwrite nothing old ([PutOnly]): what a camera gets.
// Symbolic links, pipes and devices in a bucket's directory are not there for anybody. The directories that are made here
// are for their owner alone. Nothing of a request but its path is logged, not even when it cannot be read.
//
// # Limits
//
// HTTP/1.1 on its own port, path style and virtual-host style. One process per directory (a lock file refuses the second).
// The file system needs user extended attributes (ext4, XFS, tmpfs, APFS do). ETags are checksums, not MD5. `a` and `a/b` cannot
// both exist: a directory is not a file. Deletes are not synced: after a power cut a deleted segment may be back.
//
// # The working directory
//
// versitygw's own gateway changes the working directory of the process and then works with relative paths, so it can exist
// once per process and breaks every other relative path. This package hands it absolute bucket paths instead: the working
// directory stays what it was, and several Servers may run in one process, which is what the tests do.
//
// Experimental. Bounded to 4096 connections, 1024 requests at a time, 8 KiB of request head that comes within 30 s, 8 MiB of
// request body that is no object, 1 MiB per in-process ranged read. When nearly all connections are taken, those that have waited longest
// for a request are closed. A body has to come with 128 bytes per second, over a minute.
package s3server
