// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/deploy"
)

const keyed = `
  TokenKeys: {Type: String, Default: '', NoEcho: true, AllowedPattern: '(k[0-9]:[a-z]+)?'}
  AnonymousAccess: {Type: String, Default: 'false'}
  AuthIssuer: {Type: String, Default: ''}
  AuthAudience: {Type: String, Default: ''}
Resources:`

// Keys are made with the stack, kept where they are, and shown nowhere.
func TestKeysOfPlaybackTokens(t *testing.T) {
	var kept string
	made := 0
	source := func(create bool) (string, string, error) {
		if create && kept == "" {
			kept = "k1:secret"
			made++
		}
		return kept, "here", nil
	}
	h := newHouse(t, func(c *deploy.Config) {
		c.Template = func(bool) []byte { return []byte(strings.Replace(template, "\nResources:", keyed, 1)) }
	})
	up := func(want string, change func(*deploy.UpOptions), params ...string) {
		t.Helper()
		o := h.options(params...)
		o.TokenKeys = source
		if change != nil {
			change(&o)
		}
		if _, err := h.d.Up(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if got := h.aws.Parameters(h.cfg.Stack)["TokenKeys"]; !o.DryRun && got != want {
			t.Errorf("the stack has the keys %q, want %q", got, want)
		}
	}
	h.cfg.Stack = deploy.DefaultStack
	up("", func(o *deploy.UpOptions) { o.DryRun = true })
	if made != 0 {
		t.Error("a dry run made a key")
	}
	up("k1:secret", nil)
	up("k1:secret", nil)
	kept = ""
	up("k1:secret", nil) // from elsewhere: those of the stack stay
	kept = "k2:fresh"
	up("k2:fresh", nil)
	up("k3:given", nil, "TokenKeys=k3:given")
	if made != 1 {
		t.Errorf("%d keys were made, want 1", made)
	}
	for _, e := range h.events {
		if strings.Contains(e.Text, "secret") || strings.Contains(e.Text, "fresh") || strings.Contains(e.Text, "given") {
			t.Errorf("shown: %s", e.Text)
		}
	}
	o := h.options("TokenKeys=hidden")
	if _, err := h.d.Up(t.Context(), o); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("bad keys: %v", err)
	}
}

func TestNoKeyIsMadeWhereNobodyAsksForOne(t *testing.T) {
	for _, params := range [][]string{{"AnonymousAccess=true"}, {"AuthIssuer=https://login.example", "AuthAudience=s3cam"}} {
		h := newHouse(t, func(c *deploy.Config) {
			c.Template = func(bool) []byte { return []byte(strings.Replace(template, "\nResources:", keyed, 1)) }
		})
		o := h.options(params...)
		o.TokenKeys = func(create bool) (string, string, error) {
			if create {
				t.Errorf("%v: a key is made", params)
			}
			return "", "here", nil
		}
		if _, err := h.d.Up(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// An older stack was open; that it closes is said.
func TestAStackThatWasOpen(t *testing.T) {
	h := newHouse(t)
	if _, err := h.d.Up(t.Context(), h.options()); err != nil {
		t.Fatal(err)
	}
	h.cfg.Template = func(bool) []byte { return []byte(strings.Replace(template, "\nResources:", keyed, 1)) }
	d, err := deploy.New(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.events = nil
	o := h.options()
	o.TokenKeys = func(create bool) (string, string, error) { return "k1:secret", "here", nil }
	if _, err := d.Up(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	warned := false
	for _, e := range h.events {
		warned = warned || e.Kind == deploy.Warning && strings.Contains(e.Text, "AnonymousAccess=true keeps all open")
	}
	if !warned {
		t.Errorf("nothing says that the API closes: %v", h.events)
	}
}
