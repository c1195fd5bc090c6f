// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/simcam"
)

// TestMain lets the test binary play the program, for what only a process can show.
func TestMain(m *testing.M) {
	if os.Getenv("S3CAM_TEST_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// output is what a command printed.
type output struct {
	code     int
	out, err string
}

// call runs a command line in this process.
func call(t *testing.T, env []string, in io.Reader, args ...string) output {
	t.Helper()
	var out, errs bytes.Buffer
	// No search for credentials beyond the environment: the last link of the AWS chain is a network address.
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	code := exitCode(&errs, run(t.Context(), args, env, streams{in, &out, &errs}))
	return output{code, out.String(), errs.String()}
}

func (o output) want(t *testing.T, code int, says ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d\n%s", o.code, code, o.err)
	}
	for _, s := range says {
		if !strings.Contains(o.out+o.err, s) {
			t.Errorf("the output does not say %q:\n%s%s", s, o.out, o.err)
		}
	}
}

func TestExitCodes(t *testing.T) {
	interrupted := fmt.Errorf("push: %w", context.Canceled)
	tests := []struct {
		name string
		err  error
		want int
		text string
	}{
		{"done", nil, 0, ""},
		{"failed", errors.New("no luck"), 1, "error: no luck\n"},
		{"failed, with advice", fmt.Errorf("start: %w", hint.With(errors.New("no luck"), "try %s", "again")), 1, "error: start: no luck\nhint: try again\n"},
		{"wrong command line", usage("--x: %s", "what?"), 2, "error: --x: what?\n"},
		{"partial", partial("2 segments were dropped"), 3, "error: 2 segments were dropped\n"},
		{"interrupted", interrupted, 130, "error: push: context canceled\n"},
		{"said already", silent{errors.New("no luck")}, 1, ""},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		if got := exitCode(&b, tt.err); got != tt.want || b.String() != tt.text {
			t.Errorf("%s: code %d, text %q; want %d, %q", tt.name, got, b.String(), tt.want, tt.text)
		}
	}
}

func TestCommandLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clip.h264")
	if err := os.WriteFile(file, simcam.Workshop().Video, 0o600); err != nil {
		t.Fatal(err)
	}
	sound := filepath.Join(filepath.Dir(file), "clip.aac")
	if err := os.WriteFile(sound, simcam.FrontDoor().Audio, 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"push", "--camera", "cam", "--bucket", "video", "--s3-url", "http://127.0.0.1:1", "--input", file}
	keys := []string{"S3CAM_S3_ACCESS_KEY=a", "S3CAM_S3_SECRET_KEY=b"}
	with := func(args ...string) []string { return append(base[:len(base):len(base)], args...) }
	tests := []struct {
		name string
		env  []string
		args []string
		code int
		says []string
	}{
		{"no command shows the help", nil, nil, 0, []string{"Usage: s3cam", "demo", "Exit codes"}},
		{"help", nil, []string{"--help"}, 0, []string{"Usage: s3cam"}},
		{"version", nil, []string{"version"}, 0, []string{"s3cam ", "go1."}},
		{"version as JSON", nil, []string{"version", "--json"}, 0, []string{`"go": "go1.`}},
		{"an unknown command", nil, []string{"record"}, 2, []string{"record", "hint: run `s3cam --help`"}},
		{"an unknown flag", nil, []string{"demo", "--port", "1"}, 2, []string{"--port", "hint: run `s3cam demo --help`"}},
		{"a flag that is missing", nil, []string{"camera", "add", "door"}, 2, []string{"--stack=NAME or --data=DIR", "hint: run `s3cam camera add --help`"}},
		{"a missing flag", nil, []string{"push", "--input", file}, 2, []string{"--camera"}},
		{"a flag's variable", []string{"S3CAM_CAMERA=..", "S3CAM_INPUT=x"}, []string{"push"}, 2, []string{"--camera", `".."`}},
		{"an empty variable counts as not set", []string{"S3CAM_CAMERA="}, []string{"push", "--input", "x"}, 2, []string{"missing flags: --camera"}},
		{"a flag wins over its variable", append(keys, "S3CAM_SPEED=warp"), with("--speed", "max", "--start", "never"), 2, []string{"--start"}},
		{"a bad variable is named", []string{"S3CAM_SPEED=warp"}, base, 2, []string{"--speed", "warp"}},
		{"no bucket", nil, []string{"push", "--camera", "c", "--input", file}, 2, []string{"--bucket"}},
		{"half a key pair", []string{"S3CAM_S3_ACCESS_KEY=a"}, base, 2, []string{"belong together"}},
		{"no credentials at all", nil, base, 1, []string{"no S3 credentials", "hint: set S3CAM_S3_ACCESS_KEY"}},
		{"an endpoint that is none", keys, with("--s3-url", "ftp://x"), 2, []string{"ftp"}},
		{"a bad frame rate", keys, with("--fps", "fast"), 2, []string{"--fps"}},
		{"a bad start", keys, with("--start", "tomorrow"), 2, []string{"--start", "RFC 3339"}},
		{"a start for the present", keys, with("--speed", "live", "--start", "0"), 2, []string{"--start", "--speed live"}},
		{"a bad segment length", keys, with("--segment", "100ms"), 2, []string{"--segment 100ms"}},
		{"a bad ring", keys, with("--ring", "0"), 2, []string{"--ring"}},
		{"bad tags", keys, with("--tags", "a=b=c=%"), 2, []string{"--tags"}},
		{"both inputs from one pipe", keys, []string{"push", "--camera", "c", "--bucket", "video", "--s3-url", "http://127.0.0.1:1", "--input", "-", "--audio", "-"}, 2, []string{"standard input"}},
		{"a file that is not there", keys, with("--input", file+".no"), 1, []string{"--input", "no such file"}},
		{"a directory", keys, with("--input", filepath.Dir(file)), 1, []string{"directory", "hint:"}},
		{"a store that is not there", keys, with("--speed", "max"), 1, []string{"nothing answers at the store's address", "hint: check --s3-url"}},
		{"a demo with long segments", nil, []string{"demo", "--segment", "45"}, 2, []string{"--segment 45s"}},
		{"a demo for everybody", nil, []string{"demo", "--http", "0.0.0.0:0", "--s3", "127.0.0.1:0"}, 2, []string{"anyone", "hint:", "--anonymous"}},
		{"serve in a file", nil, []string{"serve", "--data", file, "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0"}, 1, []string{"hint:", "--data"}},
		{"serve nowhere", nil, []string{"serve", "--data", "", "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0"}, 2, []string{"--data"}},
		{"serve at no address", nil, []string{"serve", "--data", filepath.Join(filepath.Dir(file), "no"), "--http", "127.0.0.1:0", "--s3", "9000"}, 2, []string{`--s3: "9000"`, "hint:"}},
		{"serve a bucket that is no name", nil, []string{"serve", "--data", filepath.Join(filepath.Dir(file), "no"), "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0", "--bucket", "A_"}, 2, []string{`--bucket: "A_"`}},
		{"serve with a target duration that is none", nil, []string{"serve", "--data", filepath.Join(filepath.Dir(file), "yes"), "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0", "--m3u8-target-duration=-4"}, 2, []string{"M3U8TargetDuration is -4"}},
		{"a duration that is none", keys, with("--segment", "soon"), 2, []string{`--segment: "soon" is no duration`}},
		{"a port that is none", keys, with("--s3-url", "http://127.0.0.1:99999"), 2, []string{"99999", "1 to 65535"}},
		{"sound that is none", keys, with("--audio", file), 1, []string{file + ": the audio input is no AAC", "hint:"}},
		{"sound as video", keys, with("--input", sound), 1, []string{sound, "sound", "hint: give the video"}},
		{"a playlist signed for too short", keys, []string{"playlist", "--camera", "c", "--bucket", "video", "--s3-url", "http://127.0.0.1:1", "--presign", "0.5"}, 2, []string{"--presign 500ms", "1s to 168h"}},
		{"serve without the other store's bucket", keys, []string{"serve", "--s3-url", "http://127.0.0.1:1"}, 2, []string{"--bucket"}},
		{"a playlist that ends before it begins", nil, []string{"playlist", "--camera", "c", "--start", "20", "--end", "10", "http://127.0.0.1:1"}, 2, []string{"--end"}},
		{"a playlist with an end alone", nil, []string{"playlist", "--camera", "c", "--end", "10", "http://127.0.0.1:1"}, 2, []string{"--start"}},
		{"a playlist of a server that is not there", nil, []string{"playlist", "--camera", "c", "http://127.0.0.1:1"}, 1, []string{"refused", "hint:"}},
		{"a playlist of something else", nil, []string{"playlist", "--camera", "c", "file:///etc"}, 2, []string{"http://host:port"}},
		{"probe without files", nil, []string{"probe"}, 2, []string{"<file>"}},
		{"probe of nothing there", nil, []string{"probe", file + ".no"}, 1, []string{"no such file"}},
		{"probe of something else", nil, []string{"probe", file}, 1, []string{"error: 1 of 1 files have errors"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := call(t, tt.env, strings.NewReader(""), tt.args...)
			o.want(t, tt.code, tt.says...)
			if tt.code != 0 && !strings.Contains(o.err, "error: ") {
				t.Errorf("no error: line in\n%s", o.err)
			}
			if tt.code == 0 && o.err != "" {
				t.Errorf("standard error has\n%s", o.err)
			}
		})
	}
}

