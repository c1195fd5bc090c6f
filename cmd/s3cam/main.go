// SPDX-License-Identifier: Apache-2.0

// Command s3cam records IP cameras straight into S3 and plays the footage back: a demo and a server in one process, an
// uploader for files and streams, and tools to look at segments and playlists. `s3cam --help` lists the commands;
// docs/ref/cli.md is the reference.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetOutput(io.Discard) // net/http tells of odd peers there, past our log and its form
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal has its usual effect: it ends the program at once
	os.Exit(exitCode(os.Stderr, run(ctx, os.Args[1:], os.Environ(), streams{os.Stdin, os.Stdout, os.Stderr})))
}
