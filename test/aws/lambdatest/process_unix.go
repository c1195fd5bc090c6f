// SPDX-License-Identifier: Apache-2.0

//go:build unix

package lambdatest

import (
	"os/exec"
	"syscall"
)

// ownGroup lets the process be signalled together with whatever it starts.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
func freeze(cmd *exec.Cmd)    { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGSTOP) }
func thaw(cmd *exec.Cmd)      { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGCONT) }
