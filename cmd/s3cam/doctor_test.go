// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/doctor"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
)

// diagnosis is the JSON of s3cam doctor.
type diagnosis struct {
	Worst doctor.Level
	Lines []doctor.Line
}

func diagnose(t *testing.T, code int, env []string, args ...string) map[string]doctor.Line {
	t.Helper()
	o := call(t, env, nil, append([]string{"doctor", "--json"}, args...)...)
	if o.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", o.code, code, o.out, o.err)
	}
	var d diagnosis
	if err := json.Unmarshal([]byte(o.out), &d); err != nil {
		t.Fatalf("%v\n%s", err, o.out)
	}
	lines := map[string]doctor.Line{}
	for _, l := range d.Lines {
		lines[l.Check] = l
	}
	return lines
}

// freeAddr is an address at which nobody listens at the moment.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestDoctorBesideARunningServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	web, store := freeAddr(t), freeAddr(t)
	flags := []string{"--data", dir, "--http", web, "--s3", store}
	cmd, out := program(t, nil, append([]string{"serve"}, flags...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() }()
	out.wait(t, regexp.MustCompile("s3cam serves"))
	lines := diagnose(t, 0, nil, flags...)
	for _, check := range []string{"rights", "secrets", "port.http", "port.s3", "store.list", "store.put", "store.get", "store.delete", "clock.store"} {
		if l := lines[check]; l.Level != doctor.OK {
			t.Errorf("%s: %+v", check, l)
		}
	}
	if l := lines["cameras"]; l.Level != doctor.Warn || !strings.Contains(l.Found, "nothing is recorded") {
		t.Errorf("cameras: %+v", l)
	}
	lines = diagnose(t, 0, nil, "--url", "http://"+web)
	if l := lines["site.ready"]; l.Level != doctor.OK {
		t.Errorf("from outside: %+v", lines)
	}
	if _, ok := lines["disk"]; ok {
		t.Error("--url looks at this machine's disk")
	}
}

func TestDoctorWithoutAServer(t *testing.T) {
	dir := t.TempDir()
	lines := diagnose(t, 0, nil, "--data", dir, "--http", freeAddr(t), "--s3", freeAddr(t))
	if l := lines["store"]; l.Level != doctor.Warn || !strings.Contains(l.Found, "does not run") {
		t.Errorf("%+v", l)
	}
	diagnose(t, 1, nil, "--data", filepath.Join(dir, "no"), "--http", freeAddr(t), "--s3", freeAddr(t))
	o := call(t, nil, nil, "doctor", "--data", filepath.Join(dir, "no"), "--http", freeAddr(t), "--s3", freeAddr(t))
	o.want(t, 1, "fail  rights", "does not exist", "-> name the directory")
	if strings.Contains(o.err, "error:") {
		t.Errorf("the lines have said it already:\n%s", o.err)
	}
	diagnose(t, 1, nil, "--url", "http://"+freeAddr(t))
}

func TestDoctorOfAnExternalStore(t *testing.T) {
	b := s3servertest.New(t)
	keys := []string{"S3CAM_S3_ACCESS_KEY=" + b.AccessKey, "S3CAM_S3_SECRET_KEY=" + b.SecretKey}
	args := []string{"--s3-url", b.URL, "--region", b.Region, "--http", freeAddr(t)}
	lines := diagnose(t, 0, keys, append(args, "--bucket", b.Name())...)
	if l := lines["store.delete"]; l.Level != doctor.OK {
		t.Errorf("%+v", lines)
	}
	lines = diagnose(t, 1, keys, append(args, "--bucket", "no-such-bucket")...)
	if l := lines["store.list"]; l.Level != doctor.Fail || !strings.Contains(l.Advice, "bucket") {
		t.Errorf("%+v", l)
	}
	args = append(args, "--bucket", b.Name(), "--origin", "https://page.example")
	if l, ok := diagnose(t, 0, keys, args...)["store.cors"]; ok { // segments come from the server itself
		t.Errorf("%+v", l)
	}
	if l := diagnose(t, 0, keys, append(args, "--delivery", "redirect")...)["store.cors"]; l.Level != doctor.OK || !strings.Contains(l.Found, "page.example") {
		t.Errorf("%+v", l)
	}
}

func TestDoctorAsAHealthCheck(t *testing.T) {
	dir := t.TempDir()
	call(t, nil, nil, "tls", "self-signed", "--host", "nvr.local", "--out", filepath.Join(dir, "tls")).want(t, 0)
	for name, flags := range map[string][]string{"plain": nil, "with TLS": {"--tls-cert", filepath.Join(dir, "tls", "cert.pem"), "--tls-key", filepath.Join(dir, "tls", "key.pem")}} {
		web := freeAddr(t)
		cmd, out := program(t, nil, append([]string{"serve", "--data", filepath.Join(dir, name), "--http", web, "--s3", "127.0.0.1:0"}, flags...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.wait(t, regexp.MustCompile("s3cam serves"))
		call(t, nil, nil, "doctor", "--ready", "--http", web).want(t, 0, "ready")
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		call(t, nil, nil, "doctor", "--ready", "--http", web).want(t, 1, "does not answer")
	}
	call(t, nil, nil, "doctor", "--ready", "--url", "http://127.0.0.1:1").want(t, 2, "--http")
}
