// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/credential"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// Values that look like AWS's, and that the tests look for in texts.
const (
	someID     = "AKIAIOSFODNN7EXAMPLE"
	someTempID = "ASIAIOSFODNN7EXAMPLE"
	someSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	someToken  = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaDGV1LXdlc3QtMSJHMEUCIQD="
)

var some = sigv4.Credentials{AccessKeyID: someTempID, SecretAccessKey: someSecret, SessionToken: someToken}

// hides fails the test when text shows a secret.
func hides(t testing.TB, what, text string) {
	t.Helper()
	for _, s := range []string{someSecret, someToken, someSecret[:12], someToken[:12], someSecret[len(someSecret)-12:], "BEGIN EC PRIVATE"} {
		if strings.Contains(text, s) {
			t.Errorf("%s shows a secret: %s", what, text)
			return
		}
	}
}

func retrieve(t testing.TB, p credential.Provider) sigv4.Credentials {
	t.Helper()
	c, err := p.Retrieve(context.Background())
	if err != nil {
		t.Fatalf("Retrieve = %v", err)
	}
	return c
}

func TestStaticGivesWhatItGot(t *testing.T) {
	p := credential.Static(some)
	if got := retrieve(t, p); got != some {
		t.Errorf("Retrieve = %+v", got)
	}
	if err := p.Refresh(t.Context()); err == nil {
		t.Error("Refresh of fixed credentials has no error")
	}
}

func TestEnv(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want sigv4.Credentials
		ok   bool
		err  string
	}{
		{"a permanent pair", map[string]string{"AWS_ACCESS_KEY_ID": someID, "AWS_SECRET_ACCESS_KEY": someSecret},
			sigv4.Credentials{AccessKeyID: someID, SecretAccessKey: someSecret}, true, ""},
		{"with a token", map[string]string{"AWS_ACCESS_KEY_ID": someTempID, "AWS_SECRET_ACCESS_KEY": someSecret, "AWS_SESSION_TOKEN": someToken}, some, true, ""},
		{"nothing", nil, sigv4.Credentials{}, false, ""},
		{"a token alone", map[string]string{"AWS_SESSION_TOKEN": someToken}, sigv4.Credentials{}, false, ""},
		{"no secret", map[string]string{"AWS_ACCESS_KEY_ID": someID}, sigv4.Credentials{}, false, "AWS_SECRET_ACCESS_KEY is not"},
		{"no id", map[string]string{"AWS_SECRET_ACCESS_KEY": someSecret}, sigv4.Credentials{}, false, "AWS_ACCESS_KEY_ID is not"},
		{"a line break in the secret", map[string]string{"AWS_ACCESS_KEY_ID": someID, "AWS_SECRET_ACCESS_KEY": someSecret + "\n"}, sigv4.Credentials{}, false, "line break"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, ok, err := credential.Env(func(name string) string { return tt.env[name] })
			if ok != tt.ok || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("Env = %v, %v, want %v, %q", ok, err, tt.ok, tt.err)
			}
			if err != nil {
				hides(t, "the error", err.Error())
			}
			if ok {
				if got := retrieve(t, p); got != tt.want {
					t.Errorf("Retrieve = %+v", got)
				}
			}
		})
	}
}

func TestSettable(t *testing.T) {
	var p credential.Settable
	if _, err := p.Retrieve(t.Context()); !errors.Is(err, credential.ErrNone) || p.IsSet() {
		t.Errorf("before Set: %v, %v", err, p.IsSet())
	}
	p.Set(some)
	first := retrieve(t, &p)
	other := some
	other.SessionToken = "next"
	p.Set(other)
	if first != some || retrieve(t, &p) != other || !p.IsSet() {
		t.Error("Set changes what was retrieved before, or not what is retrieved after")
	}
	if err := p.Refresh(t.Context()); err == nil {
		t.Error("Refresh has no error although nothing new was set")
	}
}

func TestCheckFindsWhatWouldBreakARequest(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*sigv4.Credentials)
		want string
	}{
		"whole":                  {func(c *sigv4.Credentials) {}, ""},
		"without a token":        {func(c *sigv4.Credentials) { c.SessionToken = "" }, ""},
		"no id":                  {func(c *sigv4.Credentials) { c.AccessKeyID = "" }, "id is empty"},
		"no secret":              {func(c *sigv4.Credentials) { c.SecretAccessKey = "" }, "secret access key is empty"},
		"an id with a slash":     {func(c *sigv4.Credentials) { c.AccessKeyID += "/x" }, "id has characters"},
		"an id with a blank":     {func(c *sigv4.Credentials) { c.AccessKeyID += " " }, "id has characters"},
		"a secret with a NUL":    {func(c *sigv4.Credentials) { c.SecretAccessKey += "\x00" }, "secret access key has"},
		"a token with two lines": {func(c *sigv4.Credentials) { c.SessionToken += "\r\nX-Evil: 1" }, "token has"},
		"a token that is UTF-8":  {func(c *sigv4.Credentials) { c.SessionToken += "é" }, "token has"},
	} {
		c := some
		tt.edit(&c)
		err := credential.Check(c)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Check = %v, want %q", name, err, tt.want)
		}
		if err != nil {
			hides(t, name, err.Error())
		}
	}
}
