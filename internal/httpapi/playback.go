// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/s3cam/s3cam/playback"
)

// playbackError is the answer to an error of playback's own, or nil for one that came from below it.
func playbackError(err error) *Error {
	var bad *playback.RangeError
	switch {
	case errors.As(err, &bad):
		return &Error{Status: http.StatusBadRequest, Code: "bad_" + bad.Param, Message: bad.Param + ": " + bad.Reason, Err: err}
	case errors.Is(err, playback.ErrBadCamera):
		return &Error{Status: http.StatusBadRequest, Code: "bad_camera_id", Message: "camera_id: " + strings.TrimPrefix(err.Error(), playback.ErrBadCamera.Error()+": "), Err: err}
	case errors.Is(err, playback.ErrNoSegments):
		return &Error{Status: http.StatusNotFound, Code: "no_segments",
			Message: "nothing is recorded: check camera_id, and the times, which are UTC (/coverage tells what there is)", Err: err}
	case errors.Is(err, playback.ErrConflict):
		return &Error{Status: http.StatusServiceUnavailable, Code: "busy", Message: "other servers keep changing this camera's playlist; try again", Err: err}
	}
	return nil
}
