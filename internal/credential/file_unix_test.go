// SPDX-License-Identifier: Apache-2.0

//go:build unix

package credential_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/s3cam/s3cam/internal/credential"
)

// Opening a pipe waits for its other end, without an end in sight.
func TestAPipeIsRefusedAndNotWaitedFor(t *testing.T) {
	k := newKeyFile(t)
	if err := syscall.Mkfifo(k.path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.p.Retrieve(t.Context()); !errors.Is(err, credential.ErrNone) {
		t.Errorf("Retrieve = %v", err)
	}
}
