// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// measuring are the suites that report times: each runs with nothing beside it. The others mostly wait; they run after them, as many
// at a time as `go test -parallel` says.
var measuring = []string{"latency.test.mjs", "size.test.mjs"}

// TestBrowser builds the program and runs every *.test.mjs with it.
func TestBrowser(t *testing.T) {
	switch {
	case raceEnabled:
		t.Skip("SKIPPED: these tests measure time and run the program as it is shipped, without -race: make test-browser")
	case testing.Short():
		t.Skip("SKIPPED: browser tests are long (-short)")
	}
	node := need(t, "node")
	if out, err := exec.Command(node, "-p", "process.versions.node.split('.')[0]").Output(); err != nil {
		t.Skipf("SKIPPED: node does not run: %v", err)
	} else if major, err := strconv.Atoi(strings.TrimSpace(string(out))); err != nil || major < 20 {
		t.Skipf("SKIPPED: Node.js %s is older than 20", strings.TrimSpace(string(out)))
	}
	if _, err := exec.LookPath("chromium-headless-shell"); err != nil && os.Getenv("S3CAM_CHROMIUM") == "" {
		need(t, "chromium")
	}
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		t.Skip("SKIPPED: the npm packages are not installed: make deps")
	}
	suites, err := filepath.Glob("*.test.mjs")
	if err != nil || len(suites) == 0 {
		t.Fatalf("no suites found: %v", err)
	}

	binary := filepath.Join(t.TempDir(), "s3cam")
	build := exec.Command("go", "build", "-o", binary, "../../../cmd/s3cam")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	env := append(os.Environ(), "S3CAM_BIN="+binary, "S3CAM_TEST_ROLLING="+rolling(t), "S3CAM_TEST_SCREENSHOTS="+screenshots(t))
	for _, suite := range suites {
		t.Run(strings.TrimSuffix(suite, ".test.mjs"), func(t *testing.T) {
			if !slices.Contains(measuring, suite) {
				t.Parallel()
			}
			if strings.HasPrefix(suite, "rolling") || strings.HasPrefix(suite, "own-clip") {
				need(t, "ffmpeg")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, node, "--test", "--test-concurrency=1", "--test-reporter=spec", suite)
			cmd.Env = env
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // lets it end its browser and its servers
			cmd.WaitDelay = 20 * time.Second
			out := &lines{log: t.Log}
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Run(); err != nil {
				t.Errorf("%s: %v", suite, err)
			}
		})
	}
}

func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed: make deps", name)
	}
	return path
}

// rolling is for how many seconds the rolling playlist is watched.
func rolling(t *testing.T) string {
	t.Helper()
	d := 40 * time.Second
	if s := os.Getenv("S3CAM_TEST_ROLLING"); s != "" {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			t.Fatalf("S3CAM_TEST_ROLLING: %v", err)
		}
	} else if os.Getenv("S3CAM_TEST_LONG") == "1" {
		d = 5 * time.Minute
	}
	return strconv.Itoa(int(d.Seconds()))
}

func screenshots(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("S3CAM_TEST_SCREENSHOTS")
	if dir == "" {
		dir = "../artifacts"
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// lines logs what a command prints, a line at a time.
type lines struct {
	log  func(...any)
	rest string
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(b []byte) (int, error) {
	l.rest += string(b)
	for {
		line, rest, found := strings.Cut(l.rest, "\n")
		if !found {
			return len(b), nil
		}
		l.log(line)
		l.rest = rest
	}
}
