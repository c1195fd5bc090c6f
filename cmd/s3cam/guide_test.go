// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	template "github.com/s3cam/s3cam/deploy/cloudformation"
	"github.com/s3cam/s3cam/internal/deploy"
)

// guideCommands returns the command lines of s3cam in a page: in blocks of sh and in inline code, without comments, pipes and
// redirections.
func guideCommands(page string) []string {
	var code []string
	rest := regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```").ReplaceAllStringFunc(page, func(block string) string {
		if body, ok := strings.CutPrefix(block, "```sh\n"); ok {
			body = strings.ReplaceAll(strings.TrimSuffix(body, "```"), "\\\n", " ")
			code = append(code, strings.Split(body, "\n")...)
		}
		return ""
	})
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(rest, -1) {
		code = append(code, strings.Join(strings.Fields(m[1]), " "))
	}
	var all []string
	command := regexp.MustCompile(`(?:^|[;&|] *|\s)(?:go run \./cmd/s3cam|s3cam) ([^#|;&>]*)`)
	for _, line := range code {
		line = strings.TrimSpace(line)
		if i := strings.Index(line, " #"); i >= 0 {
			line = line[:i]
		}
		for _, m := range command.FindAllStringSubmatch(line, -1) {
			if args := strings.TrimSpace(m[1]); args != "" && !strings.HasPrefix(args, "\"$@\"") {
				all = append(all, args)
			}
		}
	}
	return all
}

// Every command line of s3cam in the AWS guide is one that the program takes, with parameters and outputs of the template.
func TestTheCommandsOfTheAWSGuideExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/guide/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	stack, err := deploy.ParseTemplate(template.Template(false))
	if err != nil {
		t.Fatal(err)
	}
	commands := guideCommands(page)
	if len(commands) < 25 {
		t.Errorf("only %d commands found: %q", len(commands), commands)
	}
	for _, line := range commands {
		args := strings.Fields(strings.NewReplacer("...", "1", "$S", "stack", "$B", "bucket").Replace(line))
		var c cli
		parser, err := newParser(&c, &globals{streams: streams{nil, &bytes.Buffer{}, &bytes.Buffer{}}})
		if err != nil {
			t.Fatal(err)
		}
		switch args[len(args)-1] {
		case "--help", "--lambda-ms": // named, not called
			args = args[:len(args)-1]
		}
		if strings.HasPrefix(line, "camera ") && !strings.Contains(line, "--stack") {
			t.Errorf("s3cam %s: it lacks --stack", line)
			continue
		}
		if _, err := parser.Parse(args); err != nil {
			t.Errorf("s3cam %s: %v", line, err)
		}
		for _, p := range c.Deploy.Up.Param {
			name, _, _ := strings.Cut(p, "=")
			if canonical, ok, _ := stack.Canonical(name); !ok || canonical != name {
				t.Errorf("s3cam %s: there is no parameter %s", line, name)
			}
		}
	}
	_, outputs, _ := strings.Cut(string(template.Template(false)), "\nOutputs:\n")
	named := regexp.MustCompile("\\$\\(out ([A-Za-z]+)\\)|[Oo]utput `?([A-Z][A-Za-z]+)").FindAllStringSubmatch(page, -1)
	if len(named) < 8 {
		t.Errorf("only %d outputs found", len(named))
	}
	for _, m := range named {
		if name := m[1] + m[2]; !strings.Contains("\n"+outputs, "\n  "+name+":\n") && name != "OutputKey" {
			t.Errorf("the template has no output %s", name)
		}
	}
}

// Every command line of s3cam in the guides of the server is one that the program takes.
func TestTheCommandsOfTheServerGuidesExist(t *testing.T) {
	n := 0
	for _, page := range []string{"server.md", "scale.md"} {
		text, err := os.ReadFile("../../docs/guide/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range guideCommands(string(text)) {
			args := strings.Fields(line)
			switch {
			case args[0] == "/usr/bin/s3cam", strings.HasPrefix(args[0], "-"), strings.Contains(line, "START END"), args[len(args)-1] == "--help",
				args[0] == "-f", !strings.Contains(strings.Join(commands, " "), args[0]): // other programs' arguments
				continue
			}
			var c cli
			parser, err := newParser(&c, &globals{streams: streams{nil, &bytes.Buffer{}, &bytes.Buffer{}}})
			if err != nil {
				t.Fatal(err)
			}
			// What is named in a sentence may lack arguments, but not have others.
			if _, err := parser.Parse(args); err != nil && !regexp.MustCompile(`^((camera [a-z]+: )?missing flags|expected |--[a-z0-9-]+: expected string value)`).MatchString(err.Error()) {
				t.Errorf("%s: s3cam %s: %v", page, line, err)
			}
			n++
		}
	}
	if n < 8 {
		t.Errorf("only %d commands found", n)
	}
}
