// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	connections = 64
	tick        = 10 * time.Millisecond // of /proc/PID/stat: USER_HZ is 100 on every Linux that Go runs on
)

// cpu returns the CPU time, user and system, that a server has used with all its threads (proc(5), fields 14 and 15).
func (s *server) cpu() (time.Duration, error) {
	pid := s.cmd.Process.Pid
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	text := string(b)
	// The second field is the name in brackets, which may hold spaces.
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var ticks time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		ticks += time.Duration(n)
	}
	return ticks * tick, nil
}

var (
	wrkCount    = regexp.MustCompile(`(\d+) requests in `)
	wrkTrouble  = regexp.MustCompile(`(?m)^\s*(Socket errors|Non-2xx or 3xx responses).*$`)
	wrkTimeouts = regexp.MustCompile(`connect 0, read 0, write 0, timeout \d+`)
)

// load sends GETs for a while, as many as the server answers, and returns the server's CPU time per request.
func load(ctx context.Context, s *server, path string, d time.Duration) (time.Duration, error) {
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), fmt.Sprintf("-d%ds", int(d.Seconds())),
		"-H", "Accept-Encoding: gzip", s.url+path).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	after, err := s.cpu()
	if err != nil {
		return 0, err
	}
	// A busy machine may leave a request unanswered for the two seconds after which wrk complains; that is no failure.
	if m := wrkTrouble.Find(out); m != nil && !wrkTimeouts.Match(m) {
		return 0, fmt.Errorf("%s %s under load: %s", s.name, path, strings.TrimSpace(string(m)))
	}
	m := wrkCount.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("wrk printed no count:\n%s", out)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s answered no request for %s:\n%s", s.name, path, out)
	}
	return (after - before) / time.Duration(n), nil
}
