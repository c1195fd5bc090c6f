// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/state"
)

type value struct {
	N     int            `json:"n"`
	Names map[string]int `json:"names,omitempty"`
}

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func open(t testing.TB, path string, c *clock) *state.File[value] {
	t.Helper()
	f, err := state.Open[value](path, state.WithClock(c.now))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func set(t testing.TB, f *state.File[value], n int) {
	t.Helper()
	if err := f.Update(func(v *value) error { v.N = n; return nil }); err != nil {
		t.Fatal(err)
	}
}

func got(t testing.TB, f *state.File[value]) int {
	t.Helper()
	v, err := f.Get()
	if err != nil {
		t.Fatal(err)
	}
	return v.N
}

func TestAMissingFileIsZeroAndNotMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	f := open(t, filepath.Join(dir, "x.json"), &clock{t: time.Now()})
	if n := got(t, f); n != 0 {
		t.Errorf("value %d", n)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening made the folder: %v", err)
	}
	set(t, f, 7)
	if n := got(t, f); n != 7 {
		t.Errorf("value %d after the update", n)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "x.json"): 0o600, filepath.Join(dir, "x.json.lock"): 0o600} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, st.Mode(), err, want)
		}
	}
	text, _ := os.ReadFile(filepath.Join(dir, "x.json"))
	if string(text) != "{\n  \"n\": 7\n}\n" {
		t.Errorf("the file holds %q", text)
	}
}

func TestAChangeByAnotherIsSeenAfterASecond(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "x.json"), &clock{t: time.Now()}
	a, b := open(t, path, c), open(t, path, c)
	for i := 1; i <= 5; i++ { // same size, and within the same tick of the file system's clock
		set(t, a, i)
		c.add(time.Second)
		if n := got(t, b); n != i {
			t.Fatalf("b has %d, want %d", n, i)
		}
	}
	set(t, a, 9)
	if n := got(t, b); n != 5 {
		t.Errorf("b looked at the folder again within a second: %d", n)
	}
}

// What a file said does not end because somebody moves it away for a moment, as editors do.
func TestAFileThatIsGone(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "x.json"), &clock{t: time.Now()}
	a, b := open(t, path, c), open(t, path, c)
	set(t, a, 9)
	c.add(time.Second)
	if n := got(t, b); n != 9 {
		t.Fatalf("value %d", n)
	}
	if err := os.Rename(path, path+"~"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.add(time.Second)
		if v, err := b.Get(); v.N != 9 || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("value %+v, %v; want the last one and an error with the path", v, err)
		}
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
	c.add(time.Second)
	if n := got(t, b); n != 9 {
		t.Errorf("value %d when it is back", n)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// Neither a change nor a new start goes on with nothing: holds and people would be lost by it.
	for name, f := range map[string]*state.File[value]{"who knew it": b, "who is new": nil} {
		if f == nil {
			if _, err := state.Open[value](path, state.WithClock(c.now)); err == nil {
				t.Errorf("%s: opened", name)
			} else if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path+".lock") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err := f.Update(func(v *value) error { v.N = 1; return nil }); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: update: %v", name, err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was begun anew: %v", err)
	}
	if err := os.Remove(path + ".lock"); err != nil { // as the hint says
		t.Fatal(err)
	}
	d := open(t, path, c)
	set(t, d, 1)
	c.add(time.Second)
	if n, m := got(t, a), got(t, open(t, path, c)); n != 1 || m != 1 {
		t.Errorf("values %d and %d after a new beginning", n, m)
	}
}

// What nobody needs may be removed at any time.
func TestADisposableFileThatIsGone(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "x.json"), &clock{t: time.Now()}
	f, err := state.Open[value](path, state.WithClock(c.now), state.Disposable())
	if err != nil {
		t.Fatal(err)
	}
	set(t, f, 9)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	c.add(time.Second)
	if n := got(t, f); n != 0 {
		t.Errorf("value %d", n)
	}
	if err := f.Update(func(v *value) error { v.N++; return nil }); err != nil || got(t, f) != 1 {
		t.Errorf("%v, value %d", err, got(t, f))
	}
	if _, err := state.Open[value](path, state.Disposable()); err != nil {
		t.Error(err)
	}
}

// A first change that fails leaves a lock and no file, which is no loss.
func TestALockWithoutAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	f := open(t, path, &clock{t: time.Now()})
	no := errors.New("no")
	if err := f.Update(func(*value) error { return no }); !errors.Is(err, no) {
		t.Fatal(err)
	}
	set(t, open(t, path, &clock{t: time.Now()}), 1)
}

// A backup that is put in the place of the file holds, older or not, and whatever way it is put there.
func TestAnOlderBackup(t *testing.T) {
	for name, restore := range map[string]func(path string, backup []byte, at time.Time) error{
		"written over it, with its old time": func(path string, backup []byte, at time.Time) error {
			return errors.Join(os.WriteFile(path, backup, 0o600), os.Chtimes(path, at, at))
		},
		"renamed, with its old time": func(path string, backup []byte, at time.Time) error {
			return errors.Join(os.WriteFile(path+"~", backup, 0o600), os.Chtimes(path+"~", at, at), os.Rename(path+"~", path))
		},
		"with a time of the future": func(path string, backup []byte, _ time.Time) error {
			at := time.Now().Add(time.Hour)
			return errors.Join(os.WriteFile(path, backup, 0o600), os.Chtimes(path, at, at))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, c := filepath.Join(t.TempDir(), "x.json"), &clock{t: time.Now()}
			f := open(t, path, c)
			set(t, f, 1)
			backup, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Now().Add(-time.Hour)
			set(t, f, 2)
			c.add(time.Minute)
			if n := got(t, f); n != 2 {
				t.Fatal(n)
			}
			if err := restore(path, backup, at); err != nil {
				t.Fatal(err)
			}
			c.add(time.Second)
			if n := got(t, f); n != 1 {
				t.Errorf("value %d, want that of the backup", n)
			}
			if err := f.Update(func(v *value) error { v.N += 10; return nil }); err != nil || got(t, f) != 11 {
				t.Errorf("%v, value %d", err, got(t, f))
			}
		})
	}
}

func TestAFailedChangeLeavesEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	f := open(t, path, &clock{t: time.Now()})
	if err := f.Update(func(v *value) error { v.N, v.Names = 1, map[string]int{"a": 1}; return nil }); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := f.Update(func(v *value) error { v.N = 2; v.Names["a"] = 2; return no }); !errors.Is(err, no) {
		t.Errorf("error %v", err)
	}
	if v, err := f.Get(); err != nil || v.N != 1 || v.Names["a"] != 1 {
		t.Errorf("value %+v, %v", v, err)
	}
}

func TestWhatReadersHoldIsNotChanged(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "x.json"), &clock{t: time.Now()})
	var kept *value
	change := func(v *value) error {
		if v.Names == nil {
			v.Names = map[string]int{}
		}
		v.Names["a"]++
		kept = v
		return nil
	}
	if err := f.Update(change); err != nil {
		t.Fatal(err)
	}
	held, _ := f.Get()
	kept.Names["a"] = 99
	if err := f.Update(change); err != nil {
		t.Fatal(err)
	}
	if now, _ := f.Get(); held.Names["a"] != 1 || now.Names["a"] != 2 {
		t.Errorf("held %v, now %v; want 1 and 2", held.Names, now.Names)
	}
}

func TestADamagedFile(t *testing.T) {
	for _, tt := range []struct{ name, text, says string }{
		{"empty", "", "ends too early"},
		{"cut", `{"n": 1`, "ends too early"},
		{"no JSON", `{"n": secret}`, "not JSON"},
		{"of another kind", `{"n": "secret"}`, "wrong kind"},
		{"of a newer version", `{"n": 1, "more": 2}`, "more"},
		{"two values", `{"n": 1}{"n": 2}`, "follows"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, c := filepath.Join(t.TempDir(), "x.json"), &clock{t: time.Now()}
			f := open(t, path, c)
			set(t, f, 5)
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c.add(time.Second)
			v, err := f.Get()
			if err == nil || v.N != 5 || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secret") {
				t.Errorf("Get = %+v, %v; want the last value and an error with %q, the path and no content", v, err, tt.says)
			}
			if err := f.Update(func(*value) error { return nil }); err == nil {
				t.Error("an update replaced it")
			}
			if _, err := state.Open[value](path); err == nil {
				t.Error("it can be opened")
			}
			if text, _ := os.ReadFile(path); string(text) != tt.text {
				t.Errorf("it was changed to %q", text)
			}
			if err := os.WriteFile(path, []byte(`{"n": 6}`), 0o600); err != nil {
				t.Fatal(err)
			}
			c.add(time.Second)
			if n := got(t, f); n != 6 {
				t.Errorf("value %d after the repair", n)
			}
		})
	}
}

func TestWhatACrashLeavesBehindDoesNoHarm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	f := open(t, path, &clock{t: time.Now()})
	set(t, f, 1)
	if err := os.WriteFile(path+".tmp", []byte(strings.Repeat("x", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	set(t, f, 2)
	if text, _ := os.ReadFile(path); string(text) != "{\n  \"n\": 2\n}\n" {
		t.Errorf("the file holds %q", text)
	}
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
}

const (
	helperVar = "STATE_TEST_HELPER"
	counts    = 40
)

// TestMain makes the test binary one of several processes that count in one file.
func TestMain(m *testing.M) {
	if path := os.Getenv(helperVar); path != "" {
		f, err := state.Open[value](path)
		for i := 0; err == nil && i < counts; i++ {
			err = f.Update(func(v *value) error { v.N++; return nil })
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestProcessesDoNotLoseEachOthersChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	var all sync.WaitGroup
	const processes = 3
	for range processes {
		all.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), helperVar+"="+path)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	f := open(t, path, &clock{t: time.Now()})
	all.Go(func() {
		for range counts {
			if err := f.Update(func(v *value) error { v.N++; return nil }); err != nil {
				t.Error(err)
			}
			if _, err := f.Get(); err != nil { // a reader never meets half a file
				t.Error(err)
			}
		}
	})
	all.Wait()
	if n := got(t, open(t, path, &clock{t: time.Now()})); n != counts*(processes+1) {
		t.Errorf("counted to %d, want %d", n, counts*(processes+1))
	}
}

func FuzzOpen(f *testing.F) {
	for _, s := range []string{"", "{}", `{"n":1,"names":{"a":2}}`, "null", `{"n":1}x`, `[]`} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "x.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := state.Open[value](path)
		if err != nil {
			return
		}
		before, _ := file.Get()
		if err := file.Update(func(v *value) error { v.N++; return nil }); err != nil {
			t.Fatal(err)
		}
		if v, err := file.Get(); err != nil || v.N != before.N+1 {
			t.Fatalf("%q: %+v after %+v, %v", text, v, before, err)
		}
	})
}
