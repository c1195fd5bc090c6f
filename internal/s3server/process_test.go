// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/s3server"
)

const childDir = "S3SERVER_TEST_CHILD_DIR"

// TestMain turns the test binary into a server when a test has started it as a child.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := s3server.New(s3server.Config{
		Dir: dir, Addr: "127.0.0.1:0", AccessKey: rootAccess, SecretKey: rootSecret,
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	fmt.Println("url:", s.URL(), os.Getpid())
	return s.Run(ctx)
}

// process is a server in a process of its own.
type process struct {
	cmd    *exec.Cmd
	server *os.Process // the child, or what runs in it
	url    string
	output *lockedBuffer // what it printed besides its URL
	done   chan struct{}
}

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

// startProcess runs the child, below the command in front when there is one.
func startProcess(t testing.TB, dir string, front ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(front, exe)
	p := &process{cmd: exec.Command(args[0], args[1:]...), output: new(lockedBuffer), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), childDir+"="+dir)
	p.cmd.Stderr = p.output
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(out)
	line, err := br.ReadString('\n')
	var pid int
	if _, serr := fmt.Sscanf(line, "url: %s %d", &p.url, &pid); err != nil || serr != nil {
		t.Fatalf("child: %q, %v, %s", line, err, p.output)
	}
	if p.server, err = os.FindProcess(pid); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(p.output, br)
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() { _ = p.server.Kill(); <-p.done })
	return p
}

func (p *process) target(t testing.TB) *target {
	t.Helper()
	tg := &target{url: p.url, region: s3server.DefaultRegion, bucket: s3server.DefaultBucket, access: rootAccess, secret: rootSecret}
	tg.connect(t)
	return tg
}

// TestKill is the crash that needs no power cut: a server is killed with PUTs of every kind in mid-body.
func TestKill(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIP: looks into /proc to see that the bodies have arrived")
	}
	dir := t.TempDir()
	p := startProcess(t, dir)
	tg := p.target(t)
	old := randomBytes(200_000, 9)
	tg.put(t, "cam1/old.ts", old)
	body := randomBytes(1_900_000, 1)
	crc := map[string]string{"x-amz-checksum-crc32c": crc32c(body)}
	for _, r := range []rawRequest{
		{path: tg.path(segmentKey)},
		{path: tg.path("cam2/a/b/c.ts"), payload: "UNSIGNED-PAYLOAD"},
		{path: tg.path("cam3/x.ts"), payload: "UNSIGNED-PAYLOAD", headers: crc},
		{path: tg.path("cam1/old.ts")}, // an overwrite
	} {
		r.method, r.body = "PUT", body
		half(t, tg, r)
	}
	staged(t, p.server.Pid, 4, int64(len(body)/3))
	if err := p.server.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if out := p.output.String(); out != "" {
		t.Errorf("the server printed %q", out)
	}
	if left := filesIn(t, filepath.Join(dir, "video")); len(left) != 1 || left[0] != "cam1/old.ts" {
		t.Errorf("left in the directory: %q, want the old object only", left)
	}
	if tmp, err := os.ReadDir(filepath.Join(dir, "video", ".sgwtmp")); err != nil || len(tmp) != 0 {
		t.Errorf("left in the temporary directory: %v, %v", tmp, err)
	}
	tg = startProcess(t, dir).target(t)
	if keys := tg.keys(t); len(keys) != 1 {
		t.Errorf("after the restart: %q", keys)
	}
	if got := tg.do(t, rawRequest{method: "GET", path: tg.path("cam1/old.ts")}).body; got != old {
		t.Errorf("the old object has %d bytes, want %d", len(got), len(old))
	}
}

// staged waits until a process has n unnamed files open of at least so many bytes each.
func staged(t *testing.T, pid, n int, least int64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		found := 0
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			name, err := os.Readlink(fd)
			if err != nil || !strings.Contains(name, ".sgwtmp/#") {
				continue
			}
			info, err := os.ReadFile(strings.Replace(fd, "/fd/", "/fdinfo/", 1))
			if err != nil {
				continue
			}
			if m := regexp.MustCompile(`pos:\s+(\d+)`).FindSubmatch(info); m != nil {
				if pos, _ := strconv.ParseInt(string(m[1]), 10, 64); pos >= least {
					found++
				}
			}
		}
		if found == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bodies arrived, want %d", found, n)
		}
		runtime.Gosched()
	}
}

