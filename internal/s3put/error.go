// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"errors"
	"strconv"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/s3rule"
)

// Classes of failures, for errors.Is. An error of none of them means: try again after a while, the object may or may not have been stored.
var (
	ErrExists             = errors.New("an object with this key exists")
	ErrClockSkew          = errors.New("the clock of this device is off") // the time that Put returns with it is right
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
	NotS3     bool  // nothing in the answer is S3's: a web server, a proxy or the login page of a network

	region     string    // where the bucket is, when the answer says so
	serverTime time.Time // of the document
}

// Error returns one line. It holds no credentials and no URL.
func (e *Error) Error() string {
	s := "s3: " + e.Host + ": " + strconv.Itoa(e.Status)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.NotS3 {
		s += " (the answer is not S3's)"
	}
	if e.region != "" && e.movedStatus() {
		s += " (the bucket is in " + e.region + ")"
	}
	if e.RequestID != "" {
		s += " (request " + e.RequestID + ")"
	}
	return s
}

// Unwrap returns the class.
func (e *Error) Unwrap() error { return e.Class }

// maxQuietSkew is the difference of clocks up to which a bad signature is taken for just that. S3 itself accepts 15 min.
const maxQuietSkew = 4 * time.Minute

// refusal makes an *Error of an answer to a request that was signed at signed.
func (c *Client) refusal(r *http1.Response, signed time.Time) *Error {
	e := &Error{Status: r.Status, Host: c.at.host, RequestID: s3rule.Clean(r.Get("X-Amz-Request-Id"), maxCode)}
	d, isDocument := parseDocument(r.Body)
	switch {
	case isDocument:
		e.Code, e.Message = d.code, d.message
		e.serverTime, _ = time.Parse(time.RFC3339, d.serverTime)
		if e.RequestID == "" {
			e.RequestID = d.requestID
		}
	default:
		e.Message = s3rule.Clean(string(r.Body), maxMessage)
		e.NotS3 = e.RequestID == ""
	}
	if e.movedStatus() {
		for _, region := range [...]string{s3rule.Clean(r.Get("X-Amz-Bucket-Region"), maxCode), d.region, c.place.regionOfHost(d.endpoint), c.place.regionOfLocation(r.Get("Location"))} {
			if region != "" {
				e.region = region
				break
			}
		}
	}
	e.Class = e.class(r.Date, signed)
	return e
}

// movedStatus tells whether the answer says that the bucket lives elsewhere.
func (e *Error) movedStatus() bool {
	switch e.Status {
	case 301, 302, 307, 308:
		return true
	}
	return e.Code == "AuthorizationHeaderMalformed" || e.Code == "PermanentRedirect" || e.Code == "TemporaryRedirect"
}

// class sorts the answer. date is its Date field.
func (e *Error) class(date, signed time.Time) error {
	switch e.Code {
	case "RequestTimeTooSkewed":
		return ErrClockSkew
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired":
		return ErrExpiredCredentials
	case "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "RequestExpired", "RequestInTheFuture":
		if !date.IsZero() && date.Sub(signed).Abs() > maxQuietSkew {
			return ErrClockSkew
		}
	case "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "InternalError", "ServiceUnavailable",
		"SlowDown", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "BandwidthLimitExceeded",
		"ConditionalRequestConflict", "OperationAborted":
		return nil // the network, the server or the memory; another try may do
	}
	switch {
	case e.Status == 412:
		return ErrExists
	case e.Status == 408, e.Status == 409, e.Status == 429, e.Status < 400 && e.NotS3:
		return nil
	case e.Status < 500, e.Status == 501, e.Code == "NotImplemented":
		return ErrRejected
	}
	return nil
}
