// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/httpapi"
)

type tokenCmd struct {
	Make   tokenMakeCmd   `cmd:"" help:"Make a token: a string that lets whoever has it watch some cameras for a while."`
	Keys   tokenKeysCmd   `cmd:"" help:"List the keys that sign tokens, or make one."`
	Revoke tokenRevokeCmd `cmd:"" help:"Take a key away, and with it all tokens that it has signed."`
}

type tokenMakeCmd struct {
	Camera []string `required:"" placeholder:"CAMERA" help:"Cameras: an id, yard/* for all that begin so, or *; separate several by commas."`
	For    seconds  `default:"24h" placeholder:"DURATION" help:"How long it is good, as 24h or a number of seconds."`
	Clip   bool     `help:"Saving clips is allowed, too."`
	Start  string   `placeholder:"TIME" help:"Footage from then on only, and nothing live: UTC as \"2026-11-25 09:30:00\", RFC 3339 or Unix seconds."`
	End    string   `placeholder:"TIME" help:"Up to when the footage may be seen; goes with --start."`
	Key    string   `placeholder:"ID" help:"Key to sign with. Without it the newest; the first is made when there is none."`
	JSON   bool     `help:"As JSON."`
	bookFlags
}

func (tokenMakeCmd) Help() string {
	return `Write it into a link to the page, as https://HOST/#/live/gate?token=..., add it to an address of the API as &token=..., or send it as
"Authorization: Bearer ...". It cannot be taken back by itself: keep it short, or sign it with a key of its own, which can be revoked.

Examples:
  s3cam token make --camera gate --for 12h
  s3cam token make --camera yard/* --clip --for 720h --key website
  s3cam token make --camera gate --clip --start "2026-11-25 09:30:00" --end "2026-11-25 09:31:00" --for 336h`
}

func (c *tokenMakeCmd) Run(g *globals) error {
	if c.For.d() < time.Second {
		return usage("--for %v: want a second or more", c.For.d())
	}
	for _, camera := range c.Camera {
		if err := access.CheckPattern(camera); err != nil {
			return usage("--camera: %w", err)
		}
	}
	from, to, err := c.footage()
	if err != nil {
		return err
	}
	book, err := c.open()
	if err != nil {
		return err
	}
	k, err := book.Signer(c.Key)
	if err != nil {
		return bookError(err)
	}
	rights := token.Watch
	if c.Clip {
		rights |= token.Clip
	}
	expires := time.Now().Add(c.For.d()).Truncate(time.Second).UTC()
	text, err := token.Make(k, token.Claims{Expires: expires, Cameras: c.Camera, Rights: rights, From: from, To: to})
	if err != nil {
		return kinded{err, errUsage}
	}
	if c.JSON {
		return printJSON(g.out, struct {
			Token   string     `json:"token"`
			Key     string     `json:"key"`
			Cameras []string   `json:"cameras"`
			Expires time.Time  `json:"expires"`
			Start   *time.Time `json:"start,omitempty"`
			End     *time.Time `json:"end,omitempty"`
		}{text, k.ID, c.Camera, expires, given(from), given(to)})
	}
	fmt.Fprintln(g.out, text)
	if !from.IsZero() {
		fmt.Fprintf(g.err, "shows footage from %s to %s and nothing live; hold it (s3cam hold add) if it must not be deleted before\n", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	fmt.Fprintf(g.err, "good until %s, signed with key %s\n", expires.Format("2006-01-02 15:04:05 UTC"), k.ID)
	return nil
}

// footage is what --start and --end say, in whole seconds; zero without them.
func (c *tokenMakeCmd) footage() (from, to time.Time, err error) {
	if c.Start == "" && c.End == "" {
		return from, to, nil
	}
	for _, t := range []struct {
		flag, text string
		into       *time.Time
	}{{"--start", c.Start, &from}, {"--end", c.End, &to}} {
		if t.text == "" {
			return from, to, usage("%s: a range of footage has a start and an end", t.flag)
		}
		if *t.into, err = httpapi.ParseTime(t.text); err != nil {
			return from, to, usage("%s: %v", t.flag, err)
		}
	}
	from, to = from.Truncate(time.Second), to.Add(time.Second-1).Truncate(time.Second)
	if !to.After(from) {
		return from, to, usage("--end: it is not after --start")
	}
	return from, to, nil
}

func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type tokenKeysCmd struct {
	New    bool   `help:"Make a key, which signs tokens from now on. Those of older keys stay good."`
	ID     string `name:"id" placeholder:"ID" help:"Id of the new key. Without it one is chosen."`
	Secret bool   `help:"Print the keys with their secrets as S3CAM_TOKEN_KEYS and the parameter TokenKeys of the AWS stack take them."`
	JSON   bool   `help:"As JSON."`
	bookFlags
}

func (c *tokenKeysCmd) Run(g *globals) error {
	if c.ID != "" && !c.New {
		return usage("--id is for --new")
	}
	book, err := c.open()
	if err != nil {
		return err
	}
	if c.New {
		if c.ID != "" {
			if err := token.CheckID(c.ID); err != nil {
				return usage("--id: %w", err)
			}
		}
		k, err := book.NewKey(c.ID)
		if err != nil {
			return bookError(err)
		}
		fmt.Fprintf(g.err, "key %s is made and signs tokens from now on\n", k.ID)
	}
	if c.Secret {
		keys, err := book.TokenKeys()
		if err != nil {
			return err
		}
		fmt.Fprintln(g.out, keys.Text())
		return nil
	}
	keys, err := book.Keys()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out, append([]access.KeyInfo{}, keys...))
	}
	if len(keys) == 0 {
		fmt.Fprintf(g.err, "there are no keys (%s); the first is made with the first token\n", book.Path())
		return nil
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSINCE")
	for _, k := range keys {
		fmt.Fprintf(w, "%s\t%s\n", k.ID, k.Created.UTC().Format("2006-01-02 15:04"))
	}
	return w.Flush()
}

type tokenRevokeCmd struct {
	Key string `arg:"" help:"Id of the key."`
	bookFlags
}

func (tokenRevokeCmd) Help() string {
	return `A running server refuses the tokens of the key within a second. The AWS stack has the keys in its parameter TokenKeys: run "s3cam deploy up" after it.`
}

func (c *tokenRevokeCmd) Run(g *globals) error {
	book, err := c.open()
	if err != nil {
		return err
	}
	if err := book.Revoke(c.Key); err != nil {
		return bookError(err)
	}
	fmt.Fprintf(g.out, "Tokens signed with key %s are no longer good.\n", c.Key)
	return nil
}
