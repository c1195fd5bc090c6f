// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func committed(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("SKIPPED: not a git checkout (%v), so the committed files are not known", err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestSourceFilesNameTheirLicence(t *testing.T) {
	ext := map[string]bool{".go": true, ".ts": true, ".c": true, ".h": true, ".sh": true, ".mjs": true, ".js": true, ".css": true}
	for _, name := range committed(t) {
		if !ext[filepath.Ext(name)] || strings.HasPrefix(name, "internal/webui/dist/") {
			continue
		}
		b, err := os.ReadFile("../../" + name)
		if err != nil {
			continue // deleted in the work tree
		}
		if head := b[:min(len(b), 300)]; !bytes.Contains(head, []byte("SPDX-License-Identifier: Apache-2.0")) {
			t.Errorf("%s has no SPDX header", name)
		}
	}
}

// Paths of somebody's machine and hosts of package registries make a checkout useless elsewhere.
func TestNoMachinePathsNorRegistryHosts(t *testing.T) {
	bad := regexp.MustCompile(`/root/|/home/[a-z]+/|/work/|registry\.npmjs|registry\.yarnpkg|proxy\.golang|/Users/`)
	for _, name := range committed(t) {
		if strings.HasPrefix(name, "internal/webui/dist/") || name == "test/rules/text_test.go" {
			continue
		}
		b, err := os.ReadFile("../../" + name)
		if err != nil || bytes.IndexByte(b[:min(len(b), 8000)], 0) >= 0 {
			continue
		}
		if at := bad.FindIndex(b); at != nil {
			line := 1 + bytes.Count(b[:at[0]], []byte("\n"))
			t.Errorf("%s:%d names %q", name, line, b[at[0]:at[1]])
		}
	}
}
