// SPDX-License-Identifier: Apache-2.0

package s3delivery

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/s3"
)

// Fault tells the API what an error of an S3 store means for a viewer ([httpapi.Config.Fault]). Whatever is not known to be
// a fault of the store is none.
func Fault(err error) httpapi.Fault {
	var answer *s3.Error
	var network net.Error
	var number syscall.Errno
	switch {
	case errors.As(err, &answer) && answer.Op == "list" && answer.Status == http.StatusNotFound:
		return httpapi.FaultDenied // the bucket, or there never was a store: a listing of nothing is an empty one
	case errors.Is(err, s3.ErrNotFound):
		return httpapi.FaultMissing
	case errors.Is(err, s3.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return httpapi.FaultTimeout
	case errors.Is(err, s3.ErrThrottled):
		return httpapi.FaultBusy
	case errors.Is(err, s3.ErrNotS3):
		return httpapi.FaultBroken
	case errors.As(err, &answer):
		switch {
		case answer.Status == http.StatusServiceUnavailable:
			return httpapi.FaultBusy
		case answer.Status >= 400 && answer.Status < 500:
			return httpapi.FaultDenied
		}
		return httpapi.FaultBroken
	case errors.As(err, &network):
		if network.Timeout() {
			return httpapi.FaultTimeout
		}
		return httpapi.FaultBusy
	case errors.As(err, &number), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return httpapi.FaultBusy // connections refused, reset, cut
	case strings.Contains(err.Error(), "s3: "):
		return httpapi.FaultBroken // an answer that is no S3
	}
	return httpapi.FaultNone
}
