// SPDX-License-Identifier: Apache-2.0

//go:build unix

package state_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3cam/s3cam/internal/state"
)

const fullVar = "STATE_TEST_FULL"

// onAFullDisk runs in a process of its own, whose files may have 64 bytes: writing ends in the middle, as on a disk that is full.
func onAFullDisk(path string) int {
	signal.Ignore(unix.SIGXFSZ)
	f, err := state.Open[value](path)
	if err != nil {
		fmt.Println("open:", err)
		return 1
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 64, Max: 64}); err != nil {
		fmt.Println("SKIPPED:", err)
		return 0
	}
	err = f.Update(func(v *value) error { v.N, v.Names = 2, map[string]int{strings.Repeat("x", 100): 1}; return nil })
	v, getErr := f.Get()
	if err == nil || !strings.Contains(err.Error(), "file too large") || getErr != nil || v.N != 1 {
		fmt.Printf("update: %v; then %+v, %v\n", err, v, getErr)
		return 1
	}
	if err := f.Update(func(v *value) error { v.N = 3; return nil }); err != nil { // less fits
		fmt.Println("a small change:", err)
		return 1
	}
	return 0
}

// A change that the disk has no room for is an error, and the value stays what it was: in memory, on disk, and for others.
func TestAFullDisk(t *testing.T) {
	if path := os.Getenv(fullVar); path != "" {
		os.Exit(onAFullDisk(path))
	}
	path := filepath.Join(t.TempDir(), "x.json")
	set(t, open(t, path, &clock{t: time.Now()}), 1)
	cmd := exec.Command(os.Args[0], "-test.run=^TestAFullDisk$")
	cmd.Env = append(os.Environ(), fullVar+"="+path)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "SKIPPED") {
		t.Skipf("SKIPPED: a full disk is not played because %s", out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := got(t, open(t, path, &clock{t: time.Now()})); n != 3 {
		t.Errorf("value %d", n)
	}
	if _, err := os.Stat(path + ".tmp"); !os.IsNotExist(err) {
		t.Errorf("half a file is left: %v", err)
	}
}
