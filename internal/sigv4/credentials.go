// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Secret is a string that must not reach a log: every way of formatting it prints "[redacted]". The value itself is
// string(s). Keep it in exported fields: fmt cannot call methods on unexported ones and would print them raw.
type Secret string

const redacted = "[redacted]"

// Format implements [fmt.Formatter] for all verbs.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler], which keeps secrets out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Credentials are one AWS key pair, permanent or temporary.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey Secret
	SessionToken    Secret    // empty for permanent keys; always signed when present
	Expires         time.Time // zero when they do not expire or the end is unknown
}
