// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// built are the programs under test, built once per run from this checkout.
var built struct {
	once          sync.Once
	dir           string
	server, agent string
	err           error
}

func programs(t testing.TB) (server, agent string) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED by -short: builds and runs the real programs")
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "s3cam-faults-"); built.err != nil {
			return
		}
		built.server, built.agent = filepath.Join(built.dir, "s3cam"), filepath.Join(built.dir, "s3cam-agent")
		for _, name := range []string{"s3cam", "s3cam-agent"} {
			cmd := exec.Command("go", "build", "-o", filepath.Join(built.dir, name), "./cmd/"+name)
			cmd.Dir = mediatest.Root(t)
			if out, err := cmd.CombinedOutput(); err != nil {
				built.err = fmt.Errorf("go build: %w\n%s", err, out)
				return
			}
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.server, built.agent
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(volatileEnv); dir != "" {
		fmt.Fprintln(os.Stderr, volatileMain(dir))
		os.Exit(1)
	}
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// cleanEnv is the environment without what would configure the programs.
func cleanEnv(more ...string) (env []string) {
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "S3CAM_") && !strings.HasPrefix(e, "AWS_") {
			env = append(env, e)
		}
	}
	return append(env, more...)
}

// random is the source of a test's faults. S3CAM_SEED repeats a run, as far as scheduling lets it.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("S3CAM_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("S3CAM_SEED: %v", err)
		}
	}
	t.Logf("S3CAM_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// length is how long a run lasts: S3CAM_SOAK, or what make test has time for.
func length(t testing.TB, short time.Duration) time.Duration {
	t.Helper()
	s := os.Getenv("S3CAM_SOAK")
	if s == "" {
		return short
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("S3CAM_SOAK: %v", err)
	}
	return d
}

// lockedBuffer keeps the last part of what a process says.
type lockedBuffer struct {
	mu sync.Mutex
	b  []byte
}

const kept = 64 << 10

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b = append(l.b, p...); len(l.b) > 2*kept {
		l.b = append(l.b[:0], l.b[len(l.b)-kept:]...)
	}
	return len(p), nil
}

func (l *lockedBuffer) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b[max(0, len(l.b)-n):])
}

// memory is a line of a process's status file in kB, such as VmRSS; 0 when the process is gone.
func memory(pid int, line string) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for l := range strings.SplitSeq(string(b), "\n") {
		if v, ok := strings.CutPrefix(l, line+":"); ok {
			kb, _ := strconv.Atoi(strings.Fields(v)[0])
			return kb
		}
	}
	return 0
}

// command runs a tool to its end.
func command(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out))
	}
	return strings.TrimSpace(string(out)), nil
}
