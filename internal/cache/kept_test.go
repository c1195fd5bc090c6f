// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/cache"
)

func keptStore(t testing.TB, dir string, at time.Time) *cache.Kept {
	t.Helper()
	k, err := cache.NewKept(dir, cache.MemoryConfig{Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// kept lists the files, and the one of a window that was just saved.
func keptFiles(t testing.TB, dir string) (out []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestKeptGoesOnAfterAKill(t *testing.T) {
	dir := t.TempDir()
	k := keptStore(t, dir, now)
	save(t, k, window("cam/1", 0, 4, now))
	w := load(t, k, "cam/1")
	w.MediaSequence = 42
	save(t, k, w)
	// The process is killed; another one opens the folder.
	again := keptStore(t, dir, now)
	got := load(t, again, "cam/1")
	if got.Version != 2 || got.MediaSequence != 42 || len(got.Entries) != 4 {
		t.Fatalf("after the restart: %+v", got)
	}
	save(t, again, got)
	if got = load(t, again, "cam/1"); got.Version != 3 {
		t.Errorf("after another save: version %d, want 3", got.Version)
	}
	if got = load(t, again, "cam/2"); got.Version != 0 || got.ID != "cam/2" {
		t.Errorf("of a camera that was never saved: %+v", got)
	}
}

// After a crash of the machine the last state may be missing; an older one would let numbers go back.
func TestKeptTrustsNothingFromBeforeACrashOfTheMachine(t *testing.T) {
	dir := t.TempDir()
	save(t, keptStore(t, dir, now), window("cam1", 0, 4, now))
	if err := os.WriteFile(filepath.Join(dir, "epoch"), []byte("another boot 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := keptStore(t, dir, now)
	if got := load(t, k, "cam1"); got.Version != 0 {
		t.Errorf("loaded %+v", got)
	}
	save(t, k, window("cam1", 0, 2, now))
	if got := load(t, keptStore(t, dir, now), "cam1"); got.Version != 1 {
		t.Errorf("of this boot: %+v", got)
	}
}

func TestKeptMakesAnewWhatItCannotRead(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"cut":           func(b []byte) []byte { return b[:len(b)/2] },
		"empty":         func([]byte) []byte { return nil },
		"other":         func([]byte) []byte { return []byte(`{"ID":"other","Version":7}`) },
		"no version":    func([]byte) []byte { return []byte(`{"ID":"cam1","Version":-1}`) },
		"negative MSN":  func([]byte) []byte { return []byte(`{"ID":"cam1","Version":3,"MediaSequence":-9}`) },
		"wrong entries": func([]byte) []byte { return []byte(`{"ID":"cam1","Version":3,"Entries":"AAAA"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			save(t, keptStore(t, dir, now), window("cam1", 0, 4, now))
			for _, f := range keptFiles(t, dir) {
				b, err := os.ReadFile(f)
				if err == nil {
					err = os.WriteFile(f, damage(b), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			k := keptStore(t, dir, now)
			if got := load(t, k, "cam1"); got.Version != 0 || len(got.Entries) != 0 {
				t.Errorf("loaded %+v", got)
			}
			save(t, k, window("cam1", 0, 2, now))
			if got := load(t, keptStore(t, dir, now), "cam1"); got.Version != 1 || len(got.Entries) != 2 {
				t.Errorf("after it was made anew: %+v", got)
			}
		})
	}
}

func TestKeptWorksWithoutADisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "windows")
	k := keptStore(t, dir, now)
	save(t, k, window("cam1", 0, 4, now))
	if err := os.RemoveAll(dir); err != nil { // as good as a disk that fails, for root too
		t.Fatal(err)
	}
	w := load(t, k, "cam1")
	w.MediaSequence = 9
	save(t, k, w)
	if got := load(t, k, "cam1"); got.MediaSequence != 9 || got.Version != 2 {
		t.Errorf("loaded %+v", got)
	}
}

func TestKeptForgets(t *testing.T) {
	dir := t.TempDir()
	at := time.Now()
	k := keptStore(t, dir, at)
	save(t, k, window("cam1", 0, 4, at))
	save(t, k, window("cam1\n1790000000000000", 0, 4, at))
	keptStore(t, dir, at.Add(48*time.Hour))
	if got := keptFiles(t, dir); len(got) != 1 {
		t.Errorf("after two days: %q, want the live window alone", got)
	}
	keptStore(t, dir, at.Add(60*24*time.Hour))
	if got := keptFiles(t, dir); len(got) != 0 {
		t.Errorf("after two months: %q", got)
	}
}

// FuzzKept: whatever lies in the folder, a window comes back that was saved there or none.
func FuzzKept(f *testing.F) {
	dir := f.TempDir()
	k := keptStore(f, dir, now)
	save(f, k, window("cam1", 0, 4, now))
	path := keptFiles(f, dir)[0]
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"ID":"cam1","Version":9223372036854775807,"MediaSequence":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		k := keptStore(t, dir, now)
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), text, 0o600); err != nil {
			t.Fatal(err)
		}
		w := load(t, k, "cam1")
		if w.ID != "cam1" || w.Version < 0 || w.MediaSequence < 0 || w.DiscontinuitySequence < 0 {
			t.Errorf("loaded %+v", w)
		}
		if w.Version < 1<<62 {
			save(t, k, w)
		}
	})
}

func TestKeptTextsOfAnyLengthReplaceOneAnother(t *testing.T) {
	dir := t.TempDir()
	k := keptStore(t, dir, now)
	version := int64(0)
	for _, entries := range []int{1, 30, 4, 400, 3, 500, 2, 1} { // 400 are more than is written in place
		w := window("cam1", version, entries, now)
		save(t, k, w)
		version++
		got := load(t, keptStore(t, dir, now), "cam1")
		if got.Version != version || len(got.Entries) != entries || got.Entries[entries-1] != w.Entries[entries-1] {
			t.Fatalf("%d entries: read back version %d with %d", entries, got.Version, len(got.Entries))
		}
	}
	if files := keptFiles(t, dir); len(files) != 1 {
		t.Errorf("files %v", files)
	}
}
