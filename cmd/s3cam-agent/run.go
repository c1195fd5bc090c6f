// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/buildinfo"
	"github.com/s3cam/s3cam/uploader"
)

// Exit codes, as those of the s3cam command.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3 // ended, but not everything was stored
	exitInterrupted = 130
)

// run is the whole program. It returns the exit code.
func run(ctx context.Context, now <-chan struct{}, args, environ []string, stdout, stderr io.Writer) int {
	command, connect := "run", false
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	switch command {
	case "help":
		fmt.Fprint(stdout, agent.Usage())
		return exitOK
	case "version":
		fmt.Fprintln(stdout, "s3cam-agent", buildinfo.Read())
		return exitOK
	case "status":
		return status(ctx, args, environ, stdout, stderr)
	case "run":
	case "check":
		connect = slices.ContainsFunc(args, isConnect)
		args = slices.DeleteFunc(slices.Clone(args), isConnect)
	default:
		return fail(stderr, agent.Usagef("there is no command %q; commands are run, check, status and version", command))
	}
	cfg, err := agent.Load(args, environ)
	switch {
	case errors.Is(err, agent.ErrHelp):
		fmt.Fprint(stdout, agent.Usage())
		return exitOK
	case err != nil:
		return fail(stderr, err)
	}
	if cfg.FD != 0 {
		agent.CloseInherited(cfg.FD)
	}
	log := agent.NewLogger(&cfg, stderr)
	a, err := agent.New(cfg, agent.Options{Logger: log})
	if err != nil {
		return fail(stderr, err)
	}
	if command == "check" {
		if err := a.Check(ctx, stdout, connect); err != nil {
			return fail(stderr, err)
		}
		return exitOK
	}
	if err := a.Run(ctx, now); err != nil {
		return fail(stderr, err)
	}
	return exitOK
}

func isConnect(arg string) bool { return arg == "--connect" || arg == "-connect" }

func status(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	socket, asJSON := "", false
	err := agent.ParseFlags(args, func(name string) (ok, isSwitch bool) { return name == "json" || name == "socket", name == "json" },
		func(name, value string) {
			if name == "socket" {
				socket = value
			} else {
				asJSON = value == "true"
			}
		})
	switch {
	case errors.Is(err, agent.ErrHelp):
		fmt.Fprint(stdout, agent.Usage())
		return exitOK
	case err != nil:
		return fail(stderr, fmt.Errorf("%w; status takes --json and --socket PATH", err))
	}
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, "S3CAM_SOCKET="); ok && socket == "" {
			socket = v
		}
	}
	if socket == "" {
		socket = agent.DefaultSocket
	}
	err = agent.AskStatus(ctx, socket, asJSON, stdout)
	if errors.Is(err, agent.ErrUnhealthy) {
		return exitFailed // the status has said why
	}
	if err != nil {
		return fail(stderr, err)
	}
	return exitOK
}

// fail prints an error as the s3cam command does, and returns the exit code.
func fail(stderr io.Writer, err error) int {
	lines := strings.Split(err.Error(), "\n")
	for _, line := range lines {
		fmt.Fprintln(stderr, "error:", line)
	}
	if hint := agent.Hint(err); hint != "" {
		fmt.Fprintln(stderr, "hint:", hint)
	}
	switch {
	case errors.Is(err, agent.ErrUsage):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, uploader.ErrNotStored):
		return exitPartial
	}
	return exitFailed
}
