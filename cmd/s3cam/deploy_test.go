// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"debug/elf"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/deploy/deploytest"
)

// inAWS lets the program meet a scripted AWS, and returns a directory with zips of functions.
func inAWS(t *testing.T) (*deploytest.Server, string) {
	t.Helper()
	aws := deploytest.New(t)
	for _, e := range aws.Env("eu-central-1") {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	t.Setenv("AWS_PROFILE", "")
	t.Chdir(t.TempDir()) // where keys are kept
	dir := t.TempDir()
	for architecture, machine := range map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64} {
		head := make([]byte, 64)
		copy(head, elf.ELFMAG)
		head[18] = byte(machine)
		f, err := os.Create(filepath.Join(dir, "s3cam-lambda-"+architecture+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		z := zip.NewWriter(f)
		h := &zip.FileHeader{Name: "bootstrap"}
		h.SetMode(0o755)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(head)
		}
		if err := errors.Join(err, z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return aws, dir
}

// awsCall is call with the environment that inAWS has set.
func awsCall(t *testing.T, aws *deploytest.Server, in string, args ...string) output {
	t.Helper()
	return call(t, append(aws.Env("eu-central-1"), "S3CAM_POLL=1ms"), strings.NewReader(in), args...)
}

// The life of a deployment with the real template: up, a camera, a refused down, down, and the video by its name.
func TestDeployFromFirstToLast(t *testing.T) {
	aws, dir := inAWS(t)
	video := "ipc-video-bucket-" + deploytest.Account + "-0badcafe"

	o := awsCall(t, aws, "", "deploy", "up", "--assets", dir, "-p", "IteminPlayList=8")
	o.want(t, 0, "account 123456789012, as arn:aws:iam::123456789012:user/tester", "note: parameter IteminPlayList is called ItemInPlaylist here",
		"CREATE_COMPLETE        S3VideoBucket (AWS::S3::Bucket)", "DemoReplayUrl                        https://site.example/#/play/demo/2021-01-01%2000:00:00",
		"add a camera:    s3cam camera add NAME --stack s3cam --region eu-central-1", "keys of playback tokens are kept in s3cam-keys/s3cam",
		"make a token:    s3cam token make --camera NAME --data s3cam-keys/s3cam")
	keys, err := token.ParseKeys(aws.Parameters("s3cam")["TokenKeys"])
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys in the stack, %v", len(keys), err)
	}
	if strings.Contains(o.out+o.err, keys.Text()) {
		t.Error("the secret is shown")
	}
	made := awsCall(t, aws, "", "token", "make", "--camera", "door", "--data", "s3cam-keys/s3cam")
	made.want(t, 0)
	if c, err := keys.Check(strings.TrimSpace(made.out), time.Now()); err != nil || !c.Allows("door", token.Watch) {
		t.Errorf("the stack takes the token as %+v, %v", c, err)
	}
	if p := aws.Parameters("s3cam"); p["ItemInPlaylist"] != "8" || !strings.HasPrefix(p["AssetsPrefix"], "s3cam/") {
		t.Errorf("parameters %v", p)
	}
	awsCall(t, aws, "", "deploy", "up", "--assets", dir, "--json").want(t, 0, "nothing to do", `"action": "nothing"`, `"VideoBucketName": "`+video)
	var status struct {
		Stack, Status string
		Outputs       map[string]string
	}
	o = awsCall(t, aws, "", "deploy", "status", "--json")
	if err := json.Unmarshal([]byte(o.out), &status); err != nil || status.Status != "CREATE_COMPLETE" || status.Outputs["VideoBucketName"] != video {
		t.Errorf("status %+v, %v\n%s", status, err, o.out)
	}

	out := filepath.Join(t.TempDir(), "door")
	o = awsCall(t, aws, "", "camera", "add", "door", "--stack", "s3cam", "--out", out, "--device-dir", out)
	o.want(t, 0, "iot-thing = door", filepath.Join(out, "device.key"), "s3cam-agent check --connect --config "+filepath.Join(out, "agent.conf"))
	if cfg, err := agent.Load([]string{"--config", filepath.Join(out, "agent.conf")}, nil); err != nil || cfg.Camera.Bucket != video || cfg.Camera.Prefix != "door" {
		t.Errorf("the agent reads %+v, %v", cfg.Camera, err)
	}
	awsCall(t, aws, "", "camera", "list", "--stack", "s3cam").want(t, 0, "door", "ACTIVE")
	awsCall(t, aws, "", "camera", "add", "door", "--stack", "s3cam", "--out", out).want(t, 1, "the camera door exists already", "hint: add --renew")
	awsCall(t, aws, "", "camera", "add", "door", "--stack", "s3cam", "--out", out, "--renew").want(t, 0, "an old certificate is still active")
	if active, inactive := aws.Certificates(); active != 2 || inactive != 0 {
		t.Errorf("%d certificates active, %d not", active, inactive)
	}
	awsCall(t, aws, "", "deploy", "down").want(t, 1, "the stack s3cam still has 1 camera: door", "s3cam camera remove NAME --stack s3cam")
	awsCall(t, aws, "", "camera", "remove", "door", "--stack", "s3cam").want(t, 0, "the footage stays in "+video+"/door/")
	if things := aws.Things(); len(things) != 0 {
		t.Errorf("things %q", things)
	}

	aws.AddBucket(video, deploytest.Account, map[string]string{"aws:cloudformation:stack-name": "s3cam", "aws:cloudformation:logical-id": "S3VideoBucket"}, "door/1.ts")
	awsCall(t, aws, "ipc-video-bucket\n", "deploy", "down", "--with-video").want(t, 2, "Type the bucket's name", "is not the name of the video bucket", "nothing was deleted")
	awsCall(t, aws, "\n", "deploy", "down", "--with-video").want(t, 0, "the video is kept", "the stack s3cam is deleted", "--yes-delete-video "+video)
	awsCall(t, aws, "", "deploy", "status").want(t, 1, "there is no stack s3cam in eu-central-1", "s3cam deploy up")
	awsCall(t, aws, "", "deploy", "up", "--assets", dir).want(t, 1, "has left its video in "+video, "--new-video-bucket")
	awsCall(t, aws, "", "deploy", "down", "--yes-delete-video", video, "--json").want(t, 0, `"video_deleted": true`)
	if _, ok := aws.Objects(video); ok {
		t.Error("the video is still there")
	}
}

// Ctrl-C leaves CloudFormation going, and says how to come back.
func TestDeployUntilCtrlC(t *testing.T) {
	aws, dir := inAWS(t)
	aws.SetScript("create", []deploytest.Step{{Logical: "CacheTable", Type: "AWS::DynamoDB::Table", Status: "CREATE_IN_PROGRESS"}}) // and no end
	cmd, out := program(t, append(aws.Env("eu-central-1"), "S3CAM_POLL=10ms"), "deploy", "up", "--assets", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.wait(t, regexp.MustCompile("CREATE_IN_PROGRESS +CacheTable"))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(out.String(), "error: left; CloudFormation goes on with the stack s3cam\nhint: come back with s3cam deploy status --wait --stack s3cam --region eu-central-1") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if got := aws.Status("s3cam"); got != "CREATE_IN_PROGRESS" {
		t.Errorf("the stack is %s", got)
	}
	awsCall(t, aws, "", "deploy", "status").want(t, 1, "CloudFormation is at work: CREATE_IN_PROGRESS", "add --wait")
}

func TestDeployCommandLines(t *testing.T) {
	aws, dir := inAWS(t)
	tests := []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"an unknown region", []string{"deploy", "up", "--region", "eu-centrl-1"}, 2, []string{`region "eu-centrl-1" is not known`, "did you mean eu-central-1?"}},
		{"a region without AWS IoT", []string{"deploy", "up", "--region", "eu-central-2"}, 2, []string{"has no AWS IoT role aliases"}},
		{"a bad stack name", []string{"deploy", "up", "--stack", "9cams"}, 2, []string{`stack name "9cams"`}},
		{"a parameter without value", []string{"deploy", "up", "-p", "ItemInPlaylist"}, 2, []string{"write NAME=VALUE"}},
		{"a bad parameter", []string{"deploy", "up", "--assets", dir, "-p", "ItemInPlaylist=1"}, 2, []string{`parameter ItemInPlaylist: "1" is not allowed: it must be from 3 to 100`}},
		{"a bad flag", []string{"deploy", "up", "--assets", dir, "--video-retention-days", "x"}, 2, []string{`parameter VideoRetentionDays: "x"`}},
		{"a flag against a parameter", []string{"deploy", "up", "--item-in-playlist", "6", "-p", "ItemInPlaylist=7"}, 2, []string{`given as "6" and as "7"`}},
		{"no zips", []string{"deploy", "up", "--assets", t.TempDir()}, 2, []string{"--assets", "s3cam-lambda-arm64.zip"}},
		{"both templates", []string{"deploy", "template", "--china", "--global"}, 2, []string{"--china"}},
		{"the template", []string{"deploy", "template"}, 0, []string{"AWS::CloudFront::OriginAccessControl"}},
		{"the template for China", []string{"deploy", "template", "--china"}, 0, []string{"AWS::CloudFront::CloudFrontOriginAccessIdentity"}},
		{"a dry run", []string{"deploy", "up", "--assets", dir, "--dry-run"}, 0, []string{"would create the stack s3cam with at most"}},
		{"a camera of no stack", []string{"camera", "add", "door"}, 2, []string{"--stack=NAME"}},
		{"a camera of a stack that is not there", []string{"camera", "add", "door", "--stack", "none"}, 1, []string{"there is no stack none"}},
		{"a camera that cannot have this name", []string{"camera", "add", "house/door", "--stack", "s3cam"}, 2, []string{`"house/door" is no name`, "cannot have folders"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			awsCall(t, aws, "", tt.args...).want(t, tt.code, tt.says...)
			if wrote := aws.Wrote(); len(wrote) > 0 {
				t.Errorf("it did %q", wrote)
			}
		})
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	awsCall(t, aws, "", "deploy", "up", "--assets", dir).want(t, 1, "no AWS credentials", "AWS_PROFILE")
}

func TestWhereTheFunctionsAreFound(t *testing.T) {
	_, dir := inAWS(t)
	name := "s3cam-lambda-arm64.zip"
	elsewhere := t.TempDir()
	said := ""
	f := archiveFinder{executable: filepath.Join(elsewhere, "s3cam"), here: elsewhere, say: func(format string, _ ...any) { said += format }}
	if _, err := f.find(t.Context(), "arm64"); err == nil || !strings.Contains(err.Error(), "neither beside this program nor in build/lambda") {
		t.Errorf("error %v", err)
	}
	f.executable = filepath.Join(dir, "s3cam")
	if path, err := f.find(t.Context(), "arm64"); err != nil || path != filepath.Join(dir, name) {
		t.Errorf("beside the program: %q, %v", path, err)
	}
	if err := os.MkdirAll(filepath.Join(elsewhere, "build", "lambda"), 0o755); err != nil {
		t.Fatal(err)
	}
	built := filepath.Join(elsewhere, "build", "lambda", name)
	if err := os.Rename(filepath.Join(dir, name), built); err != nil {
		t.Fatal(err)
	}
	if path, err := f.find(t.Context(), "arm64"); err != nil || path != built {
		t.Errorf("in build/lambda: %q, %v", path, err)
	}
	f.executable = filepath.Join(elsewhere, "s3cam")
	// In a source tree the functions are built when they are not there, and their age is told when they are.
	script := "#!/bin/sh\nmkdir -p build/lambda && echo x > build/lambda/s3cam-lambda-x86_64.zip\n"
	if err := errors.Join(os.WriteFile(filepath.Join(elsewhere, "go.mod"), []byte("module github.com/s3cam/s3cam\n"), 0o644), os.Mkdir(filepath.Join(elsewhere, "scripts"), 0o755),
		os.WriteFile(filepath.Join(elsewhere, "scripts", "lambda-build.sh"), []byte(script), 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.find(t.Context(), "arm64"); err != nil || !strings.Contains(said, "make lambda builds them anew") {
		t.Errorf("error %v, said %q", err, said)
	}
	if path, err := f.find(t.Context(), "x86_64"); err != nil || !strings.HasSuffix(path, "build/lambda/s3cam-lambda-x86_64.zip") {
		t.Errorf("built: %q, %v", path, err)
	}
}
