// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"errors"
	"fmt"
)

// Errors a caller may test with errors.Is or errors.As. Everything else that a method returns is an error of the Store,
// of the WindowStore or of the context, wrapped with what was being done.
var (
	// ErrBadCamera: the camera id cannot name a camera (see segment.CheckPrefix, whose reason is in the text).
	ErrBadCamera = errors.New("bad camera id")
	// ErrNoSegments: nothing is recorded in the range, or, for a live window, nothing recently.
	ErrNoSegments = errors.New("no segments")
	// ErrConflict is what a WindowStore answers when the entry was changed since it was loaded.
	ErrConflict = errors.New("window was changed by another writer")
	// ErrTooManyKeys: a day folder holds more objects than a day has seconds, so it is not (only) a camera's.
	ErrTooManyKeys = errors.New("more objects than a camera can have recorded")
)

// RangeError says which parameter of a time range is unacceptable, and why in words that may be shown to the user.
type RangeError struct {
	Param  string // "start" or "end"
	Reason string
}

func (e *RangeError) Error() string { return fmt.Sprintf("bad %s: %s", e.Param, e.Reason) }
