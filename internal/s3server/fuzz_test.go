// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/s3server"
)

// FuzzCleanKey: what is accepted stays in the bucket, is a clean path, and means the same when it is cleaned again.
func FuzzCleanKey(f *testing.F) {
	for _, s := range []string{
		"cam1/2026/01/02/03/04/05.ts", "cam1//x", "/cam1/x", "///", "", ".", "..", "a/../../b", "a/./b", "a/", "..a", "a..", ".sgwtmp/x",
		"a/.sgwtmp", ".x.sgwtmp.1", "x.sgwtmp.1", ".vgwlocks", "a\x00b", "a\nb", "a\\..\\b", "%2e%2e/x", "камера/é", "\xff\xfe", strings.Repeat("x", 231),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		clean, err := s3server.CleanKey(key)
		if err != nil {
			return
		}
		if clean != path.Clean("/" + key)[1:] || clean == "" {
			t.Fatalf("%q became %q", key, clean)
		}
		if again, err := s3server.CleanKey(clean); err != nil || again != clean {
			t.Fatalf("%q cleaned twice: %q, %v", key, again, err)
		}
		if rel, err := filepath.Rel("/bucket", filepath.Join("/bucket", clean)); err != nil || rel != clean || !filepath.IsLocal(clean) {
			t.Fatalf("%q leaves the bucket", key)
		}
		for elem := range strings.SplitSeq(clean, "/") {
			if elem == ".sgwtmp" || elem == ".vgwlocks" || elem == "" {
				t.Fatalf("%q has the element %q", key, elem)
			}
		}
	})
}

func FuzzPaths(f *testing.F) {
	for _, s := range []string{"/video/a", "/video/%2e%2e/x", "/%00", "/%", "/a%zz", "/video/..%2fx", "/a/%2E/b", "//", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		s3server.WellFormed([]byte(p))
		if folder, ok := s3server.FolderOf(p); ok && folder != "" && (!strings.HasPrefix(p, folder) || !filepath.IsLocal(folder)) {
			t.Fatalf("prefix %q is in folder %q", p, folder)
		}
	})
}
