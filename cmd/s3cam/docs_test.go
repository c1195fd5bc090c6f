// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "write what the program says into docs/ref")

// block replaces the text between <!-- name --> and <!-- end --> of a page, or compares it.
func block(t *testing.T, page, name, want string) {
	t.Helper()
	path := "../../docs/ref/" + page
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`(?s)(<!-- ` + regexp.QuoteMeta(name) + ` -->\n)(.*?)(<!-- end -->)`).FindSubmatchIndex(text)
	if at == nil {
		t.Errorf("%s has no block %q", page, name)
		return
	}
	got := string(text[at[4]:at[5]])
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s, block %q differs from the program; run go test ./cmd/s3cam -update\ngot:\n%s\nwant:\n%s", page, name, got, want)
		return
	}
	if err := os.WriteFile(path, bytes.Join([][]byte{text[:at[4]], []byte(want), text[at[5]:]}, nil), 0o644); err != nil {
		t.Fatal(err)
	}
}

// docs/ref/cli.md shows the help of each command as it is.
func TestHelpIsInTheReference(t *testing.T) {
	t.Setenv("COLUMNS", "")
	for _, command := range append([]string{""}, commands...) {
		var out bytes.Buffer
		args := []string{"--help"}
		name := "s3cam"
		if command != "" {
			args = append(strings.Fields(command), "--help")
			name += " " + command
		}
		if err := run(t.Context(), args, nil, streams{nil, &out, &out}); err != nil {
			t.Fatalf("%s --help: %v", name, err)
		}
		block(t, "cli.md", "help "+name, "```text\n"+out.String()+"```\n")
	}
}

// flagRow is a line of the table in docs/ref/config.md.
type flagRow struct {
	flag, env, def, help string
	commands             []string
}

// docs/ref/config.md lists every flag with its variable, default and commands.
func TestFlagsAreInTheReference(t *testing.T) {
	var c cli
	parser, err := newParser(&c, &globals{streams: streams{nil, &bytes.Buffer{}, &bytes.Buffer{}}})
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][]*flagRow{}
	var order []string
	for _, command := range parser.Model.Leaves(false) {
		name := strings.TrimPrefix(command.Path(), "s3cam ") // deploy up
		for _, f := range command.Flags {
			if f.Name == "help" {
				continue
			}
			group := groupOf(f)
			row := &flagRow{"--" + f.Name, envName(f.Name), f.Default, f.OrigHelp, []string{name}}
			if f.IsBool() {
				row.def = "no"
			}
			if groups[group] == nil {
				order = append(order, group)
			}
			merged := false
			for _, r := range groups[group] {
				if r.flag == row.flag && r.def == row.def && r.help == row.help {
					r.commands = append(r.commands, name)
					merged = true
				}
			}
			if !merged {
				groups[group] = append(groups[group], row)
			}
		}
	}
	var b strings.Builder
	for _, group := range order {
		fmt.Fprintf(&b, "\n### %s\n\n| flag | variable | default | commands | meaning |\n|---|---|---|---|---|\n", group)
		for _, r := range groups[group] {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", r.flag, r.env, strings.ReplaceAll(r.def, "|", `\|`), strings.Join(r.commands, ", "), strings.ReplaceAll(r.help, "|", `\|`))
		}
	}
	b.WriteString("\n")
	block(t, "config.md", "flags", b.String())
}

func groupOf(f *kong.Flag) string {
	if f.Group == nil {
		return "Of the commands"
	}
	return strings.TrimSuffix(f.Group.Title, ":")
}
