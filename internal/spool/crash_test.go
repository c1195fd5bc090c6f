// SPDX-License-Identifier: Apache-2.0

//go:build unix

package spool

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// childEnv makes the test binary the process that is killed: "folder number-of-the-call first-item".
const childEnv = "S3CAM_TEST_SPOOL_CHILD"

func TestMain(m *testing.M) {
	if v := os.Getenv(childEnv); v != "" {
		child(v)
		return
	}
	os.Exit(m.Run())
}

// child works in a real folder and kills itself with SIGKILL before the given call. What it has done it says before and after, each line with
// one write.
func child(args string) {
	var dir string
	var at, first int
	if _, err := fmt.Sscan(args, &dir, &at, &first); err != nil {
		panic(err)
	}
	d, _, err := openFolder(dir)
	if err != nil {
		panic(err)
	}
	k := &killer{folder: d, at: at}
	s, err := openOn(k, crashConfig(dir))
	if err == nil {
		err = work(s, first, func(seq uint64, n int) { say("ack %d %d", seq, n) })
	}
	if err != nil {
		say("error %v", err)
		os.Exit(1)
	}
}

func say(format string, args ...any) {
	_, _ = os.Stdout.WriteString(fmt.Sprintf(format, args...) + "\n")
}

// killer is the real folder, and death at a certain call.
type killer struct {
	*folder
	at, calls int
}

func (k *killer) step() {
	if k.calls++; k.calls == k.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it comes at once, but not before the call returns on another processor
	}
}

func (k *killer) list(each func(string) error) error { k.step(); return k.folder.list(each) }
func (k *killer) rename(from, to string) error       { k.step(); return k.folder.rename(from, to) }
func (k *killer) sync() error                        { k.step(); return k.folder.sync() }

func (k *killer) remove(name string) error {
	k.step()
	say("remove %s", name)
	return k.folder.remove(name)
}

func (k *killer) create(name string) (file, error) {
	k.step()
	f, err := k.folder.create(name)
	return killerFile{f, k}, err
}

func (k *killer) open(name string) (file, error) {
	k.step()
	f, err := k.folder.open(name)
	return killerFile{f, k}, err
}

type killerFile struct {
	file
	k *killer
}

// Write can be broken in the middle.
func (f killerFile) Write(b []byte) (n int, err error) {
	for _, part := range [...][]byte{b[:len(b)/2], b[len(b)/2:]} {
		f.k.step()
		m, err := f.file.Write(part)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (f killerFile) Sync() error                            { f.k.step(); return f.file.Sync() }
func (f killerFile) ReadAt(b []byte, at int64) (int, error) { f.k.step(); return f.file.ReadAt(b, at) }
func (f killerFile) stat() (int64, int64, error)            { f.k.step(); return f.file.stat() }
func (f killerFile) Close() error                           { f.k.step(); return f.file.Close() }

// A process is killed before every single call to the file system, each time in the folder that the killed ones before have left.
func TestKillAtEveryStepLeavesWholeSegmentsOrNothing(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "cam")
	put, acked, removed := map[string]int{}, map[uint64]int{}, map[uint64]bool{}
	step := 1
	if testing.Short() {
		step = 9
	}
	killed := 0
	for at, first := 1, 0; ; at, first = at+step, first+8 {
		for n := first; n < first+8; n++ {
			it, _ := item(n)
			put[it.Key] = n
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", childEnv, dir, at, first))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.Output()
		for line := range strings.Lines(string(stdout)) {
			f := strings.Fields(line)
			switch f[0] {
			case "ack":
				seq, _ := strconv.ParseUint(f[1], 10, 64)
				acked[seq], _ = strconv.Atoi(f[2])
			case "remove":
				if seq, ok := sequence(f[1]); ok {
					removed[seq] = true
				}
			default:
				t.Fatalf("the child says %q", line)
			}
		}
		verifyCopy(t, dir, acked, removed, put)
		if t.Failed() {
			t.Fatalf("killed before call %d", at)
		}
		if err == nil {
			t.Logf("killed %d times; the work takes less than %d calls", killed, at)
			break
		}
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Fatalf("the child to be killed before call %d ended with %v\n%s", at, err, stderr.Bytes())
		}
		killed++
	}
	if killed*step < 120 {
		t.Errorf("killed %d times, every %d calls: too few to mean anything", killed, step)
	}
}

// verifyCopy checks the folder of a dead process on a copy, so that cleaning up stays the next one's work. The cap holds at once.
func verifyCopy(t *testing.T, dir string, acked map[uint64]int, removed map[uint64]bool, put map[string]int) {
	t.Helper()
	scratch := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(scratch, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	cfg := crashConfig(scratch)
	cfg.Logger = testLogger()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if st := s.Stats(); st.Disk > cfg.MaxBytes {
		t.Errorf("%d bytes are occupied, %d may be", st.Disk, cfg.MaxBytes)
	}
	check(t, s, s.fs, acked, removed, put)
}
