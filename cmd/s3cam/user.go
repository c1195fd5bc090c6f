// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/hint"
)

type userCmd struct {
	Add      userAddCmd      `cmd:"" help:"Let somebody log in."`
	List     userListCmd     `cmd:"" help:"List who can log in."`
	Remove   userRemoveCmd   `cmd:"" help:"Let somebody in no longer."`
	Password userPasswordCmd `cmd:"" help:"Give somebody a new password and end the sessions."`
}

// bookFlags say where people and keys are kept.
type bookFlags struct {
	Data string `placeholder:"DIR" default:"s3cam-data" help:"Directory with access.json: what serve has as --data, or as --state."`
}

func (f bookFlags) open() (*access.Book, error) {
	if f.Data == "" {
		return nil, usage("--data: it is empty; name a directory")
	}
	return access.OpenBook(f.Data, nil)
}

// passwordFlags say where a password comes from.
type passwordFlags struct {
	PasswordStdin bool `help:"Read the password, one line, from standard input. Without it one is made and printed."`
}

// password returns a password, and whether it was made here.
func (f passwordFlags) password(ctx context.Context, in io.Reader) (string, bool, error) {
	if !f.PasswordStdin {
		return access.RandomPassword(), true, nil
	}
	line, err := await(ctx, func() (string, error) {
		line, err := bufio.NewReader(io.LimitReader(in, access.MaxPassword+2)).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return line, err
	})
	if err != nil {
		return "", false, err
	}
	return strings.TrimRight(line, "\r\n"), false, nil
}

// bookError adds what to do.
func bookError(err error) error {
	switch {
	case errors.Is(err, access.ErrNoPerson):
		return hint.With(err, "`s3cam user list` shows who can log in; is --data the server's?")
	case errors.Is(err, access.ErrNoKey):
		return hint.With(err, "`s3cam token keys` shows them; is --data the server's?")
	case errors.Is(err, access.ErrLastAdmin):
		return hint.With(err, "make another one first, with `s3cam user add NAME --role admin`")
	}
	return err
}

type userAddCmd struct {
	Name   string   `arg:"" help:"Name to log in with: letters a-z, digits, and . _ @ - after the first."`
	Role   string   `default:"viewer" enum:"viewer,admin" help:"viewer: watch and save clips; admin: everything."`
	Camera []string `placeholder:"CAMERA" help:"Cameras that a viewer may see: an id, or yard/* for all that begin so; separate several by commas. Without it all."`
	Share  bool     `help:"A viewer who may make links for others to the cameras that he sees. An admin may."`
	passwordFlags
	bookFlags
}

func (userAddCmd) Help() string {
	return `A running server lets the person in within a second.

Examples:
  s3cam user add anna --role admin
  s3cam user add porter --camera gate,yard/*
  pass show s3cam/bob | s3cam user add bob --password-stdin --data /var/lib/s3cam`
}

func (c *userAddCmd) Run(ctx context.Context, g *globals) error {
	name, err := access.CleanName(c.Name)
	if err != nil {
		return usage("%q: %w", c.Name, err)
	}
	p := access.Person{Name: name, Role: access.Role(c.Role), Cameras: c.Camera, Share: c.Share}
	switch {
	case p.Role == access.Admin && (len(c.Camera) > 0 || c.Share):
		return usage("--role admin: an admin sees and shares all cameras; leave --camera and --share out")
	case p.Role == access.Viewer && len(c.Camera) == 0:
		p.Cameras = []string{"*"}
	}
	for _, camera := range c.Camera {
		if err := access.CheckPattern(camera); err != nil {
			return usage("--camera: %w", err)
		}
	}
	book, err := c.open()
	if err != nil {
		return err
	}
	password, made, err := c.password(ctx, g.in)
	if err != nil {
		return err
	}
	if err := book.Add(p, password); err != nil {
		return bookError(err)
	}
	fmt.Fprintf(g.out, "%s can log in, as %s.\n", p.Name, p.Role)
	if made {
		fmt.Fprintf(g.out, "Password: %s\n(not kept anywhere; it can be changed at /password after logging in)\n", password)
	}
	return nil
}

type userListCmd struct {
	JSON bool `help:"As JSON."`
	bookFlags
}

func (c *userListCmd) Run(g *globals) error {
	book, err := c.open()
	if err != nil {
		return err
	}
	people, err := book.People()
	if err != nil {
		return err
	}
	type row struct {
		Name    string      `json:"name"`
		Role    access.Role `json:"role"`
		Cameras []string    `json:"cameras"`
		Share   bool        `json:"share"`
		Created string      `json:"created"`
	}
	rows := make([]row, 0, len(people))
	for _, p := range people {
		r := row{p.Name, p.Role, p.Cameras, p.Share, p.Created.UTC().Format("2006-01-02 15:04")}
		if p.Role == access.Admin {
			r.Cameras, r.Share = []string{"*"}, true
		}
		rows = append(rows, r)
	}
	if c.JSON {
		return printJSON(g.out, rows)
	}
	if len(rows) == 0 {
		fmt.Fprintf(g.err, "nobody can log in (%s)\n", book.Path())
		return nil
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tCAMERAS\tLINKS\tSINCE")
	for _, r := range rows {
		links := "no"
		if r.Share {
			links = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.Role, strings.Join(r.Cameras, ","), links, r.Created)
	}
	return w.Flush()
}

type userRemoveCmd struct {
	Name string `arg:"" help:"Who."`
	bookFlags
}

func (userRemoveCmd) Help() string {
	return `Sessions end within a second, and so do links that the person has made on the web site. Tokens of "s3cam token make" go on: they end with their key.`
}

func (c *userRemoveCmd) Run(g *globals) error {
	book, err := c.open()
	if err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSpace(c.Name))
	if err := book.Remove(name); err != nil {
		return bookError(err)
	}
	fmt.Fprintf(g.out, "%s can no longer log in.\n", name)
	return nil
}

type userPasswordCmd struct {
	Name string `arg:"" help:"Whose."`
	passwordFlags
	bookFlags
}

func (c *userPasswordCmd) Run(ctx context.Context, g *globals) error {
	book, err := c.open()
	if err != nil {
		return err
	}
	password, made, err := c.password(ctx, g.in)
	if err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSpace(c.Name))
	if err := book.SetPassword(name, password); err != nil {
		return bookError(err)
	}
	fmt.Fprintf(g.out, "%s has a new password; all sessions have ended.\n", name)
	if made {
		fmt.Fprintf(g.out, "Password: %s\n", password)
	}
	return nil
}
