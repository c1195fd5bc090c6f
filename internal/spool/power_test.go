// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// The power is cut before every single call to the file system, then several times what might have survived is looked at.
func TestAPowerCutLeavesWholeSegmentsOrNothing(t *testing.T) {
	cuts, last := 0, 0
	for n := 1; ; n++ {
		done := false
		for seed := range 12 {
			cuts++
			if done = powerCut(t, n, uint64(seed), 0, func(*flash) {}); t.Failed() {
				t.Fatalf("cut before call %d, seed %d", n, seed)
			}
		}
		if done {
			last = n
			break
		}
	}
	if last < 120 {
		t.Errorf("the work is done after %d calls: too few to mean anything", last)
	}
	t.Logf("%d cuts before %d calls", cuts, last)
}

// Power that fails again and again, also while cleaning up.
func TestManyPowerCutsInARow(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		f := newFlash()
		put, acked, removed := map[string]int{}, map[uint64]int{}, map[uint64]bool{}
		for round := range 12 {
			f.dieAt = 1 + r.IntN(120)
			run(t, f, round*8, put, acked)
			note(f, removed)
			f = f.cut(r)
		}
		s, err := openOn(f, crashConfig(""))
		if err != nil {
			t.Fatal(err)
		}
		if check(t, s, f, acked, removed, put); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// record is a reporter that only counts.
type record struct{ errors int }

func (*record) Helper() {}

func (r *record) Errorf(string, ...any) { r.errors++ }

// The test of the tests: a program without one of the two syncs must not pass.
func TestTheModelNoticesAMissingSync(t *testing.T) {
	for what, broken := range map[string]func(*flash){
		"of the file":   func(f *flash) { f.noFileSync = true },
		"of the folder": func(f *flash) { f.noFolderSync = true },
	} {
		noticed := false
		for n := 1; n < 200 && !noticed; n++ {
			for seed := range 12 {
				r := &record{}
				powerCut(r, n, uint64(seed), 1, broken)
				noticed = noticed || r.errors > 0
			}
		}
		if !noticed {
			t.Errorf("nobody notices that a sync %s is missing", what)
		}
	}
}

// powerCut runs the work on a flash that dies at call n and checks what is there afterwards. done: the work ended before that.
func powerCut(t reporter, n int, seed, stream uint64, setup func(*flash)) (done bool) {
	f := newFlash()
	setup(f)
	put, acked, removed := map[string]int{}, map[uint64]int{}, map[uint64]bool{}
	f.dieAt = n
	done = run(t, f, 0, put, acked)
	note(f, removed)
	after := f.cut(rand.New(rand.NewPCG(seed, stream)))
	s, err := openOn(after, crashConfig(""))
	if err != nil {
		t.Errorf("open after the cut: %v", err)
		return done
	}
	check(t, s, after, acked, removed, put)
	for n := range 3 { // it goes on, within its cap
		it, data := item(50 + n)
		if _, err := s.Put(it, [2][]byte{data}); err != nil || s.Stats().Disk > s.cfg.MaxBytes || after.disk() > s.cfg.MaxBytes {
			t.Errorf("Put after the cut = %v, %d bytes of at most %d", err, after.disk(), s.cfg.MaxBytes)
		}
	}
	return done
}

func run(t reporter, f *flash, first int, put map[string]int, acked map[uint64]int) (done bool) {
	t.Helper()
	for n := first; n < first+8; n++ {
		it, _ := item(n)
		put[it.Key] = n
	}
	s, err := openOn(f, crashConfig(""))
	if err == nil {
		err = work(s, first, func(seq uint64, n int) { acked[seq] = n })
	}
	if err != nil && !errors.Is(err, errDead) {
		t.Errorf("before the cut: %v", err)
	}
	return err == nil
}

// note takes over what was removed.
func note(f *flash, removed map[uint64]bool) {
	for _, n := range f.removed {
		if seq, ok := sequence(n); ok {
			removed[seq] = true
		}
	}
}
