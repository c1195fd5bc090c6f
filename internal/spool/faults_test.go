// SPDX-License-Identifier: Apache-2.0

//go:build unix

package spool

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/s3cam/s3cam/uploader"
)

func mustOpen(t *testing.T, f *flash) *Spool {
	t.Helper()
	s, err := openOn(f, Config{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustPut(t *testing.T, s *Spool, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		it, data := item(n)
		if out, err := s.Put(it, [2][]byte{data}); err != nil || len(out) > 0 {
			t.Fatalf("Put %d = %d left, %v", n, len(out), err)
		}
	}
}

func numbers(items []uploader.SpoolItem) (list []int) {
	for _, it := range items {
		for n := range 100 {
			if want, _ := item(n); want == it {
				list = append(list, n)
			}
		}
	}
	return list
}

func TestAFullDiskMakesTheOldestLeave(t *testing.T) {
	f := newFlash()
	s := mustOpen(t, f)
	mustPut(t, s, 0, 5)
	f.room = f.disk() // others have taken the rest
	it, data := item(5)
	out, err := s.Put(it, [2][]byte{data})
	if err != nil || fmt.Sprint(numbers(out)) != "[0]" {
		t.Errorf("Put on a full disk = %v left, %v; want item 0 to leave", numbers(out), err)
	}
	f.room = 3 * itemDisk // less than what is there: nothing helps at once
	it, data = item(6)
	out, err = s.Put(it, [2][]byte{data})
	if err == nil || !strings.Contains(err.Error(), "disk is full") || fmt.Sprint(numbers(out)) != "[1]" {
		t.Errorf("Put = %v left, %v; want one try more than one, and an error", numbers(out), err)
	}
	if _, has := f.names[temp]; has {
		t.Error("the temporary file is left and takes room")
	}
	out, err = s.Put(it, [2][]byte{data}) // the next Put goes on from there
	if err == nil || fmt.Sprint(numbers(out)) != "[2]" {
		t.Errorf("Put = %v left, %v", numbers(out), err)
	}
	out, err = s.Put(it, [2][]byte{data})
	if err != nil || fmt.Sprint(numbers(out)) != "[3]" {
		t.Errorf("Put = %v left, %v", numbers(out), err)
	}
	if items, _ := s.Usage(); items != 3 || s.stats.Disk != f.disk() {
		t.Errorf("%d items are there, %d bytes counted, %d used", items, s.stats.Disk, f.disk())
	}
}

func TestADiskThatOthersFillIsAClearError(t *testing.T) {
	f := newFlash()
	f.room = 1
	s, err := openOn(f, Config{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatalf("New on a full disk = %v: it may have room again later", err)
	}
	it, data := item(0)
	if _, err := s.Put(it, [2][]byte{data}); err == nil || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("Put = %v", err)
	}
	f.room = 0
	mustPut(t, s, 0, 2)
}

// The file system needs more than the size tells.
func TestTheCapCountsRealBlocks(t *testing.T) {
	f := newFlash()
	f.extra = 2 * blockBytes
	s, err := openOn(f, Config{MaxBytes: 3*(itemDisk+f.extra) + 1})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		it, data := item(n)
		if _, err := s.Put(it, [2][]byte{data}); err != nil || f.disk() > s.cfg.MaxBytes || s.stats.Disk != f.disk() {
			t.Errorf("Put %d = %v; %d bytes counted, %d used, %d allowed", n, err, s.stats.Disk, f.disk(), s.cfg.MaxBytes)
		}
	}
	if items, _ := s.Usage(); items != 3 {
		t.Errorf("%d items fit, want 3", items)
	}
}

// Each call fails once, for each of these reasons: an item is then there or not, as Put said, and nothing else is lost.
func TestAnErrorAtAnyStepCostsNothingButThePut(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EROFS, syscall.EMFILE} {
		steps := 0
		for at := 1; ; at++ {
			f := newFlash()
			s := mustOpen(t, f)
			mustPut(t, s, 0, 3)
			f.calls = 0
			failed := ""
			f.fail = func(op, _ string) error {
				if f.calls == at {
					failed = op
					return errno
				}
				return nil
			}
			it, data := item(3)
			out, err := s.Put(it, [2][]byte{data})
			f.fail = nil
			if failed == "" {
				steps = at - 1
				break
			}
			if err == nil || !errors.Is(err, errno) || len(out) > 0 {
				t.Errorf("%v at %s: Put = %v left, %v", errno, failed, numbers(out), err)
			}
			mustPut(t, s, 4, 6)
			s = mustOpen(t, f)
			for _, n := range []int{0, 1, 2, 4, 5} {
				want, _ := item(n)
				got, ok := s.Oldest()
				if !ok || got != want {
					t.Errorf("%v at %s: item %d is missing", errno, failed, n)
				}
				if _, err := s.Read(got, make([]byte, got.Size)); err != nil {
					t.Errorf("%v at %s: item %d: %v", errno, failed, n, err)
				}
				if err := s.Delete(got); err != nil {
					t.Error(err)
				}
			}
			if _, ok := s.Oldest(); ok || len(f.names) > 0 {
				t.Errorf("%v at %s: left: %v", errno, failed, f)
			}
		}
		if steps < 8 {
			t.Errorf("a Put makes %d calls only", steps)
		}
	}
}

