// SPDX-License-Identifier: Apache-2.0

// Package hint gives errors a remedy: what whoever reads the message can do about it. The programs print it in a line of its own below the
// error. It imports nothing of ours and is small enough for cameras.
package hint

import "fmt"

// Error is an error with a remedy. Only Text and Err are in its text; at least one of them is needed.
type Error struct {
	Kind   error  // for errors.Is; nil: none
	Text   string // what happened
	Err    error  // the cause, nil: none
	Advice string // empty: none is known
}

// With gives err advice and leaves its text as it is.
func With(err error, format string, args ...any) error {
	return &Error{Err: err, Advice: fmt.Sprintf(format, args...)}
}

// Errorf makes an error of a kind, which is not in its text, with advice.
func Errorf(kind error, advice, format string, args ...any) error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...), Advice: advice}
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Text
	case e.Text == "":
		return e.Err.Error()
	}
	return e.Text + ": " + e.Err.Error()
}

// Hint is what to do about it.
func (e *Error) Hint() string { return e.Advice }

// Unwrap returns kind and cause.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range [...]error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Of returns the advice of err or of an error that it wraps, the outermost that has any, otherwise "". Any type with a method Hint counts.
func Of(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok && h.Hint() != "" {
		return h.Hint()
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		return Of(u.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range u.Unwrap() {
			if advice := Of(err); advice != "" {
				return advice
			}
		}
	}
	return ""
}
