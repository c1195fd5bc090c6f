// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/s3cam/s3cam/mpegts"
)

type probeCmd struct {
	JSON   bool     `name:"json" help:"Print one JSON document: an array with a report for each file."`
	Stream bool     `help:"The files are pieces of a stream that begin and end anywhere, not segments that stand alone."`
	Files  []string `arg:"" name:"file" help:"MPEG-TS files; - is standard input."`
}

func (probeCmd) Help() string {
	return `Reads each file to its end and checks packets, continuity counters, PAT and PMT, PCR, PTS and DTS, and whether it decodes on
its own as a segment must. The exit code is 1 when a file has an error; warnings do not count.

Examples:
  s3cam probe 06.ts
  s3cam probe --json *.ts`
}

// probed is the report of one file.
type probed struct {
	File string `json:"file"`
	*mpegts.Report
	Error string `json:"error,omitempty"` // why it could not be read
}

func (c *probeCmd) Run(ctx context.Context, g *globals) error {
	results := []probed{} // encodes as [] when empty
	faulty, unread := 0, 0
	var text []byte
	for _, name := range c.Files {
		report, err := await(ctx, func() (*mpegts.Report, error) { return c.probe(ctx, g, name) })
		if ctx.Err() != nil {
			return interrupted()
		}
		p := probed{File: name, Report: report}
		switch {
		case err != nil:
			unread++
			p.Error = err.Error()
			fmt.Fprintln(g.err, "error:", err)
		case report.Errors > 0:
			faulty++
		}
		if c.JSON {
			results = append(results, p)
			continue
		}
		if report == nil {
			continue
		}
		text = append(text[:0], name...)
		text = append(text, '\n')
		if _, err := g.out.Write(indent(report.AppendText(text))); err != nil {
			return err
		}
	}
	if c.JSON {
		e := json.NewEncoder(g.out)
		e.SetIndent("", "  ")
		if err := e.Encode(results); err != nil {
			return err
		}
	}
	switch {
	case unread > 0:
		return silent{errors.New("a file could not be read")}
	case faulty > 0:
		return fmt.Errorf("%d of %d files have errors", faulty, len(c.Files))
	}
	return nil
}

// indent sets everything below the first line off by two spaces, and ends with an empty line.
func indent(text []byte) []byte {
	text = bytes.TrimRight(text, "\n")
	return append(bytes.ReplaceAll(text, []byte("\n"), []byte("\n  ")), "\n\n"...)
}

// probe analyses one file; nil and an error when it cannot be read.
func (c *probeCmd) probe(ctx context.Context, g *globals, name string) (*mpegts.Report, error) {
	in := g.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{Stream: c.Stream})
	buf := make([]byte, 348*mpegts.PacketSize)
	for ctx.Err() == nil {
		n, err := in.Read(buf)
		if _, werr := a.Write(buf[:n]); werr != nil {
			return nil, fmt.Errorf("%s: %w", name, werr)
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	r := a.Report()
	return &r, nil
}
