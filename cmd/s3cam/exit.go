// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/standalone"
)

// Exit codes, the same for all commands; `s3cam --help` and docs/ref/cli.md list them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2   // the command line was wrong; nothing was done
	exitPartial     = 3   // it went through, but some footage was dropped or left out
	exitInterrupted = 130 // Ctrl-C or SIGTERM before the work was done
)

// errUsage and errPartial choose the exit code of the errors that wrap them. An error that wraps context.Canceled means
// that the work was interrupted.
var (
	errUsage   = errors.New("usage")
	errPartial = errors.New("partial")
)

// silent marks errors whose text has been printed already.
type silent struct{ error }

func (s silent) Unwrap() error { return s.error }

// kinded gives an error the exit code of kind without adding it to the text.
type kinded struct {
	error
	kind error
}

func (k kinded) Unwrap() []error { return []error{k.error, k.kind} }

func usage(format string, args ...any) error {
	return kinded{fmt.Errorf(format, args...), errUsage}
}

func partial(format string, args ...any) error {
	return kinded{fmt.Errorf(format, args...), errPartial}
}

// interrupted is the error of work that a signal ended.
func interrupted() error { return kinded{errors.New("interrupted"), context.Canceled} }

// configured marks the errors about what a server was told to do as those of the command line.
func configured(err error) error {
	if errors.Is(err, standalone.ErrConfig) {
		return kinded{err, errUsage}
	}
	return err
}

// exitCode prints err as `error:` and `hint:` lines and returns the code of the process.
func exitCode(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var s silent
	if !errors.As(err, &s) {
		fmt.Fprintln(w, "error:", err)
		if advice := hint.Of(err); advice != "" {
			fmt.Fprintln(w, "hint:", advice)
		}
	}
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errPartial):
		return exitPartial
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailure
}
