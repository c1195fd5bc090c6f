// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// instructions runs a command under valgrind and returns how many instructions it executed.
func instructions(name string, args ...string) (int64, error) {
	cmd := exec.Command("valgrind", append([]string{"--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", name}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off")
	var errb bytes.Buffer
	cmd.Stderr = &errb
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("valgrind %s %v: %w\n%s", name, args, err, errb.String())
	}
	m := regexp.MustCompile(`I\s+refs:\s+([\d,]+)`).FindStringSubmatch(errb.String())
	if m == nil {
		return 0, fmt.Errorf("valgrind printed no count:\n%s", errb.String())
	}
	return strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
}

// slope returns instructions per unit of work: the difference between 6 and 2 passes, so that start-up cancels out.
func slope(units int, cmd func(passes string) (string, []string)) (float64, error) {
	var n [2]int64
	for i, p := range []string{"2", "6"} {
		name, args := cmd(p)
		v, err := instructions(name, args...)
		if err != nil {
			return 0, err
		}
		n[i] = v
	}
	return float64(n[1]-n[0]) / 4 / float64(units), nil
}

// cpuTime returns the CPU time, user and system, that this process has used (garbage collector included).
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// candidate is one way of doing the work under measurement.
type candidate struct {
	name string
	run  func()
}

type result struct {
	name   string
	cpu    time.Duration // median per run
	allocs float64       // per run
	bytes  float64       // allocated per run
}

// interleave runs the candidates in turn for some rounds, each round repeat times, and returns medians per run. The first
// round is discarded.
func interleave(rounds, repeat int, cs ...candidate) []result {
	times := make([][]time.Duration, len(cs))
	out := make([]result, len(cs))
	for round := range rounds + 1 {
		for i, c := range cs {
			runtime.GC()
			var a, b runtime.MemStats
			runtime.ReadMemStats(&a)
			began := cpuTime()
			for range repeat {
				c.run()
			}
			d := cpuTime() - began
			runtime.ReadMemStats(&b)
			if round == 0 {
				continue
			}
			times[i] = append(times[i], d/time.Duration(repeat))
			out[i].allocs = float64(b.Mallocs-a.Mallocs) / float64(repeat)
			out[i].bytes = float64(b.TotalAlloc-a.TotalAlloc) / float64(repeat)
		}
	}
	for i, c := range cs {
		slices.Sort(times[i])
		out[i].name, out[i].cpu = c.name, times[i][len(times[i])/2]
	}
	return out
}