// A file goes up, comes back as a playlist, and its segments are sound.
func TestPushPlaylistProbe(t *testing.T) {
	b := s3servertest.New(t)
	dir := t.TempDir()
	clip := simcam.FrontDoor()
	for name, data := range map[string][]byte{"clip.h264": clip.Video, "clip.aac": clip.Audio} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"S3CAM_S3_URL=" + b.URL, "S3CAM_BUCKET=" + b.Name(), "S3CAM_S3_ACCESS_KEY=" + b.AccessKey, "S3CAM_S3_SECRET_KEY=" + b.SecretKey}
	push := []string{"push", "--camera", "/a b/", "--input", filepath.Join(dir, "clip.h264"), "--audio", filepath.Join(dir, "clip.aac"), "--start", "2021-05-01 11:00:00", "--speed", "max"}

	o := call(t, env, nil, push...)
	o.want(t, 0, "pushing clip.h264 (H.264 640x360, 15 fps, AAC) as camera a b to bucket "+b.Name(), "stored 7 segments", "20s of video from 2021-05-01 11:00:00.000 UTC")
	call(t, env, nil, push...).want(t, 0, "  7 of them there already")

	o = call(t, env, nil, "playlist", "--camera", "a b", "--start", "2021-05-01 11:00:00", "--end", "2021-05-01 12:00:00")
	o.want(t, 0, "#EXTM3U\n", "\na%20b/2021/05/01/11/00/00.ts\n", "#EXT-X-ENDLIST")
	o = call(t, env, nil, "playlist", "--camera", "a b", "--start", "2021-05-01 11:00:00", "--presign", "3600")
	o.want(t, 0, "\n"+b.URL+"/"+b.Name()+"/a%20b/2021/05/01/11/00/00.ts?", "X-Amz-Expires=3600")
	call(t, env, nil, "playlist", "--camera", "a b").want(t, 1, "nothing is recorded of camera a b", "hint:")
	call(t, env, nil, "playlist", "--camera", "a b", "--start", "2021-05-01 11:00:00", "--end", "2023-05-01 11:00:00").want(t, 2, "end")

	file := filepath.Join(dir, "00.ts")
	data, err := b.ReadRange(t.Context(), "a b/2021/05/01/11/00/00.ts", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	call(t, nil, nil, "probe", file).want(t, 0, file+"\n", "H.264 Main", "640x360", "AAC LC", "findings   none")
	o = call(t, nil, bytes.NewReader(data), "probe", "--json", "-", file)
	o.want(t, 0)
	var reports []struct {
		File             string
		Bytes            int
		Errors, Warnings int
		Streams          []struct{ Codec string }
	}
	if err := json.Unmarshal([]byte(o.out), &reports); err != nil || len(reports) != 2 || reports[0].File != "-" || reports[1].Bytes != len(data) || len(reports[1].Streams) != 2 {
		t.Errorf("%v, reports %+v", err, reports)
	}

	// A transport stream goes up through a pipe, under other keys.
	call(t, env, bytes.NewReader(data), "push", "--camera", "piped", "--input", "-", "--start", "1619866800", "--speed", "max").
		want(t, 0, "pushing standard input (MPEG-TS 640x360, 15 fps, AAC)", "stored 1 segment,")

	for name, tt := range map[string]struct {
		env  string
		says []string
	}{
		"a wrong secret":  {"S3CAM_S3_SECRET_KEY=wrong", []string{"refuses the credentials", "hint: check S3CAM_S3_ACCESS_KEY"}},
		"an unknown key":  {"S3CAM_S3_ACCESS_KEY=nobody", []string{"refuses the credentials"}},
		"another bucket":  {"S3CAM_BUCKET=elsewhere", []string{`no bucket "elsewhere"`, "--bucket"}},
		"no store at all": {"S3CAM_S3_URL=http://127.0.0.1:1", []string{"nothing answers"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, args := range [][]string{push, {"playlist", "--camera", "a b"}} {
				o := call(t, append(env[:len(env):len(env)], tt.env), nil, args...)
				o.want(t, 1, tt.says...)
				if strings.Contains(o.out+o.err, b.SecretKey) || strings.Contains(o.err, "Signature=") {
					t.Errorf("the output shows a secret:\n%s", o.err)
				}
			}
		})
	}
}

