// SPDX-License-Identifier: Apache-2.0

//go:build linux

package state_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/s3cam/s3cam/internal/state"
)

func owner(t *testing.T, path string) (uid, gid uint32) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return st.Uid, st.Gid
}

// The server runs as a user of its own; the administrator changes its files with sudo.
func TestWhatRootWritesBelongsToTheOwnerOfTheFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: what root writes for another user, because this is not root")
	}
	const uid, gid = 64321, 64322
	dir := t.TempDir()
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cameras.json", "below/it/access.json"} {
		f, err := state.Open[map[string]string](filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // made, and replaced
			if err := f.Update(func(m *map[string]string) error { *m = map[string]string{"a": "b"}; return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"cameras.json", "cameras.json.lock", "below", "below/it", "below/it/access.json", "below/it/access.json.lock"} {
		if u, g := owner(t, filepath.Join(dir, name)); u != uid || g != gid {
			t.Errorf("%s belongs to %d:%d, want %d:%d", name, u, g, uid, gid)
		}
	}
}

// The owner of the folder must not get files of others by putting their names there.
func TestRootIsNotTrickedIntoGivingFilesAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: links in a folder in which root writes, because this is not root")
	}
	top := t.TempDir()
	dir, mine := filepath.Join(top, "theirs"), filepath.Join(top, "mine")
	for name, link := range map[string]func(string, string) error{"a symbolic link": os.Symlink, "a second name": os.Link} {
		for _, suffix := range []string{".tmp", ".lock"} {
			content := "precious"
			if name == "a second name" && suffix == ".lock" {
				content = "" // only an empty one is ever written to
			}
			if err := os.WriteFile(mine, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(dir, 64321, 64321); err != nil {
				t.Fatal(err)
			}
			if err := link(mine, filepath.Join(dir, "f.json"+suffix)); err != nil {
				t.Fatal(err)
			}
			f, err := state.Open[map[string]string](filepath.Join(dir, "f.json"))
			if err != nil {
				t.Fatal(err)
			}
			_ = f.Update(func(m *map[string]string) error { *m = map[string]string{"a": "b"}; return nil }) // it may refuse
			if u, _ := owner(t, mine); u != 0 {
				t.Errorf("%s at %s: the file was given to %d", name, suffix, u)
			}
			if text, err := os.ReadFile(mine); err != nil || string(text) != content {
				t.Errorf("%s at %s: the file was written: %q, %v", name, suffix, text, err)
			}
		}
	}
}
