// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
)

type probeCmd struct {
	JSON  bool     `help:"Print one JSON document: an array with a report for each file."`
	Files []string `arg:"" name:"file" help:"MPEG-TS files; - is standard input."`
}

func (probeCmd) Help() string {
	return `Reads each file to its end and checks packets, continuity counters, PAT and PMT, PCR, PTS and DTS, and whether it decodes on
its own as a segment must. The exit code is 1 when a file has an error; warnings do not count.

Examples:
  s3cam probe 06.ts
  s3cam probe --json *.ts`
}

func (c *probeCmd) Run(ctx context.Context, g *globals) error { return runProbe(ctx, g, c) }
