// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	fleet "github.com/s3cam/s3cam/bench/load"
)

// goals collects what was promised and whether it holds.
type goals struct {
	out    io.Writer
	missed []string
}

// atMost prints one goal and records it when it is missed.
func (g *goals) atMost(what string, got, limit float64, unit string) {
	verdict := "ok"
	if got > limit {
		verdict = "MISSED"
		g.missed = append(g.missed, what)
	}
	fmt.Fprintf(g.out, "  %-62s %10.3f %-14s goal <= %-8.4g %s\n", what, got, unit, limit, verdict)
}

// config says where the programs and inputs of a report are, and which part of it is wanted.
type config struct {
	dir, libav, s3cam, part string
	lambdaZip, lambdaPlain  string
	crowd                   fleet.Config
}

func report(cfg config, out io.Writer) error {
	if err := os.MkdirAll(cfg.dir, 0o755); err != nil {
		return err
	}
	g := &goals{out: out}
	parts := []struct {
		name string
		run  func(*goals) error
	}{
		{"mux", func(g *goals) error {
			for _, p := range profiles {
				if err := reportMux(g, cfg.dir, cfg.libav, p); err != nil {
					return err
				}
			}
			return nil
		}},
		{"presign", reportPresign},
		{"list", reportList},
		{"put", reportPut},
		{"replay", reportReplay},
		{"clip", func(g *goals) error { return reportClip(g, cfg.dir) }},
		{"serve", func(g *goals) error { return reportServe(g, cfg.dir, cfg.s3cam) }},
		{"load", func(g *goals) error { return reportLoad(g, cfg.crowd) }},
		{"lambda", func(g *goals) error { return reportLambda(g, cfg) }},
	}
	known := false
	for _, p := range parts {
		if cfg.part != "" && cfg.part != p.name {
			continue
		}
		known = true
		if err := p.run(g); err != nil {
			return err
		}
	}
	if !known {
		return fmt.Errorf("no part %q", cfg.part)
	}
	if len(g.missed) > 0 {
		return fmt.Errorf("goals missed: %s", strings.Join(g.missed, "; "))
	}
	fmt.Fprintln(out, "\nall goals are met")
	return nil
}

func reportMux(g *goals, dir, libav string, p profile) error {
	in, err := load(dir, p)
	if err != nil {
		return err
	}
	fmt.Fprintf(g.out, "\nMPEG-TS mux, input %q: %s, %d fps, %d s, %d frames, %d ES bytes, 3 s segments\n", p.name, p.size, p.fps, p.seconds, len(in.frames), in.bytes)
	pack := filepath.Join(dir, p.name+".pack")
	if err := in.writePack(pack); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	instr := map[string]float64{}
	names := []string{"memcpy", "s3cam", "astits"}
	_, err = exec.LookPath("valgrind")
	counted := err == nil
	if counted {
		for _, name := range names {
			if instr[name], err = slope(in.bytes, func(passes string) (string, []string) {
				return self, []string{"-only", name, "-passes", passes, "-pack", pack}
			}); err != nil {
				return err
			}
		}
	} else {
		fmt.Fprintln(g.out, "  SKIPPED: instructions are not counted, valgrind is missing")
	}
	size := map[string]int{}
	dst := make([]byte, 8<<20)
	var cs []candidate
	for _, name := range names {
		cs = append(cs, candidate{name, func() { size[name] = muxers[name](in, dst) }})
	}
	results := interleave(9, 5, cs...)
	if libav != "" {
		o, err := exec.Command(libav, pack, "1").Output()
		if err != nil {
			return fmt.Errorf("run %s: %w", libav, err)
		}
		if size["libavformat"], err = strconv.Atoi(strings.TrimSpace(string(o))); err != nil {
			return err
		}
		if counted {
			if instr["libavformat"], err = slope(in.bytes, func(passes string) (string, []string) { return libav, []string{pack, passes} }); err != nil {
				return err
			}
		}
	} else {
		fmt.Fprintln(g.out, "  SKIPPED: libavformat is not compared, its headers are missing")
	}
	fmt.Fprintf(g.out, "  %-14s %14s %12s %14s %12s\n", "muxer", "instr/ES byte", "CPU ms", "allocs/frame", "overhead %")
	for _, r := range results {
		fmt.Fprintf(g.out, "  %-14s %14.3f %12.2f %14.2f %12.3f\n", r.name, instr[r.name], r.cpu.Seconds()*1e3,
			r.allocs/float64(len(in.frames)), 100*(float64(size[r.name])/float64(in.bytes)-1))
	}
	if libav != "" {
		fmt.Fprintf(g.out, "  %-14s %14.3f %12s %14s %12.3f\n", "libavformat", instr["libavformat"], "", "", 100*(float64(size["libavformat"])/float64(in.bytes)-1))
	}
	if counted && p.name == "hi" {
		g.atMost("mux: instructions per input byte", instr["s3cam"], 1.0, "")
	}
	if counted && libav != "" {
		g.atMost("mux: instructions against libavformat ("+p.name+")", instr["s3cam"]/instr["libavformat"], 0.25, "x")
	}
	if p.name == "hi" {
		g.atMost("mux: CPU against memcpy", results[1].cpu.Seconds()/results[0].cpu.Seconds(), 2, "x")
	}
	// A pass makes one Muxer and the slices of one frame's parts; no frame may add to that.
	g.atMost("mux: allocations of a whole pass ("+p.name+")", results[1].allocs, 4, "")
	g.atMost("mux: overhead ("+p.name+")", 100*(float64(size["s3cam"])/float64(in.bytes)-1), 100*p.overheadGoal, "%")
	if size["s3cam"] == 0 {
		return errors.New("the muxer wrote nothing")
	}
	return nil
}
