// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	accessKey = "loadloadloadload"
	secretKey = "loadloadloadloadloadloadload"
	region    = "us-east-1"
	bucket    = "video"

	startTimeout = 30 * time.Second
	stopTimeout  = time.Minute
	tick         = 10 * time.Millisecond // of /proc: USER_HZ is 100 on every Linux that Go runs on
)

// server is the `s3cam serve` under load.
type server struct {
	web, store string // base URLs
	cmd        *exec.Cmd
	log        tail
}

// tail keeps the last bytes that a process printed.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-8192):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

var (
	webLine   = regexp.MustCompile(`s3cam serves (http://\S+?)/?\n`)
	storeLine = regexp.MustCompile(`endpoint\s+(http://\S+)\n`)
)

// start runs the server on a fresh directory.
func start(ctx context.Context, program, dir string) (*server, error) {
	s := &server{cmd: exec.Command(program, "serve", "--data", filepath.Join(dir, "data"), "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0",
		"--region", region, "--bucket", bucket, "--log-level", "warn")}
	s.cmd.Env = append(os.Environ(), "S3CAM_S3_ACCESS_KEY="+accessKey, "S3CAM_S3_SECRET_KEY="+secretKey)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		said := s.log.String()
		web, store := webLine.FindStringSubmatch(said), storeLine.FindStringSubmatch(said)
		if web != nil && store != nil {
			s.web, s.store = web[1], store[1]
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("s3cam serve did not print its addresses: %w\n%s", ctx.Err(), said), s.stop())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop asks the server to end and kills it when it does not.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.AfterFunc(stopTimeout, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("s3cam serve: %w\n%s", err, &s.log)
	}
	return nil
}

// peakRSS returns the most memory that the server has had, in bytes, 0 where there is no /proc.
func (s *server) peakRSS() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(b), "VmHWM:")
	var kb int64
	if _, err := fmt.Sscan(line, &kb); err != nil {
		return 0
	}
	return kb << 10
}

// usage is CPU time used so far: by the server, by this process, by the whole machine, and what the machine spent waiting for its disk.
type usage struct{ server, self, all, wait time.Duration }

// used reads /proc; where there is none, everything is 0.
func (s *server) used() usage {
	var u usage
	u.server = processCPU(strconv.Itoa(s.cmd.Process.Pid))
	u.self = processCPU("self")
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line) {
		n, err := strconv.ParseInt(f, 10, 64)
		switch d := time.Duration(n) * tick; {
		case err != nil: // the name
		case i == 5:
			u.wait = d
		case i != 4 && i < 9: // idle; guests are counted in user
			u.all += d
		}
	}
	return u
}

// processCPU returns the CPU time of a process with all its threads (proc(5), fields 14 and 15 of stat).
func processCPU(pid string) time.Duration {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	var d time.Duration
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(f, 10, 64)
		d += time.Duration(n) * tick
	}
	return d
}

// loadAverage is the first figure of /proc/loadavg.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
