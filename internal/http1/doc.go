// SPDX-License-Identifier: Apache-2.0

// Package http1 is an HTTP/1.1 client for a camera: one kept connection over TCP or TLS, one request at a time, nothing of net/http
// (which costs 1.3 MB of flash on mipsle).
//
// What it does that a PUT over a bad uplink needs:
//
//   - The body comes in two parts, goes out in chunks of 16 KiB without a copy, and the caller learns after each one that the kernel has
//     taken it ([Request.Sent]), so that memory can be used again.
//   - The answer is read while the body is being written: a refusal ends the upload at once instead of after the last byte.
//   - Time limits are limits of progress: a slow uplink may take as long as it moves, a dead one is noticed after Config.StallTimeout. On
//     Linux bytes that the peer acknowledges count too. The whole is bounded by the context.
//   - A kept connection that the server has closed is noticed while it is idle; when the request was faster, it is sent again once, if the
//     caller still has all of it ([Request.Again]).
//   - Without AES instructions only ChaCha20 is offered in TLS 1.3 ([Config.AnyCipher]).
//
// It writes nothing that was not checked (no line breaks from a value), never sends Expect, skips 1xx answers, follows no redirects, knows
// no cookies, proxies, compression or pipelining. Certificates are always verified unless the caller's own tls.Config says otherwise.
//
// Bounds: an answer's head 16 KiB, 8 informational answers, of its body the first Config.MaxBody bytes kept and 64 KiB read. Buffers are
// kept from request to request: 6 KiB and the largest answer.
//
// Experimental: internal to this module. The specification is RFC 9112 (HTTP/1.1), the names of clauses in comments are its.
package http1
