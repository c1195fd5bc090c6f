// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// options are the settings of one call.
type options struct {
	dir         string // where the clip and helper programs are kept
	builds      string // folder of the agents: builds/TARGET/s3cam-agent
	targets     []string
	long, short time.Duration // of the two runs whose difference is counted
	run         time.Duration // of a memory run
	only        string        // memory runs whose name contains this
	verbose     io.Writer
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("device", flag.ContinueOnError)
	fs.SetOutput(stderr)
	o := options{verbose: stderr}
	fs.StringVar(&o.dir, "dir", "../build/bench/device", "where the clip and helper programs are kept")
	fs.StringVar(&o.builds, "builds", "../build", "where scripts/agent-build.sh put the agents")
	part := fs.String("part", "", "report one part only: sizes, memory, instructions")
	targets := fs.String("targets", "mipsle,arm7,arm64", "what to count instructions of")
	fs.DurationVar(&o.long, "long", 60*time.Second, "the longer of the two counted runs")
	fs.DurationVar(&o.short, "short", 18*time.Second, "the shorter of the two counted runs")
	fs.DurationVar(&o.run, "run", 60*time.Second, "length of a memory run")
	fs.StringVar(&o.only, "only", "", "only memory runs whose name contains this, such as 386")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	o.targets = strings.Split(*targets, ",")
	if o.short >= o.long || o.run < 20*time.Second {
		return errors.New("-short must be below -long, and -run at least 20s")
	}
	parts := []struct {
		name string
		run  func(options, io.Writer) error
	}{{"sizes", sizes}, {"memory", memory}, {"instructions", instructions}}
	known := *part == ""
	for _, p := range parts {
		known = known || p.name == *part
	}
	if !known {
		return fmt.Errorf("no part %q", *part)
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	for _, p := range parts {
		if *part == "" || *part == p.name {
			if err := p.run(o, stdout); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return nil
}

func (o options) agent(target string) (string, error) {
	file, err := filepath.Abs(filepath.Join(o.builds, target, "s3cam-agent"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("%w: build it with scripts/agent-build.sh %s", err, target)
	}
	return file, nil
}

// table writes rows as Markdown, columns padded so that the text reads well too.
func table(w io.Writer, title string, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	fmt.Fprintf(w, "\n### %s\n\n", title)
	for i, r := range rows {
		for j, cell := range r {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", width[j]-len([]rune(cell))))
		}
		fmt.Fprintln(w, "|")
		if i == 0 {
			fmt.Fprintln(w, "|"+strings.Join(slices.Repeat([]string{"---|"}, len(r)), ""))
		}
	}
}

// verdict compares a figure with the most that is allowed.
func verdict(got, goal float64) string {
	if goal == 0 {
		return "-"
	}
	if got <= goal {
		return "met"
	}
	return "MISSED"
}
