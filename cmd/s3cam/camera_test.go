// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/registry"
	"github.com/s3cam/s3cam/segment"
)

// loadConf is what the agent reads of a configuration file, and what its own check says of it.
func loadConf(t *testing.T, path string) (agent.CameraConfig, string) {
	t.Helper()
	cfg, err := agent.Load([]string{"--config", path}, nil)
	if err != nil {
		t.Fatalf("the agent refuses the configuration: %v", err)
	}
	a, err := agent.New(cfg, agent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if err := a.Check(t.Context(), &said, false); err != nil || strings.Contains(said.String(), "warning") {
		t.Errorf("s3cam-agent check: %v\n%s", err, &said)
	}
	return cfg.Camera, said.String()
}

// known pretends that a server has listened there.
func knownServer(t *testing.T, s registry.Server) string {
	t.Helper()
	dir := t.TempDir()
	if err := registry.SaveServer(dir, s); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheLifeOfAServersCamera(t *testing.T) {
	dir := knownServer(t, registry.Server{S3: "http://192.0.2.1:9000", Bucket: "footage", Region: "r-1"})
	o := call(t, nil, nil, "camera", "add", "shop/back door", "--data", dir)
	o.want(t, 0, "prefix = \"shop/back door\"", "s3cam-agent check --connect --config /etc/s3cam/agent.conf", "not shown again")
	conf := filepath.Join(t.TempDir(), "agent.conf")
	if err := os.WriteFile(conf, []byte(o.out), 0o600); err != nil {
		t.Fatal(err)
	}
	k, _ := loadConf(t, conf)
	if k.Prefix != "shop/back door" || k.Endpoint != "http://192.0.2.1:9000" || k.Bucket != "footage" || k.Region != "r-1" || len(k.AccessKey) != 20 || len(k.SecretKey) != 52 || k.IoTEndpoint != "" || k.CAFile != "" {
		t.Errorf("the agent reads %+v", k)
	}
	call(t, nil, nil, "camera", "add", "shop/back door", "--data", dir).want(t, 1, "exists already", "hint: s3cam camera rotate")
	o = call(t, nil, nil, "camera", "rotate", "shop/back door", "--data", dir, "--json", "--overlap", "1h")
	o.want(t, 0)
	var handed struct {
		Name      string
		AccessKey string    `json:"access_key"`
		SecretKey string    `json:"secret_key"`
		Conf      string    `json:"agent_conf"`
		OldUntil  time.Time `json:"old_until"`
	}
	if err := json.Unmarshal([]byte(o.out), &handed); err != nil || handed.AccessKey == k.AccessKey || !strings.Contains(handed.Conf, handed.SecretKey) || time.Until(handed.OldUntil) > time.Hour {
		t.Errorf("rotated %+v, %v", handed, err)
	}
	o = call(t, nil, nil, "camera", "list", "--data", dir)
	o.want(t, 0, "shop/back door", "key "+k.AccessKey, "key "+handed.AccessKey, "active", "old")
	if strings.Contains(o.out, k.SecretKey) || strings.Contains(o.out, handed.SecretKey) {
		t.Error("the list shows secrets")
	}
	o = call(t, nil, nil, "camera", "list", "--data", dir, "--json")
	o.want(t, 0, `"id": "shop/back door"`, handed.AccessKey)
	if strings.Contains(o.out, handed.SecretKey) {
		t.Error("the list shows secrets")
	}
	call(t, nil, nil, "camera", "disable", "shop/back door", "--data", dir).want(t, 0)
	call(t, nil, nil, "camera", "list", "--data", dir).want(t, 0, "disabled")
	call(t, nil, nil, "camera", "enable", "shop/back door", "--data", dir).want(t, 0)
	call(t, nil, nil, "camera", "remove", "shop/back door", "--data", dir).want(t, 0, "the footage stays in footage/shop/back door/")
	call(t, nil, nil, "camera", "remove", "shop/back door", "--data", dir).want(t, 1, "no camera shop/back door", "camera list")
	call(t, nil, nil, "camera", "rotate", "shop/back door", "--data", dir).want(t, 1, "no camera shop/back door")
}

func TestACameraWithACertificate(t *testing.T) {
	dir := knownServer(t, registry.Server{S3: "https://192.0.2.1:9000", Bucket: "video", Region: "us-east-1", Credentials: "192.0.2.1:8443", RoleAlias: "s3cam"})
	ca, err := registry.OpenAuthority(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "store-ca.pem")
	if err := os.WriteFile(foreign, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "door")
	args := []string{"--data", dir, "--out", out, "--device-dir", out}
	call(t, nil, nil, append([]string{"camera", "add", "shop/door", "--certificate", "--ca", foreign}, args...)...).want(t, 0, "iot-thing = shop:door", filepath.Join(out, "device.key"))
	k, said := loadConf(t, filepath.Join(out, "agent.conf"))
	if k.Prefix != "shop/door" || k.IoTThing != "shop:door" || k.IoTEndpoint != "192.0.2.1:8443" || k.IoTAlias != "s3cam" || k.AccessKey != "" || k.CAFile != filepath.Join(out, "ca.crt") {
		t.Errorf("the agent reads %+v", k)
	}
	if !strings.Contains(said, "AWS IoT, thing shop:door") {
		t.Errorf("s3cam-agent check says\n%s", said)
	}
	for name, mode := range map[string]os.FileMode{"agent.conf": 0o600, "device.key": 0o600} {
		if fi, err := os.Stat(filepath.Join(out, name)); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, fi, err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(out, "ca.crt")); err != nil || bytes.Count(text, []byte("BEGIN CERTIFICATE")) != 2 || bytes.Contains(text, []byte("PRIVATE")) {
		t.Errorf("ca.crt: %v\n%s", err, text)
	}
	key, err := os.ReadFile(filepath.Join(out, "device.key"))
	if err != nil {
		t.Fatal(err)
	}
	call(t, nil, nil, append([]string{"camera", "add", "other", "--certificate"}, args...)...).want(t, 1, "exists already", "--out")
	call(t, nil, nil, append([]string{"camera", "rotate", "shop/door"}, args...)...).want(t, 0, "is good until")
	if old, err := os.ReadFile(filepath.Join(out, "device.key.old")); err != nil || !bytes.Equal(old, key) {
		t.Errorf("the former key was not kept: %v", err)
	}
	loadConf(t, filepath.Join(out, "agent.conf"))
	call(t, nil, nil, "camera", "list", "--data", dir).want(t, 0, "certificate", "old", "active")
	if left, _ := filepath.Glob(filepath.Join(out, "*.new")); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// With https the server says who vouches for it, and a key pair gets a file of its own, which the agent reads again when it changes.
func TestACameraOfAServerWithTLS(t *testing.T) {
	ca, err := registry.OpenAuthority(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := knownServer(t, registry.Server{S3: "https://192.0.2.1:9000", Bucket: "video", Region: "us-east-1", CA: string(ca.PEM())})
	out := filepath.Join(t.TempDir(), "door")
	call(t, nil, nil, "camera", "add", "door", "--data", dir, "--out", out, "--device-dir", out).want(t, 0, "copy these files", filepath.Join(out, "credentials"))
	k, said := loadConf(t, filepath.Join(out, "agent.conf"))
	if k.CAFile != filepath.Join(out, "ca.crt") || k.CredentialsFile != filepath.Join(out, "credentials") || k.AccessKey != "" {
		t.Errorf("the agent reads %+v", k)
	}
	if text, err := os.ReadFile(filepath.Join(out, "ca.crt")); err != nil || !bytes.Equal(text, ca.PEM()) {
		t.Errorf("ca.crt: %v\n%s", err, text)
	}
	first, err := os.ReadFile(filepath.Join(out, "credentials"))
	if err != nil || !strings.Contains(said, "credentials  S3CAM") {
		t.Errorf("%v, check says\n%s", err, said)
	}
	if fi, err := os.Stat(filepath.Join(out, "credentials")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	call(t, nil, nil, "camera", "rotate", "door", "--data", dir, "--out", out, "--device-dir", out).want(t, 0)
	if now, err := os.ReadFile(filepath.Join(out, "credentials")); err != nil || bytes.Equal(now, first) {
		t.Errorf("%v, the same key", err)
	}
	unknown := knownServer(t, registry.Server{S3: "https://192.0.2.1:9000", Bucket: "video", Region: "us-east-1"})
	call(t, nil, nil, "camera", "add", "door", "--data", unknown).want(t, 0, "not known who vouches", "--ca FILE")
	plain := knownServer(t, registry.Server{S3: "http://192.0.2.1:9000", Bucket: "video", Region: "us-east-1", CA: string(ca.PEM())})
	o := call(t, nil, nil, "camera", "add", "door", "--data", plain)
	o.want(t, 0, "access-key = ")
	if strings.Contains(o.out, "ca-file") {
		t.Errorf("a store without TLS needs no authority:\n%s", o.out)
	}
}

func TestWrongCameraCommands(t *testing.T) {
	dir := knownServer(t, registry.Server{S3: "http://0.0.0.0:9000", Bucket: "video", Region: "us-east-1"})
	empty := t.TempDir()
	for _, tt := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"neither place", []string{"camera", "list"}, 2, []string{"--stack=NAME", "--data=DIR"}},
		{"both places", []string{"camera", "add", "x", "--data", dir, "--stack", "s"}, 2, []string{"--stack", "--data"}},
		{"no directory", []string{"camera", "list", "--data", filepath.Join(dir, "none")}, 1, []string{"no directory", "hint:"}},
		{"a server that has never run", []string{"camera", "add", "x", "--data", empty}, 1, []string{"not known where", "--endpoint"}},
		{"a certificate without an endpoint", []string{"camera", "add", "x", "--certificate", "--data", dir}, 1, []string{"no credential endpoint", "--credentials-addr"}},
		{"a name with dots", []string{"camera", "add", "../x", "--data", dir}, 2, []string{`".."`}},
		{"no certificate for such a name", []string{"camera", "add", "a b", "--certificate", "--credentials-endpoint", "h:1", "--out", filepath.Join(empty, "o"), "--data", dir}, 2, []string{"key pair instead"}},
		{"a wrong endpoint", []string{"camera", "add", "x", "--endpoint", "192.0.2.1:9000", "--data", dir}, 2, []string{"--endpoint"}},
		{"a folder that is none", []string{"camera", "add", "x", "--device-dir", "etc", "--data", dir}, 2, []string{"--device-dir"}},
		{"renew", []string{"camera", "add", "x", "--renew", "--data", dir}, 2, []string{"camera rotate"}},
		{"revoke", []string{"camera", "rotate", "x", "--revoke-old", "--data", dir}, 2, []string{"--overlap 0"}},
		{"a long grace", []string{"camera", "add", "x", "--grace", "48h", "--data", dir}, 2, []string{"grace window"}},
		{"limits for a stack", []string{"camera", "add", "x", "--grace", "1h", "--stack", "s"}, 2, []string{"--data"}},
		{"an overlap for a stack", []string{"camera", "rotate", "x", "--overlap", "1h", "--stack", "s"}, 2, []string{"--data"}},
		{"disable in a stack", []string{"camera", "disable", "x", "--stack", "s"}, 2, []string{"INACTIVE"}},
		{"an endpoint for an external store", []string{"serve", "--s3-url", "http://127.0.0.1:1", "--bucket", "video", "--credentials-addr", "127.0.0.1:0"}, 2, []string{"--credentials-addr"}},
		{"a host without an endpoint", []string{"serve", "--data", empty, "--credentials-host", "h"}, 2, []string{"--credentials-host"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := []string{"S3CAM_S3_ACCESS_KEY=x", "S3CAM_S3_SECRET_KEY=y"}
			call(t, env, nil, tt.args...).want(t, tt.code, append(tt.says, "error:")...)
		})
	}
	if list := call(t, nil, nil, "camera", "list", "--data", dir, "--json"); strings.TrimSpace(list.out) != "[]" {
		t.Errorf("something was made: %s", list.out)
	}
}

// The real server, the real agent, footage of a file: each camera with the configuration that was printed for it.
func TestCamerasRecordIntoTheServer(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "s3cam-agent")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", exe, "../s3cam-agent").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	data := filepath.Join(t.TempDir(), "data")
	cmd, out := program(t, nil, "serve", "--data", data, "--http", "127.0.0.1:0", "--s3", "127.0.0.1:0", "--credentials-addr", "127.0.0.1:0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := out.wait(t, regexp.MustCompile(`camera add NAME --data`))
	web := regexp.MustCompile(`s3cam serves (http://\S+)/`).FindStringSubmatch(text)[1]
	if secret, err := os.ReadFile(filepath.Join(data, "s3-credentials.json")); err != nil || strings.Contains(text, string(regexp.MustCompile(`"secret_key": "(\w+)"`).FindSubmatch(secret)[1])) {
		t.Errorf("the owner's secret is printed: %v", err)
	}
	// The server runs: it hears of them within a second, which the agents wait for like for any refusal.
	for _, tt := range []struct {
		camera string
		flags  []string
	}{{"shop/door", []string{"--certificate"}}, {"back yard", nil}} {
		t.Run(tt.camera, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "files")
			args := append([]string{"camera", "add", tt.camera, "--data", data, "--out", dir, "--device-dir", dir}, tt.flags...)
			call(t, nil, nil, args...).want(t, 0, "only programs on this machine reach the store")
			conf := filepath.Join(dir, "agent.conf")
			text, err := os.ReadFile(conf)
			if err != nil {
				t.Fatal(err)
			}
			// Without a socket for firmware it ends with its input.
			if err := os.WriteFile(conf, bytes.Replace(text, []byte("socket = "), []byte("#socket = "), 1), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			record := exec.CommandContext(ctx, exe, "--config", conf, "--input", "../../internal/simcam/front-door.h264", "--fps", "15", "--drain", "20s", "--rejected-wait", "2s")
			record.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AWS_") }) // a camera has none, and they count more than the file
			out, err := record.CombinedOutput()
			if err != nil {
				t.Fatalf("s3cam-agent: %v\n%s", err, out)
			}
			stored := keysBelow(t, filepath.Join(data, "video"))
			mine := slices.DeleteFunc(stored, func(k string) bool { p, _, ok := segment.ParseKey(k); return !ok || p != tt.camera })
			if len(mine) == 0 {
				t.Errorf("nothing is stored of %s: %q\n%s", tt.camera, stored, out)
			}
			res, err := http.Get(web + "/playlist.m3u8?camera_id=" + strings.ReplaceAll(tt.camera, " ", "%20"))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != 200 {
				t.Errorf("the playlist answers %d", res.StatusCode)
			}
			call(t, nil, nil, "camera", "remove", tt.camera, "--data", data).want(t, 0)
			if len(tt.flags) == 0 {
				return
			}
			for { // the server hears of it within a second
				check := exec.CommandContext(ctx, exe, "check", "--connect", "--config", conf)
				said, err := check.CombinedOutput()
				if err != nil && strings.Contains(string(said), "Certificate is invalid on this endpoint") {
					break
				}
				if ctx.Err() != nil {
					t.Fatalf("check after the removal: %v\n%s", err, said)
				}
			}
		})
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		t.Errorf("serve: %v\n%s", err, out)
	}
}

func keysBelow(t *testing.T, dir string) []string {
	t.Helper()
	var keys []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, path)
			keys = append(keys, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Every command line of docs/guide/cameras.md is one that the program takes.
func TestTheCommandsOfTheGuideOfCamerasExist(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/cameras.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := guideCommands(string(page))
	if len(commands) < 10 {
		t.Errorf("only %d commands found: %q", len(commands), commands)
	}
	for _, line := range commands {
		args := strings.Fields(line)
		if !slices.Contains(args, "--data") { // named, not called
			continue
		}
		var c cli
		parser, err := newParser(&c, &globals{streams: streams{nil, &bytes.Buffer{}, &bytes.Buffer{}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Errorf("s3cam %s: %v", line, err)
		}
	}
}
