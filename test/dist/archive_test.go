// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// kinds are the archives, with how to compile and run what is in them on this machine.
var kinds = []struct {
	target   string
	compiler string
	emulator []string // nothing: this machine runs it
	machine  elf.Machine
}{
	{"mipsle", "mipsel-linux-gnu-gcc", []string{"qemu-mipsel", "-L", "/usr/mipsel-linux-gnu"}, elf.EM_MIPS},
	{"arm5", "arm-linux-gnueabi-gcc", []string{"qemu-arm", "-L", "/usr/arm-linux-gnueabi"}, elf.EM_ARM},
	{"arm7", "arm-linux-gnueabihf-gcc", []string{"qemu-arm", "-L", "/usr/arm-linux-gnueabihf"}, elf.EM_ARM},
	{"arm64", "aarch64-linux-gnu-gcc", []string{"qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"}, elf.EM_AARCH64},
	{"amd64", "x86_64-linux-gnu-gcc", nil, elf.EM_X86_64},
}

var work string // folder of the archives, for the life of the test program

func TestMain(m *testing.M) {
	var err error
	if work, err = os.MkdirTemp("", "s3cam-dist"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(work)
	os.Exit(code)
}

var pack = sync.OnceValues(func() ([]byte, error) {
	return exec.Command(root+"/scripts/dist.sh", "-o", filepath.Join(work, "all")).CombinedOutput()
})

// archives packs all kinds once, skipping when a compiler is missing.
func archives(t *testing.T) string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: the archives are packed and tried on amd64")
	}
	for _, k := range kinds {
		if _, err := exec.LookPath(k.compiler); err != nil {
			t.Skipf("SKIPPED: no %s here; 'make deps' as root installs it", k.compiler)
		}
	}
	if out, err := pack(); err != nil {
		t.Fatalf("scripts/dist.sh: %v\n%s", err, out)
	}
	return filepath.Join(work, "all")
}

// unpack unpacks the archive of a target and returns its only folder.
func unpack(t *testing.T, dir, target string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "s3cam-device-*-"+target+".tar.gz"))
	if err != nil || len(found) != 1 {
		t.Fatalf("archives of %s: %v, %v; want one", target, found, err)
	}
	to := t.TempDir()
	if out, err := exec.Command("tar", "-C", to, "-xzf", found[0]).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	folder := filepath.Join(to, strings.TrimSuffix(filepath.Base(found[0]), ".tar.gz"))
	if entries, err := os.ReadDir(to); err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(folder) {
		t.Fatalf("%s unpacks to %v (%v), want one folder with its name", found[0], entries, err)
	}
	return folder
}

func TestArchivesHoldWhatACameraMakerNeeds(t *testing.T) {
	dir := archives(t)
	want := map[string]os.FileMode{
		"README": 0o644, "LICENSE": 0o644, "bin/s3cam-agent": 0o755, "lib/s3_hls.a": 0o644, "Makefile": 0o644, "CMakeLists.txt": 0o644, "s3_hls.pc.in": 0o644,
		"include/S3_HLS_SDK.h": 0o644, "include/S3_HLS_Return_Code.h": 0o644, "include/s3cam.h": 0o644, "src/s3cam.c": 0o644,
		"examples/annexb.c": 0o644, "examples/manual.c": 0o644, "examples/encoder.c": 0o644, "examples/encoder.h": 0o644,
		"etc/s3cam/agent.conf": 0o600, "etc/init.d/S80s3cam": 0o755, "etc/init.d/s3cam.openwrt": 0o755, "etc/systemd/system/s3cam-agent.service": 0o644,
		"doc/firmware.md": 0o644, "doc/agent.md": 0o644,
	}
	for _, k := range kinds {
		folder := unpack(t, dir, k.target)
		for name, mode := range want {
			info, err := os.Stat(filepath.Join(folder, name))
			if err != nil {
				t.Errorf("%s: %v", k.target, err)
			} else if info.Mode() != mode || info.Size() == 0 {
				t.Errorf("%s: %s has mode %v and %d bytes, want %v and some", k.target, name, info.Mode(), info.Size(), mode)
			}
		}
		if readme := read(t, filepath.Join(folder, "README")); strings.Contains(readme, "@") || !strings.Contains(readme, k.target) {
			t.Errorf("%s: README has places that were not filled in:\n%s", k.target, readme)
		}
		f, err := elf.Open(filepath.Join(folder, "bin/s3cam-agent"))
		if err != nil {
			t.Errorf("%s: %v", k.target, err)
			continue
		}
		if f.Machine != k.machine {
			t.Errorf("%s: the agent is for %v, want %v", k.target, f.Machine, k.machine)
		}
		f.Close()
	}
}

