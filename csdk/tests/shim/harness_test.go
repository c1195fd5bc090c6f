// SPDX-License-Identifier: Apache-2.0

// Package shim_test holds the C library to docs/ref/wire.md: it compiles csdk/src/s3cam.c with the system's compilers and sanitizers, and
// plays the agent.
package shim_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

// relayEnv makes this test binary the agent that the library starts: it connects what is on descriptor 3 to the Unix socket named here.
const relayEnv = "SHIM_TEST_RELAY"

func TestMain(m *testing.M) {
	if to := os.Getenv(relayEnv); to != "" {
		relay(to)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "shim-programs")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		programs.dir = dir
		return m.Run()
	}())
}

// programs are the driver's variants, kept for all tests since compiling them took longer than running them.
var programs struct {
	sync.Mutex
	dir   string
	built map[string]bool
}

// relay tells the test its process id and what it was started with, and passes bytes on until it is killed or an end closes.
func relay(to string) {
	up, err := net.Dial("unix", to)
	if err != nil {
		os.Exit(2)
	}
	pgrp, _ := syscall.Getpgid(0)
	fmt.Fprintf(up, "%d %q %t SigBlk: %x SigIgn: %x\n", os.Getpid(), os.Args[1:], pgrp == os.Getpid(), signals("SigBlk:"), signals("SigIgn:"))
	down, err := net.FileConn(os.NewFile(3, "socket"))
	if err != nil {
		os.Exit(3)
	}
	end := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) } // at once: os.Exit takes a second under the race detector
	go func() {
		_, _ = io.Copy(down, up)
		end()
	}()
	_, _ = io.Copy(up, down)
	end()
}

// signals reads a set of the standard signals, 1 to 31, of this process from /proc.
func signals(set string) (mask uint64) {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), set)
	_, _ = fmt.Sscanf(strings.Fields(rest)[0], "%x", &mask)
	return mask & (1<<31 - 1)
}

const limit = 30 * time.Second // of everything that is waited for; the machine may be busy

// build is a compiled driver program.
type build struct {
	run  []string // program and arguments
	slow bool     // an instrumented program: limits of time are not judged
}

var flagsOf = map[string][]string{
	"plain": {"-Os"},
	"asan":  {"-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"},
	"tsan":  {"-O1", "-g", "-fsanitize=thread"},
	"times": {"-Os", "-DS3CAM_USE_TIMES"},
}

// foreign lists the compilers of other processors and what runs their programs.
var foreign = map[string][2]string{
	"mipsel": {"mipsel-linux-gnu-gcc", "qemu-mipsel"},
	"armel":  {"arm-linux-gnueabi-gcc", "qemu-arm"},
	"armhf":  {"arm-linux-gnueabihf-gcc", "qemu-arm"},
	"arm64":  {"aarch64-linux-gnu-gcc", "qemu-aarch64"},
}

// compile builds sources with the flags of a variant, or skips.
func compile(t *testing.T, cc, out string, flags []string, sources ...string) {
	t.Helper()
	if _, err := exec.LookPath(cc); err != nil {
		t.Skipf("SKIP: no %s: the C library is not tested", cc)
	}
	args := append([]string{"-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I../../include", "-I../../src", "-o", out}, flags...)
	args = append(append(args, sources...), "-lpthread")
	if text, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", cc, args, err, text)
	}
}

func driver(t *testing.T, variant string) build {
	t.Helper()
	b := build{slow: variant != "plain" && variant != "times" && variant != "musl"}
	programs.Lock()
	defer programs.Unlock()
	out := filepath.Join(programs.dir, variant)
	cc, flags := "gcc", flagsOf[variant]
	if f, ok := foreign[variant]; ok {
		qemu, err := exec.LookPath(f[1])
		if err != nil {
			t.Skipf("SKIP: no %s: the C library is not tested on %s", f[1], variant)
		}
		cc, flags, b.run = f[0], []string{"-Os", "-static"}, []string{qemu}
	}
	if variant == "musl" {
		cc, flags = "musl-gcc", []string{"-Os", "-static"}
	}
	if variant == "valgrind" {
		v, err := exec.LookPath("valgrind")
		if err != nil {
			t.Skip("SKIP: no valgrind")
		}
		flags = []string{"-O1", "-g"}
		b.run = []string{v, "-q", "--error-exitcode=97", "--leak-check=full", "--track-fds=no"}
	}
	if !programs.built[variant] {
		compile(t, cc, out, flags, "testdata/driver.c", "../../src/s3cam.c")
		if programs.built == nil {
			programs.built = map[string]bool{}
		}
		programs.built[variant] = true
	}
	b.run = append(b.run, out)
	return b
}