// A push whose ring cannot hold what the store does not take drops whole segments and says so by its exit code.
func TestPushThatDropsIsPartial(t *testing.T) {
	b := s3servertest.New(t)
	// Filler data makes a segment of 60 s larger than the smallest ring.
	sps := []byte{0, 0, 0, 1, 0x67}
	filler := append(append([]byte{0, 0, 0, 1, 0x0c}, bytes.Repeat([]byte{0xff}, 20000)...), 0x80)
	big := bytes.ReplaceAll(bytes.Repeat(simcam.Workshop().Video, 4), sps, append(filler, sps...))
	env := []string{"S3CAM_S3_URL=" + b.URL, "S3CAM_BUCKET=" + b.Name(), "S3CAM_S3_ACCESS_KEY=" + b.AccessKey, "S3CAM_S3_SECRET_KEY=" + b.SecretKey}
	o := call(t, env, bytes.NewReader(big), "push", "--camera", "big", "--input", "-", "--start", "0", "--speed", "max", "--segment", "60s", "--ring", "1")
	o.want(t, 3, "2 of 3 segments (", "of video) were dropped", "hint: a segment must fit into the ring; raise --ring", "stored 1 segment,", "dropped 2 segments")
}

// program starts the program as a process.
func program(t *testing.T, env []string, args ...string) (cmd *exec.Cmd, out *syncBuffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe, args...)
	cmd.Env = append(append(os.Environ(), "S3CAM_TEST_PROGRAM=1"), env...)
	out = &syncBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	t.Cleanup(func() {
		if cmd.ProcessState == nil && cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd, out
}

func TestDemoUntilCtrlC(t *testing.T) {
	dir := t.TempDir()
	cmd, out := program(t, []string{"TMPDIR=" + dir}, "demo", "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0", "--segment", "1s")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := out.wait(t, regexp.MustCompile(`Recordings lie`))
	for _, want := range []string{`http://127\.0\.0\.1:\d+/#/live/front-door`, `#/play/demo/2021-01-01%2000:00:00`, `playlist\.m3u8\?camera_id=front-door`,
		`replay\.m3u8\?camera_id=demo&start=2021-01-01%2000:00:00&end=2021-01-01%2000:05:00`, `access key +\S+`, `secret key +\S+`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the welcome does not show %s:\n%s", want, text)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v; want exit code 0\n%s", err, out)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDemoEndsByItself(t *testing.T) {
	began := time.Now()
	o := call(t, nil, nil, "demo", "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0", "--for", "1s", "--data", t.TempDir())
	o.want(t, 0, "for 1s, or until Ctrl-C", "made now, kept in")
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

// Ctrl-C ends a push that waits for its input, with what it has stored; a second one ends it even while it stores.
func TestPushUntilCtrlC(t *testing.T) {
	b := s3servertest.New(t)
	env := []string{"S3CAM_S3_URL=" + b.URL, "S3CAM_BUCKET=" + b.Name(), "S3CAM_S3_ACCESS_KEY=" + b.AccessKey, "S3CAM_S3_SECRET_KEY=" + b.SecretKey}
	cmd, out := program(t, env, "push", "--camera", "pipe", "--input", "-", "--speed", "max", "--start", "0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write(simcam.Workshop().Video); err != nil {
		t.Fatal(err)
	}
	out.wait(t, regexp.MustCompile("pushing standard input"))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := b.ReadRange(t.Context(), "pipe/1970/01/01/00/00/15.ts", 0, 1); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the segments do not come: %v\n%s", err, out)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(out.String(), "stored 7 segments") || !strings.Contains(out.String(), "error: interrupted") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// pending is an input that has nothing to give until the end of the test.
type pending struct{ asked, released chan struct{} }

func (p pending) Read([]byte) (int, error) {
	select {
	case p.asked <- struct{}{}:
	default:
	}
	<-p.released
	return 0, io.EOF
}

// Ctrl-C ends a command that waits for the first bytes of its input.
func TestCtrlCBeforeTheFirstByte(t *testing.T) {
	env := []string{"S3CAM_S3_URL=http://127.0.0.1:1", "S3CAM_BUCKET=video", "S3CAM_S3_ACCESS_KEY=a", "S3CAM_S3_SECRET_KEY=b"}
	for _, args := range [][]string{{"push", "--camera", "pipe", "--input", "-"}, {"probe", "-"}} {
		in := pending{make(chan struct{}, 1), make(chan struct{})}
		defer close(in.released)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var out bytes.Buffer
		code := make(chan int, 1)
		go func() { code <- exitCode(&out, run(ctx, args, env, streams{in, &out, &out})) }()
		<-in.asked
		cancel()
		select {
		case got := <-code:
			if got != exitInterrupted || out.String() != "error: interrupted\n" {
				t.Errorf("%s: exit code %d, %q; want %d and the word", args[0], got, out.String(), exitInterrupted)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s does not end", args[0])
		}
	}
}

// A store with a certificate of one's own authority is trusted as the AWS tools do it.
func TestOwnAuthority(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer srv.Close()
	env := []string{"S3CAM_S3_URL=" + srv.URL, "S3CAM_BUCKET=video", "S3CAM_S3_ACCESS_KEY=a", "S3CAM_S3_SECRET_KEY=b"}
	call(t, env, nil, "playlist", "--camera", "c").want(t, 1, "certificate cannot be trusted", "hint:", "AWS_CA_BUNDLE")
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	call(t, env, nil, "playlist", "--camera", "c").want(t, 1, "does not come from an S3 store")
	t.Setenv("AWS_CA_BUNDLE", bundle+".no")
	call(t, env, nil, "playlist", "--camera", "c").want(t, 1, "AWS configuration", "AWS_CA_BUNDLE")
}

func TestSecondCtrlCEndsAtOnce(t *testing.T) {
	l := hanging(t)
	env := []string{"S3CAM_S3_URL=http://" + l, "S3CAM_BUCKET=video", "S3CAM_S3_ACCESS_KEY=a", "S3CAM_S3_SECRET_KEY=b"}
	file := filepath.Join(t.TempDir(), "clip.h264")
	if err := os.WriteFile(file, simcam.Workshop().Video, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, out := program(t, env, "push", "--camera", "c", "--input", file, "--speed", "max")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.wait(t, regexp.MustCompile("pushing clip.h264"))
	began := time.Now()
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	for { // the first signal, then, when it was seen, the second
		cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() && cmd.ProcessState.ExitCode() != exitInterrupted {
				t.Errorf("ended with %v", cmd.ProcessState)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}
