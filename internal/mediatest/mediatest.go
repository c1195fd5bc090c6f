// SPDX-License-Identifier: Apache-2.0

// Package mediatest finds the real footage for tests: S3CAM_MEDIA, or ../shared/media beside the repository. Tests that need it skip,
// saying so, when it is not there. Only tests import this package.
package mediatest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Root returns the root of the checkout, the folder with go.mod, as an absolute path.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test's folder")
	return ""
}

// Dir returns the folder with the footage and its MANIFEST.md, or skips the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("S3CAM_MEDIA")
	if dir == "" {
		dir = filepath.Join(Root(t), "..", "shared", "media")
	}
	if _, err := os.Stat(filepath.Join(dir, "MANIFEST.md")); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: real footage is missing (set S3CAM_MEDIA): %v", err)
	}
	return dir
}

// Path returns the path of one file of the footage, or skips the test.
func Path(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Dir(t), name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: the footage lacks this file: %v", err)
	}
	return path
}

// Entry is what MANIFEST.md says about one file.
type Entry struct {
	Name   string // "camera/kvs_street_640x480_25.h264"
	Text   string // the whole entry
	Frames int    // decoded video frames; 0 when nothing decodes
	MD5    string // of all of them; "" when nothing decodes
}

// Manifest returns the entries of MANIFEST.md in its order, or skips the test.
func Manifest(t testing.TB) []Entry {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Dir(t), "MANIFEST.md"))
	if err != nil {
		t.Fatal(err)
	}
	decoded := regexp.MustCompile(`decoded frames (\d+), md5 of decoded frames ([0-9a-f]{32})`)
	var entries []Entry
	for _, section := range strings.Split(string(b), "\n### ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		e := Entry{Name: name, Text: text}
		if m := decoded.FindStringSubmatch(text); m != nil {
			e.Frames, _ = strconv.Atoi(m[1])
			e.MD5 = m[2]
		}
		entries = append(entries, e)
	}
	return entries
}

// Lookup returns the entry of one file, which must exist, or skips the test.
func Lookup(t testing.TB, name string) Entry {
	t.Helper()
	for _, e := range Manifest(t) {
		if e.Name == name {
			return e
		}
	}
	t.Fatalf("%s is not in MANIFEST.md", name)
	return Entry{}
}
