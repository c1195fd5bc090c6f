// SPDX-License-Identifier: Apache-2.0

package lambdatest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/test/aws/lambdatest"
)

var bootstrap string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "s3cam-lambdatest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bootstrap = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./testboot")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the test bootstrap: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func invoke(t *testing.T, f *lambdatest.Function, payload string) lambdatest.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := f.Invoke(ctx, []byte(payload))
	if err != nil {
		t.Fatalf("invoke %s: %v", payload, err)
	}
	return r
}

func TestOutcomesOfOneInvocation(t *testing.T) {
	tests := []struct {
		name, payload string
		kind          string // ErrorType
		text          string // contained in the payload
		boots         int    // after one more invocation that succeeds
	}{
		{"an answer comes back as it is", `{"do":"echo","size":5}`, "", `{"do":"echo","size":5}`, 1},
		{"an error is reported with its type and the process goes on", `{"do":"fail"}`, "errorString", "failed as told", 1},
		{"a panic is reported, and the next invocation boots a fresh process", `{"do":"panic"}`, "string", "as told", 2},
		{"an exit is noticed", `{"do":"exit"}`, lambdatest.ErrorTypeExit, "exit status 7", 2},
		{"too long a run is killed", `{"do":"hang"}`, lambdatest.ErrorTypeTimeout, "Task timed out after 2.00 seconds", 2},
		{"an answer of exactly the limit passes", `{"do":"big","size":6291556}`, "", `"xxx`, 1},
		{"one byte more is refused", `{"do":"big","size":6291557}`, lambdatest.ErrorTypeTooLarge, "6291556", 2},
		{"an answer to another invocation is refused", `{"do":"wrong id"}`, "", `"status":400,"type":"InvalidRequestID"`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, Timeout: 2 * time.Second})
			r := invoke(t, f, tt.payload)
			if r.ErrorType != tt.kind || !strings.Contains(string(r.Payload), tt.text) {
				t.Errorf("got %q %.300s, want %q with %q\n%s", r.ErrorType, r.Payload, tt.kind, tt.text, f.Logs())
			}
			if !r.Cold || r.Init <= 0 {
				t.Errorf("first invocation: cold %v, init %v", r.Cold, r.Init)
			}
			if r := invoke(t, f, `{"do":"count"}`); r.ErrorType != "" || r.Cold != (tt.boots == 2) {
				t.Errorf("next invocation: %q %s, cold %v", r.ErrorType, r.Payload, r.Cold)
			}
			if s := f.Stats(); s.Boots != tt.boots || s.Invocations != 2 {
				t.Errorf("stats %+v, want %d boots", s, tt.boots)
			}
		})
	}
}

func TestInitFailures(t *testing.T) {
	tests := []struct{ name, init, kind, text string }{
		{"exit before the first question", "exit", lambdatest.ErrorTypeExit, "exit status 3"},
		{"a reported error wins over the exit", "error", "Testboot.Config", "no configuration"},
		{"too slow a start is killed", "hang", lambdatest.ErrorTypeTimeout, "Init timed out after 1.00 seconds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, InitTimeout: time.Second, Env: map[string]string{"TESTBOOT_INIT": tt.init}})
			for range 2 {
				if r := invoke(t, f, `{"do":"count"}`); r.ErrorType != tt.kind || !strings.Contains(string(r.Payload), tt.text) {
					t.Fatalf("got %q %s, want %q with %q", r.ErrorType, r.Payload, tt.kind, tt.text)
				}
			}
			f.SetEnv(map[string]string{"TESTBOOT_INIT": ""})
			f2 := invoke(t, f, `{"do":"count"}`)
			if tt.init != "hang" && f2.ErrorType != "" {
				t.Errorf("after the cause was mended: %q %s", f2.ErrorType, f2.Payload)
			}
		})
	}
	t.Run("a bootstrap that is not there", func(t *testing.T) {
		f := lambdatest.New(t, lambdatest.Config{Bootstrap: filepath.Join(t.TempDir(), "bootstrap")})
		if r := invoke(t, f, `{}`); r.ErrorType != "Runtime.InvalidEntrypoint" {
			t.Errorf("got %q %s", r.ErrorType, r.Payload)
		}
	})
}

func TestEnvironmentIsLambdasAndNothingElse(t *testing.T) {
	t.Setenv("S3CAM_TEST_SECRET_OF_THE_HOST", "x")
	f := lambdatest.New(t, lambdatest.Config{
		Bootstrap: bootstrap, Name: "IPC-Playlist", Region: "cn-north-1", MemoryMB: 1024,
		Env: map[string]string{"S3CAM_FUNCTION": "playlist", "AWS_ACCESS_KEY_ID": "ASIA", "LANG": "C"},
	})
	var got []string
	if err := json.Unmarshal(invoke(t, f, `{"do":"env"}`).Payload, &got); err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, v := range got {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
		"AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
		"AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "LANG", "PATH", "S3CAM_FUNCTION", "TZ", "_HANDLER",
		"_X_AMZN_TRACE_ID"} // the last one is set by aws-lambda-go from the header of the invocation
	if !slices.Equal(names, want) {
		t.Errorf("variables\n got %q\nwant %q", names, want)
	}
	for _, v := range []string{"AWS_LAMBDA_FUNCTION_NAME=IPC-Playlist", "AWS_REGION=cn-north-1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024", "LANG=C", "TZ=:UTC"} {
		if !slices.Contains(got, v) {
			t.Errorf("no %s in %q", v, got)
		}
	}
}

