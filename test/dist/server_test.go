// SPDX-License-Identifier: Apache-2.0

package dist_test

import (
	"debug/elf"
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

// The program in the container stands alone: the image has nothing else.
func TestTheProgramOfTheContainerIsStatic(t *testing.T) {
	text := read(t, root+"/deploy/container/Containerfile")
	build := regexp.MustCompile(`RUN (CGO_ENABLED=0 go build [^&]*) -o /out/s3cam \./cmd/s3cam`).FindStringSubmatch(text)
	if build == nil || !strings.Contains(text, "\nFROM scratch\n") || !strings.Contains(text, "\nUSER 65532:65532\n") || !strings.Contains(text, "\nHEALTHCHECK ") {
		t.Fatalf("the container file does not build a static program for an image of its own, run as nobody, with a health check:\n%s", text)
	}
	exe := filepath.Join(t.TempDir(), "s3cam")
	cmd := exec.Command("/bin/sh", "-c", build[1]+" -o "+exe+" ./cmd/s3cam")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := elf.Open(exe)
	if err != nil {
		t.Skipf("SKIPPED: whether it is static, because this is no ELF system: %v", err)
	}
	defer f.Close()
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 || f.Section(".interp") != nil {
		t.Errorf("it needs %v (%v)", libs, err)
	}
	health := regexp.MustCompile(`CMD \["/s3cam", "([^\n]*)"\]`).FindStringSubmatch(text)
	if health == nil {
		t.Fatal("no health check")
	}
	args := strings.Split(strings.ReplaceAll(health[1], "8080", "1"), `", "`) // nobody listens at port 1
	check := exec.Command(exe, args...)
	out, err := check.CombinedOutput()
	if err == nil || check.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "does not answer") {
		t.Errorf("the health check without a server: %v\n%s", err, out)
	}
}

func TestTheContainerBuilds(t *testing.T) {
	for _, builder := range []string{"podman", "buildah", "docker"} {
		exe, err := exec.LookPath(builder)
		if err != nil {
			continue
		}
		if exec.Command(exe, "info").Run() != nil {
			continue // a client without a daemon
		}
		args := []string{"build", "-f", "deploy/container/Containerfile", "."}
		cmd := exec.Command(exe, args...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "DOCKER_BUILDKIT=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s %s: %v\n%s", builder, strings.Join(args, " "), err, out)
		}
		return
	}
	t.Skip("SKIPPED: building the container image, because neither podman, buildah nor docker works here")
}