// onAll runs f on several variants. With -short on the plain one only.
func onAll(t *testing.T, f func(t *testing.T, b build), variants ...string) {
	if len(variants) == 0 {
		variants = []string{"plain", "asan"}
	}
	for _, v := range variants {
		if testing.Short() && v != "plain" {
			continue
		}
		t.Run(v, func(t *testing.T) { f(t, driver(t, v)) })
	}
}

// firmware is a running driver program.
type firmware struct {
	t      *testing.T
	b      build
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string
	stderr bytes.Buffer
	text   string   // of the last open or error command
	drops  []string // reported up to now
	count  []int64  // of the last counters command
	seen   []string
}

// start runs the program. With socket "" it starts its agent, which connects to relayTo.
func (b build) start(t *testing.T, socket, relayTo string) *firmware {
	t.Helper()
	f := &firmware{t: t, b: b, cmd: exec.Command(b.run[0], b.run[1:]...), lines: make(chan string, 1000)}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if socket == "" {
		socket = filepath.Join(t.TempDir(), "none")
	}
	if relayTo == "" {
		self = filepath.Join(t.TempDir(), "no-agent")
	}
	f.cmd.Env = append(os.Environ(), "S3CAM_SOCKET="+socket, "S3CAM_AGENT="+self, relayEnv+"="+relayTo, "TSAN_OPTIONS=halt_on_error=1 exitcode=66")
	if f.in, err = f.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f.cmd.Stderr = &f.stderr
	f.cmd.WaitDelay = 10 * time.Second
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			f.lines <- s.Text()
		}
		close(f.lines)
	}()
	t.Cleanup(func() {
		_ = f.cmd.Process.Kill()
		_ = f.cmd.Wait()
		if t.Failed() {
			t.Logf("output:\n%s\nstandard error:\n%s", strings.Join(f.seen, "\n"), f.stderr.String())
		}
	})
	return f
}

// send passes a command on without waiting for its result.
func (f *firmware) send(format string, args ...any) {
	f.t.Helper()
	if _, err := fmt.Fprintf(f.in, format+"\n", args...); err != nil {
		f.t.Fatalf("the program has ended: %v\n%s", err, f.stderr.String())
	}
}

// result waits for the result of a command.
func (f *firmware) result() (r int, took time.Duration) {
	f.t.Helper()
	timeout := time.After(limit)
	for {
		select {
		case line, ok := <-f.lines:
			if !ok {
				f.t.Fatalf("the program has ended: %s", f.stderr.String())
			}
			f.seen = append(f.seen, line)
			word, rest, _ := strings.Cut(line, " ")
			switch word {
			case "text":
				f.text = rest
			case "drop":
				f.drops = append(f.drops, rest)
			case "bad:", "video":
				if word == "bad:" {
					f.t.Error(line)
				}
			case "counters":
				if n := strings.Fields(rest); len(n) > 2 {
					f.count = nil
					for _, s := range n {
						v, _ := strconv.ParseInt(s, 10, 64)
						f.count = append(f.count, v)
					}
					continue
				}
				fallthrough
			default:
				n := strings.Fields(rest)
				r, _ = strconv.Atoi(n[0])
				ms, _ := strconv.Atoi(n[1])
				return r, time.Duration(ms) * time.Millisecond
			}
		case <-timeout:
			f.t.Fatalf("no result within %v", limit)
		}
	}
}

// do runs a command that must have the given result.
func (f *firmware) do(want int, format string, args ...any) time.Duration {
	f.t.Helper()
	f.send(format, args...)
	got, took := f.result()
	if got != want {
		f.t.Errorf("%.80s = %d, want %d", fmt.Sprintf(format, args...), got, want)
	}
	return took
}

// within fails when a call took longer than it may, unless the program is instrumented.
func (f *firmware) within(took, most time.Duration) {
	f.t.Helper()
	if took > most && !f.b.slow {
		f.t.Errorf("took %v, at most %v is allowed", took, most)
	}
}

