// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// ErrNone means that there are no credentials yet, or that those there were have expired.
var ErrNone = errors.New("no credentials")

// Provider gives credentials. Both methods may be called from several goroutines. A value that was returned never changes.
type Provider interface {
	// Retrieve returns the present credentials as one value. It waits only when it has none that are valid.
	Retrieve(ctx context.Context) (sigv4.Credentials, error)
	// Refresh is called when the server has refused the present ones as expired. When it returns nil, Retrieve may give
	// others; an error says why it cannot.
	Refresh(ctx context.Context) error
}

// Static returns a provider of fixed credentials.
func Static(c sigv4.Credentials) Provider { return fixed{c, "the configured ones"} }

// Env returns the credentials of the environment, which lookup reads: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
// ok is false when neither of the first two is set.
func Env(lookup func(name string) string) (p Provider, ok bool, err error) {
	c := sigv4.Credentials{AccessKeyID: lookup("AWS_ACCESS_KEY_ID"), SecretAccessKey: sigv4.Secret(lookup("AWS_SECRET_ACCESS_KEY")),
		SessionToken: sigv4.Secret(lookup("AWS_SESSION_TOKEN"))}
	switch {
	case c.AccessKeyID == "" && c.SecretAccessKey == "":
		return nil, false, nil
	case c.AccessKeyID == "":
		return nil, false, errors.New("AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not")
	case c.SecretAccessKey == "":
		return nil, false, errors.New("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not")
	}
	if err := Check(c); err != nil {
		return nil, false, err
	}
	return fixed{c, "those of the environment"}, true, nil
}

type fixed struct {
	c      sigv4.Credentials
	origin string
}

func (f fixed) Retrieve(context.Context) (sigv4.Credentials, error) { return f.c, nil }

func (f fixed) Refresh(context.Context) error {
	return errors.New("there are no newer credentials than " + f.origin)
}

// Settable is a provider whose credentials somebody else sets. The zero value has none and is ready.
type Settable struct {
	c atomic.Pointer[sigv4.Credentials]
}

// Set replaces the credentials. Requests under way keep those that they have.
func (s *Settable) Set(c sigv4.Credentials) { s.c.Store(&c) }

// IsSet tells whether Set was ever called.
func (s *Settable) IsSet() bool { return s.c.Load() != nil }

// Retrieve implements [Provider].
func (s *Settable) Retrieve(context.Context) (sigv4.Credentials, error) {
	if c := s.c.Load(); c != nil {
		return *c, nil
	}
	return sigv4.Credentials{}, ErrNone
}

// Refresh implements [Provider]: who set them knows when they end.
func (s *Settable) Refresh(context.Context) error {
	return errors.New("waiting for new credentials to be set")
}

// Check tells whether c can be used in a request at all: both keys are there, and nothing in it would break a header. The error
// shows no value.
func Check(c sigv4.Credentials) error {
	switch {
	case c.AccessKeyID == "":
		return errors.New("the access key id is empty")
	case c.SecretAccessKey == "":
		return errors.New("the secret access key is empty")
	case !printable(c.AccessKeyID) || strings.ContainsAny(c.AccessKeyID, "/,= "):
		return errors.New("the access key id has characters that no key has")
	case !printable(string(c.SecretAccessKey)):
		return errors.New("the secret access key has characters that no key has, such as a line break")
	case !printable(string(c.SessionToken)):
		return errors.New("the session token has characters that no token has, such as a line break")
	}
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
