// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"context"
	"time"
)

// Object is one segment for a [Putter].
type Object struct {
	Key string
	// Parts are the bytes, in one piece or two when the segment goes round the end of the ring. They are memory of the ring: read-only, and
	// valid until Put returns. Nothing writes to them before, except to what was reported as [Object.Sent].
	Parts  [2][]byte
	Size   int    // of both parts together
	CRC32C uint32 // of the whole: Castagnoli, as x-amz-checksum-crc32c has it
	Tags   string // value of x-amz-tagging; empty: send none
	// Time is the present UTC at the start of this try, corrected by what servers said before: sign with it.
	Time time.Time

	flight *flight
}

// Sent says that the first n bytes, counted over both parts, have been copied out (to the kernel, to a TLS record) and will not be read
// again unless [Object.Again] allows it. When the ring is full it takes whole packets of them for newer footage, rather than drop a
// segment that waits. It is also the sign of life of a try, see Config.MinTimeout. n counts from the start and never falls.
// To call it is optional, and allowed only until Put returns.
func (o *Object) Sent(n int) {
	if o.flight != nil {
		o.flight.progress(n)
	}
}

// Again asks whether the object can be sent from the start once more in the same Put, on another connection for instance. After
// true all bytes are there, and stay until they are reported as sent again. After false some are gone: Put must return its error.
func (o *Object) Again() bool { return o.flight == nil || o.flight.again() }

// Putter stores objects. Put makes one try, without retries of its own: it stores o with Content-Type video/mp2t if and only if there is no
// object with this key (If-None-Match: *). It must return soon after ctx is done and must not keep o or its parts. It is called from
// one goroutine at a time.
//
// serverTime is the time in the server's answer (its Date header), zero when there was none; it counts with an error too. An
// error that wraps ErrExists, ErrClockSkew, ErrExpiredCredentials, ErrRejected or ErrNotSent is treated as these say.
type Putter interface {
	Put(ctx context.Context, o *Object) (serverTime time.Time, err error)
}
