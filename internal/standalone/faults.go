// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"io/fs"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/s3delivery"
	"github.com/s3cam/s3cam/internal/s3server"
)

// storeFault tells the API what an error of either store means for a viewer.
func storeFault(err error) httpapi.Fault {
	var file *fs.PathError
	switch {
	case errors.Is(err, s3server.ErrNotFound):
		return httpapi.FaultMissing
	case errors.As(err, &file): // the embedded store's disk; it holds an Errno
		return httpapi.FaultBroken
	}
	return s3delivery.Fault(err)
}