// TestSystemCallOrder lets strace testify: the data is synced before the name appears, the directories before the answer leaves.
func TestSystemCallOrder(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIP: strace is not installed, so the order of the real system calls is not checked here")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	if out, err := exec.Command(strace, "-o", trace, "true").CombinedOutput(); err != nil {
		t.Skipf("SKIP: strace cannot trace here: %s", out)
	}
	p := startProcess(t, t.TempDir(), strace, "-f", "-qq", "-y", "-s", "16", "-o", trace, "-e", "trace=fsync,linkat,write,sendto")
	tg := p.target(t)
	if res := tg.do(t, rawRequest{method: "PUT", path: tg.path(segmentKey), body: randomBytes(1_900_000, 1), headers: map[string]string{"x-amz-tagging": "a=b"}}); res.status != 200 {
		t.Fatalf("%d %s", res.status, res.body)
	}
	// strace writes a call down when the traced thread goes on, so all of it is there once the process has ended.
	if err := p.server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.done
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for line := range strings.Lines(string(b)) {
		switch {
		case strings.Contains(line, "fsync(") && strings.Contains(line, "/#"):
			order = append(order, "data")
		case strings.Contains(line, "linkat(") && strings.Contains(line, "05.ts"):
			order = append(order, "link")
		case strings.Contains(line, "fsync(") && strings.Contains(line, "/video"):
			order = append(order, "dir")
		case strings.Contains(line, "HTTP/1.1 200"):
			order = append(order, "answer")
		}
	}
	if got, want := strings.Join(order, " "), "data link dir dir dir dir dir dir dir answer"; got != want {
		t.Errorf("order %q, want %q\n%s", got, want, b)
	}
}

func TestTerminateFinishesAPut(t *testing.T) {
	p := startProcess(t, t.TempDir())
	tg := p.target(t)
	r := rawRequest{method: "PUT", path: tg.path(segmentKey), body: randomBytes(1_900_000, 1)}
	c := half(t, tg, r)
	if err := p.server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	closing(t, tg)
	if _, err := io.WriteString(c, r.body[len(r.body)/2:]); err != nil {
		t.Fatal(err)
	}
	if res, err := readResponse(bufio.NewReader(c), "PUT"); err != nil || res.status != 200 {
		t.Errorf("%d %s, %v", res.status, res.body, err)
	}
	<-p.done
	if code, out := p.cmd.ProcessState.ExitCode(), p.output.String(); code != 0 || out != "" {
		t.Errorf("exit code %d, printed %q", code, out)
	}
}

// TestQuiet provokes every kind of failure and expects silence: libraries do not print.
func TestQuiet(t *testing.T) {
	p := startProcess(t, t.TempDir())
	tg := p.target(t)
	for _, r := range []rawRequest{
		{method: "GET", path: tg.path("none")}, {method: "GET", path: tg.path("%zz")}, {method: "GET", path: "/%00"},
		{method: "PUT", path: tg.path("x"), body: "x", payload: hexHash("y")}, {method: "GET", path: tg.path("x"), access: "unknown"},
		{method: "PUT", path: "/" + tg.bucket, query: "policy=", body: "x"}, {method: "GET", path: tg.path(strings.Repeat("x", 9000))},
		{method: "PUT", path: tg.path("x"), body: "xyz", cut: 1}, {method: "PUT", path: tg.path("x"), body: randomBytes(100_000, 1), cut: 50_000},
		{method: "PUT", path: tg.path("x"), body: randomBytes(100_000, 1), cut: 50_000, payload: "UNSIGNED-PAYLOAD"},
		{method: "BREW", path: tg.path("x")},
	} {
		c, err := tg.dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tg.send(c, bufio.NewReader(c), r); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("%s %.40s: %v", r.method, r.path, err)
		}
		_ = c.Close()
	}
	for _, garbage := range []string{"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PUT /video/x HTTP/1.1\r\nContent-Length: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01"} {
		c, err := tg.dial()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, garbage)
		if h, ok := c.(*net.TCPConn); ok {
			_ = h.CloseWrite()
		}
		_, _ = io.ReadAll(c)
		_ = c.Close()
	}
	if err := p.server.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if out := p.output.String(); out != "" {
		t.Errorf("printed %q", out)
	}
}
