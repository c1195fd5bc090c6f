// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s3cam/s3cam/internal/spool"
)

// ramDisk mounts a small file system, where that is permitted.
func ramDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("s3cam", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("NOT TESTED on a disk that is full: mounting one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestARealDiskThatIsFull(t *testing.T) {
	disk := ramDisk(t, "256k")
	s := open(t, spool.Config{Dir: filepath.Join(disk, "cam"), MaxBytes: 1 << 30})
	left := 0
	for n := range 30 {
		it, data := footage(keyOf(n), 40_000)
		out, err := s.Put(it, [2][]byte{data[:1], data[1:]})
		if err != nil {
			t.Fatalf("Put %d = %v", n, err)
		}
		for _, o := range out {
			if o.Key != keyOf(left) {
				t.Errorf("%s leaves, want %s", o.Key, keyOf(left))
			}
			left++
		}
	}
	if st := s.Stats(); st.Items != 30-left || st.Items < 4 || st.Disk > 256<<10 {
		t.Errorf("%d left, and there is %+v", left, st)
	}
	// Somebody else takes the rest, and what leaves.
	for {
		it, ok := s.Oldest()
		if !ok {
			break
		}
		if err := s.Delete(it); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(disk, "log"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	it, data := footage(keyOf(40), 40_000)
	if _, err := s.Put(it, [2][]byte{data}); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("Put = %v", err)
	}
	if err := os.Remove(filepath.Join(disk, "log")); err != nil {
		t.Fatal(err)
	}
	put(t, s, it, data)
}

func TestARealDiskThatIsReadOnly(t *testing.T) {
	disk := ramDisk(t, "256k")
	dir := filepath.Join(disk, "cam")
	open(t, spool.Config{Dir: dir}).Close()
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("NOT TESTED on a disk that is read-only: %v", err)
	}
	for path, want := range map[string]string{dir: "cannot be written", filepath.Join(disk, "other"): "cannot be made"} {
		if _, err := spool.New(spool.Config{Dir: path, MaxBytes: 1 << 20}); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%s) = %v, want %q in it", filepath.Base(path), err, want)
		}
	}
}

func TestTheCapIsWhatTheFileSystemCounts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Config{Dir: dir, MaxBytes: 1 << 20})
	for n := range 40 {
		it, data := footage(keyOf(n), 60_000+n*1000)
		put(t, s, it, data)
		var disk int64
		for _, f := range segFiles(t, dir) {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			disk += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		if st := s.Stats(); disk != st.Disk || disk > 1<<20 {
			t.Fatalf("after %d items the files occupy %d bytes, %d are counted, %d may be", n+1, disk, st.Disk, 1<<20)
		}
	}
}
