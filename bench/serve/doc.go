// SPDX-License-Identifier: Apache-2.0

// Package serve measures what a request costs the real `s3cam serve`, side by side with nginx and with a bare net/http
// handler that answer the same bodies: a live playlist that is warm in the cache, gzip, and a segment of 3 s at 5 Mbit/s.
//
// Each server runs as a process of its own and is loaded in turn by wrk over loopback, 64 connections kept alive. The cost
// is the server's CPU time, user and system, of all its threads, divided by the requests that it answered. The machine is
// not quiet, so servers are only compared within a round, and the result is the median of the rounds' ratios.
//
// It needs Linux, nginx, wrk and ffmpeg. Everything that it starts ends with it.
package serve
