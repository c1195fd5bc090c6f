// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
)

// proc is one process of a player's session.
type proc struct {
	pid    int
	parent int
	name   string
}

// session lists the live processes that a player started, itself included.
func (p *player) session() (out []proc) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range stats {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		// pid (comm) state ppid pgrp session ...; comm may hold anything but ends at the last parenthesis
		head, rest, _ := strings.Cut(string(b), "(")
		end := strings.LastIndexByte(rest, ')')
		if end < 0 {
			continue
		}
		f := strings.Fields(rest[end+1:])
		if len(f) < 4 || f[0] == "Z" || f[3] != strconv.Itoa(p.cmd.Process.Pid) {
			continue
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(head))
		ppid, _ := strconv.Atoi(f[1])
		out = append(out, proc{pid, ppid, rest[:end]})
	}
	return out
}

// agents are the processes of the session that are not the player.
func (p *player) agents() (out []proc) {
	for _, q := range p.session() {
		if q.pid != p.cmd.Process.Pid {
			out = append(out, q)
		}
	}
	return out
}

// gone waits until the agent has ended by itself.
func (p *player) gone(limit time.Duration) {
	p.t.Helper()
	if !polltest.Within(limit, func() bool { return len(p.session()) == 0 }) {
		p.t.Errorf("the agent has not ended %v after the firmware", limit)
	}
}

// agent waits for one agent other than those in not, and returns its process id.
func (p *player) agent(limit time.Duration, not ...int) int {
	p.t.Helper()
	var pid int
	polltest.Until(p.t, limit, "an agent runs", func() bool {
	next:
		for _, q := range p.agents() {
			for _, n := range not {
				if q.pid == n {
					continue next
				}
			}
			pid = q.pid
			return true
		}
		return false
	})
	return pid
}

// rssAnon is the anonymous memory of a process in kB; 0 when it is gone.
func rssAnon(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(v)[0])
			return kb
		}
	}
	return 0
}
