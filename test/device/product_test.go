// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/mediatest"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/segment"
)

var serverProgram struct {
	once sync.Once
	path string
	err  error
}

// s3camProgram builds s3cam, once per run.
func s3camProgram(t testing.TB) string {
	t.Helper()
	p := &serverProgram
	p.once.Do(func() {
		p.path = filepath.Join(workDir(t), "s3cam")
		cmd := exec.Command("go", "build", "-o", p.path, "./cmd/s3cam")
		cmd.Dir = mediatest.Root(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			p.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

// product is `s3cam serve` with TLS, as a customer runs it: people log in, cameras have keys of their own, files lie in a data directory.
type product struct {
	t         *testing.T
	exe, data string
	ca        *authority
	cert, key string // files that the server follows
	web, s3   string
	log       lockedBuffer
}

func newProduct(t *testing.T) *product {
	t.Helper()
	p := &product{t: t, exe: s3camProgram(t), data: filepath.Join(t.TempDir(), "data"), ca: newAuthority(t)}
	dir := t.TempDir()
	p.cert, p.key = filepath.Join(dir, "fullchain.pem"), filepath.Join(dir, "privkey.pem")
	p.renew()
	cmd := exec.Command(p.exe, "serve", "--data", p.data, "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0", "--credentials-addr", "127.0.0.1:0",
		"--tls-cert", p.cert, "--tls-key", p.key, "--login")
	cmd.Env, cmd.Stderr = cleanEnv(), &p.log
	var said lockedBuffer
	cmd.Stdout = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("s3cam serve ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", p.log.String())
		}
	})
	where := regexp.MustCompile(`(?s)s3cam serves (https://\S+?)/?\n.*endpoint +(https://\S+)\n.*camera add NAME`)
	if !polltest.Within(time.Minute, func() bool { return where.MatchString(said.String()) }) {
		t.Fatalf("the server does not say where it is:\n%s%s", said.String(), p.log.String())
	}
	m := where.FindStringSubmatch(said.String())
	p.web, p.s3 = m[1], m[2]
	return p
}

// renew gives the server another certificate of the same authority, as a renewal does: one file after the other.
func (p *product) renew() {
	p.t.Helper()
	cert, key, _ := p.ca.issue(p.t, leaf{names: []string{"cams.example"}})
	chain := append(readFile(p.t, cert), readFile(p.t, p.ca.file)...)
	for _, f := range []struct {
		to   string
		text []byte
	}{{p.key, readFile(p.t, key)}, {p.cert, chain}} {
		if err := os.WriteFile(f.to+".new", f.text, 0o600); err != nil {
			p.t.Fatal(err)
		}
		if err := os.Rename(f.to+".new", f.to); err != nil {
			p.t.Fatal(err)
		}
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run is s3cam with arguments and this server's --data. stdin may be nil.
func (p *product) run(stdin io.Reader, args ...string) string {
	p.t.Helper()
	cmd := exec.Command(p.exe, append(args, "--data", p.data)...)
	var out, said bytes.Buffer
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = cleanEnv(), p.t.TempDir(), stdin, &out, &said
	if err := cmd.Run(); err != nil {
		p.t.Fatalf("s3cam %s: %v\n%s", strings.Join(args, " "), err, &said)
	}
	return out.String()
}

// shown is the serial number of the certificate that a port of the server shows.
func (p *product) shown(address string) string {
	c, err := tls.Dial("tcp", strings.TrimPrefix(address, "https://"), &tls.Config{RootCAs: p.ca.Pool()})
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// keys are those of a camera's segments in the data directory.
func (p *product) keys(camera string) (keys []string) {
	p.t.Helper()
	bucket := filepath.Join(p.data, "video")
	err := filepath.WalkDir(filepath.Join(bucket, filepath.FromSlash(camera)), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(bucket, path)
			keys = append(keys, filepath.ToSlash(rel))
		}
		return nil // folders come into being
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return keys
}

// recorder is an agent with the files that `s3cam camera add` wrote, beside an encoder that writes into its FIFO.
type recorder struct {
	t      *testing.T
	b      built
	camera string
	dir    string // what would be /etc/s3cam on the camera
	socket string
	cmd    *exec.Cmd
	log    lockedBuffer
	stop   chan struct{}
	fed    chan int
}

// record starts the agent and an encoder that gives out the clip again and again in real time.
func record(t *testing.T, b built, camera, dir string, c *clip, settings ...string) *recorder {
	t.Helper()
	own := t.TempDir()
	r := &recorder{t: t, b: b, camera: camera, dir: dir, socket: filepath.Join(own, "agent.sock"), stop: make(chan struct{}), fed: make(chan int, 1)}
	fifo := filepath.Join(own, "encoder")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(b.agent, append([]string{"--config", filepath.Join(dir, "agent.conf"), "--socket", r.socket, "--input", fifo, "--fps", fmt.Sprint(c.fps)}, settings...)...)
	r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr = cleanEnv(), &r.log, &r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			r.cmd.Process.Kill()
			r.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("the agent of %s said:\n%s", camera, r.log.String())
		}
	})
	go func() {
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			r.fed <- 0
			return
		}
		defer w.Close()
		n := 0
		for began := time.Now(); ; n++ {
			select {
			case <-r.stop:
				if c.units[n%len(c.units)].idr { // as an encoder ends: with whole groups of pictures
					r.fed <- n
					return
				}
			default:
			}
			time.Sleep(time.Until(began.Add(time.Duration(n) * c.frame())))
			if _, err := w.Write(c.units[n%len(c.units)].data); err != nil {
				r.fed <- n
				return
			}
		}
	}()
	return r
}

