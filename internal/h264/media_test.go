// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"testing"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// media returns the path of a file of the footage.
func media(t testing.TB, name string) string {
	t.Helper()
	return mediatest.Path(t, name)
}
