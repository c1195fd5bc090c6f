// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// The key pair of the embedded store in these tests.
const (
	accessKey = "S3CAMFAULTSTESTROOT0"
	secretKey = "faults-secret-faults-secret-faults-secret"
	region    = "us-east-1"
	bucket    = "video"
)

// server is the real s3cam serve in a process of its own, on addresses that stay when it is started again.
type server struct {
	t        testing.TB
	dir      string // of its data
	flags    []string
	web, s3  string // host:port
	said     lockedBuffer
	launcher []string // run under this command

	mu  sync.Mutex
	cmd *exec.Cmd
}

// newServer starts one on a data directory.
func newServer(t testing.TB, dir string, flags ...string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, flags: flags, web: freeAddr(t), s3: freeAddr(t)}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

// freeAddr finds a port below those that the kernel gives to connections, so that nobody has it while the server is away.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 200 {
		ports.Lock()
		ports.next++
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+(os.Getpid()*37+ports.next)%10000)
		ports.Unlock()
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

var ports struct {
	sync.Mutex
	next int
}

var ready = regexp.MustCompile(`endpoint\s+(https?://\S+)`)

// start returns when the server has printed its addresses.
func (s *server) start() error {
	program, _ := programs(s.t)
	args := append([]string{program, "serve", "--http", s.web, "--s3", s.s3, "--data", s.dir}, s.flags...)
	args = append(append([]string(nil), s.launcher...), args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = cleanEnv("S3CAM_S3_ACCESS_KEY="+accessKey, "S3CAM_S3_SECRET_KEY="+secretKey)
	cmd.Stderr = &s.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	up := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if ready.Match(lines.Bytes()) {
				up <- true
			}
		}
		up <- false
	}()
	select {
	case ok := <-up:
		if !ok {
			cmd.Process.Kill()
			cmd.Wait()
			return fmt.Errorf("s3cam serve printed no address: %s", s.said.tail(2000))
		}
	case <-time.After(30 * time.Second):
		cmd.Process.Kill()
		cmd.Wait()
		return fmt.Errorf("s3cam serve is not ready after 30 s: %s", s.said.tail(2000))
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	return nil
}

// kill ends it as kill -9 does.
func (s *server) kill() {
	s.mu.Lock()
	cmd := s.cmd
	s.cmd = nil
	s.mu.Unlock()
	if cmd != nil {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// pid is 0 while it does not run.
func (s *server) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// alive tells whether the process that was started still runs.
func (s *server) alive() bool {
	pid := s.pid()
	return pid != 0 && memory(pid, "VmRSS") > 0
}

// limitFiles sets the soft limit of open files: prlimit(2), which works on running processes.
func (s *server) limitFiles(soft uint64) error {
	pid := s.pid()
	var old syscall.Rlimit
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE, 0, uintptr(unsafe.Pointer(&old)), 0, 0); e != 0 {
		return e
	}
	limit := syscall.Rlimit{Cur: min(soft, old.Max), Max: old.Max}
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// files counts its open files.
func (s *server) files() int {
	l, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.pid()))
	return len(l)
}

func (s *server) bucketDir() string { return filepath.Join(s.dir, bucket) }

// startVolatile starts this test's binary as a store that does not sync.
func startVolatile(t testing.TB, dir string) (endpoint string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = cleanEnv(volatileEnv + "=" + dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	m := ready.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("the store printed %q: %v", line, err)
	}
	return m[1]
}
