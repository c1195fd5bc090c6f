// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// The key pair of the embedded store in these tests.
const (
	accessKey = "S3CAME2ETESTACCESS00"
	secretKey = "e2e-secret-e2e-secret-e2e-secret-e2e-secr"
)

var built struct { // the program under test, built once per run
	once sync.Once
	path string
	err  error
}

// program returns the path of s3cam, built from this checkout.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "s3cam-e2e-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "s3cam")
		out, err := exec.Command("go", "build", "-o", built.path, "github.com/s3cam/s3cam/cmd/s3cam").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.path != "" {
		os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// need skips the test, saying so, when a tool is missing.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: %s is not installed (make deps)", tool)
		}
	}
}

// server is a running `s3cam serve` with its embedded store.
type server struct {
	web, s3, bucket string
}

// serve starts the real program on free ports of the loopback interface and stops it at the end of the test.
func serve(t *testing.T, flags ...string) server {
	t.Helper()
	cmd := exec.Command(program(t), append([]string{"serve", "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0", "--data", t.TempDir()}, flags...)...)
	cmd.Env = append(os.Environ(), "S3CAM_S3_ACCESS_KEY="+accessKey, "S3CAM_S3_SECRET_KEY="+secretKey)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("s3cam serve after an interrupt: %v, want exit 0\n%s", err, tail(stderr.String()))
		}
	})
	var s server
	patterns := map[*string]*regexp.Regexp{
		&s.web:    regexp.MustCompile(`s3cam serves (http://\S+?)/?$`),
		&s.s3:     regexp.MustCompile(`endpoint\s+(http://\S+)`),
		&s.bucket: regexp.MustCompile(`bucket\s+(\S+)`),
	}
	lines := bufio.NewScanner(stdout)
	for found := 0; found < len(patterns) && lines.Scan(); {
		for to, re := range patterns {
			if m := re.FindStringSubmatch(lines.Text()); m != nil && *to == "" {
				*to, found = m[1], found+1
			}
		}
	}
	if s.web == "" || s.s3 == "" || s.bucket == "" {
		t.Fatalf("s3cam serve printed no addresses: %+v\n%s", s, tail(stderr.String()))
	}
	go func() { // nobody reads on; an unread pipe would block the server
		for lines.Scan() {
		}
	}()
	return s
}

// push runs `s3cam push` and returns what it printed and its exit code.
func (s server) push(ctx context.Context, t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := exec.CommandContext(ctx, program(t), append([]string{"push", "--s3-url", s.s3, "--bucket", s.bucket, "--region", "us-east-1"}, args...)...)
	cmd.Env = append(os.Environ(), "S3CAM_S3_ACCESS_KEY="+accessKey, "S3CAM_S3_SECRET_KEY="+secretKey)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("s3cam push: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// run executes ffmpeg or ffprobe at warning level and returns its standard output and the kinds of messages that it printed.
func run(t *testing.T, tool string, args ...string) (stdout []byte, messages map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, append([]string{"-hide_banner", "-loglevel", "warning"}, args...)...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, tail(stderr.String()))
	}
	messages = map[string]bool{}
	for _, line := range strings.Split(stderr.String(), "\n") {
		line = strings.TrimSpace(regexp.MustCompile(`^\[[^]]* @ 0x[0-9a-f]+\]`).ReplaceAllString(line, ""))
		if line != "" && !strings.HasPrefix(line, "Last message repeated") {
			messages[line] = true
		}
	}
	return out.Bytes(), messages
}

// silent fails the test for each message that is not among the allowed.
func silent(t *testing.T, what string, messages, allowed map[string]bool) {
	t.Helper()
	for m := range messages {
		if !allowed[m] {
			t.Errorf("%s makes ffmpeg say %q", what, m)
		}
	}
}
