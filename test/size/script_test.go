// SPDX-License-Identifier: Apache-2.0

package size_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whoever doubts an archive builds it again, in another folder and with an empty cache, and must get the same bytes.
func TestTwoBuildsAreEqual(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: compiles the agent once more from nothing")
	}
	readSources(t)
	const target = "mipsle"
	var got [2][]byte
	var dirs [2]string
	for i, folder := range []string{"one", "another/place"} {
		dir := filepath.Join(t.TempDir(), folder)
		dirs[i] = dir
		copySources(t, dir)
		cmd := exec.Command(filepath.Join(dir, "scripts/agent-build.sh"), target)
		cmd.Env = os.Environ()
		if i == 1 {
			cmd.Dir = os.TempDir() // and started from elsewhere
			cmd.Env = append(cmd.Env, "GOCACHE="+t.TempDir(), "GOFLAGS=-race", "GOMIPS=hardfloat", "GOARCH=amd64", "LANG=de_DE.UTF-8", "TZ=Asia/Shanghai")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build in %s: %v\n%s", folder, err, out)
		}
		b, err := os.ReadFile(filepath.Join(dir, "build", target, "s3cam-agent"))
		if err != nil {
			t.Fatal(err)
		}
		got[i] = b
	}
	if !bytes.Equal(got[0], got[1]) {
		t.Errorf("two builds of the same source for %s differ (%d and %d bytes)", target, len(got[0]), len(got[1]))
	}
	for i := range got {
		if bytes.Contains(got[i], []byte(dirs[i])) {
			t.Errorf("the program names the folder that it was built in")
		}
	}
}

func copySources(t *testing.T, dir string) {
	t.Helper()
	for _, rel := range append(sourceFolders(t), "scripts") {
		files, err := os.ReadDir(filepath.Join(root, rel))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, rel), 0o777); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.IsDir() || rel == "." && !strings.HasPrefix(f.Name(), "go.") || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			b, err := os.ReadFile(filepath.Join(root, rel, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, rel, f.Name()), b, 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A toolchain that the patches do not fit must stop the build, not slip through unpatched.
func TestScriptStopsWhenTheToolchainDiffers(t *testing.T) {
	const (
		entropy = "src/crypto/internal/fips140/drbg/entropy_fips140.go"
		logger  = "src/log/slog/logger.go"
		pcln    = "src/cmd/link/internal/ld/pcln.go"
		suites  = "src/crypto/tls/cipher_suites.go"
		verify  = "src/crypto/x509/x509.go"
		spans   = "src/runtime/mspanset.go"
	)
	patched := regexp.MustCompile(`\bpatch (\S+)`).FindAllStringSubmatch(read(t, root+"/scripts/agent-build.sh")+
		strings.NewReplacer("$tls", "src/crypto/tls", "$x509", "src/crypto/x509", "$internal", "src/crypto/internal/fips140").Replace(read(t, root+"/scripts/agent-crypto.sh")), -1)
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	real := strings.TrimSpace(string(out))
	tests := []struct {
		name     string
		file     string // the one that is not as the toolchain has it; empty: all are
		old, new string // what is different in it; old empty: the file is missing
		env      string
		wantErr  string // "" = none
	}{
		{name: "as it is"},
		{name: "the buffer's file is gone", file: entropy, wantErr: "S3CAM_OVERLAY=none"},
		{name: "the buffer has another type", file: entropy, old: "var memory entropy.ScratchBuffer", new: "var memory entropy.Scratch", wantErr: "S3CAM_OVERLAY=none"},
		{name: "the buffer is used once more", file: entropy, old: "retries++;", new: "entropy.Seed(&memory)\n\t\tretries++;", wantErr: "S3CAM_OVERLAY=none"},
		{name: "the default logger is made otherwise", file: logger, old: "defaultLogger.Store(", new: "defaultLogger.Set(", wantErr: logger},
		{name: "the linker has another table", file: pcln, old: "{pcsp, pcfile, pcline}", new: "{pcsp, pcfile, pcline, pccolumn}", wantErr: pcln},
		{name: "a cipher suite more to leave out", file: suites, old: "\t{TLS_RSA_WITH_RC4_128_SHA, 16", new: "\t{TLS_RSA_WITH_RC4_256_SHA},\n\t{TLS_RSA_WITH_RC4_128_SHA, 16", wantErr: suites},
		{name: "a cipher suite of another name", file: suites, old: "\t{TLS_RSA_WITH_RC4_128_SHA, 16", new: "\t{TLS_RSA_WITH_RC4_256_SHA, 16", wantErr: suites},
		{name: "a curve is read otherwise", file: verify, old: "return elliptic.P521()", new: "return newP521()", wantErr: verify},
		{name: "signatures are checked otherwise", file: verify, old: "if !ed25519.Verify(pub, signed", new: "if !verifyEd25519(pub, signed", wantErr: verify},
		{name: "the collector's lists begin with another size", file: spans, old: "spanSetBlockEntries = 512", new: "spanSetBlockEntries = 1024", wantErr: spans},
		{name: "the linker differs and lines are wanted", file: pcln, env: "S3CAM_LINES=keep"},
		{name: "the buffer's file is gone and the user knows", file: entropy, env: "S3CAM_OVERLAY=none"},
		{name: "the user wants something unknown", env: "S3CAM_OVERLAY=maybe", wantErr: "it may only be 'none'"},
		{name: "the user wants some lines", env: "S3CAM_LINES=some", wantErr: "it may only be 'keep'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			goRoot := filepath.Join(dir, "goroot")
			// A go command that knows where it is and builds an empty program.
			write(t, filepath.Join(dir, "go"), "#!/bin/sh\ncase $1 in\nenv) [ $2 = GOROOT ] && echo "+goRoot+" || echo /nowhere ;;\nversion) echo go version go1.99 ;;\n"+
				"build) while [ $# -gt 0 ]; do [ $1 = -o ] && : >$2; shift; done ;;\nesac\n")
			write(t, filepath.Join(dir, "src/scripts/agent-build.sh"), read(t, root+"/scripts/agent-build.sh"))
			write(t, filepath.Join(dir, "src/scripts/agent-crypto.sh"), read(t, root+"/scripts/agent-crypto.sh"))
			for _, m := range patched {
				f := m[1]
				if !strings.HasPrefix(f, "src/") {
					continue // of a comment
				}
				text := read(t, filepath.Join(real, f))
				if f == tt.file {
					if tt.old == "" {
						continue
					}
					if !strings.Contains(text, tt.old) {
						t.Fatalf("%s does not contain %q", f, tt.old)
					}
					text = strings.Replace(text, tt.old, tt.new, 1)
				}
				write(t, filepath.Join(goRoot, f), text)
			}
			cmd := exec.Command(filepath.Join(dir, "src/scripts/agent-build.sh"), "arm7")
			cmd.Env = append(os.Environ(), "GO="+filepath.Join(dir, "go"), tt.env)
			out, err := cmd.CombinedOutput()
			if tt.wantErr == "" {
				if err != nil {
					t.Errorf("agent-build.sh: %v\n%s", err, out)
				}
				return
			}
			if err == nil || !strings.Contains(string(out), tt.wantErr) {
				t.Errorf("agent-build.sh: %v, want a failure that says %q; it said:\n%s", err, tt.wantErr, out)
			}
			if _, err := os.Stat(filepath.Join(dir, "src/build/arm7/s3cam-agent")); err == nil {
				t.Errorf("agent-build.sh built an agent without the patch")
			}
		})
	}
}

