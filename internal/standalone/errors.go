// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/s3"
)

// StoreError explains what a bucket's store said, or that it said nothing.
func StoreError(bucket string, err error) error {
	var answer *s3.Error
	var cert *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var dns *net.DNSError
	errors.As(err, &answer)
	switch {
	case errors.Is(err, s3.ErrNoBucket):
		return hint.With(fmt.Errorf("there is no bucket %q: %w", bucket, err), "create it, or choose another with --bucket")
	case errors.Is(err, s3.ErrClockSkew):
		return hint.With(fmt.Errorf("the store refuses this machine's clock: %w", err), "set the clock (NTP)")
	case answer != nil:
		return answerError(bucket, answer, err)
	case errors.As(err, &cert):
		return hint.With(fmt.Errorf("the store's certificate cannot be trusted: %w", err),
			"check the host name in --s3-url and this machine's clock; name an authority of your own in AWS_CA_BUNDLE or SSL_CERT_FILE")
	case errors.As(err, &plain), strings.Contains(err.Error(), "malformed HTTP"):
		return hint.With(fmt.Errorf("the store speaks another protocol: %w", err), "check --s3-url: http or https, and the port")
	case errors.Is(err, s3.ErrNotS3):
		return hint.With(fmt.Errorf("the answer does not come from an S3 store: %w", err), endpointHint)
	case errors.As(err, &dns):
		return hint.With(fmt.Errorf("the store's name cannot be found: %w", err), "check --s3-url, or --region and --bucket for AWS")
	case errors.Is(err, syscall.ECONNREFUSED):
		return hint.With(fmt.Errorf("nothing answers at the store's address: %w", err), "check --s3-url, and that the store is running")
	case errors.Is(err, s3.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return hint.With(fmt.Errorf("the store does not answer: %w", err), "check --s3-url and the network")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return hint.With(fmt.Errorf("the store breaks the connection off: %w", err), "check --s3-url (http or https?) and that the store is well")
	}
	return err
}

const endpointHint = "check --s3-url: it is the endpoint without the bucket, as http://127.0.0.1:9000"

// answerError explains an answer, of S3 or of something else. err holds it.
func answerError(bucket string, answer *s3.Error, err error) error {
	switch {
	case answer.Code == "InvalidAccessKeyId" || answer.Code == "SignatureDoesNotMatch":
		return hint.With(fmt.Errorf("the store refuses the credentials: %w", err),
			"check S3CAM_S3_ACCESS_KEY and S3CAM_S3_SECRET_KEY, or the AWS credentials, and --region")
	case answer.Code == "InvalidToken":
		return hint.With(fmt.Errorf("the store refuses the session token: %w", err), "check S3CAM_S3_SESSION_TOKEN or AWS_SESSION_TOKEN, or get new credentials")
	case errors.Is(answer, s3.ErrExpiredCredentials):
		return hint.With(fmt.Errorf("the credentials have expired: %w", answer), "get new ones, as with `aws sso login`")
	case errors.Is(answer, s3.ErrAccessDenied):
		return hint.With(fmt.Errorf("access to bucket %q is denied: %w", bucket, err),
			"the server needs s3:ListBucket and s3:GetObject, a push s3:PutObject; check the keys, the bucket's name and its region")
	case answer.Status >= 300 && answer.Status < 400:
		return hint.With(fmt.Errorf("the bucket %q is elsewhere: %w", bucket, err), "check --region and --s3-url")
	case answer.Code == "" && answer.Status < http.StatusInternalServerError:
		return hint.With(fmt.Errorf("the answer does not come from an S3 store: %w", err), endpointHint)
	case answer.Status == http.StatusNotFound && (answer.Op == "list" || answer.Op == "put"): // neither is about an object that has to exist
		return hint.With(fmt.Errorf("the store knows no such bucket: %w", err), "check --bucket and --s3-url")
	case answer.Op == "put" && answer.Status == http.StatusBadRequest:
		return hint.With(fmt.Errorf("the store does not take such an object: %w", err), "check --camera, which is the beginning of its key, and --tags")
	case answer.Status == http.StatusInsufficientStorage:
		return hint.With(fmt.Errorf("the store is full: %w", err), "make room on its disk")
	case errors.Is(answer, s3.ErrThrottled) || answer.Status == http.StatusServiceUnavailable:
		return hint.With(fmt.Errorf("the store is overloaded: %w", err), "try again later")
	case answer.Status >= http.StatusInternalServerError:
		return hint.With(fmt.Errorf("the store has a fault: %w", err), "try again later; its own log says more")
	}
	return fmt.Errorf("store: %w", err)
}

// dataError adds advice to what went wrong with the data directory.
func dataError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return hint.With(err, "the data directory %s must be writable; choose another with --data", dir)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return hint.With(err, "%s, or something above it, is a file; choose another directory with --data", dir)
	case errors.Is(err, syscall.ENOSPC):
		return hint.With(err, "the disk of %s is full; choose another with --data", dir)
	}
	// The engine puts its advice into the text.
	if text := err.Error(); strings.HasSuffix(text, ")") {
		if at := strings.LastIndex(text, " (hint: "); at >= 0 {
			return hint.With(&reworded{err, text[:at]}, "%s", text[at+len(" (hint: "):len(text)-1])
		}
	}
	return err
}

// reworded shows an error without the advice in its text.
type reworded struct {
	err  error
	text string
}

func (r *reworded) Error() string { return r.text }
func (r *reworded) Unwrap() error { return r.err }
