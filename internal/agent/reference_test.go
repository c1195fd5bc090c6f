// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/wire"
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

// So are the forms of the command line, the fields of the status and the exit codes.
func TestTheRestOfTheReference(t *testing.T) {
	page, err := os.ReadFile("../../docs/ref/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(agent.Usage(), "usage:\n")
	forms, _, _ := strings.Cut(rest, "\n\n")
	for form := range strings.Lines(forms) {
		if !strings.Contains(string(page), "\n"+strings.TrimSpace(form)+"\n") {
			t.Errorf("the page lacks %q", strings.TrimSpace(form))
		}
	}
	b := s3servertest.New(t)
	d := start(t, into(b)...)
	f := d.connect()
	f.hello(wire.Config{Prefix: "cam"})
	f.next(wire.TypeReady)
	var text strings.Builder
	if err := agent.AskStatus(t.Context(), d.socket, true, &text); err != nil {
		t.Fatal(err)
	}
	var status map[string]any
	if err := json.Unmarshal([]byte(text.String()), &status); err != nil {
		t.Fatal(err)
	}
	fields := status["cameras"].([]any)[0].(map[string]any)
	maps.Copy(fields, status)
	for name := range fields {
		shown := name
		for _, unit := range []string{"segments", "frames", "bytes"} {
			for _, amount := range []string{"stored_", "pending_", "dropped_", "spooled_", "backfilled_"} {
				if name == amount+unit {
					shown = amount
				}
			}
		}
		if !strings.Contains(string(page), "`"+shown+"`") {
			t.Errorf("the page does not name the field %s of the status", name)
		}
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
