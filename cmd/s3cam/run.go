// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/s3cam/s3cam/internal/hint"
)

// streams are the standard streams of the process, or a test's.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// globals is what every command gets beside its own flags.
type globals struct {
	streams
	env map[string]string
}

// exited unwinds from kong when it has printed help.
type exited int

// run is the whole program: args without the program's name, env as os.Environ gives it. The error says which exit code
// to use, see [exitCode].
func run(ctx context.Context, args, env []string, std streams) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if code, ok := r.(exited); !ok {
				panic(r)
			} else if code != 0 {
				err = silent{kinded{errors.New("help failed"), errUsage}}
			}
		}
	}()
	g := &globals{streams: std, env: environ(env)}
	var c cli
	parser, err := newParser(&c, g)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return usageError(args, err)
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	return parsed.Run(g)
}

func newParser(c *cli, g *globals) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("s3cam"),
		kong.Description(description),
		kong.Writers(g.out, g.err),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Resolvers(envResolver(g.env)),
		kong.ValueFormatter(showEnv),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 110}),
		kong.ExplicitGroups(groups),
	)
}

// usageError makes kong's complaint one about how to call the program.
func usageError(args []string, err error) error {
	for n := min(2, len(args)); n > 0; n-- { // "camera add" before "camera"
		if command := strings.Join(args[:n], " "); slices.Contains(commands, command) {
			return kinded{hint.With(err, "run `s3cam %s --help` for the flags and examples", command), errUsage}
		}
	}
	return kinded{hint.With(err, "run `s3cam --help` for the commands"), errUsage}
}

// await returns what f does, or gives up on it when ctx ends: a read from a pipe to which nobody writes cannot be ended, so
// f is left behind then.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, interrupted()
	}
}

// environ indexes "NAME=value" strings; the last of a name wins, as in a shell.
func environ(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, e := range env {
		if name, value, ok := strings.Cut(e, "="); ok {
			m[name] = value
		}
	}
	return m
}

// envName is the variable that stands for a flag.
func envName(flag string) string {
	return "S3CAM_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// envResolver gives a flag that is not on the command line the value of its variable. An empty variable counts as not
// set, so that `S3CAM_DATA= s3cam demo` means the default.
func envResolver(env map[string]string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if flag.Name == "help" {
			return nil, nil
		}
		if v := env[envName(flag.Name)]; v != "" {
			return v, nil
		}
		return nil, nil
	})
}

// showEnv adds the variable to a flag's help.
func showEnv(v *kong.Value) string {
	if v.Flag == nil || v.Flag.Name == "help" {
		return v.Help
	}
	return fmt.Sprintf("%s ($%s)", strings.TrimSpace(v.Help), envName(v.Flag.Name))
}
