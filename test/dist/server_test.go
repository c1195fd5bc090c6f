// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unitFolder has the server's units with a program that exists here and without the user that does not.
func unitFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	unit := read(t, root+"/deploy/systemd/s3cam.service")
	for _, r := range [][2]string{{"ExecStart=/usr/bin/s3cam serve", "ExecStart=/bin/true"}, {"User=s3cam", "User=root"}, {"Group=s3cam", "Group=root"}} {
		if strings.Count(unit, "\n"+r[0]+"\n") != 1 {
			t.Fatalf("s3cam.service has %d lines %q, want one", strings.Count(unit, "\n"+r[0]+"\n"), r[0])
		}
		unit = strings.Replace(unit, r[0], r[1], 1)
	}
	for name, content := range map[string]string{"s3cam.service": unit, "s3cam.socket": read(t, root+"/deploy/systemd/s3cam.socket")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSystemdTakesTheServersUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIPPED: the server's units read by systemd, because systemd-analyze is not installed")
	}
	dir := unitFolder(t)
	cmd := exec.Command(analyze, "verify", "--man=no", "./s3cam.service", "./s3cam.socket")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "s3cam") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command(analyze, "security", "--offline=yes", "--no-pager", root+"/deploy/systemd/s3cam.service").CombinedOutput()
	m := regexp.MustCompile(`exposure level for s3cam.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Skipf("SKIPPED: how much the service is exposed, because this systemd cannot say it of a file: %v", err)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > 1.5 {
		t.Errorf("the service is exposed at level %s of 10, want 1.5 at most\n%s", m[1], out)
	}
}

// Every variable in the units, the settings and the container file is one of `s3cam serve`.
func TestTheSettingsOfTheServiceExist(t *testing.T) {
	config := read(t, root+"/docs/ref/config.md")
	n := 0
	for _, file := range []string{"systemd/s3cam.env", "systemd/s3cam.service", "container/Containerfile"} {
		for _, name := range regexp.MustCompile(`S3CAM_[A-Z0-9_]+`).FindAllString(read(t, root+"/deploy/"+file), -1) {
			rows := regexp.MustCompile("(?m)^\\| `--[a-z0-9-]+` \\| `"+name+"` \\|.*\\| ([a-z ,]*) \\|").FindAllStringSubmatch(config, -1)
			if !slices.ContainsFunc(rows, func(row []string) bool { return strings.Contains(row[1], "serve") }) {
				t.Errorf("%s: serve has no setting %s", file, name)
			}
			n++
		}
	}
	if n < 15 {
		t.Errorf("only %d settings found", n)
	}
}
