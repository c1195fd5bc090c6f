// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/agent"
)

var update = flag.Bool("update", false, "write docs/ref/agent.md")

// The table of settings in the documentation is the one of the program.
func TestReference(t *testing.T) {
	const path = "../../docs/ref/agent.md"
	const begin, end = "<!-- settings: go test ./internal/agent -run Reference -update -->\n", "<!-- end -->\n"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has lost its marks", path)
	}
	want := agent.Reference()
	if *update {
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s is not what the program says; run go test ./internal/agent -run Reference -update", path)
	}
}

func TestUsageNamesEverySetting(t *testing.T) {
	usage := agent.Usage()
	for line := range strings.Lines(agent.Reference()) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `") && !strings.Contains(usage, "--"+name) {
			t.Errorf("--help lacks --%s", name)
		}
	}
}
