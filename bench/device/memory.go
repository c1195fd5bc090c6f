// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// sample is what the kernel says of a process, in kB.
type sample struct{ hwm, rss, anon, file int }

func readSample(pid int) (sample, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return sample{}, err
	}
	var s sample
	fields := map[string]*int{"VmHWM:": &s.hwm, "VmRSS:": &s.rss, "RssAnon:": &s.anon, "RssFile:": &s.file}
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		f := strings.Fields(sc.Text())
		if len(f) > 1 && fields[f[0]] != nil {
			if *fields[f[0]], err = strconv.Atoi(f[1]); err != nil {
				return sample{}, err
			}
		}
	}
	return s, nil
}

// usage sums up the samples of a run.
type usage struct {
	hwm, anonMean, anonMax, fileMean int
	peak                             sample // the one with the most in all
}

// watch samples a process each 0.2 s until stop is closed, leaving out the first 10 s.
func watch(pid int, stop <-chan struct{}) (usage, error) {
	var u usage
	var n, anon, file int
	begin := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			if n == 0 {
				return u, fmt.Errorf("no samples")
			}
			u.anonMean, u.fileMean = anon/n, file/n
			return u, nil
		case <-tick.C:
		}
		s, err := readSample(pid)
		if err != nil {
			return u, err
		}
		u.hwm = s.hwm
		if s.rss > u.peak.rss {
			u.peak = s
		}
		if time.Since(begin) < 10*time.Second {
			continue
		}
		n++
		anon += s.anon
		file += s.file
		u.anonMax = max(u.anonMax, s.anon)
	}
}

// Goals in MB (1000 kB of /proc, as they were set) for a 5 Mbit/s stream and a ring of 4 MiB: mean and peak of anonymous memory, peak of all. 0 = none is stated.
var memoryGoals = []struct {
	target                 string
	full                   bool
	anonMean, anonMax, hwm float64
}{
	{"amd64", false, 3.0, 4.0, 10},
	{"amd64", true, 0, 5.9, 0},
	{"386", false, 2.5, 3.5, 8.5},
	{"386", true, 0, 5.2, 10},
}

func memory(o options, w io.Writer) error {
	frames, err := clip(o.dir)
	if err != nil {
		return err
	}
	rows := [][]string{{"run", "anon mean MB", "goal", "", "anon max MB", "goal", "", "peak RSS MB", "goal", "", "of that", "file mean MB", "stored"}}
	for _, g := range memoryGoals {
		name := g.target + ", healthy link"
		if g.full {
			name = g.target + ", server stores nothing"
		}
		if !strings.Contains(name, o.only) {
			continue
		}
		fmt.Fprintf(o.verbose, "memory: %s, %v\n", name, o.run)
		u, puts, err := memoryRun(o, g.target, g.full, frames)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		row := []string{name}
		for _, v := range []struct {
			kb   int
			goal float64
		}{{u.anonMean, g.anonMean}, {u.anonMax, g.anonMax}, {u.hwm, g.hwm}} {
			goal := "-"
			if v.goal != 0 {
				goal = fmt.Sprintf("%.1f", v.goal)
			}
			mb := float64(v.kb) / 1000
			row = append(row, fmt.Sprintf("%.2f", mb), goal, verdict(mb, v.goal))
		}
		of := fmt.Sprintf("%.1f anon, %.1f file", float64(u.peak.anon)/1000, float64(u.peak.file)/1000)
		rows = append(rows, append(row, of, fmt.Sprintf("%.2f", float64(u.fileMean)/1000), fmt.Sprintf("%d segments", puts)))
	}
	rows = append(rows,
		[]string{"original SDK, amd64, static, whole program", "-", "", "", "5.6", "", "", "8.9", "", "", "-", "-", ""},
		[]string{"original SDK, amd64, shared libraries", "-", "", "", "6.2", "", "", "16.1", "", "", "-", "-", ""})
	table(w, fmt.Sprintf("Memory, %v of 5 Mbit/s in real time, ring of 4 MiB", o.run), rows)
	return nil
}

func memoryRun(o options, target string, full bool, frames []frame) (u usage, puts int, err error) {
	agent, err := o.agent(target)
	if err != nil {
		return u, 0, err
	}
	srv, err := newSink(o.dir + "/roots.pem")
	if err != nil {
		return u, 0, err
	}
	defer srv.Close()
	srv.full.Store(full)
	drain, codes := 5*time.Second, []int{0}
	if full {
		drain, codes = 0, []int{0, 3, 130} // it ends while there is footage that is not stored, or at once
	}
	p, err := start(agent, srv.roots, drain)
	if err != nil {
		return u, 0, err
	}
	stopped := false
	defer func() {
		if !stopped {
			p.stop(0)
		}
	}()
	c, err := dial(p.socket, srv.URL, "cam", time.Now().Add(10*time.Second))
	if err != nil {
		return u, 0, fmt.Errorf("%w\n%s", err, p.log.Bytes())
	}
	stop := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		var err error
		u, err = watch(p.cmd.Process.Pid, stop)
		result <- err
	}()
	err = c.feed(frames, o.run)
	close(stop)
	if werr := <-result; err == nil {
		err = werr
	}
	if err != nil {
		return u, 0, err
	}
	if err := c.close(drain); err != nil {
		return u, 0, err
	}
	stopped = true
	if err := p.stop(codes...); err != nil {
		return u, 0, err
	}
	if _, puts = srv.stored("cam"); !full && puts < int(o.run/segment)-1 {
		return u, puts, fmt.Errorf("only %d segments were stored in %v\n%s", puts, o.run, p.log.Bytes())
	}
	return u, puts, nil
}
