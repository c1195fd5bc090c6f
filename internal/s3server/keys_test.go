// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeysAreCleaned(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	for _, tt := range []struct{ name, path, stored string }{
		{"a plain key", "cam1/a.ts", "cam1/a.ts"},
		{"a double slash", "cam1//b.ts", "cam1/b.ts"},
		{"many slashes", "cam1////x///c.ts", "cam1/x/c.ts"},
		{"a leading slash", "/cam1/d.ts", "cam1/d.ts"},
		{"dots inside a name", "cam1/..f...ts", "cam1/..f...ts"},
		{"a hidden name", "cam1/.g.ts", "cam1/.g.ts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := "/" + tg.bucket + "/" + tt.path
			if res := tg.do(t, rawRequest{method: "PUT", path: path, body: tt.name}); res.status != 200 {
				t.Fatalf("put: %d %s", res.status, res.body)
			}
			// Both spellings read it, over HTTP and in process.
			for _, p := range []string{path, "/" + tg.bucket + "/" + tt.stored} {
				if res := tg.do(t, rawRequest{method: "GET", path: p}); res.body != tt.name {
					t.Errorf("get %s: %d %q", p, res.status, res.body)
				}
			}
			if b, err := tg.embedded.ReadRange(t.Context(), tt.stored, 0, 100); err != nil || string(b) != tt.name {
				t.Errorf("in process: %q, %v", b, err)
			}
			if _, err := os.Stat(filepath.Join(tg.embedded.Dir(), filepath.FromSlash(tt.stored))); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestKeysThatCannotBeStored sends keys that would leave the bucket, meet the engine's own files or never be listed. Each is
// refused with a 4xx for every method, and nothing appears anywhere.
func TestKeysThatCannotBeStored(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	root := filepath.Dir(tg.embedded.Dir())
	before := strings.Join(outside(t, root, tg), "\n")
	b := "/" + tg.bucket
	for _, path := range []string{
		b + "/..", b + "/../x", b + "/../../x", b + "/a/../../x", b + "/a/..", b + "/a/../b", b + "/./x", b + "/a/./b", b + "/.",
		b + "/%2e%2e/x", b + "/%2E%2E/%2e%2e/x", b + "/a/%2e%2e/%2e%2e/x", b + "/..%2fx", b + "/a%2f..%2f..%2fx", b + "%2f..%2fx",
		"/../x", "/%2e%2e/x", "/..%2f..%2fetc%2fpasswd",
		b + "/a%00b", b + "/%00", b + "/a%0ab", b + "/a%0d%0aSet-Cookie:x", b + "/a%1fb", b + "/a%7fb",
		b + "/.sgwtmp/x", b + "/.sgwtmp", b + "/a/.sgwtmp/x", b + "/%2esgwtmp/x", b + "//.sgwtmp//x", b + "/.vgwlocks/x", b + "/.x.sgwtmp.123", b + "/a/.x.ts.sgwtmp.1",
		"/.vgwlocks/x", "/.s3cam.lock", "/.s3cam.lock/x",
		b + "/folder/", b + "//", b + "/a%2f",
		b + "/" + strings.Repeat("x", 231), b + "/" + strings.Repeat("a/", 512) + "x",
		b + "/%ff%fe", b + "/cam%c3/x", b + "/%ed%a0%80",
		b + "/%", b + "/%zz", b + "/%2", b + "/%e",
	} {
		for _, method := range []string{"PUT", "GET", "HEAD", "DELETE"} {
			body := ""
			if method == "PUT" {
				body = "escaped"
			}
			res := tg.do(t, rawRequest{method: method, path: path, body: body})
			if res.status >= 500 || method == "PUT" && res.status < 400 || method != "DELETE" && res.status < 400 || strings.Contains(res.body, "root:") {
				t.Errorf("%s %s: %d %.80s, want 4xx", method, path, res.status, res.body)
			}
			if strings.Contains(res.body, root) {
				t.Errorf("%s %s: the answer names the directory: %s", method, path, res.body)
			}
		}
	}
	if left := filesBelow(t, tg); len(left) != 0 {
		t.Errorf("in the bucket's directory: %q", left)
	}
	if after := strings.Join(outside(t, root, tg), "\n"); after != before {
		t.Errorf("files outside the bucket changed: before %q, after %q", before, after)
	}
	for _, key := range []string{"..", "../x", "a/../../x", "", "/", "a/", "\x00", ".sgwtmp/x", "a//b/../c"} {
		if f, err := tg.embedded.Open(t.Context(), key); err == nil {
			t.Errorf("opened %q as %s", key, f.Name())
			_ = f.Close()
		}
	}
}

// outside lists the engine's directory without the buckets' insides (other tests use theirs), and its parent.
func outside(t *testing.T, root string, tg *target) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(root), "x")); err == nil {
		names = append(names, "../x")
	}
	return names
}

func TestAFileIsNotAFolder(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	tg.put(t, "cam1/a", "file")
	for _, key := range []string{"cam1/a/b.ts", "cam1/a/b/c/d.ts", "cam1"} {
		res := tg.do(t, rawRequest{method: "PUT", path: tg.path(key), body: "x"})
		if res.status != 409 {
			t.Errorf("put %s: %d %s, want 409", key, res.status, res.code)
		}
		if res := tg.do(t, rawRequest{method: "GET", path: tg.path(key)}); res.status != 404 {
			t.Errorf("get %s: %d, want 404", key, res.status)
		}
	}
	if keys := tg.keys(t); len(keys) != 1 || keys[0] != "cam1/a" {
		t.Errorf("keys %q", keys)
	}
}
