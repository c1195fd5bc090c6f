// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/simcam"
)

// agent is a real s3cam-agent that records a FIFO, as beside an encoder, with a spool. It is started again when it was killed.
type agent struct {
	t       testing.TB
	prefix  string
	dir     string
	env     []string
	said    lockedBuffer
	fifo    string
	sock    string
	stopped chan struct{}

	mu    sync.Mutex
	cmd   *exec.Cmd
	fed   int64 // pictures written to the FIFO while the present one runs
	all   int64 // pictures written at all
	last  agentStatus
	lost  int64 // pictures that killed agents had not said to be stored
	kills int
}

// agentStatus is what `s3cam-agent status --json` says of its camera.
type agentStatus struct {
	Video      int64  `json:"video_frames"`
	Stored     int64  `json:"stored_frames"`
	Pending    int64  `json:"pending_segments"`
	Dropped    int64  `json:"dropped_frames"`
	Before     int64  `json:"dropped_before_idr"`
	Skipped    int64  `json:"skipped_frames"`
	Spooled    int64  `json:"spooled_segments"`
	Backfilled int64  `json:"backfilled_frames"`
	LastKey    string `json:"last_key"`
	LastError  string `json:"last_error"`
}

func newAgent(t testing.TB, prefix, endpoint, caFile string) *agent {
	t.Helper()
	dir := t.TempDir()
	a := &agent{t: t, prefix: prefix, dir: dir, fifo: filepath.Join(dir, "video"), stopped: make(chan struct{})}
	// A socket's path must be short.
	short, err := os.MkdirTemp("", "fa")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	a.sock = filepath.Join(short, "s")
	if err := syscall.Mkfifo(a.fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "spool"), 0o700); err != nil {
		t.Fatal(err)
	}
	a.env = cleanEnv("S3CAM_SOCKET="+a.sock, "S3CAM_INPUT="+a.fifo, "S3CAM_FPS=15", "S3CAM_PREFIX="+prefix, "S3CAM_BUCKET="+bucket, "S3CAM_REGION="+region,
		"S3CAM_ENDPOINT="+endpoint, "S3CAM_PATH_STYLE=yes", "S3CAM_CA_FILE="+caFile, "S3CAM_ACCESS_KEY="+accessKey, "S3CAM_SECRET_KEY="+secretKey,
		"S3CAM_SEGMENT=1s", "S3CAM_RING=512KiB", "S3CAM_SPOOL_DIR="+filepath.Join(dir, "spool"), "S3CAM_SPOOL_BYTES=64MiB", "S3CAM_REJECTED_WAIT=1s",
		"S3CAM_STATE="+filepath.Join(dir, "state"), "S3CAM_LOG_LEVEL=warn", "S3CAM_DRAIN=60s")
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.cmd != nil {
			a.cmd.Process.Kill()
			a.cmd.Wait()
		}
	})
	return a
}

func (a *agent) start() error {
	_, program := programs(a.t)
	cmd := exec.Command(program)
	cmd.Env, cmd.Stdout, cmd.Stderr = a.env, &a.said, &a.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cmd, a.fed, a.last = cmd, 0, agentStatus{}
	return nil
}

// ask refreshes what the agent says of itself.
func (a *agent) ask() (agentStatus, bool) {
	_, program := programs(a.t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "status", "--json", "--socket", a.sock)
	out, _ := cmd.Output() // exit code 1: unhealthy
	var s struct{ Cameras []agentStatus }
	if json.Unmarshal(out, &s) != nil || len(s.Cameras) != 1 {
		return agentStatus{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = s.Cameras[0]
	return a.last, true
}

// kill is kill -9 and a new agent, as a watchdog would have it. What the killed one had not said to be stored counts as lost with it.
func (a *agent) kill() error {
	a.ask()
	a.mu.Lock()
	a.cmd.Process.Kill()
	a.cmd.Wait()
	a.lost += a.fed - a.last.Stored
	a.kills++
	a.mu.Unlock()
	return a.start()
}

// film writes pictures to the FIFO in real time until ctx ends. Whatever an agent that was killed did not read is fed and lost.
func (a *agent) film(ctx context.Context) error {
	reel, err := simcam.Workshop().Recording(0)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(a.fifo, os.O_RDWR, 0) // never without a reader: a write waits until the next agent comes
	if err != nil {
		return err
	}
	defer f.Close()
	began := time.Now()
	for {
		u, err := reel.Next()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(began.Add(u.At))):
		}
		if !u.Video {
			continue
		}
		if _, err := f.Write(u.Data); err != nil {
			return err
		}
		a.mu.Lock()
		a.fed++
		a.all++
		a.mu.Unlock()
	}
}

// drain waits until everything is stored, and returns what the agent says then.
func (a *agent) drain(limit time.Duration) agentStatus {
	a.t.Helper()
	var s agentStatus
	stored := polltest.Within(limit, func() bool {
		var ok bool
		s, ok = a.ask()
		a.mu.Lock()
		defer a.mu.Unlock()
		return ok && s.Pending == 0 && s.Spooled == 0
	})
	if !stored {
		a.t.Errorf("the agent has not stored everything within %v", limit)
	}
	return s
}

// stop ends it as an init script does; the open segment is stored.
func (a *agent) stop(limit time.Duration) {
	a.t.Helper()
	a.mu.Lock()
	cmd := a.cmd
	a.cmd = nil
	a.mu.Unlock()
	cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(limit, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		a.t.Errorf("the agent ended with %v, want everything stored\n%s", err, a.said.tail(3000))
	}
}
