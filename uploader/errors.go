// SPDX-License-Identifier: Apache-2.0

package uploader

import "errors"

// Errors that a [Putter] wraps to tell how to go on. Every other error means: try again after a while; the server may or may
// not have stored the object.
var (
	// ErrExists: there is an object with this key already (412 to If-None-Match).
	ErrExists = errors.New("an object with this key exists")
	// ErrClockSkew: the server refuses the time of the signature. The time that Put returns with it sets the clock offset.
	ErrClockSkew = errors.New("the server refuses the clock of this device")
	// ErrExpiredCredentials: the credentials are no longer valid; new ones may be.
	ErrExpiredCredentials = errors.New("the credentials have expired")
	// ErrRejected: repeating does not help until somebody changes something: access denied, no such bucket, a wrong key.
	ErrRejected = errors.New("the server rejects the upload")
	// ErrNotSent: the request did not reach the server, so the object cannot have been stored (no route, refused, no name).
	ErrNotSent = errors.New("the request was not sent")
)

// Errors of an [Uploader].
var (
	// ErrClosed: the call came after Close.
	ErrClosed = errors.New("uploader: closed")
	// ErrTooLarge: the open segment does not fit into the ring and was dropped, or this picture belongs to one that was.
	ErrTooLarge = errors.New("uploader: segment too large for the ring")
	// ErrAccessUnit: the data is not an H.264 access unit in Annex B form.
	ErrAccessUnit = errors.New("uploader: not an H.264 access unit")
	// ErrAudioFrame: the data is not ADTS.
	ErrAudioFrame = errors.New("uploader: not an ADTS audio frame")
	// ErrTime: the timestamp leads outside the years 1970 to 9999.
	ErrTime = errors.New("uploader: impossible time")
	// ErrNoIDR: pictures came, but no IDR to start a segment with.
	ErrNoIDR = errors.New("uploader: no IDR picture in the stream")
	// ErrNoParameterSets: IDR pictures came, but neither the stream nor Config has their parameter sets.
	ErrNoParameterSets = errors.New("uploader: no SPS and PPS in the stream")
	// ErrNotStored: Close ended before everything was stored.
	ErrNotStored = errors.New("uploader: not everything was stored")
	// ErrTags: the tags are not a valid x-amz-tagging value.
	ErrTags = errors.New("uploader: bad tags")
)
