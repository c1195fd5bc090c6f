// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Cases that a caller can act on, for errors.Is.
var (
	ErrNotFound           = errors.New("object not found")        // 404; S3 answers 403 instead to those who may not list
	ErrNoBucket           = errors.New("bucket not found")        // 404 NoSuchBucket
	ErrExists             = errors.New("object exists already")   // 412 with If-None-Match: *
	ErrAccessDenied       = errors.New("access denied")           // 401 and 403 that neither time nor new credentials mend
	ErrRange              = errors.New("range beyond the object") // 416
	ErrClockSkew          = errors.New("clock is off")            // the server refuses the time of the request
	ErrExpiredCredentials = errors.New("credentials expired")     // and could not be refreshed
	ErrThrottled          = errors.New("request rate too high")   // 429, 503 SlowDown
	ErrTimeout            = errors.New("no answer in time")       // of the server, within Config.TryTimeout
	ErrNotS3              = errors.New("the answer is not S3's")  // a web server, a proxy or a login page of a network
)

// Error is an answer of the server that is not a success.
type Error struct {
	Op         string // "put", "get", "head", "delete" or "list"
	Key        string // the object's key, or the prefix of a list
	Status     int    // HTTP status; 200 for an error document in a successful answer
	Code       string // of S3, such as "AccessDenied"; empty when the answer had no error document
	Message    string // as sent, without control characters and at most 300 bytes
	RequestID  string
	Date       time.Time // the server's clock; zero without a Date header
	RetryAfter time.Duration

	region string // where the bucket is, when the answer says so
	from   *address
	signed time.Time // time of the request by the server's standards
}

// Error returns one line. It holds no credentials and no URL.
func (e *Error) Error() string {
	s := "s3: " + e.Op
	if e.Key != "" {
		s += " " + strconv.Quote(e.Key)
	}
	s += ": " + strconv.Itoa(e.Status)
	if e.Code != "" {
		s += " " + e.Code
	} else if text := http.StatusText(e.Status); text != "" {
		s += " " + text
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.region != "" && e.movedStatus() {
		s += " (the bucket is in " + e.region + ")"
	}
	if e.RequestID != "" {
		s += " (request " + e.RequestID + ")"
	}
	return s
}

// Is maps the answer to the Err values of this package.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNoBucket:
		return e.Code == "NoSuchBucket"
	case ErrNotFound:
		return e.Status == http.StatusNotFound && e.Code != "NoSuchBucket"
	case ErrExists:
		return e.Status == http.StatusPreconditionFailed
	case ErrRange:
		return e.Status == http.StatusRequestedRangeNotSatisfiable
	case ErrThrottled:
		return e.slowDown()
	case ErrClockSkew:
		return e.skewed()
	case ErrExpiredCredentials:
		return e.expired()
	case ErrAccessDenied:
		return (e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized) && !e.skewed() && !e.expired()
	}
	return false
}

// maxQuietSkew is the difference of clocks up to which a bad signature is taken for just that. S3 itself accepts 15 min.
const maxQuietSkew = 4 * time.Minute

func (e *Error) skewed() bool {
	switch e.Code {
	case "RequestTimeTooSkewed":
		return true
	case "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "RequestExpired", "RequestInTheFuture":
	case "":
		if e.Status != http.StatusForbidden { // the answer to HEAD has no code
			return false
		}
	default:
		return false
	}
	return !e.Date.IsZero() && e.Date.Sub(e.signed).Abs() > maxQuietSkew
}

func (e *Error) expired() bool {
	switch e.Code {
	case "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired":
		return true
	}
	return false
}

func (e *Error) slowDown() bool {
	switch e.Code {
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "BandwidthLimitExceeded":
		return true
	}
	return e.Status == http.StatusTooManyRequests
}

func (e *Error) movedStatus() bool {
	switch e.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	// HEAD tells a wrong region by a bare 400 with the right one in a header.
	return e.Code == "AuthorizationHeaderMalformed" || e.Code == "PermanentRedirect" || (e.Status == http.StatusBadRequest && e.Code == "" && e.region != "")
}

func (e *Error) retryable() bool {
	switch e.Status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		http.StatusInsufficientStorage, http.StatusConflict, http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true
	}
	switch e.Code {
	case "RequestTimeout", "InternalError", "ServiceUnavailable", "ConditionalRequestConflict", "OperationAborted":
		return true
	}
	return e.slowDown() || e.onceMore()
}

// onceMore names answers that say the body was damaged on its way: one repetition, then it is the memory or the server.
func (e *Error) onceMore() bool {
	return e.Code == "BadDigest" || e.Code == "XAmzContentSHA256Mismatch" || e.Code == "IncompleteBody"
}

// exchangeError is a request that got no usable answer.
type exchangeError struct {
	op, key string
	err     error
	final   bool
	late    bool // may help, but not within seconds
}

func (e *exchangeError) Error() string {
	s := "s3: " + e.op
	if e.key != "" {
		s += " " + strconv.Quote(e.key)
	}
	return s + ": " + e.err.Error()
}

func (e *exchangeError) Unwrap() error { return e.err }

// fail wraps an error that repeating cannot mend.
func fail(op, key string, err error) error {
	return &exchangeError{op: op, key: key, err: err, final: true}
}

func failf(op, key, format string, args ...any) error {
	return fail(op, key, fmt.Errorf(format, args...))
}

// exchangeFailed wraps an error of the transport or of reading an answer.
func exchangeFailed(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return fail(op, key, context.Cause(ctx)) // the caller gave up
	}
	// A certificate that does not verify will not do so in a second either; when the own clock has been set it may.
	var cert *tls.CertificateVerificationError
	return &exchangeError{op: op, key: key, err: err, late: errors.As(err, &cert)}
}

// Retryable reports whether repeating the request may help: the network failed, the server did not answer in time, or it
// answered that it is busy or broken (500, 502, 503, 504, 429, 408, 409, RequestTimeout, SlowDown, a damaged body). Three
// more count which the client itself does not repeat, since they may pass but not within seconds: a full disk (507), an
// answer that is not S3's (ErrNotS3), and a certificate that does not verify, because the own clock may be set later. It is false for every answer that will stay the same (400, 403, 404, 412...), for a context that ended, for invalid arguments,
// and for nil.
func Retryable(err error) bool {
	var answer *Error
	if errors.As(err, &answer) {
		return answer.retryable()
	}
	var key *KeyError
	if errors.As(err, &key) {
		return (&Error{Status: http.StatusOK, Code: key.Code}).retryable()
	}
	var exchange *exchangeError
	return errors.As(err, &exchange) && !exchange.final
}

// retryableSoon is Retryable for the client's own repetitions.
func retryableSoon(err error) bool {
	var exchange *exchangeError
	var answer *Error
	switch {
	case errors.As(err, &answer) && answer.Status == http.StatusInsufficientStorage, errors.As(err, &exchange) && exchange.late:
		return false
	}
	return Retryable(err)
}
