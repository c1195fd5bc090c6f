// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/s3cam/s3cam/internal/s3server"
)

// A folder that cannot be looked into, as on a failing disk, hides what is below it for the moment: who asks must not hear that it is not there.
func TestWhatCannotBeLookedUpIsNotMissing(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	tg.put(t, "shut/deeper/1.ts", "x")
	b := tg.embedded.Bucket
	dir := filepath.Join(b.Dir(), "shut")
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	done := make(chan error)
	go func() { // on a thread of its own, which ends with it, that may not do what root may
		runtime.LockOSThread()
		if err := os.Chmod(b.Dir(), 0o755); err != nil {
			done <- err
			return
		}
		if err := syscall.Setfsuid(65534); os.Geteuid() == 0 && err != nil {
			done <- err
			return
		}
		f, err := b.Open(t.Context(), "shut/deeper/1.ts")
		if err == nil {
			f.Close()
		}
		done <- err
	}()
	switch err := <-done; {
	case err == nil, errors.Is(err, s3server.ErrNotFound):
		t.Errorf("%v, want that the permission is missing", err)
	case !errors.Is(err, fs.ErrPermission):
		t.Error(err)
	}
}
