// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// device is the environment of a firmware and its agent.
type device struct {
	env []string
	dir string // of its own: state, spool
}

// newDevice is a device that trusts the store's authority.
func newDevice(t testing.TB, ca *authority, settings ...string) *device {
	t.Helper()
	d := &device{dir: t.TempDir()}
	d.env = append([]string{
		"S3CAM_CA_FILE=" + ca.file,
		"S3CAM_LOG=stderr", "S3CAM_LOG_LEVEL=info",
		"HOME=" + d.dir, "TMPDIR=" + d.dir,
		"ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=97", "UBSAN_OPTIONS=print_stacktrace=1",
		"GORACE=halt_on_error=0 exitcode=66",
	}, settings...)
	return d
}

// spool gives the device a spool on flash.
func (d *device) spool(t testing.TB, bytes int) *device {
	t.Helper()
	dir := filepath.Join(d.dir, "spool")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d.env = append(d.env, "S3CAM_SPOOL_DIR="+dir, "S3CAM_SPOOL_BYTES="+strconv.Itoa(bytes))
	return d
}

// long tells whether the tests run as long as the original's measurements did.
func long() bool { return os.Getenv("S3CAM_TEST_LONG") != "" }

// duration is a setting of the tests from the environment.
func duration(t testing.TB, name string, otherwise time.Duration) time.Duration {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}
