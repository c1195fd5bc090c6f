// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// target is a machine that the device side is built for.
type target struct {
	name   string
	prefix string // of the C compiler
	soc    string // of scripts/agent-build.sh; "": this machine's
	qemu   string // "": native
	race   bool   // the agent with the race detector, the C side with the address and undefined behaviour sanitizers
	clock  bool   // the agent with a wall clock that the test sets
}

var (
	native  = target{name: "native"}
	raced   = target{name: "native with the race detector", race: true}
	clocked = target{name: "native with a clock of its own", clock: true}
	mipsel  = target{name: "mipsel softfloat", prefix: "mipsel-linux-gnu-", soc: "mipsle", qemu: "qemu-mipsel"}
	armel   = target{name: "arm v5 (armel)", prefix: "arm-linux-gnueabi-", soc: "arm5", qemu: "qemu-arm"}
	armhf   = target{name: "arm v7 (armhf)", prefix: "arm-linux-gnueabihf-", soc: "arm7", qemu: "qemu-arm"}
	arm64   = target{name: "arm64", prefix: "aarch64-linux-gnu-", soc: "arm64", qemu: "qemu-aarch64"}
)

// built is what one target runs.
type built struct {
	agent  string   // a command without arguments; a script around qemu for foreign targets
	binary string   // the agent itself
	player []string // with the drop-in API
	camera []string // the same with the handle API
	lib    string   // folder with s3_hls.a
	inc    string
}

// work is the folder of what is built once per run of the tests; TestMain removes it.
var work struct {
	once sync.Once
	dir  string
	err  error

	mu     sync.Mutex
	builds map[string]func() (built, error)
}

func workDir(t testing.TB) string {
	t.Helper()
	work.once.Do(func() { work.dir, work.err = os.MkdirTemp("", "s3cam-device-") })
	if work.err != nil {
		t.Fatal(work.err)
	}
	return work.dir
}

// errMissing says that a tool for a target is not installed.
type errMissing struct{ tool string }

func (e errMissing) Error() string { return e.tool + " is not installed (make deps)" }

// build builds library, player and agent for a target, once per run. It skips the test, saying so, when a compiler or qemu is missing.
func build(t testing.TB, g target) built {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED by -short: builds firmware and agent, and plays in real time")
	}
	dir, root := workDir(t), mediatest.Root(t)
	work.mu.Lock()
	if work.builds == nil {
		work.builds = map[string]func() (built, error){}
	}
	make, ok := work.builds[g.name]
	if !ok {
		make = sync.OnceValues(func() (built, error) {
			return g.build(root, filepath.Join(dir, strings.NewReplacer(" ", "-", "(", "", ")", "").Replace(g.name)))
		})
		work.builds[g.name] = make
	}
	work.mu.Unlock()
	b, err := make()
	var missing errMissing
	if errors.As(err, &missing) {
		t.Skipf("SKIPPED, NOT TESTED on %s: %v", g.name, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (g target) build(root, dir string) (built, error) {
	for _, tool := range []string{g.prefix + "gcc", "make", g.qemu} {
		if _, err := exec.LookPath(tool); tool != "" && err != nil {
			return built{}, errMissing{tool}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return built{}, err
	}
	b := built{binary: filepath.Join(dir, "s3cam-agent"), lib: filepath.Join(dir, "csdk"), inc: filepath.Join(dir, "csdk", "include")}
	run := func(env []string, name string, args ...string) error {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
		}
		return nil
	}
	// The library by its own Makefile, in a copy: others may build in the folder itself.
	if err := os.CopyFS(b.lib, os.DirFS(filepath.Join(root, "csdk"))); err != nil {
		return built{}, err
	}
	if err := run(nil, "make", "-C", b.lib, "clean"); err != nil {
		return built{}, err
	}
	flags := "XCFLAGS="
	if g.race {
		flags += strings.Join(sanitizers, " ")
	}
	if err := run(nil, "make", "-C", b.lib, "CROSS_COMPILE="+g.prefix, flags, "s3_hls.a"); err != nil {
		return built{}, err
	}
	var err error
	source := filepath.Join(root, "test", "device", "testdata", "player.c")
	if b.player, err = b.compile(g, source, filepath.Join(dir, "player")); err != nil {
		return built{}, err
	}
	if b.camera, err = b.compile(g, source, filepath.Join(dir, "camera"), "-DHANDLE"); err != nil {
		return built{}, err
	}
	// The agent as it ships, by the script that builds it for cameras.
	switch soc := cmp.Or(g.soc, runtime.GOARCH); {
	case g.race || g.clock:
		args := []string{"build", "-buildvcs=auto", "-o", b.binary}
		if g.race {
			args = append(args, "-race")
		}
		command, env := "go", []string(nil)
		if g.clock {
			overlay, toolchain, err := clockOverlay(dir)
			if err != nil {
				return built{}, err
			}
			args = append(args, "-overlay", overlay)
			command, env = filepath.Join(toolchain, "bin", "go"), []string{"GOROOT=" + toolchain, "GOTOOLCHAIN=local"}
		}
		if err := run(env, command, append(args, "./cmd/s3cam-agent")...); err != nil {
			return built{}, err
		}
	default:
		if err := run(nil, "scripts/agent-build.sh", "-o", dir, soc); err != nil {
			return built{}, err
		}
		b.binary = filepath.Join(dir, soc, "s3cam-agent")
	}
	b.agent = b.binary
	if g.qemu != "" {
		b.agent = filepath.Join(dir, "agent.sh")
		script := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", g.qemu, b.binary)
		if err := os.WriteFile(b.agent, []byte(script), 0o755); err != nil {
			return built{}, err
		}
	}
	return b, nil
}

// compile links a C program with the library, statically for foreign targets, and returns the command that runs it.
func (b built) compile(g target, source, out string, flags ...string) ([]string, error) {
	args := []string{"-std=c99", "-D_POSIX_C_SOURCE=200809L", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I", b.inc, "-o", out, source, filepath.Join(b.lib, "s3_hls.a"), "-lpthread"}
	args = append(flags, args...)
	if g.race {
		args = append(args, sanitizers...)
	}
	if g.qemu != "" {
		args = append(args, "-static")
	}
	if msg, err := exec.Command(g.prefix+"gcc", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%sgcc %s: %w\n%s", g.prefix, strings.Join(args, " "), err, msg)
	}
	if g.qemu != "" {
		return []string{g.qemu, out}, nil
	}
	return []string{out}, nil
}

var sanitizers = []string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"}

// need skips the test, saying so, when a tool is missing.
func need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %s is not installed (make deps)", tool)
		}
	}
}

// TestMain turns the test binary into a server when a test has started it as one, and removes what was built.
func TestMain(m *testing.M) {
	if config := os.Getenv(serverEnv); config != "" {
		fmt.Fprintln(os.Stderr, serverMain(config))
		os.Exit(1)
	}
	// These tests wait for cameras and clocks, not for processors: more of them at a time than there are cores.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	code := m.Run()
	if work.dir != "" {
		os.RemoveAll(work.dir)
	}
	os.Exit(code)
}
