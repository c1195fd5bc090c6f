// SPDX-License-Identifier: Apache-2.0

// Package build_test makes the C library as its users do: by make for each toolchain, by CMake, with pkg-config, and looks at
// what came out: size, symbols, warnings.
package build_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// toolchain is one compiler, and what the library may cost with it: text + data + bss of the whole object, in bytes. The
// figures are what was measured plus 3 %; docs/design/device.md says why they are above the 3 kB that were aimed at.
type toolchain struct {
	name, prefix string
	args         []string
	max          int
}

var toolchains = []toolchain{
	{"amd64", "", nil, 5460},
	{"mipsel", "mipsel-linux-gnu-", nil, 8440},
	{"armel", "arm-linux-gnueabi-", nil, 4180},
	{"armhf", "arm-linux-gnueabihf-", nil, 4020},
	{"arm64", "aarch64-linux-gnu-", nil, 6000},
	{"musl", "", []string{"CC=musl-gcc"}, 5460},
	{"clang", "", []string{"CC=clang"}, 6170},
}

func (c toolchain) compiler() string {
	for _, a := range c.args {
		if cc, ok := strings.CutPrefix(a, "CC="); ok {
			return cc
		}
	}
	return c.prefix + "gcc"
}

// tool returns a program of the toolchain.
func (c toolchain) tool(name string) string { return c.prefix + name }

func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %s is not installed (make deps)", p)
		}
	}
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// copyOf returns a copy of csdk without what was built in it.
func copyOf(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "csdk")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(mediatest.Root(t), "csdk"))); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "make", "-s", "clean")
	return dir
}

// symbols runs nm and returns the names by kind: defined globals, and undefined.
func symbols(t *testing.T, c toolchain, file string) (defined, undefined []string) {
	t.Helper()
	for line := range strings.Lines(run(t, ".", c.tool("nm"), file)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "U":
			undefined = append(undefined, f[1])
		case len(f) == 3 && f[1] == strings.ToUpper(f[1]):
			defined = append(defined, f[2])
		}
	}
	return defined, undefined
}

var public = []string{
	"S3_HLS_SDK_Finalize", "S3_HLS_SDK_Initialize", "S3_HLS_SDK_Put_Audio_Frame", "S3_HLS_SDK_Put_Video_Frame", "S3_HLS_SDK_Set_Credential",
	"S3_HLS_SDK_Set_Tag", "S3_HLS_SDK_Start_Upload", "const_fill_word", "s3cam_close", "s3cam_error_text", "s3cam_flush", "s3cam_get_counters",
	"s3cam_open", "s3cam_put_audio", "s3cam_put_video", "s3cam_set_credentials", "s3cam_set_tags", "s3cam_start",
}

// The library needs these of the C library and of POSIX threads, nothing else: in particular nothing that prints, and memory only to
// open (calloc) and close (free). Compilers add the names of their own helpers, and C libraries their aliases.
var needed = []string{
	"_GLOBAL_OFFSET_TABLE_", "__aeabi_uidiv", "__errno_location", "_gp_disp", "calloc", "clock_gettime", "close", "connect",
	"environ", "free", "getenv", "kill", "memcpy", "memmove", "memset", "poll", "posix_spawn_file_actions_adddup2",
	"posix_spawn_file_actions_destroy", "posix_spawn_file_actions_init", "posix_spawnattr_destroy", "posix_spawnattr_init",
	"posix_spawnattr_setflags", "posix_spawnattr_setsigdefault", "posix_spawnattr_setsigmask", "posix_spawnp",
	"pthread_create", "pthread_join", "pthread_mutex_destroy", "pthread_mutex_init", "pthread_mutex_lock",
	"pthread_mutex_unlock", "pthread_sigmask", "recv", "sendmsg", "sigdelset", "sigemptyset", "sigfillset", "socket",
	"socketpair", "strlen", "waitpid",
}

func TestMakeWithEachToolchain(t *testing.T) {
	for _, c := range toolchains {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			need(t, "make", c.compiler(), c.tool("nm"), c.tool("size"))
			dir := copyOf(t)
			out := run(t, dir, "make", append([]string{"CROSS_COMPILE=" + c.prefix, "XCFLAGS=-Werror"}, c.args...)...)
			if strings.Contains(out, "warning") {
				t.Errorf("the compiler warns:\n%s", out)
			}
			lib := filepath.Join(dir, "s3_hls.a")
			defined, undefined := symbols(t, c, lib)
			slices.Sort(defined)
			if !slices.Equal(defined, public) {
				t.Errorf("global symbols are %q, want %q", defined, public)
			}
			for _, s := range undefined {
				if !slices.Contains(needed, s) {
					t.Errorf("the library needs %s, which is not on the list", s)
				}
			}
			size := 0
			for line := range strings.Lines(run(t, ".", c.tool("size"), lib)) {
				if f := strings.Fields(line); len(f) > 3 && f[0] != "text" {
					n, err := strconv.Atoi(f[3])
					if err != nil {
						t.Fatal(err)
					}
					size += n
				}
			}
			t.Logf("text + data + bss: %d bytes, at most %d", size, c.max)
			if size > c.max || size < 1000 {
				t.Errorf("text + data + bss is %d bytes, at most %d are allowed", size, c.max)
			}
		})
	}
}

func TestOneFolderTwoToolchains(t *testing.T) {
	need(t, "make", "gcc", "mipsel-linux-gnu-gcc", "readelf")
	dir := copyOf(t)
	for _, prefix := range []string{"", "mipsel-linux-gnu-", "", ""} {
		run(t, dir, "make", "CROSS_COMPILE="+prefix)
		got := run(t, dir, "readelf", "-h", "s3_hls.a")
		if strings.Contains(got, "MIPS") != (prefix != "") {
			t.Errorf("after make CROSS_COMPILE=%s the library is for another machine:\n%s", prefix, got)
		}
	}
}

