// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
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
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

// process is this program as a process of its own.
type process struct {
	cmd      *exec.Cmd
	out, log *syncBuffer
}

func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v\n%s", err, p.log)
	}
}

// activated starts the server as systemd does: it finds its sockets at descriptors 3 and 4, and LISTEN_PID is its own, which a
// shell that becomes the server knows.
func activated(t *testing.T, notify, dir string, files []*os.File) *process {
	t.Helper()
	p := &process{out: &syncBuffer{}, log: &syncBuffer{}}
	p.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "serve", "--data", dir, "--http", "127.0.0.1:1", "--s3", "127.0.0.1:1")
	p.cmd.Env = append(os.Environ(), "S3CAM_TEST_PROGRAM=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=s3cam.socket:s3cam.socket", "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=300000")
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles = p.out, p.log, files
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

// Viewers that ask all the time, and cameras (whose client sends again what a closed connection swallowed), see no error while the server is restarted three times.
func TestARestartUnderSystemdRefusesNobody(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("SKIPPED: a restart with sockets that stay open, because there is no /bin/sh")
	}
	var addr [2]string
	var files []*os.File
	for i := range addr {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		addr[i], files = l.Addr().String(), append(files, f)
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "n")
	notes, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notes.Close()
	var said syncBuffer
	go func() {
		b := make([]byte, 256)
		for {
			n, err := notes.Read(b)
			if err != nil {
				return
			}
			fmt.Fprintf(&said, "%s\n", b[:n])
		}
	}()
	data := filepath.Join(dir, "data")
	p := activated(t, socket, data, files)
	text := p.out.wait(t, regexp.MustCompile(`owner's key`))
	keys, err := os.ReadFile(filepath.Join(data, s3server.CredentialsFile))
	if err != nil {
		t.Fatal(err)
	}
	var pair struct {
		Access string `json:"access_key"`
		Secret string `json:"secret_key"`
	}
	if err := json.Unmarshal(keys, &pair); err != nil || pair.Access == "" || pair.Secret == "" {
		t.Fatalf("%v: %d bytes of keys", err, len(keys))
	}
	if !strings.Contains(text, "http://"+addr[0]) || !strings.Contains(text, "http://"+addr[1]) {
		t.Errorf("it does not serve the sockets %v:\n%s", addr, text)
	}
	said.wait(t, regexp.MustCompile(`READY=1\n(.*\n)*WATCHDOG=1`))
	store, err := s3.New(s3.Config{Endpoint: "http://" + addr[1], Region: "us-east-1", Bucket: "video", PathStyle: true,
		Credentials: s3.Static(pair.Access, s3.Secret(pair.Secret), "")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()

	stop := make(chan struct{})
	var asked, stored atomic.Int64
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() {
			// Half keep their connection, as players do; the others take a new one each time.
			c := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
			defer c.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := c.Get("http://" + addr[0] + "/cameras")
				if err != nil {
					t.Errorf("a viewer: %v", err)
					return
				}
				_, err = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				if err != nil || r.StatusCode != 200 {
					t.Errorf("a viewer: %d %v", r.StatusCode, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	for i := range 3 {
		clients.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, 100_000)
			at := time.Now()
			for {
				select {
				case <-stop:
					return
				default:
				}
				at = at.Add(time.Second)
				if _, err := store.Put(t.Context(), segment.Key(fmt.Sprint("cam", i), at), bytes.NewReader(body), int64(len(body)), s3.PutOptions{}); err != nil {
					t.Errorf("a camera: %v", err)
					return
				}
				stored.Add(1)
			}
		})
	}
	progress := func() {
		a, s := asked.Load(), stored.Load()
		polltest.Within(time.Minute, func() bool { return asked.Load() >= a+20 && stored.Load() >= s+5 || t.Failed() })
	}
	for range 3 {
		progress()
		p.end(t)
		p = activated(t, socket, data, files)
		p.out.wait(t, regexp.MustCompile(`owner's key`))
	}
	progress()
	close(stop)
	clients.Wait()
	p.end(t)
	said.wait(t, regexp.MustCompile(`STOPPING=1`))
	t.Logf("%d answers, %d segments over three restarts", asked.Load(), stored.Load())
}

func TestSocketsThatAreNotForUsAreRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for names, want := range map[string]string{"ftp": `"ftp"`, "http:http": "two sockets"} {
		cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0], "serve", "--data", t.TempDir(), "--s3", "127.0.0.1:0")
		cmd.Env = append(os.Environ(), "S3CAM_TEST_PROGRAM=1", fmt.Sprint("LISTEN_FDS=", 1+strings.Count(names, ":")), "LISTEN_FDNAMES="+names)
		cmd.ExtraFiles = []*os.File{f, f}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", names, err, out)
		}
	}
}
