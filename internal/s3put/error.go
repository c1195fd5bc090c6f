// SPDX-License-Identifier: Apache-2.0

package s3put

import "errors"

// Classes of failures, for errors.Is. An error of none of them means: try again after a while, the object may or may not have been stored.
var (
	ErrExists             = errors.New("an object with this key exists")
	ErrClockSkew          = errors.New("the clock of this device is off") // the time that Put returns is right
	ErrExpiredCredentials = errors.New("the credentials have expired")
	ErrRejected           = errors.New("the server rejects the upload") // repeating does not help until somebody changes something
	// ErrNotSent: the object cannot have been stored, since the request or part of its body was never sent.
	ErrNotSent = errors.New("the upload did not reach the server")
)

// Error is an answer that is not a success.
type Error struct {
	Status    int    // HTTP status
	Code      string // of S3, such as "AccessDenied"; empty without an error document
	Message   string // as sent, one printable line of at most 300 bytes
	RequestID string
	Host      string
	Class     error // one of the Err values, nil for none
}

// Error returns one line. It holds no credentials.
func (e *Error) Error() string { return e.Code }

// Unwrap returns the class.
func (e *Error) Unwrap() error { return e.Class }
