// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// agentForThisMachine is built without the special flags: what it says does not depend on them.
func agentForThisMachine(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s3cam-agent")
	cmd := exec.Command("go", "build", "-o", file, "./cmd/s3cam-agent")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

func TestSampleConfigurationIsAccepted(t *testing.T) {
	agent := agentForThisMachine(t)
	sample := read(t, root+"/deploy/agent.conf")
	// Once as it is, once with what is commented out, where files that do not exist here are the only complaint.
	if out, err := exec.Command(agent, "check", "--config", root+"/deploy/agent.conf").CombinedOutput(); err != nil {
		t.Errorf("check of deploy/agent.conf: %v\n%s", err, out)
	}
	all := regexp.MustCompile(`(?m)^#(\[|[a-z-]+ = )`).ReplaceAllString(sample, "$1")
	if strings.Count(all, "\n[camera ") != 3 {
		t.Fatalf("deploy/agent.conf has other sections than three cameras:\n%s", all)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.conf")
	write(t, file, strings.NewReplacer("/mnt/sdcard", dir, "/etc/s3cam/", dir+"/", "/var/lib/s3cam", dir, "/var/run/s3cam/", dir+"/").Replace(all))
	out, _ := exec.Command(agent, "check", "--config", file).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		for _, bad := range []string{"there is no setting", "is no section", "is set twice", "must be", "is no ", "cannot differ"} {
			if strings.Contains(line, bad) {
				t.Errorf("a commented line of deploy/agent.conf is wrong: %s", line)
			}
		}
	}
}

// What readers copy from the guide has to be right: configurations, IAM documents, settings and files that it names.
func TestGuideIsRight(t *testing.T) {
	guide := read(t, root+"/docs/guide/firmware.md")
	agent := agentForThisMachine(t)
	blocks := regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(guide, -1)
	seen := map[string]int{}
	for _, b := range blocks {
		seen[b[1]]++
		switch b[1] {
		case "json":
			var v map[string]any
			if err := json.Unmarshal([]byte(b[2]), &v); err != nil || v["Version"] != "2012-10-17" {
				t.Errorf("no policy document (%v):\n%s", err, b[2])
			}
		case "ini":
			file := filepath.Join(t.TempDir(), "agent.conf")
			write(t, file, b[2])
			out, err := exec.Command(agent, "check", "--config", file, "--socket", filepath.Join(t.TempDir(), "s")).CombinedOutput()
			if err != nil && !strings.Contains(string(out), "no such file") {
				t.Errorf("check: %v\n%s\n%s", err, out, b[2])
			}
		}
	}
	if seen["json"] != 3 || seen["ini"] != 2 || seen["sh"] < 5 {
		t.Errorf("the guide has blocks %v", seen)
	}
	help, err := exec.Command(agent, "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("--help: %v\n%s", err, help)
	}
	for _, m := range regexp.MustCompile("`(ca-file|server-time|state|spool-dir|spool-bytes|ring|socket-mode|iot-[a-z-]+)`").FindAllStringSubmatch(guide, -1) {
		if !strings.Contains(string(help), "--"+m[1]+" ") {
			t.Errorf("the guide names a setting %s that the agent does not have", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\((\.\.[^)#]+)`).FindAllStringSubmatch(guide, -1) {
		if _, err := filepath.Glob(m[1]); err != nil || !exists(filepath.Join(root, "docs/guide", m[1])) {
			t.Errorf("the guide links to %s, which is not there", m[1])
		}
	}
}

// The C code of the guide compiles without a warning against the header.
func TestGuidesCodeCompiles(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("SKIPPED: no gcc here")
	}
	m := regexp.MustCompile("(?s)```c\n(.*?)```").FindStringSubmatch(read(t, root+"/docs/guide/firmware.md"))
	if m == nil {
		t.Fatal("the guide has no C code")
	}
	include, body, ok := strings.Cut(m[1], "\n\n")
	if !ok {
		t.Fatalf("the C code does not begin with its include:\n%s", m[1])
	}
	file := filepath.Join(t.TempDir(), "guide.c")
	write(t, file, include+"\nint fail(const char *);\nextern const char *key, *secret, *token;\nextern const uint8_t *first, *second;\n"+
		"extern size_t first_size, second_size;\nextern uint64_t pts_us;\nint guide(void);\nint guide(void) {\n"+body+"\nreturn 0;\n}\n")
	cmd := exec.Command(gcc, "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I"+root+"/csdk/include", "-c", file, "-o", "/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("gcc: %v\n%s", err, out)
	}
}

func exists(file string) bool {
	matches, err := filepath.Glob(file)
	return err == nil && len(matches) == 1
}
