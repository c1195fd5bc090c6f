// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// script is what the player does: see testdata/player.c.
type script struct {
	w    *bufio.Writer
	f    *os.File
	path string

	endpoint string // of the last initialize
}

func newScript(t testing.TB) *script {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "script-")
	if err != nil {
		t.Fatal(err)
	}
	return &script{w: bufio.NewWriterSize(f, 1<<20), f: f, path: f.Name()}
}

// streamScript is a script that is written while it is played: for long ones.
func streamScript(t testing.TB, write func(s *script)) *script {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		defer f.Close()
		s := &script{w: bufio.NewWriterSize(f, 4<<10), f: f, path: path}
		write(s)
		s.w.Flush() // an error is a player that has died, which its exit code tells
	}()
	t.Cleanup(func() { // a player that never came would leave the writer waiting for it
		if f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
			f.Close()
		}
		<-ended
	})
	return &script{path: path}
}

const none = ^uint32(0)

func (s *script) op(op byte, payload ...[]byte) *script {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	s.w.WriteByte(op)
	s.w.Write(u32(uint32(n)))
	for _, p := range payload {
		s.w.Write(p)
	}
	return s
}

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }
func str(v string) []byte { return append(u32(uint32(len(v))), v...) }

// null is the string NULL.
const null = "\x00NULL"

func strs(vs ...string) (out []byte) {
	for _, v := range vs {
		if v == null {
			out = append(out, u32(none)...)
		} else {
			out = append(out, str(v)...)
		}
	}
	return out
}

func (s *script) initialize(ring int, region, bucket, prefix, endpoint string) *script {
	s.endpoint = endpoint
	return s.op('I', u32(uint32(ring)), strs(region, bucket, prefix, endpoint))
}
func (s *script) credential(k keyPair) *script {
	token := k.token
	if token == "" {
		token = null
	}
	return s.op('C', strs(k.access, k.secret, token))
}
func (s *script) tag(v string) *script          { return s.op('T', strs(v)) }
func (s *script) start() *script                { return s.op('S') }
func (s *script) finalize() *script             { return s.op('F') }
func (s *script) zero() *script                 { return s.op('Z') }
func (s *script) wait(d time.Duration) *script  { return s.op('W', u32(uint32(d.Milliseconds()))) }
func (s *script) sleep(d time.Duration) *script { return s.op('U', u32(uint32(d.Microseconds()))) }

// item is one item of a pack.
type item struct {
	first, second []byte
	missing       bool // second is NULL, yet has a length
}

func (s *script) frame(op byte, us uint64, items ...item) *script {
	return s.badFrame(op, us, len(items), items...)
}

// badFrame is a frame whose item_count need not be the number of items; a nil first part is a NULL pointer.
func (s *script) badFrame(op byte, us uint64, count int, items ...item) *script {
	out := [][]byte{u64(us), u32(uint32(count)), u32(uint32(len(items)))}
	for _, it := range items {
		n := uint32(len(it.first))
		if it.first == nil {
			n = none
		}
		m := uint32(len(it.second))
		if it.missing {
			m = none
		}
		out = append(out, u32(n), u32(m), it.first, it.second)
	}
	return s.op(op, out...)
}

func (s *script) video(us uint64, items ...item) *script { return s.frame('V', us, items...) }
func (s *script) audio(us uint64, items ...item) *script { return s.frame('A', us, items...) }

// close ends the writing.
func (s *script) close(t testing.TB) string {
	t.Helper()
	if s.w == nil {
		return s.path
	}
	if err := errors.Join(s.w.Flush(), s.f.Close()); err != nil {
		t.Fatal(err)
	}
	return s.path
}

// outcome is what the player printed.
type outcome struct {
	results map[string][]int           // codes of initialize, credential, tag, start, finalize in their order
	took    map[string][]time.Duration // and how long they took
	codes   map[string]map[int]int     // "video", "audio" → number of the frame → code, where it was not 0
	video   int
	audio   int
	full    int // -4
	failed  int // any other
	worst   time.Duration
	exit    int
	output  string // stdout and stderr, our lines left out
}

// player is a running player.
type player struct {
	t     testing.TB
	cmd   *exec.Cmd
	out   lockedBuffer
	ended chan struct{}
	err   error
}

// play starts the player on a script with the environment of the device.
func (b built) play(t testing.TB, env []string, scripts ...*script) *player {
	t.Helper()
	return run(t, b.agent, b.player, env, scripts...)
}

// film starts the player with the handle API.
func (b built) film(t testing.TB, env []string, scripts ...*script) *player {
	t.Helper()
	return run(t, b.agent, b.camera, env, scripts...)
}

func run(t testing.TB, agent string, args, env []string, scripts ...*script) *player {
	t.Helper()
	for _, s := range scripts {
		args = append(args[:len(args):len(args)], s.close(t))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(cleanEnv(), "S3CAM_AGENT="+agent, "S3CAM_SOCKET="+filepath.Join(t.TempDir(), "none.sock"))
	cmd.Env = append(cmd.Env, env...)
	cmd.Dir = t.TempDir()
	// A session of its own: at the end of the test everything that it started can be found and ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := &player{t: t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	cmd.WaitDelay = 5 * time.Second // an agent that drains holds our pipes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		cancel()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the session that we started, agents too
		<-p.ended
	})
	return p
}

// cleanEnv is the environment without what would configure the agent.
func cleanEnv() (env []string) {
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "S3CAM_") && !strings.HasPrefix(e, "AWS_") {
			env = append(env, e)
		}
	}
	return env
}

// wait returns what the player did, when it has ended.
func (p *player) wait(limit time.Duration) outcome {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.t.Errorf("the program hangs: still running after %v", limit)
		p.cmd.Process.Signal(syscall.SIGKILL)
		<-p.ended
	}
	o := parseOutcome(p.out.String())
	o.exit = p.cmd.ProcessState.ExitCode()
	return o
}

func parseOutcome(text string) outcome {
	o := outcome{results: map[string][]int{}, took: map[string][]time.Duration{}, codes: map[string]map[int]int{"video": {}, "audio": {}}}
	for _, line := range strings.SplitAfter(text, "\n") {
		f := strings.Fields(line)
		num := func(i int) int {
			if i >= len(f) {
				return 0
			}
			n, _ := strconv.Atoi(f[i])
			return n
		}
		switch {
		case len(f) == 4 && f[2] == "us":
			o.results[f[0]] = append(o.results[f[0]], num(1))
			o.took[f[0]] = append(o.took[f[0]], time.Duration(num(3))*time.Microsecond)
		case len(f) == 3 && (f[0] == "video" || f[0] == "audio"):
			o.codes[f[0]][num(1)] = num(2)
		case len(f) == 11 && f[0] == "sum":
			o.video += num(2)
			o.audio += num(4)
			o.full += num(6)
			o.failed += num(8)
			o.worst = max(o.worst, time.Duration(num(10))*time.Microsecond)
		case len(f) > 0 && f[0] == "marker":
		default:
			o.output += line
		}
	}
	return o
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// ok fails the test for each call that did not return 0.
func (o *outcome) ok(t testing.TB) {
	t.Helper()
	for name, codes := range o.results {
		for i, c := range codes {
			if c != 0 {
				t.Errorf("call %d of %s returns %d", i+1, name, c)
			}
		}
	}
	for name, codes := range o.codes {
		if len(codes) > 0 {
			t.Errorf("%d %s frames were not taken: %s", len(codes), name, fmt.Sprint(codes))
		}
	}
	if o.exit != 0 {
		t.Errorf("the program ended with %d\n%s", o.exit, o.output)
	}
}
