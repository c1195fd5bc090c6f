// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
)

const root = "../.."

// fakeAgent behaves as the script under test sees the real one. It writes a line per start and per end to the file `said` beside
// it, ends with the code in `code` if that is there, and otherwise runs until it is told to go.
const fakeAgent = `#!/bin/sh
here=${0%/*}
case $1 in
check) [ ! -e "$here/wrong" ]; exit ;;
run) ;;
*) echo "unexpected: $*" >>"$here/said"; exit 64 ;;
esac
echo "start $$ $3" >>"$here/said"
[ ! -e "$here/code" ] || exit $(cat "$here/code")
trap 'echo "term $$" >>"$here/said"; [ -e "$here/deaf" ] || exit 0' TERM
while :; do sleep 0.05; done
`

// initScript is the SysV script with its paths turned to a folder of the test.
type initScript struct {
	dir, file string
	shell     []string
}

func newInitScript(t *testing.T, shell []string) *initScript {
	t.Helper()
	dir := t.TempDir()
	s := read(t, root+"/deploy/sysv/S80s3cam")
	for _, r := range [][2]string{
		{"AGENT=/usr/bin/s3cam-agent", "AGENT=" + dir + "/agent"},
		{"CONFIG=/etc/s3cam/agent.conf", "CONFIG=" + dir + "/agent.conf"},
		{"RUNDIR=/var/run/s3cam", "RUNDIR=" + dir + "/run"},
		{"STOP_SECONDS=70", "STOP_SECONDS=2"},
		{"/bin/sh \"$SELF\" run", strings.Join(shell, " ") + " \"$SELF\" run"},
	} {
		if strings.Count(s, r[0]) != 1 {
			t.Fatalf("deploy/sysv/S80s3cam has %d lines %q, want one", strings.Count(s, r[0]), r[0])
		}
		s = strings.Replace(s, r[0], r[1], 1)
	}
	i := &initScript{dir: dir, file: dir + "/S80s3cam", shell: shell}
	write(t, i.file, s)
	write(t, dir+"/agent", fakeAgent)
	write(t, dir+"/agent.conf", "")
	t.Cleanup(func() { i.call("stop") })
	return i
}

func (i *initScript) call(arg string) (code int, out string) {
	cmd := exec.Command(i.shell[0], append(i.shell[1:], i.file, arg)...)
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(b)
	}
	if err != nil {
		return -1, err.Error()
	}
	return 0, string(b)
}

func (i *initScript) want(t *testing.T, arg string, code int, text string) {
	t.Helper()
	if got, out := i.call(arg); got != code || !strings.Contains(out, text) {
		t.Fatalf("%s: exit code %d and %q, want %d and %q", arg, got, out, code, text)
	}
}

// said waits until the agent has written at least n lines that begin with word, and returns the last word of each.
func (i *initScript) said(t *testing.T, word string, n int) []string {
	t.Helper()
	var said []byte
	var pids []string
	all := polltest.Within(20*time.Second, func() bool {
		said, _ = os.ReadFile(i.dir + "/said")
		pids = nil
		for line := range strings.Lines(string(said)) {
			if f := strings.Fields(line); f[0] == word {
				pids = append(pids, f[1])
			}
		}
		return len(pids) >= n
	})
	if !all {
		t.Fatalf("the agent has said only\n%s\nwant %d lines %q", said, n, word)
	}
	return pids
}

// shells are those that the script must run in: the one of cameras, and this machine's.
func shells(t *testing.T) map[string][]string {
	all := map[string][]string{"sh": {"/bin/sh"}}
	if busybox, err := exec.LookPath("busybox"); err == nil {
		all["busybox"] = []string{busybox, "sh"}
	} else {
		t.Log("SKIPPED in part: no busybox here, so the init script runs in /bin/sh only")
	}
	return all
}