// agentStatus is what of `s3cam-agent status --json` this test looks at.
type agentStatus struct {
	Status  string
	Cameras []cameraStatus
}

type cameraStatus struct {
	Status, Problem string
	Stored          int    `json:"stored_segments"`
	StoredFrames    int    `json:"stored_frames"`
	Pending         int    `json:"pending_segments"`
	Dropped         int    `json:"dropped_frames"`
	Spooled         int    `json:"spooled_segments"`
	Backfilled      int    `json:"backfilled_segments"` // from flash, after an outage
	BackFrames      int    `json:"backfilled_frames"`
	Failures        int    `json:"failures"`
	LastError       string `json:"last_error"`
}

// status asks the agent as a customer does, and returns the exit code too.
func (r *recorder) status() (s cameraStatus, code int) {
	r.t.Helper()
	cmd := exec.Command(r.b.agent, "status", "--json", "--socket", r.socket)
	cmd.Env = cleanEnv()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	var all agentStatus
	if json.Unmarshal(out, &all) == nil && len(all.Cameras) == 1 {
		s = all.Cameras[0]
	}
	return s, cmd.ProcessState.ExitCode()
}

// more waits until so many further segments are stored.
func (r *recorder) more(n int, why string) {
	r.t.Helper()
	before, _ := r.status()
	polltest.Until(r.t, time.Minute, fmt.Sprintf("%s: %d more segments are stored", why, n), func() bool {
		now, _ := r.status()
		return now.Stored+now.Backfilled >= before.Stored+before.Backfilled+n
	})
}

// end ends the encoder, waits until everything is stored, ends the agent, and returns how many pictures it was given.
func (r *recorder) end() int {
	r.t.Helper()
	close(r.stop)
	fed := <-r.fed
	// The agent opens the FIFO again and waits for the encoder to come back; the camera is not silent for long enough to be called unhealthy.
	if !polltest.Within(time.Minute, func() bool {
		s, _ := r.status()
		return s.Pending == 0 && s.StoredFrames+s.BackFrames+s.Dropped >= fed
	}) {
		s, _ := r.status()
		r.t.Fatalf("of %d pictures not all are stored: %+v", fed, s)
	}
	if s, _ := r.status(); s.Dropped != 0 || s.StoredFrames+s.BackFrames != fed {
		r.t.Errorf("of %d pictures %d are stored and %d lost, says its status: %+v", fed, s.StoredFrames+s.BackFrames, s.Dropped, s)
	}
	r.cmd.Process.Signal(syscall.SIGTERM)
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("the agent ended with %v, want 0: everything is stored", err)
	}
	return fed
}

// viewer is a browser that trusts the authority: with a login (a cookie), or with a token.
type viewer struct {
	t     *testing.T
	c     *http.Client
	token string
}

func (p *product) viewer(token string) *viewer {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.ca.Pool()}, ForceAttemptHTTP2: true}}
	p.t.Cleanup(c.CloseIdleConnections)
	return &viewer{p.t, c, token}
}

// login makes a person and lets it log in.
func (p *product) login(name string) *viewer {
	p.t.Helper()
	const password = "correct horse battery"
	p.run(strings.NewReader(password+"\n"), "user", "add", name, "--password-stdin")
	v := p.viewer("")
	body, _ := json.Marshal(map[string]string{"name": name, "password": password})
	polltest.Until(p.t, 20*time.Second, "the person can log in", func() bool { // the server follows within a second
		req, err := http.NewRequest(http.MethodPost, p.web+"/session", bytes.NewReader(body))
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", p.web)
		res, err := v.c.Do(req)
		if err != nil {
			p.t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode < 300
	})
	return v
}

func (v *viewer) get(u string) (int, []byte) {
	v.t.Helper()
	req, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if v.token != "" {
		req.Header.Set("Authorization", "Bearer "+v.token)
	}
	res, err := v.c.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, text
}

// watch plays a camera's footage back: the playlist, and each segment that it names.
func (v *viewer) watch(p *product, camera string, from time.Time) (objects []object) {
	v.t.Helper()
	list := p.replay(camera, from)
	code, text := v.get(list)
	if code != 200 {
		v.t.Fatalf("the playlist answers %d\n%s", code, text)
	}
	base, _ := url.Parse(list)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at, err := base.Parse(line)
		if err != nil {
			v.t.Fatal(err)
		}
		code, data := v.get(at.String())
		if code != 200 {
			v.t.Fatalf("%s answers %d", at.Path, code)
		}
		objects = append(objects, object{strings.TrimPrefix(at.Path, "/segments/"), data})
	}
	return objects
}

func (p *product) replay(camera string, from time.Time) string {
	const layout = "2006-01-02 15:04:05"
	return p.web + "/replay.m3u8?" + url.Values{"camera_id": {camera}, "start": {from.UTC().Format(layout)}, "end": {time.Now().Add(time.Minute).UTC().Format(layout)}}.Encode()
}

// segmentsOf checks that names are those of the camera, and makes keys of them.
func segmentsOf(t *testing.T, camera string, objects []object) []object {
	t.Helper()
	for i, o := range objects {
		if !strings.HasPrefix(o.key, camera+"/") {
			_, rest, ok := strings.Cut(o.key, camera+"/")
			if !ok {
				t.Fatalf("a segment of another camera: %s", o.key)
			}
			objects[i].key = camera + "/" + rest
		}
		if _, _, ok := segment.ParseKey(objects[i].key); !ok {
			t.Errorf("%s is no segment's key", objects[i].key)
		}
	}
	return objects
}
