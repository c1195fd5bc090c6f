// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// process is a running agent.
type process struct {
	cmd    *exec.Cmd
	socket string
	log    bytes.Buffer
	exited chan error
	dir    string
}

// start runs the agent as a daemon with a socket of its own; wrap is what to run it with, such as an emulator.
func start(agent, roots string, drain time.Duration, wrap ...string) (*process, error) {
	dir, err := os.MkdirTemp("", "s3cam-bench") // short: names of Unix sockets are limited to 107 bytes
	if err != nil {
		return nil, err
	}
	p := &process{socket: filepath.Join(dir, "s"), exited: make(chan error, 1), dir: dir}
	line := append(wrap, agent, "run", "--socket", p.socket, "--ca-file", roots, "--state", filepath.Join(dir, "state"), "--drain", drain.String())
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.exited <- p.cmd.Wait() }()
	return p, nil
}

// stop asks the agent to end, and reports what it said when it does not, or with an exit code that is not wanted.
func (p *process) stop(want ...int) error {
	defer os.RemoveAll(p.dir)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.exited:
		if code := p.cmd.ProcessState.ExitCode(); !slices.Contains(want, code) {
			return fmt.Errorf("agent: %v, want exit code %v\n%s", err, want, p.log.Bytes())
		}
		return nil
	case <-time.After(90 * time.Second):
		p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("agent did not end after SIGTERM\n%s", p.log.Bytes())
	}
}
