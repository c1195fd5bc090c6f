// SPDX-License-Identifier: Apache-2.0

// Package wire is the message format between the C shim inside camera firmware and s3cam-agent, as docs/ref/wire.md defines it: types,
// limits, Append and Parse functions, and a [Reader]. It does no I/O but that of the io.Reader it is given, reads no clock and logs
// nothing.
//
// A connection is a Unix stream socket and carries one camera. Each message is a header of 16 bytes and a payload, little endian.
// Messages of the shim end in a trailer byte that tells whether they are whole, because the shim, which never waits, may have to break
// one off and fill it up with zeros later. The reader drops such messages, so half a frame is never seen.
//
// Bounds: 4 MiB of data in a media message, 16 KiB in a control message, 1 KiB in a reply (STATUS 256 KiB). Anything else is an error
// that matches [ErrProtocol] before memory is taken for it. The package is internal; the format itself is versioned, see [Version].
package wire