// What the compiler may inline decides about allocations too, so the budgets are kept with the flags of the shipped program.
func TestFramePathAllocatesNothingAsShipped(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: compiles the standard library once more")
	}
	readSources(t)
	cmd := exec.Command("scripts/agent-build.sh", "test", "-count=1", "-run", "Alloc|Budget", "./uploader", "./mpegts", "./internal/wire", "./internal/http1", "./internal/s3put")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("agent-build.sh test: %v\n%s", err, out)
	}
}

// Panics of the shipped program name functions and offsets. A program built with S3CAM_LINES=keep has the same code at the same
// addresses, so that lines can be found with it.
func TestAProgramWithLinesHasTheSameCode(t *testing.T) {
	shipped := open(t, "mipsle")
	dir := t.TempDir()
	cmd := exec.Command(root+"/scripts/agent-build.sh", "-o", dir, "mipsle")
	cmd.Env = append(os.Environ(), "S3CAM_LINES=keep")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("agent-build.sh: %v\n%s", err, out)
	}
	lines, err := elf.Open(filepath.Join(dir, "mipsle", "s3cam-agent"))
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	a, b := shipped.Section(".text"), lines.Section(".text")
	if a == nil || b == nil || a.Addr != b.Addr || a.Size != b.Size {
		t.Fatalf(".text is %+v in the shipped program and %+v in the one with lines", a, b)
	}
	if lines.Section(".symtab") == nil {
		t.Error("the program with lines has no symbols")
	}
}

func TestScriptNamesItsTargets(t *testing.T) {
	tests := []struct {
		name string
		args []string
	}{
		{"no target", nil},
		{"an unknown target behind a good one", []string{"arm7", "vax"}},
		{"a folder without a target", []string{"-o", "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := exec.Command(root+"/scripts/agent-build.sh", tt.args...).CombinedOutput()
			exit, ok := err.(*exec.ExitError)
			if !ok || exit.ExitCode() != 2 || !strings.Contains(string(out), "mipsle") || !strings.Contains(string(out), "386") {
				t.Errorf("agent-build.sh %q: %v, want exit code 2 and the list of targets; it said:\n%s", tt.args, err, out)
			}
		})
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o777); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
