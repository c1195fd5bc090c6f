// SPDX-License-Identifier: Apache-2.0

// Package s3 is a client for one bucket on net/http: Put, Get, Head, Delete (one key or a thousand), List and presigned URLs, with what a system
// that stores video segments needs and nothing else. It works with AWS (all regions and partitions, dual-stack) and with
// S3-compatible servers at any address, in path or virtual-host style.
//
// Every request is signed with Signature Version 4 (internal/sigv4). Over TLS the body of a Put is sent unsigned with a
// CRC32C in a header, so it is not hashed with SHA-256; over plain HTTP its SHA-256 is signed.
//
// Failures come as *[Error] (the server answered) or as an error of the exchange; [Retryable] tells which may pass by
// repeating, errors.Is with the Err values of this package tells the cases a caller can act on. A client corrects three
// things by itself, once per try and without waiting: another region of the same AWS partition, a clock that is minutes
// off, and credentials that expired and can be refreshed. Get, Head, List, Delete, DeleteObjects and Put repeat failed tries with full
// jitter and a shared budget; PutOnce does not.
//
// Bounds: keys of 1024 bytes, error bodies of 64 KiB, list pages of 8 MiB, ranges of [MaxReadRange] bytes. A Client starts
// no goroutine of its own besides those of net/http and keeps idle connections for about 4 s.
//
// Experimental: the API may change until the first release.
package s3
