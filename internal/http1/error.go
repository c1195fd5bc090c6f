// SPDX-License-Identifier: Apache-2.0

package http1

import "errors"

// Causes that a caller can act on, for errors.Is.
var (
	ErrNotSent = errors.New("the request was not sent")     // no byte of it was handed to the network
	ErrStalled = errors.New("the connection stands still")  // nothing moved for Config.StallTimeout
	ErrAnswer  = errors.New("the answer is not valid HTTP") // or breaks the limits of this package
	ErrRequest = errors.New("the request cannot be sent")   // something in it must not be written; also ErrNotSent
)

// Error is a request without an answer.
type Error struct {
	Op   string // "request", "dial", "handshake", "write" or "read"
	Addr string
	// Sent counts the bytes of the body that were handed over; less than all of them means that the server cannot have the whole.
	Sent    int
	NotSent bool // errors.Is(err, ErrNotSent)
	Err     error
}

// Error returns one line.
func (e *Error) Error() string { return "http: " + e.Op + " " + e.Addr + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports ErrNotSent.
func (e *Error) Is(target error) bool { return target == ErrNotSent && e.NotSent }
