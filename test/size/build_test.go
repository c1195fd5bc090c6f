// SPDX-License-Identifier: Apache-2.0

package size_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/s3cam/s3cam"
)

// targets are those of `scripts/agent-build.sh all`, with what the Go command calls them.
var targets = []struct {
	name string
	env  []string // for go list
}{
	{"mipsle", []string{"GOARCH=mipsle", "GOMIPS=softfloat"}},
	{"arm5", []string{"GOARCH=arm", "GOARM=5"}},
	{"arm7", []string{"GOARCH=arm", "GOARM=7"}},
	{"arm64", []string{"GOARCH=arm64", "GOARM64=v8.0"}},
	{"amd64", []string{"GOARCH=amd64", "GOAMD64=v1"}},
}

var work string // folder of the builds, for the life of the test program

func TestMain(m *testing.M) {
	var err error
	if work, err = os.MkdirTemp("", "s3cam-size"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(work)
	os.Exit(code)
}

var build = sync.OnceValues(func() ([]byte, error) {
	script, err := filepath.Abs(root + "/scripts/agent-build.sh")
	if err != nil {
		return nil, err
	}
	return exec.Command(script, "-o", work, "all").CombinedOutput()
})

// agent returns the path of the agent built for target.
func agent(t *testing.T, target string) string {
	t.Helper()
	readSources(t)
	if out, err := build(); err != nil {
		t.Fatalf("scripts/agent-build.sh all: %v\n%s", err, out)
	}
	return filepath.Join(work, target, "s3cam-agent")
}

// readSources reads the folders that the agent is made from. The Go command sees that and does not take the result of an earlier
// run from its cache when one of their files has changed; what a child process reads it cannot see.
func readSources(t *testing.T) {
	t.Helper()
	for _, dir := range append(sourceFolders(t), "scripts") {
		if _, err := os.ReadDir(filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// sourceFolders lists the folders below root of our own packages in the agent's closure, and root itself as ".".
func sourceFolders(t *testing.T) []string {
	t.Helper()
	dirs := []string{"."}
	for _, p := range closure(t, nil) {
		if rel, ours := strings.CutPrefix(p, module+"/"); ours {
			dirs = append(dirs, rel)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// closure lists the import paths of everything that the agent is linked from, for a target's environment.
func closure(t *testing.T, env []string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "./cmd/s3cam-agent")
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS="), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	return strings.Fields(string(out))
}