func TestSharedLibrary(t *testing.T) {
	need(t, "make", "gcc", "readelf")
	dir := copyOf(t)
	run(t, dir, "make", "dynamic")
	if got := run(t, dir, "readelf", "-d", "s3_hls.so.1"); !strings.Contains(got, "s3_hls.so.1") {
		t.Errorf("no soname:\n%s", got)
	}
}

// program uses both interfaces, in C and C++.
const program = `#include "s3cam.h"
#include "S3_HLS_SDK.h"
#include "S3_HLS_Return_Code.h"
int main(void) { s3cam *h = 0; return S3_HLS_SDK_Finalize() == S3_HLS_OK && s3cam_open(&h, 0, 0, 0) == S3CAM_EINVAL ? 0 : 1; }
`

func TestInstalledAndFoundByPkgConfig(t *testing.T) {
	need(t, "make", "gcc", "pkg-config")
	dir := copyOf(t)
	prefix := filepath.Join(t.TempDir(), "usr")
	run(t, dir, "make", "install", "PREFIX="+prefix)
	linkByPkgConfig(t, filepath.Join(prefix, "lib", "pkgconfig"))
}

// linkByPkgConfig compiles and runs the program with what pkg-config says, and compares the version with the header's.
func linkByPkgConfig(t *testing.T, path string) {
	t.Helper()
	ask := func(args ...string) []string {
		t.Helper()
		cmd := exec.Command("pkg-config", append(args, "s3_hls")...)
		cmd.Env = append(os.Environ(), "PKG_CONFIG_PATH="+path)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	source := filepath.Join(t.TempDir(), "p.c")
	write(t, source, program)
	bin := filepath.Join(t.TempDir(), "p")
	run(t, ".", "gcc", append([]string{"-o", bin, source}, ask("--cflags", "--libs")...)...)
	run(t, ".", bin)
	header := read(t, filepath.Join(mediatest.Root(t), "csdk", "include", "s3cam.h"))
	if got := ask("--modversion"); len(got) != 1 || !strings.Contains(header, fmt.Sprintf("#define S3CAM_VERSION %q\n", got[0])) {
		t.Errorf("pkg-config says version %q, the header something else", got)
	}
}

func TestCMake(t *testing.T) {
	need(t, "cmake", "gcc")
	dir := copyOf(t)
	user := t.TempDir()
	write(t, filepath.Join(user, "CMakeLists.txt"), fmt.Sprintf("cmake_minimum_required(VERSION 3.13)\nproject(p C)\nadd_subdirectory(%q csdk)\nadd_executable(p p.c)\ntarget_link_libraries(p PRIVATE s3_hls)\n", dir))
	write(t, filepath.Join(user, "p.c"), program)
	prefix := filepath.Join(t.TempDir(), "usr")
	run(t, user, "cmake", "-S", ".", "-B", "b", "-DCMAKE_INSTALL_PREFIX="+prefix, "-DCMAKE_INSTALL_LIBDIR=lib64")
	run(t, user, "cmake", "--build", "b")
	run(t, user, "./b/p")
	run(t, user, "cmake", "--install", "b")
	for _, f := range []string{"include/s3cam.h", "include/S3_HLS_SDK.h", "include/S3_HLS_Return_Code.h"} {
		if _, err := os.Stat(filepath.Join(prefix, f)); err != nil {
			t.Error(err)
		}
	}
	need(t, "pkg-config")
	linkByPkgConfig(t, filepath.Join(prefix, "lib64", "pkgconfig"))
}

// A firmware's old link line may still name curl and OpenSSL: with archives of these it links as before, since nothing is taken from them.
func TestOldLinkLine(t *testing.T) {
	need(t, "make", "gcc", "ar")
	dir := copyOf(t)
	run(t, dir, "make")
	write(t, filepath.Join(dir, "p.c"), program)
	for _, lib := range []string{"libcurl.a", "libssl.a", "libcrypto.a"} {
		run(t, dir, "ar", "rcs", lib)
	}
	run(t, dir, "gcc", "-Iinclude", "-o", "p", "p.c", "s3_hls.a", "-L.", "-lcurl", "-lssl", "-lcrypto", "-lpthread")
	run(t, dir, "./p")
}

func TestExamplesBuildEverywhere(t *testing.T) {
	for _, c := range toolchains {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			need(t, "make", c.compiler())
			dir := copyOf(t)
			run(t, dir, "make", append([]string{"CROSS_COMPILE=" + c.prefix, "XCFLAGS=-Werror", "examples"}, c.args...)...)
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The list of what is needed must not rot: what no toolchain needs does not belong on it.
func TestNothingOnTheListIsUnused(t *testing.T) {
	used := map[string]bool{}
	tried := 0
	for _, c := range toolchains {
		if _, err := exec.LookPath(c.compiler()); err != nil {
			continue
		}
		tried++
		dir := copyOf(t)
		run(t, dir, "make", append([]string{"-s", "CROSS_COMPILE=" + c.prefix}, c.args...)...)
		_, undefined := symbols(t, c, filepath.Join(dir, "s3_hls.a"))
		for _, s := range undefined {
			used[s] = true
		}
	}
	if tried < len(toolchains) {
		t.Skipf("SKIPPED, NOT TESTED: only %d of %d compilers are installed (make deps)", tried, len(toolchains))
	}
	if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(slices.Values(needed)); !slices.Equal(got, want) {
		t.Errorf("needed are %q, the list has %q", got, want)
	}
}
