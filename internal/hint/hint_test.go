// SPDX-License-Identifier: Apache-2.0

package hint_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/s3cam/s3cam/internal/hint"
)

type own struct{ error }

func (own) Hint() string { return "ask somebody" }

func TestErrors(t *testing.T) {
	kind := errors.New("kind")
	tests := []struct {
		name       string
		err        error
		text, hint string
		is         []error
	}{
		{"nothing", nil, "", "", nil},
		{"an error without advice", io.EOF, "EOF", "", []error{io.EOF}},
		{"advice leaves the text", hint.With(io.EOF, "try %d times", 2), "EOF", "try 2 times", []error{io.EOF}},
		{"a kind is not in the text", hint.Errorf(kind, "stop", "no %s", "room"), "no room", "stop", []error{kind}},
		{"kind, text and cause", &hint.Error{Kind: kind, Text: "read", Err: io.EOF, Advice: "wait"}, "read: EOF", "wait", []error{kind, io.EOF}},
		{"advice is found below other errors", fmt.Errorf("a: %w", errors.Join(kind, hint.With(io.EOF, "wait"))), "a: kind\nEOF", "wait", []error{kind, io.EOF}},
		{"the outermost advice counts", hint.With(hint.With(io.EOF, "inner"), "outer"), "EOF", "outer", []error{io.EOF}},
		{"an error that knows no advice does not hide that of its cause", &hint.Error{Text: "read", Err: hint.With(io.EOF, "wait")}, "read: EOF", "wait", nil},
		{"other types may have advice too", fmt.Errorf("a: %w", own{io.EOF}), "a: EOF", "ask somebody", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err != nil && tt.err.Error() != tt.text {
				t.Errorf("text %q, want %q", tt.err, tt.text)
			}
			if got := hint.Of(tt.err); got != tt.hint {
				t.Errorf("advice %q, want %q", got, tt.hint)
			}
			for _, want := range tt.is {
				if !errors.Is(tt.err, want) {
					t.Errorf("it is not %v", want)
				}
			}
		})
	}
}