func TestAnErrorThatPassesDoesNotMakeAnItemCorrupt(t *testing.T) {
	f := newFlash()
	s := mustOpen(t, f)
	mustPut(t, s, 0, 2)
	s = mustOpen(t, f)
	it, _ := item(0)
	f.fail = func(op, _ string) error {
		if op == "open" {
			return syscall.EMFILE
		}
		return nil
	}
	if _, ok := s.Oldest(); ok {
		t.Error("an item without its header")
	}
	if _, err := s.Read(it, make([]byte, it.Size)); !errors.Is(err, syscall.EMFILE) || errors.Is(err, uploader.ErrSpoolCorrupt) {
		t.Errorf("Read = %v, want EMFILE: the item is whole", err)
	}
	if err := s.Delete(it); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Delete = %v, want EMFILE: the item is there", err)
	}
	if _, err := openOn(f, Config{MaxBytes: 1 << 20}); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("New = %v, want the error: nothing may be thrown away for it", err)
	}
	f.fail = nil
	if got, ok := s.Oldest(); !ok || got != it {
		t.Errorf("then: %+v", got)
	}
	f.fail = func(op, _ string) error {
		if op == "open" {
			return syscall.ENFILE
		}
		return nil
	}
	if _, err := s.Read(it, make([]byte, it.Size)); err == nil || errors.Is(err, uploader.ErrSpoolCorrupt) {
		t.Errorf("Read = %v, want an error that is not ErrSpoolCorrupt", err)
	}
}

// Flash with a bad block gives EIO, in the header or behind it: that item is lost, when its turn comes.
func TestAFileThatTheFlashDoesNotGiveBackIsCorrupt(t *testing.T) {
	f := newFlash()
	mustPut(t, mustOpen(t, f), 0, 3)
	bad := name(1)
	f.fail = func(op, n string) error {
		if op == "read" && n == bad {
			return syscall.EIO
		}
		return nil
	}
	s := mustOpen(t, f)
	if items, _ := s.Usage(); items != 3 {
		t.Errorf("%d items, want 3", items)
	}
	it, ok := s.Oldest()
	if !ok || it.Key != "" {
		t.Errorf("Oldest = %+v, %v", it, ok)
	}
	if _, err := s.Read(it, make([]byte, 20000)); !errors.Is(err, uploader.ErrSpoolCorrupt) {
		t.Errorf("Read = %v", err)
	}
	if err := s.Delete(it); err != nil {
		t.Error(err)
	}
	if it, ok := s.Oldest(); !ok || fmt.Sprint(numbers([]uploader.SpoolItem{it})) != "[1]" {
		t.Errorf("then Oldest = %+v, %v", it, ok)
	}
}

func TestAFlashThatIsReadOnlyStillGivesItsItems(t *testing.T) {
	f := newFlash()
	s := mustOpen(t, f)
	s.cfg.MaxBytes = 3*itemDisk + 1
	mustPut(t, s, 0, 3)
	f.fail = func(op, _ string) error {
		if op == "create" || op == "remove" || op == "rename" || op == "write" {
			return syscall.EROFS
		}
		return nil
	}
	it, data := item(3)
	if out, err := s.Put(it, [2][]byte{data}); !errors.Is(err, syscall.EROFS) || len(out) > 0 {
		t.Errorf("Put = %d left, %v: an item that stays on flash has not left", len(out), err)
	}
	old, ok := s.Oldest()
	if _, err := s.Read(old, make([]byte, old.Size)); !ok || err != nil {
		t.Errorf("Read = %v", err)
	}
	if err := s.Delete(old); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Delete = %v", err)
	}
	if items, _ := s.Usage(); items != 3 {
		t.Errorf("%d items", items)
	}
	if _, err := openOn(f, Config{MaxBytes: 1 << 20}); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("New = %v", err)
	}
}
