// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	fleet "github.com/s3cam/s3cam/bench/load"
	"github.com/s3cam/s3cam/bench/serve"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	only := fs.String("only", "", "run one muxer (memcpy, s3cam, astits), or clip or clip-files, and print the bytes it wrote")
	passes := fs.Int("passes", 1, "with -only: how many times")
	pack := fs.String("pack", "", "with -only: the input file, as `bench report` leaves it in -dir")
	dir := fs.String("dir", "../build/bench", "where inputs and helper programs are kept")
	libav := fs.String("libav", "", "the program built from libav/mux.c; empty leaves libavformat out")
	s3cam := fs.String("s3cam", "", "the s3cam program; empty leaves serving out")
	part := fs.String("part", "", "report one part only: mux, presign, list, put, replay, clip, serve, load, lambda")
	crowd := fleet.Config{Cameras: 450, Viewers: 500, Segment: 3 * time.Second, Log: stdout}
	fs.IntVar(&crowd.Cameras, "cameras", crowd.Cameras, "part load: how many cameras")
	fs.IntVar(&crowd.Viewers, "viewers", crowd.Viewers, "part load: how many viewers")
	fs.IntVar(&crowd.Body, "body", 128<<10, "part load: bytes of a segment of 3 s; 5 Mbit/s are 1875000")
	fs.DurationVar(&crowd.For, "for", time.Minute, "part load: how long")
	fs.DurationVar(&crowd.Keep, "keep", time.Minute, "part load: how long segments are kept, for want of space")
	fs.StringVar(&crowd.Dir, "store", "", "part load: where the store's directory is made, instead of -dir")
	lambdaZip := fs.String("lambda", "", "the zip of the Lambda functions for this machine; empty leaves them out")
	lambdaPlain := fs.String("lambda-plain", "", "their program built with Go's defaults, to compare")
	bare := fs.String("bare", "", "serve this folder's bodies with a bare net/http handler, as the peer of -part serve")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *only != "" {
		return runOnly(*only, *pack, *dir, *passes, stdout)
	}
	if *bare != "" {
		return serve.Bare(*bare, stdout)
	}
	if crowd.S3cam = *s3cam; crowd.Dir == "" {
		crowd.Dir = *dir
	}
	return report(config{*dir, *libav, *s3cam, *part, *lambdaZip, *lambdaPlain, crowd}, stdout)
}

func runOnly(name, pack, dir string, passes int, stdout io.Writer) error {
	if name == "clip" || name == "clip-files" {
		in, err := readPack(pack)
		if err != nil {
			return err
		}
		r := record(in)
		if name == "clip-files" {
			return clipFiles(r, dir, passes)
		}
		m := &memory{b: make([]byte, 8<<20)}
		for range passes {
			clipMemory(r, m)
		}
		fmt.Fprintln(stdout, m.n)
		return nil
	}
	mux, ok := muxers[name]
	if !ok {
		return fmt.Errorf("no muxer %q", name)
	}
	in, err := readPack(pack)
	if err != nil {
		return err
	}
	dst := make([]byte, 8<<20)
	n := 0
	for range passes {
		n = mux(in, dst)
	}
	fmt.Fprintln(stdout, n)
	return nil
}
