// SPDX-License-Identifier: Apache-2.0

//go:build unix

package s3server_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s3cam/s3cam/internal/s3server"
)

// Symbolic links and pipes in a bucket's directory are no part of it, neither over HTTP nor in process: nothing outside is
// read, written or deleted through them, and nothing waits for the other end of a pipe.
func TestLinksAndPipesAreNotThere(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	elsewhere, dir := t.TempDir(), tg.embedded.Dir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(elsewhere, "secret"), []byte("secret"), 0o600))
	must(os.Symlink(elsewhere, filepath.Join(dir, "linked")))
	must(os.Symlink(filepath.Join(elsewhere, "secret"), filepath.Join(dir, "file")))
	must(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	for _, key := range []string{"linked/secret", "file", "pipe", "linked"} {
		for _, method := range []string{"GET", "HEAD"} {
			if res := tg.do(t, rawRequest{method: method, path: tg.path(key)}); res.status != 404 {
				t.Errorf("%s %s: %d %q, want 404", method, key, res.status, res.body)
			}
		}
		if res := tg.do(t, rawRequest{method: "GET", path: tg.path(key), query: "tagging="}); res.status != 404 {
			t.Errorf("tags of %s: %d %q, want 404", key, res.status, res.body)
		}
		if f, err := tg.embedded.Open(t.Context(), key); !errors.Is(err, s3server.ErrNotFound) {
			t.Errorf("opened %s as %v, %v", key, f, err)
		}
		if res := tg.do(t, rawRequest{method: "DELETE", path: tg.path(key)}); res.status != 204 {
			t.Errorf("DELETE %s: %d, want 204 as for what is not there", key, res.status)
		}
	}
	if res := tg.do(t, rawRequest{method: "PUT", path: tg.path("linked/new"), body: "x"}); res.status != 409 {
		t.Errorf("PUT through a link: %d %s, want 409", res.status, res.code)
	}
	if res := tg.do(t, rawRequest{method: "POST", path: tg.path("linked/new"), query: "uploads="}); res.status != 409 {
		t.Errorf("an upload in parts through a link: %d %s, want 409", res.status, res.code)
	}
	for _, name := range []string{"linked", "file", "pipe"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Errorf("a request removed it: %v", err)
		}
	}
	if left := filesIn(t, elsewhere); len(left) != 1 {
		t.Errorf("elsewhere there is %q, want what was there", left)
	}
}

// The directory of the data and those of the buckets are for their owner alone.
func TestFootageIsForNobodyElse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	cfg := config(t)
	cfg.Dir = dir
	run(t, cfg)
	for _, name := range []string{"", s3server.DefaultBucket, ".s3cam.lock"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v; want nothing for others", filepath.Join(dir, name), st.Mode(), err)
		}
	}
}

// A bucket is a directory: a file or a link of its name is said to be none at the start, not with every upload.
func TestBucketThatIsNoDirectory(t *testing.T) {
	cfg := config(t)
	dir := cfg.Dir
	if err := os.WriteFile(filepath.Join(dir, "a-file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "a-link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a-file", "a-link"} {
		cfg.Bucket = name
		s, err := s3server.New(cfg)
		if err == nil || !strings.Contains(err.Error(), "no directory") {
			t.Errorf("%s: %v, want an error", name, err)
		}
		if err == nil {
			s.Close()
		}
	}
}
