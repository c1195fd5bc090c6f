// SPDX-License-Identifier: Apache-2.0

package shim_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// The parser of replies and the search for slices on damaged messages, under sanitizers: one second each here, with another seed every time.
func TestParserOnDamagedMessages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.bin"))
	if err != nil || len(files) == 0 {
		t.Fatal("no golden messages", err)
	}
	for _, cc := range []string{"gcc", "clang"} {
		t.Run(cc, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "fuzz")
			flags := flagsOf["asan"]
			if cc == "clang" {
				if _, err := exec.LookPath(cc); err != nil {
					t.Skip("SKIP: no clang")
				}
				flags = []string{"-O2"} // its sanitizers are not everywhere
			}
			compile(t, cc, out, flags, "testdata/fuzz.c")
			seed := strconv.FormatInt(time.Now().UnixNano()%1e9, 10)
			text, err := exec.Command(out, append([]string{"1", seed}, files...)...).CombinedOutput()
			if err != nil {
				t.Errorf("seed %s: %v\n%s", seed, err, text)
			}
			t.Logf("seed %s: %s", seed, text)
		})
	}
}
