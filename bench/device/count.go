// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

var emulators = map[string]string{"mipsle": "qemu-mipsel", "arm5": "qemu-arm", "arm7": "qemu-arm", "arm64": "qemu-aarch64", "amd64": "qemu-x86_64"}

// Instructions per byte of transport stream, user mode, whole agent; and what OpenSSL takes for the SHA-256 and AES-GCM of the
// original SDK, without its other work (mipsel; armel; armhf with NEON).
var countGoals = map[string]struct {
	goal     float64
	original string
}{"mipsle": {140, "154"}, "arm5": {0, "107"}, "arm7": {80, "107, with NEON 50"}, "arm64": {8, "-"}}

func instructions(o options, w io.Writer) error {
	frames, err := clip(o.dir)
	if err != nil {
		return err
	}
	rows := [][]string{{"target", "instructions per byte", "goal", "", "M instructions per s at 5 Mbit/s", "original SDK's TLS and hash alone"}}
	for _, target := range o.targets {
		emulator, ok := emulators[target]
		if !ok {
			return fmt.Errorf("no emulator known for %q", target)
		}
		plugin, err := buildPlugin(o.dir, emulator)
		if err != nil {
			return err
		}
		fmt.Fprintf(o.verbose, "instructions: %s, %v and %v side by side\n", target, o.short, o.long)
		type result struct {
			n, bytes int64
			err      error
		}
		var got [2]result
		done := make(chan int)
		for i, length := range []time.Duration{o.short, o.long} {
			go func() {
				r := &got[i]
				r.n, r.bytes, r.err = countRun(o, target, emulator, plugin, length, frames)
				done <- i
			}()
		}
		<-done
		<-done
		if err := errors.Join(got[0].err, got[1].err); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		perByte := float64(got[1].n-got[0].n) / float64(got[1].bytes-got[0].bytes)
		g := countGoals[target]
		goal := "-"
		if g.goal != 0 {
			goal = fmt.Sprint(g.goal)
		}
		rows = append(rows, []string{target, fmt.Sprintf("%.1f", perByte), goal, verdict(perByte, g.goal),
			fmt.Sprintf("%.1f", float64(got[1].n-got[0].n)/(o.long-o.short).Seconds()/1e6), g.original})
	}
	table(w, "Processor, whole agent", rows)
	return nil
}

// countRun streams for length into an agent below the emulator and returns the instructions it executed in its life and the
// bytes that were stored.
func countRun(o options, target, emulator, plugin string, length time.Duration, frames []frame) (n, stored int64, err error) {
	agent, err := o.agent(target)
	if err != nil {
		return 0, 0, err
	}
	name := fmt.Sprintf("%s-%d", target, length/time.Second)
	srv, err := newSink(filepath.Join(o.dir, name+".pem"))
	if err != nil {
		return 0, 0, err
	}
	defer srv.Close()
	out := filepath.Join(o.dir, name+".count")
	os.Remove(out)
	p, err := start(agent, srv.roots, 20*time.Second, emulator, "-plugin", plugin+",out="+out)
	if err != nil {
		return 0, 0, err
	}
	c, err := dial(p.socket, srv.URL, name, time.Now().Add(30*time.Second))
	if err == nil {
		if err = c.feed(frames, length); err == nil {
			err = c.close(20 * time.Second)
		}
	}
	if err != nil {
		p.stop(0)
		return 0, 0, fmt.Errorf("%w\n%s", err, p.log.Bytes())
	}
	if err := p.stop(0); err != nil {
		return 0, 0, err
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return 0, 0, err
	}
	stored, puts := srv.stored(name)
	if want := int(length / segment); puts < want-1 {
		return 0, 0, fmt.Errorf("only %d of %d segments were stored: the machine is too slow or too busy to emulate in real time", puts, want)
	}
	n, err = strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	return n, stored, err
}

// buildPlugin compiles the counting plugin for the first version of the interface that the emulator takes.
func buildPlugin(dir, emulator string) (string, error) {
	if _, err := exec.LookPath(emulator); err != nil {
		return "", fmt.Errorf("%w (package qemu-user)", err)
	}
	var last []byte
	for version := 1; version <= 8; version++ {
		lib, err := filepath.Abs(filepath.Join(dir, fmt.Sprintf("icount%d.so", version)))
		if err != nil {
			return "", err
		}
		src := filepath.Join(filepath.Dir(lib), "icount.c")
		if err := os.WriteFile(src, pluginSource, 0o644); err != nil {
			return "", err
		}
		if out, err := exec.Command("gcc", "-std=c11", "-O2", "-shared", "-fPIC", fmt.Sprintf("-DVERSION=%d", version), "-o", lib, src).CombinedOutput(); err != nil {
			return "", fmt.Errorf("gcc: %w\n%s", err, out)
		}
		// The plugin is loaded before the program: with a program that does not exist, an emulator that takes the plugin complains
		// about the program and not about the plugin.
		out, _ := exec.Command(emulator, "-plugin", lib+",out=/dev/null", "/nonexistent").CombinedOutput()
		if !bytes.Contains(out, []byte("plugin")) {
			return lib, nil
		}
		last = out
	}
	return "", fmt.Errorf("%s takes no version of the plugin: %s", emulator, last)
}

//go:embed plugin/icount.c
var pluginSource []byte
