// SPDX-License-Identifier: Apache-2.0

// Command s3cam-agent is the process beside a camera's firmware: it takes frames from the C library (csdk), a FIFO or standard input, and
// uploads them to S3. `s3cam-agent --help` lists the commands and settings; docs/ref/agent.md is the reference.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	// A camera has one core to spare and little memory: measured in docs/design/device.md. GOMAXPROCS and GOGC override it.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	ctx, stop := context.WithCancel(context.Background())
	now := make(chan struct{})
	go func() {
		<-signals
		stop() // flush and drain
		<-signals
		close(now) // and no longer
		select {
		case <-signals:
		case <-time.After(5 * time.Second): // something hangs
		}
		os.Exit(exitInterrupted)
	}()
	os.Exit(run(ctx, now, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