func TestADeadProcessIsReplacedWithoutFailingACall(t *testing.T) {
	f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, Timeout: 20 * time.Second})
	r := invoke(t, f, `{"do":"die"}`)
	var pid int
	if err := json.Unmarshal(r.Payload, &pid); err != nil {
		t.Fatalf("got %q %s", r.ErrorType, r.Payload)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, 20*time.Second, "the process has ended", func() bool { return process.Signal(syscall.Signal(0)) != nil })
	if r := invoke(t, f, `{"do":"count"}`); r.ErrorType != "" || !r.Cold || f.Stats().Boots != 2 {
		t.Fatalf("got %q %s, cold %v, %d boots", r.ErrorType, r.Payload, r.Cold, f.Stats().Boots)
	}
}

func TestInstancesWorkAtTheSameTimeAndOneInvocationEach(t *testing.T) {
	const instances, calls = 3, 30
	f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, Instances: instances, Spread: true, Freeze: true, Timeout: 20 * time.Second})
	pids := make([]int, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			r, err := f.Invoke(t.Context(), []byte(`{"do":"count"}`))
			var got struct{ Pid int }
			if err := errors.Join(err, json.Unmarshal(r.Payload, &got)); err != nil || r.ErrorType != "" {
				t.Errorf("%v %q %s", err, r.ErrorType, r.Payload)
			}
			pids[i] = got.Pid
		})
	}
	wg.Wait()
	slices.Sort(pids)
	if got := len(slices.Compact(pids)); got != instances {
		t.Errorf("%d processes answered, want %d", got, instances)
	}
	s := f.Stats()
	total := 0
	for _, n := range s.PerInstance {
		total += n
	}
	if s.Boots != instances || total != calls || slices.Contains(s.PerInstance, 0) || len(s.Inits) != instances {
		t.Errorf("stats %+v", s)
	}
}

func TestOneInstanceTakesCallsOneAfterTheOther(t *testing.T) {
	f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan error, 1)
	go func() {
		_, err := f.Invoke(ctx, []byte(`{"do":"hang"}`))
		hung <- err
	}()
	polltest.Until(t, time.Minute, "the process starts", func() bool { return f.Stats().Boots > 0 })
	cancel()
	if err := <-hung; !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gives up gets %v", err)
	}
	busy, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := f.Invoke(busy, []byte(`{"do":"count"}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call beside a busy instance got %v; the hanging one still runs", err)
	}
	f.Close()
	if _, err := f.Invoke(t.Context(), nil); !errors.Is(err, lambdatest.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestACrashFailsTheInvocationOnly(t *testing.T) {
	f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, Timeout: time.Minute})
	invoke(t, f, `{"do":"count"}`)
	hung := make(chan lambdatest.Result, 1)
	go func() {
		r, _ := f.Invoke(t.Context(), []byte(`{"do":"hang"}`))
		hung <- r
	}()
	var r lambdatest.Result
	for deadline := time.Now().Add(30 * time.Second); r.ErrorType == "" && time.Now().Before(deadline); { // until it hit the call
		f.Crash()
		select {
		case r = <-hung:
		case <-time.After(10 * time.Millisecond):
		}
	}
	if r.ErrorType != lambdatest.ErrorTypeExit || !strings.Contains(string(r.Payload), "signal: killed") {
		t.Errorf("got %q %s", r.ErrorType, r.Payload)
	}
	if r := invoke(t, f, `{"do":"count"}`); r.ErrorType != "" || !r.Cold {
		t.Errorf("next invocation: %q %s, cold %v", r.ErrorType, r.Payload, r.Cold)
	}
}

func TestRecycleBootsWithNewEnvironment(t *testing.T) {
	f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, Env: map[string]string{"AWS_SESSION_TOKEN": "first"}})
	f1 := string(invoke(t, f, `{"do":"env"}`).Payload)
	f.SetEnv(map[string]string{"AWS_SESSION_TOKEN": "second"})
	f2 := string(invoke(t, f, `{"do":"env"}`).Payload)
	f.Recycle()
	f3 := string(invoke(t, f, `{"do":"env"}`).Payload)
	if !strings.Contains(f1, "TOKEN=first") || !strings.Contains(f2, "TOKEN=first") || !strings.Contains(f3, "TOKEN=second") {
		t.Errorf("environments:\n%s\n%s\n%s", f1, f2, f3)
	}
}

func TestDeadlineAndRequestLimit(t *testing.T) {
	f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, Timeout: 30 * time.Second})
	var got struct{ MS int64 }
	if err := json.Unmarshal(invoke(t, f, `{"do":"deadline"}`).Payload, &got); err != nil || got.MS < 20_000 || got.MS > 30_000 {
		t.Errorf("the function has %d ms left (%v), want nearly 30000", got.MS, err)
	}
	if _, err := f.Invoke(t.Context(), make([]byte, lambdatest.MaxRequest+1)); !errors.Is(err, lambdatest.ErrRequestTooLarge) {
		t.Errorf("6 MiB and a byte: %v", err)
	}
}
