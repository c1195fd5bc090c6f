// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	camera  = "bench"
	started = 30 * time.Second // within which a server must answer
)

// server is one of those compared, a process of its own.
type server struct {
	name string
	url  string
	cmd  *exec.Cmd
	log  *tail
}

// tail keeps the last bytes that a process printed.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-4096):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// group holds the processes that were started.
type group struct{ all []*server }

// wait returns when all have ended; the context that they were started with must be done.
func (g *group) wait() {
	for _, s := range g.all {
		s.cmd.Wait()
	}
}

// start runs a program until ctx ends; it is then asked to stop, and killed if it does not.
func (g *group) start(ctx context.Context, name string, stdin io.Reader, env []string, program string, args ...string) (*server, error) {
	s := &server{name: name, cmd: exec.CommandContext(ctx, program, args...), log: &tail{}}
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = stdin, s.log, s.log
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	g.all = append(g.all, s)
	return s, nil
}

// printed waits for a line of the program's and returns what the pattern's group caught.
func (s *server) printed(ctx context.Context, pattern string) (string, error) {
	re := regexp.MustCompile(pattern)
	return poll(ctx, s, func() (string, error) {
		if m := re.FindStringSubmatch(s.log.String()); m != nil {
			return m[1], nil
		}
		return "", errors.New("it did not print its address")
	})
}

// answers waits until a request is answered well and returns the body as it came.
func (s *server) answers(ctx context.Context, path string) ([]byte, error) {
	return poll(ctx, s, func() ([]byte, error) { return get(ctx, s.url+path) })
}

func poll[T any](ctx context.Context, s *server, try func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, started)
	defer cancel()
	for {
		v, err := try()
		if err == nil {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, fmt.Errorf("%s: %w\n%s", s.name, err, s.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// get fetches a URL with Accept-Encoding: gzip and leaves the body compressed.
func get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, resp.Status, bytes.TrimSpace(b))
	}
	return b, err
}

// freePort returns an address that nobody listens on at the moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startNginx serves the folder root with one worker (without a master, which needs no rights and runs the same loop) and no
// access log.
func (g *group) startNginx(ctx context.Context, dir, root string) (*server, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	conf := strings.NewReplacer("$DIR", dir, "$ROOT", root, "$ADDR", addr).Replace(`
daemon off;
master_process off;
worker_processes 1;
pid $DIR/nginx.pid;
error_log stderr;
events { worker_connections 512; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	gzip_static on;
	open_file_cache max=100 inactive=1h;
	keepalive_requests 1000000000;
	keepalive_timeout 120s;
	types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; }
	client_body_temp_path $DIR/body;
	proxy_temp_path $DIR/proxy;
	fastcgi_temp_path $DIR/fastcgi;
	uwsgi_temp_path $DIR/uwsgi;
	scgi_temp_path $DIR/scgi;
	server { listen $ADDR; root $ROOT; }
}
`)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	s, err := g.start(ctx, "nginx", nil, nil, "nginx", "-p", dir, "-c", file, "-e", "stderr")
	if err == nil {
		s.url = "http://" + addr
	}
	return s, err
}

// startS3cam runs `s3cam serve` with its embedded store and a camera that records into it: the clip's length of the past
// at once, and then the clip over and over in real time.
func (g *group) startS3cam(ctx context.Context, program, dir, clip string) (*server, error) {
	env := []string{"S3CAM_S3_ACCESS_KEY=benchbenchbench", "S3CAM_S3_SECRET_KEY=benchbenchbenchbenchbench"}
	s, err := g.start(ctx, "s3cam", nil, env, program, "serve", "--data", filepath.Join(dir, "data"), "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if s.url, err = s.printed(ctx, `s3cam serves (http://\S+)/\n`); err != nil {
		return nil, err
	}
	store, err := s.printed(ctx, `endpoint\s+(http://\S+)`)
	if err != nil {
		return nil, err
	}
	bucket, err := s.printed(ctx, `bucket\s+(\S+)`)
	if err != nil {
		return nil, err
	}
	push := func(name string, stdin io.Reader, args ...string) (*server, error) {
		return g.start(ctx, name, stdin, env, program, append([]string{"push", "--camera", camera, "--s3-url", store, "--bucket", bucket}, args...)...)
	}
	began := time.Now()
	past, err := push("push of the past", nil, "--input", clip, "--speed", "max", "--start", fmt.Sprint(began.Add(-clipLength).Unix()))
	if err != nil {
		return nil, err
	}
	if err := past.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", past.name, err, past.log)
	}
	if _, err := push("push", &endless{file: clip}, "--input", "-", "--speed", "realtime"); err != nil {
		return nil, err
	}
	return s, nil
}

// endless reads a file again and again.
type endless struct {
	file string
	r    *os.File
}

func (e *endless) Read(p []byte) (int, error) {
	for {
		if e.r == nil {
			f, err := os.Open(e.file)
			if err != nil {
				return 0, err
			}
			e.r = f
		}
		n, err := e.r.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		e.r.Close()
		e.r = nil
	}
}