func TestInitScript(t *testing.T) {
	tests := []struct {
		name string
		run  func(t *testing.T, i *initScript)
	}{
		{"starts, tells, and stops by asking the agent to go", func(t *testing.T, i *initScript) {
			i.want(t, "status", 3, "stopped")
			i.want(t, "start", 0, "started")
			pid := i.said(t, "start", 1)[0]
			i.want(t, "status", 0, "running")
			i.want(t, "start", 0, "already running")
			i.want(t, "stop", 0, "stopped")
			if term := i.said(t, "term", 1); len(term) != 1 || term[0] != pid {
				t.Errorf("agents %v were told to go, want %s", term, pid)
			}
			if n := len(i.said(t, "start", 1)); n != 1 {
				t.Errorf("%d agents were started, want 1", n)
			}
			i.want(t, "status", 3, "stopped")
			i.want(t, "stop", 0, "not running")
		}},
		{"starts an agent that was killed again", func(t *testing.T, i *initScript) {
			i.want(t, "start", 0, "started")
			pid := i.said(t, "start", 1)[0]
			if out, err := exec.Command("kill", "-9", pid).CombinedOutput(); err != nil {
				t.Fatalf("kill: %v\n%s", err, out)
			}
			if again := i.said(t, "start", 2); again[1] == pid {
				t.Errorf("the second agent has the number of the first, %s", pid)
			}
			i.want(t, "status", 0, "running")
		}},
		{"restarts with a new agent", func(t *testing.T, i *initScript) {
			i.want(t, "start", 0, "started")
			i.said(t, "start", 1)
			i.want(t, "restart", 0, "started")
			i.said(t, "start", 2)
			i.said(t, "term", 1)
		}},
		{"kills an agent that does not go", func(t *testing.T, i *initScript) {
			write(t, i.dir+"/deaf", "")
			i.want(t, "start", 0, "started")
			pid := i.said(t, "start", 1)[0]
			i.want(t, "stop", 0, "killed after 2 s")
			polltest.Until(t, 10*time.Second, "the agent has ended", func() bool { return exec.Command("kill", "-0", pid).Run() != nil })
		}},
		{"gives up on wrong settings", func(t *testing.T, i *initScript) {
			write(t, i.dir+"/code", "2")
			i.want(t, "start", 0, "started")
			i.said(t, "start", 1)
			polltest.Until(t, 10*time.Second, "it leaves an agent alone that refuses its settings", func() bool {
				code, _ := i.call("status")
				return code == 3
			})
		}},
		{"does not start with wrong settings", func(t *testing.T, i *initScript) {
			write(t, i.dir+"/wrong", "")
			i.want(t, "start", 6, "not started")
			i.want(t, "status", 3, "stopped")
		}},
		{"says that the configuration is missing", func(t *testing.T, i *initScript) {
			os.Remove(i.dir + "/agent.conf")
			i.want(t, "start", 6, "agent.conf is missing")
		}},
		{"is not taken in by the number of another process", func(t *testing.T, i *initScript) {
			write(t, i.dir+"/run/supervisor.pid", fmt.Sprintln(os.Getpid()))
			i.want(t, "status", 1, "dead")
			i.want(t, "stop", 0, "not running")
			i.want(t, "start", 0, "started")
			i.said(t, "start", 1)
		}},
		{"explains itself", func(t *testing.T, i *initScript) {
			i.want(t, "", 2, "start|stop|restart|status")
		}},
	}
	for name, shell := range shells(t) {
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				tt.run(t, newInitScript(t, shell))
			})
		}
	}
}

func TestScriptsAreCleanShell(t *testing.T) {
	posix := []string{root + "/deploy/sysv/S80s3cam", root + "/deploy/openwrt/s3cam.init"}
	for _, f := range posix {
		for name, shell := range shells(t) {
			if out, err := exec.Command(shell[0], append(shell[1:], "-n", f)...).CombinedOutput(); err != nil {
				t.Errorf("%s: %s -n: %v\n%s", f, name, err, out)
			}
		}
	}
	bash, err := filepath.Glob(root + "/scripts/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("SKIPPED: no shellcheck here")
	}
	for _, f := range append(posix, bash...) {
		if out, err := exec.Command(shellcheck, "-S", "warning", f).CombinedOutput(); err != nil {
			t.Errorf("shellcheck %s: %v\n%s", f, err, out)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o777); err != nil {
		t.Fatal(err)
	}
}
