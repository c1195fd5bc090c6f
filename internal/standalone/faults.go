// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"io/fs"
	"net/http"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/s3"
)

// storeFault tells the API what an error of either store means for a viewer.
func storeFault(err error) httpapi.Fault {
	var e *s3.Error
	switch {
	case errors.Is(err, s3server.ErrNotFound):
		return httpapi.FaultMissing
	case errors.As(err, &e):
		switch {
		case errors.Is(err, s3.ErrNotFound) && e.Code != "NoSuchBucket":
			return httpapi.FaultMissing
		case e.Status == http.StatusTooManyRequests, e.Status == http.StatusServiceUnavailable:
			return httpapi.FaultBusy
		case e.Status >= 400 && e.Status < 500:
			return httpapi.FaultDenied
		}
		return httpapi.FaultBroken
	case errors.Is(err, context.DeadlineExceeded):
		return httpapi.FaultTimeout
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return httpapi.FaultTimeout
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return httpapi.FaultBroken // the embedded store's disk
	}
	if s3.Retryable(err) {
		return httpapi.FaultBusy // connections refused, reset, cut
	}
	return httpapi.FaultNone
}
