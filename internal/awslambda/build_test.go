// SPDX-License-Identifier: Apache-2.0

package awslambda_test

import (
	"archive/zip"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// maxZip is what a zip may have: a function starts the sooner the smaller it is.
const maxZip = 4_000_000

func TestTheZipsAreSmallAndReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: the bootstrap is not built because of -short")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("SKIPPED: the bootstrap is not built because there is no bash")
	}
	build := func() string {
		out := t.TempDir()
		cmd := exec.Command("../../scripts/lambda-build.sh", "-o", out)
		cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false") // a commit in between would make the builds differ
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return out
	}
	first, second := build(), build()
	for arch, machine := range map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64} {
		name := "s3cam-lambda-" + arch + ".zip"
		a, err := os.ReadFile(filepath.Join(first, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", name, len(a))
		if !bytes.Equal(a, b) {
			t.Errorf("%s: two builds differ", name)
		}
		if len(a) > maxZip {
			t.Errorf("%s has %d bytes, at most %d are allowed", name, len(a), maxZip)
		}
		z, err := zip.NewReader(bytes.NewReader(a), int64(len(a)))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []struct {
			name string
			mode os.FileMode
		}{{"LICENSE", 0o644}, {"bootstrap", 0o755}} {
			if len(z.File) != 2 || z.File[i].Name != want.name || z.File[i].Mode() != want.mode || !z.File[i].Modified.Equal(time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)) {
				t.Fatalf("%s: entry %d is %+v, want %s with mode %v", name, i, z.File[i].FileHeader, want.name, want.mode)
			}
		}
		f, err := z.File[1].Open()
		if err != nil {
			t.Fatal(err)
		}
		program, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		e, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatal(err)
		}
		if libs, err := e.ImportedLibraries(); e.Machine != machine || err != nil || len(libs) > 0 {
			t.Errorf("%s: machine %v, needs %v (%v)", name, e.Machine, libs, err)
		}
		if info, err := buildinfo.Read(bytes.NewReader(program)); err != nil || info.Path != "github.com/s3cam/s3cam/cmd/s3cam-lambda" {
			t.Errorf("%s: build information %+v: %v", name, info, err)
		}
	}
}