// end lets the program exit and checks that sanitizers and standard error are silent.
func (f *firmware) end() {
	f.t.Helper()
	f.send("exit")
	for line := range f.lines {
		f.seen = append(f.seen, line)
	}
	if err := f.cmd.Wait(); err != nil || f.stderr.Len() > 0 {
		f.t.Errorf("the program ended with %v and said:\n%s", err, f.stderr.String())
	}
}

// agent is what the test plays: a listener on a Unix socket.
type agent struct {
	t    *testing.T
	path string
	l    net.Listener
}

func newAgent(t *testing.T) *agent {
	t.Helper()
	dir, err := os.MkdirTemp("", "shim") // short enough for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &agent{t: t, path: filepath.Join(dir, "s")}
	if a.l, err = net.Listen("unix", a.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.l.Close() })
	return a
}

// conn is one connection of the library.
type conn struct {
	net.Conn
	t     *testing.T
	r     *wire.Reader
	order wire.Order
	pid   int    // of the relay
	about string // its line
}

func (a *agent) accept() *conn {
	a.t.Helper()
	_ = a.l.(*net.UnixListener).SetDeadline(time.Now().Add(limit))
	c, err := a.l.Accept()
	if err != nil {
		a.t.Fatal(err)
	}
	return a.conn(c)
}

func (a *agent) conn(c net.Conn) *conn {
	a.t.Cleanup(func() { _ = c.Close() })
	return &conn{Conn: c, t: a.t, r: wire.NewReader(c)}
}

// acceptRelay takes a connection through a relay, which names itself first.
func (a *agent) acceptRelay() *conn {
	a.t.Helper()
	return a.relayed(a.accept().Conn)
}

func (a *agent) relayed(raw net.Conn) *conn {
	a.t.Helper()
	c := a.conn(raw)
	b := make([]byte, 1)
	for {
		if _, err := c.Read(b); err != nil {
			a.t.Fatal(err)
		}
		if b[0] == '\n' {
			break
		}
		c.about += string(b)
	}
	_, _ = fmt.Sscan(c.about, &c.pid)
	a.t.Cleanup(func() { _ = syscall.Kill(c.pid, syscall.SIGKILL) })
	return c
}

// message is one that was read, media with its data.
type message struct {
	wire.Message
	data string
}

// next returns the next message that is whole, and checks the order of messages.
func (c *conn) next() (message, error) {
	_ = c.SetReadDeadline(time.Now().Add(limit))
	for {
		m, err := c.r.Next()
		if err != nil {
			return message{}, err
		}
		if err := c.order.Next(m.Type); err != nil {
			return message{}, err
		}
		if m.Type != wire.TypeVideo && m.Type != wire.TypeAudio {
			return message{m, string(m.Payload)}, nil
		}
		data := make([]byte, m.Size)
		if err := c.r.Media(data); errors.Is(err, wire.ErrVoid) {
			continue
		} else if err != nil {
			return message{}, err
		}
		return message{m, string(data)}, nil
	}
}

// expect returns the next message, which must be of the given type.
func (c *conn) expect(want wire.Type) message {
	c.t.Helper()
	m, err := c.next()
	if err != nil || m.Type != want {
		c.t.Fatalf("got %v of %d bytes, %v, want %v", m.Type, len(m.data), err, want)
	}
	return m
}

// welcome reads HELLO and CONFIG and answers READY.
func (c *conn) welcome() wire.Config {
	c.t.Helper()
	c.expect(wire.TypeHello)
	cfg, err := wire.ParseConfig([]byte(c.expect(wire.TypeConfig).data))
	if err != nil {
		c.t.Fatal(err)
	}
	c.tell(wire.AppendReady(wire.AppendHelloReply(nil, wire.HelloReply{Version: 1, Agent: "test"})))
	return cfg
}

func (c *conn) tell(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// bye answers a CLOSE that must come now or after other messages.
func (c *conn) bye(counters wire.Counters) {
	c.t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			c.t.Fatalf("%v before CLOSE", err)
		}
		if m.Type == wire.TypeClose {
			break
		}
	}
	c.tell(wire.AppendCounters(nil, wire.TypeClosed, &counters))
	_ = c.Close()
}
