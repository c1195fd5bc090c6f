// SPDX-License-Identifier: Apache-2.0

//go:build linux

package dist_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
)

// builder is the first program that can build images here.
func builder(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"podman", "buildah", "docker"} {
		if _, err := exec.LookPath(name); err == nil && exec.Command(name, "info").Run() == nil {
			return name
		}
	}
	t.Skip("SKIPPED: building the container image, because neither podman, buildah nor docker works here")
	return ""
}

// The image is built as a customer builds it, and is what the container file promises.
func TestTheContainerImage(t *testing.T) {
	with := builder(t)
	image := fmt.Sprintf("s3cam-test-%d", os.Getpid())
	cmd := exec.Command(root+"/scripts/container.sh", image)
	cmd.Env = append(os.Environ(), "BUILDER="+with)
	if with == "buildah" {
		cmd.Env = append(cmd.Env, "FLAGS=--isolation=chroot")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("scripts/container.sh: %v\n%s", err, out)
	}
	remove := []string{"rmi", image}
	inspect := []string{"image", "inspect", image}
	if with == "buildah" {
		inspect = []string{"inspect", "--type", "image", "--format", "[{\"Config\":{{json .Docker.Config}}}]", image}
	}
	t.Cleanup(func() { exec.Command(with, remove...).Run() })
	out, err := exec.Command(with, inspect...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", with, strings.Join(inspect, " "), err)
	}
	var images []struct {
		Config struct {
			User        string
			Volumes     map[string]any
			StopSignal  string
			Entrypoint  []string
			Cmd         []string
			Healthcheck struct{ Test []string }
		}
		Healthcheck struct{ Test []string } // where podman has it
		Size        int64
	}
	if err := json.Unmarshal(out, &images); err != nil || len(images) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	c := images[0].Config
	health := append(c.Healthcheck.Test, images[0].Healthcheck.Test...)
	if c.User != "65532:65532" || c.Volumes["/data"] == nil || strings.Join(append(c.Entrypoint, c.Cmd...), " ") != "/s3cam serve" || !strings.Contains(strings.Join(health, " "), "/s3cam doctor --ready") {
		t.Errorf("the image says %+v, health check %v", c, health)
	}
	if size := images[0].Size; size > 80<<20 {
		t.Errorf("the image has %d bytes", size)
	} else {
		t.Logf("built by %s: %.1f MB", with, float64(size)/1e6)
	}
}

// The root file system of the image, run as its user by chroot, which needs no builder: it holds all that the server needs, is written below
// /data alone, answers the health check, and ends by SIGTERM. With TLS too.
func TestTheContainersFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: the container's root file system run by chroot, because this is not root")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fake := filepath.Join(dir, "builder") // what would be the image is where this one finds it
	if err := os.WriteFile(fake, []byte("#!/bin/sh\nfor last; do :; done\ncp -a \"$last\" \"$(dirname \"$0\")/image\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(root + "/scripts/container.sh")
	cmd.Env = append(os.Environ(), "BUILDER="+fake)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("scripts/container.sh: %v\n%s", err, out)
	}
	image := filepath.Join(dir, "image")
	f, err := elf.Open(filepath.Join(image, "s3cam"))
	if err != nil {
		t.Fatal(err)
	}
	libs, err := f.ImportedLibraries()
	f.Close()
	if err != nil || len(libs) > 0 || f.Section(".interp") != nil {
		t.Errorf("the program needs %v (%v)", libs, err)
	}
	if err := os.Chown(filepath.Join(image, "data"), 65532, 65532); err != nil {
		t.Fatal(err)
	}
	text := read(t, root+"/deploy/container/Containerfile")
	env := strings.Fields(regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(text)[1])
	before := tree(t, image)
	for _, secure := range []bool{false, true} {
		web, store := freePort(t), freePort(t)
		env := slices.Clone(env)
		for i, e := range env {
			env[i] = strings.NewReplacer("0.0.0.0:8080", "127.0.0.1:"+web, "0.0.0.0:9000", "127.0.0.1:"+store).Replace(e)
		}
		inside := func(args ...string) *exec.Cmd {
			cmd := exec.Command("/s3cam", args...)
			cmd.Dir, cmd.Env = "/data", env
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
			return cmd
		}
		if secure {
			if out, err := inside("tls", "self-signed", "--host", "127.0.0.1", "--out", "/data/tls").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			env = append(env, "S3CAM_TLS_CERT=/data/tls/cert.pem", "S3CAM_TLS_KEY=/data/tls/key.pem")
		}
		serve := inside("serve")
		var said bytes.Buffer
		serve.Stdout, serve.Stderr = &said, &said
		if err := serve.Start(); err != nil {
			t.Fatal(err)
		}
		healthy := polltest.Within(time.Minute, func() bool { return inside("doctor", "--ready").Run() == nil })
		serve.Process.Signal(syscall.SIGTERM)
		if err := serve.Wait(); err != nil || !healthy {
			t.Errorf("TLS %v: healthy %v, ended with %v\n%s", secure, healthy, err, &said)
		}
		if out, err := inside("doctor", "--ready").CombinedOutput(); err == nil {
			t.Errorf("the health check without a server: %s", out)
		}
	}
	for name := range tree(t, image) {
		if !before[name] && !strings.HasPrefix(name, "data/") {
			t.Errorf("%s was written outside of /data", name)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// tree are the names of all files below a folder.
func tree(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		names[rel] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