// The three steps of the README, as far as they go without a bucket: the library from source, the example with the given link line,
// and both programs started on the kind of processor they are for.
func TestArchivesWorkAsTheirReadmeSays(t *testing.T) {
	dir := archives(t)
	for _, k := range kinds {
		t.Run(k.target, func(t *testing.T) {
			if len(k.emulator) > 0 {
				if _, err := exec.LookPath(k.emulator[0]); err != nil {
					t.Skipf("SKIPPED: no %s here (package qemu-user)", k.emulator[0])
				}
			}
			folder := unpack(t, dir, k.target)
			shell := func(command string) string {
				cmd := exec.Command("sh", "-ec", command)
				cmd.Dir = folder
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", command, err, out)
				}
				return string(out)
			}
			var made, linked int
			for line := range strings.Lines(read(t, filepath.Join(folder, "README"))) {
				line = strings.TrimSpace(line)
				if strings.HasPrefix(line, "make CROSS_COMPILE=") {
					shell(line)
					made++
				}
				if strings.HasPrefix(line, k.compiler+" ") {
					shell(line)
					shell(strings.Replace(line, " s3_hls.a ", " lib/s3_hls.a ", 1))
					linked++
				}
			}
			if made != 1 || linked != 1 {
				t.Fatalf("README has %d make and %d link lines, want one each", made, linked)
			}
			emulate := strings.Join(k.emulator, " ")
			if out := shell(emulate + " ./annexb --help 2>&1 || [ $? = 2 ]"); !strings.Contains(out, "usage: annexb") {
				t.Errorf("annexb --help says %q", out)
			}
			if out := shell(emulate + " bin/s3cam-agent version"); !strings.Contains(out, "linux/"+strings.TrimRight(k.target, "57")) && k.target != "arm64" {
				t.Errorf("s3cam-agent version says %q", out)
			}
			if out := shell(emulate + " bin/s3cam-agent check --config etc/s3cam/agent.conf"); !strings.HasSuffix(out, "ok\n") {
				t.Errorf("s3cam-agent check of the sample configuration says %q", out)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(unpack(t, dir, "amd64"), "lib/musl/s3_hls.a")); err != nil {
		if _, err := exec.LookPath("x86_64-linux-musl-gcc"); err == nil {
			t.Errorf("there is a compiler for musl, but lib/musl/s3_hls.a is missing")
		}
	}
}

func TestChecksumsAreThoseOfTheArchives(t *testing.T) {
	dir := archives(t)
	n := 0
	for line := range strings.Lines(read(t, filepath.Join(dir, "SHA256SUMS"))) {
		f := strings.Fields(line)
		if len(f) != 2 {
			t.Fatalf("SHA256SUMS has the line %q", line)
		}
		sum := sha256.Sum256([]byte(read(t, filepath.Join(dir, f[1]))))
		if got := hex.EncodeToString(sum[:]); got != f[0] {
			t.Errorf("%s has the checksum %s, SHA256SUMS says %s", f[1], got, f[0])
		}
		n++
	}
	if n != len(kinds) {
		t.Errorf("SHA256SUMS has %d lines, want %d", n, len(kinds))
	}
}

// The same source gives the same archive: nothing of the packer's account, clock or umask is in it.
func TestArchivesAreReproducible(t *testing.T) {
	dir := archives(t)
	again := filepath.Join(work, "again")
	cmd := exec.Command("sh", "-c", "umask 077; exec "+root+"/scripts/dist.sh -o "+again+" arm7")
	cmd.Env = append(os.Environ(), "TZ=Asia/Shanghai", "LANG=de_DE.UTF-8", "CFLAGS=-O0", "MAKEFLAGS=-j7")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("dist.sh: %v\n%s", err, out)
	}
	found, _ := filepath.Glob(filepath.Join(again, "*.tar.gz"))
	if len(found) != 1 {
		t.Fatalf("dist.sh arm7 packed %v", found)
	}
	first := filepath.Join(dir, filepath.Base(found[0]))
	if _, err := os.Stat(first); err != nil {
		t.Skipf("SKIPPED: the version has changed from one run to the next, somebody commits: %v", err)
	}
	if read(t, found[0]) == read(t, first) {
		return
	}
	a, b := entries(t, first), entries(t, found[0])
	for name, sum := range a {
		if b[name] != sum {
			t.Errorf("%s differs: %s, %s", name, sum, b[name])
		}
	}
	t.Errorf("two archives of the same source differ")
}

// entries describes each file of an archive.
func entries(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r); err != nil {
			t.Fatal(err)
		}
		all[h.Name] = fmt.Sprintf("%v %v %d:%d %x", h.FileInfo().Mode(), h.ModTime.Unix(), h.Uid, h.Gid, sum.Sum(nil)[:6])
	}
}

func TestDistScriptRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"vax"}, {"arm7", "386"}, {"-o"}} {
		if out, err := exec.Command(root+"/scripts/dist.sh", args...).CombinedOutput(); err == nil || !strings.HasPrefix(string(out), "dist: ") {
			t.Errorf("dist.sh %q: %v, want a failure with a message; it said %q", args, err, out)
		}
	}
}
