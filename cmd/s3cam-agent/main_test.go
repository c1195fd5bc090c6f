// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
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

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
)

// The test binary is the program, too: with this variable it runs main.
const asProgram = "S3CAM_TEST_RUN_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		_ = os.Unsetenv(asProgram)
		main()
	}
	os.Exit(m.Run())
}

// process is a running agent.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	said output
	done chan struct{}
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

const patience = 20 * time.Second

func launch(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), done: make(chan struct{})}
	p.cmd.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	return p
}

func (p *process) start() *process {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if p.t.Failed() {
			p.t.Logf("%v said:\n%s", p.cmd.Args[1:], p.said.String())
		}
	})
	return p
}

// code waits for the end and returns the exit code.
func (p *process) code() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("still running after %v", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func into(b *s3servertest.Bucket) []string {
	return []string{"S3CAM_ENDPOINT=" + b.URL, "S3CAM_BUCKET=" + b.Name(), "AWS_REGION=" + b.Region, "AWS_ACCESS_KEY_ID=" + b.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + b.SecretKey, "S3CAM_PREFIX=cam", "S3CAM_SEGMENT=1s"}
}

// clip is a made-up stream of H.264 at 25 pictures a second, with an IDR picture each second.
func clip(seconds int) (b []byte) {
	for i := range seconds * 25 {
		slice := []byte{0, 0, 0, 1, 0x41, 0x9A}
		if i%25 == 0 {
			b = append(b, 0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1E, 0xDA, 0x02, 0x80, 0xBF, 0xE5, 0xC0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xCA, 0x3C, 0x58, 0xBA, 0x80,
				0, 0, 0, 1, 0x68, 0xCE, 0x0F, 0x2C, 0x80)
			slice = []byte{0, 0, 0, 1, 0x65, 0x88, 0x84}
		}
		b = append(append(b, slice...), bytes.Repeat([]byte{0x5A}, 400)...)
	}
	return b
}

func stored(t *testing.T, b *s3servertest.Bucket) (segments int) {
	t.Helper()
	if err := b.List(t.Context(), "cam/", "", 0, func([]byte, int64) bool { segments++; return true }); err != nil {
		t.Fatal(err)
	}
	return segments
}

func TestExitCodesAndWords(t *testing.T) {
	dir := t.TempDir()
	mp4 := filepath.Join(dir, "clip.mp4")
	if err := os.WriteFile(mp4, append([]byte("\x00\x00\x00\x20ftypisom"), make([]byte, 8000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	place := []string{"S3CAM_BUCKET=bucket", "S3CAM_PREFIX=cam", "S3CAM_ENDPOINT=http://127.0.0.1:1", "S3CAM_DRAIN=0s"}
	tests := []struct {
		name string
		args []string
		env  []string
		code int
		want []string
	}{
		{"help", []string{"--help"}, nil, exitOK, []string{"usage:", "--socket PATH", "exit codes:"}},
		{"version", []string{"version"}, nil, exitOK, []string{"s3cam-agent "}},
		{"nothing to do", nil, nil, exitUsage, []string{"error: nothing to do", "hint: "}},
		{"a command that does not exist", []string{"record"}, nil, exitUsage, []string{`there is no command "record"`, "hint: "}},
		{"a flag that does not exist", []string{"--rign", "4M"}, nil, exitUsage, []string{"error: there is no flag --rign", "hint: "}},
		{"two things wrong", []string{"--socket", "/s", "--ring", "1", "--drain", "x"}, nil, exitUsage, []string{"error: --ring: ", "error: --drain: "}},
		{"a status of nobody", []string{"status", "--socket", filepath.Join(dir, "nobody")}, nil, exitFailed, []string{"error: no agent at", "hint: "}},
		{"a status with a wrong flag", []string{"status", "--xml"}, nil, exitUsage, []string{"error: there is no flag --xml"}},
		{"an input that is not there", []string{"--input", filepath.Join(dir, "no.h264")}, place, exitUsage, []string{"no.h264", "hint: "}},
		{"an input that is no stream", []string{"--input", mp4}, place, exitFailed, []string{"the input is MP4", "hint: ", "s3cam-agent --input -"}},
		{"a descriptor that is no socket", []string{"--fd", "77"}, nil, exitFailed, []string{"--fd 77"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := launch(t, tt.env, tt.args...).start()
			if got := p.code(); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(p.said.String(), want) {
					t.Errorf("it does not say %q", want)
				}
			}
		})
	}
}

func TestAFileIsRecorded(t *testing.T) {
	b := s3servertest.New(t)
	path := filepath.Join(t.TempDir(), "clip.h264")
	if err := os.WriteFile(path, clip(3), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p := launch(t, into(b), "--input", path).start()
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if n := stored(t, b); n != 3 {
		t.Errorf("%d segments, want 3", n)
	}
	if took := time.Since(began); took < 2500*time.Millisecond {
		t.Errorf("3 s of video took %v: a camera's time is real time", took)
	}
}

func TestFootageThatIsLostAtTheEndGivesThree(t *testing.T) {
	p := launch(t, []string{"S3CAM_BUCKET=bucket", "S3CAM_PREFIX=cam", "S3CAM_ENDPOINT=http://127.0.0.1:1", "S3CAM_DRAIN=100ms", "S3CAM_ACCESS_KEY=a", "S3CAM_SECRET_KEY=b"},
		"--input", "-")
	p.cmd.Stdin = bytes.NewReader(clip(1))
	p.start()
	if code := p.code(); code != exitPartial || !strings.Contains(p.said.String(), "hint: give it more time with --drain") {
		t.Errorf("exit code %d", code)
	}
}

// ffmpeg may stand still while its camera is away.
func TestASilentStandardInputDoesNotKeepTheAgent(t *testing.T) {
	b := s3servertest.New(t)
	p := launch(t, into(b), "--input", "-")
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	if _, err := in.Write(clip(2)); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, patience, "a stored segment", func() bool { return stored(t, b) > 0 })
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if n := stored(t, b); n != 2 {
		t.Errorf("%d segments, want 2: the open one too", n)
	}
}

func TestAFIFOMayComeLateAndItsWriterMayComeAgain(t *testing.T) {
	b := s3servertest.New(t)
	dir := t.TempDir()
	conf, fifo := filepath.Join(dir, "agent.conf"), filepath.Join(dir, "video")
	if err := os.WriteFile(conf, []byte("[camera door]\ninput = "+fifo+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, into(b), "--config", conf).start()
	polltest.Until(t, patience, "a word about the missing FIFO", func() bool { return strings.Contains(p.said.String(), "no such file") })
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for round := 1; round <= 2; round++ {
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(clip(1)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		wrote := time.Now().Unix()
		polltest.Until(t, patience, "a segment of each writer", func() bool { return stored(t, b) >= round })
		// Two segments never begin in the same second: a key frame that comes too soon after a start is left out, and counted.
		polltest.Until(t, patience, "the next second", func() bool { return time.Now().Unix() > wrote+1 })
	}
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// supervisor listens as systemd does.
func supervisor(t *testing.T) (socket string, heard func(string) bool) {
	socket = filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var all output
	go func() {
		b := make([]byte, 1000)
		for {
			n, err := l.Read(b)
			if err != nil {
				return
			}
			_, _ = all.Write(append(b[:n], '\n'))
		}
	}()
	return socket, func(s string) bool { return strings.Contains(all.String(), s+"\n") }
}

func TestADaemonAmongItsSupervisors(t *testing.T) {
	b := s3servertest.New(t)
	dir := t.TempDir()
	socket, beat := filepath.Join(dir, "run", "agent.sock"), filepath.Join(dir, "beat")
	notify, heard := supervisor(t)
	env := append(into(b), "S3CAM_SOCKET="+socket, "S3CAM_HEARTBEAT="+beat, "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=300000")
	p := launch(t, env).start()
	for _, word := range []string{"READY=1", "WATCHDOG=1"} {
		polltest.Until(t, patience, word, func() bool { return heard(word) })
	}
	polltest.Until(t, patience, "the heartbeat", func() bool { _, err := os.Stat(beat); return err == nil })
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v, %v, want mode 0660", info, err)
	}
	ask := launch(t, []string{"S3CAM_SOCKET=" + socket}, "status", "--json").start()
	if code := ask.code(); code != exitOK {
		t.Errorf("status gives %d", code)
	}
	var status struct{ Status, Version string }
	if err := json.Unmarshal([]byte(ask.said.String()), &status); err != nil || status.Status != "healthy" || status.Version == "" {
		t.Errorf("status = %+v, %v", status, err)
	}

	p.signal(syscall.SIGKILL)
	<-p.done
	if _, err := os.Stat(socket); err != nil {
		t.Fatalf("the dead agent's socket: %v", err)
	}
	p = launch(t, env).start()
	polltest.Until(t, patience, "a successor", func() bool { return launch(t, []string{"S3CAM_SOCKET=" + socket}, "status").start().code() == exitOK })
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	polltest.Until(t, patience, "STOPPING=1", func() bool { return heard("STOPPING=1") })
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestAWatchdogOfAnotherProcessIsLeftAlone(t *testing.T) {
	notify, heard := supervisor(t)
	socket := filepath.Join(t.TempDir(), "agent.sock")
	p := launch(t, []string{"S3CAM_SOCKET=" + socket, "NOTIFY_SOCKET=" + notify, "WATCHDOG_USEC=200000", "WATCHDOG_PID=" + strconv.Itoa(os.Getpid())}).start()
	polltest.Until(t, patience, "READY=1", func() bool { return heard("READY=1") })
	p.signal(syscall.SIGTERM)
	p.code()
	if heard("WATCHDOG=1") {
		t.Error("it speaks for the process of WATCHDOG_PID")
	}
}

// Firmware that is a service of its own has a NOTIFY_SOCKET, too, and descriptors that must not stay open.
func TestStartedByFirmware(t *testing.T) {
	notify, heard := supervisor(t)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	device, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	p := launch(t, []string{"NOTIFY_SOCKET=" + notify, "WATCHDOG_USEC=100000", "S3CAM_SOCKET=/nowhere/at/all", "S3CAM_LOG=none"}, "--fd", "3")
	p.cmd.ExtraFiles = []*os.File{theirs, device, device}
	p.start()
	theirs.Close()
	nc, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	hello := []byte("\x01\x00\x00\x00\x0d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00s3cm\x01\x00\x01\x00\x00\x00\x00\x00\x01")
	if _, err := nc.Write(hello); err != nil {
		t.Fatal(err)
	}
	nc.SetReadDeadline(time.Now().Add(patience))
	head := make([]byte, 16)
	if _, err := nc.Read(head); err != nil || head[0] != 0x81 {
		t.Fatalf("the answer to HELLO is % x, %v", head, err)
	}
	links, _ := filepath.Glob("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/fd/*")
	for _, l := range links {
		if to, _ := os.Readlink(l); to == os.DevNull && filepath.Base(l) != "0" {
			t.Errorf("descriptor %s of the firmware is still open", filepath.Base(l))
		}
	}
	nc.Close()
	if code := p.code(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if heard("STOPPING=1") || heard("READY=1") || heard("WATCHDOG=1") {
		t.Error("it speaks for the firmware's service")
	}
}
