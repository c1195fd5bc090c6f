// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/agent"
)

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSettingsCountInTheirOrder(t *testing.T) {
	conf := file(t, `
# comment
ring = 1MiB
segment = 2s
bucket = "footage"
region = eu-west-1
; another
[camera door]
ring = 2MiB
prefix = shop/door
[camera yard]
prefix = yard
audio = on
`)
	tests := []struct {
		name string
		args []string
		env  []string
		ring int
		door int
	}{
		{"file", []string{"--config", conf, "--socket", "/s"}, nil, 1 << 20, 2 << 20},
		{"file named by the environment", []string{"--socket", "/s"}, []string{"S3CAM_CONFIG=" + conf}, 1 << 20, 2 << 20},
		{"environment over the file and its sections", []string{"--config", conf}, []string{"S3CAM_RING=3M"}, 3 << 20, 3 << 20},
		{"flag over all", []string{"--config", conf, "--ring", "5MiB"}, []string{"S3CAM_RING=3M"}, 5 << 20, 5 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := agent.Load(tt.args, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if c.Camera.RingBytes != tt.ring || c.Cameras["door"].RingBytes != tt.door {
				t.Errorf("ring = %d, of the door %d; want %d, %d", c.Camera.RingBytes, c.Cameras["door"].RingBytes, tt.ring, tt.door)
			}
			if y := c.Cameras["yard"]; y.Prefix != "yard" || !y.Audio || y.Bucket != "footage" || y.Segment != 2*time.Second || y.Region != "eu-west-1" {
				t.Errorf("yard = %+v", y)
			}
			if c.Cameras["door"].Audio {
				t.Error("the door has the yard's audio")
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	c, err := agent.Load([]string{"--socket", "/s"}, []string{"AWS_REGION=cn-north-1", "AWS_ACCESS_KEY_ID=AK", "AWS_SECRET_ACCESS_KEY=secret"})
	if err != nil {
		t.Fatal(err)
	}
	k := c.Camera
	if k.RingBytes != 4<<20 || k.Segment != 3*time.Second || c.Drain != time.Minute || c.SocketMode != 0o660 || k.SpoolBytes != 256<<20 ||
		k.Region != "cn-north-1" || k.AccessKey != "AK" || k.SecretKey != "secret" || c.Log != "stderr" {
		t.Errorf("Load = %+v", c)
	}
}

func TestEverythingWrongIsNamedAtOnce(t *testing.T) {
	conf := file(t, "ring = 3\nbuckt = x\nsegment 3s\n[door]\n[camera a]\nsocket = /x\nprefix = a//b\nprefix = c\n")
	_, err := agent.Load([]string{"--config", conf, "--drain", "soon", "--log", "paper", "--secret-key", "hunter2hunter2"}, []string{"S3CAM_SOCKET_MODE=999"})
	if !errors.Is(err, agent.ErrUsage) {
		t.Fatalf("Load = %v, want ErrUsage", err)
	}
	for _, want := range []string{
		conf + `: ring "3" must be between`, conf + ":2: there is no setting \"buckt\"", conf + ":3: there is no =", conf + ":4: \"[door]\" is no section",
		":6: socket cannot differ from camera to camera", ":8: prefix is set twice", "[camera a]: prefix: bad camera prefix", `--drain: drain "soon" is no duration`,
		`--log: log "paper" must be stderr`, `S3CAM_SOCKET_MODE: socket-mode "999" is no octal mode`, "access-key and secret-key go together",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the error shows a secret")
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"an unknown flag", []string{"--rign", "4M"}, "rign"},
		{"an argument", []string{"camera.h264"}, `"camera.h264" is no flag`},
		{"a file that is not there", []string{"--config", "/nowhere/agent.conf"}, "/nowhere/agent.conf"},
		{"half of AWS IoT", []string{"--iot-thing", "cam1"}, "also need iot-endpoint, iot-role-alias, iot-cert, iot-key"},
		{"a stream without a place", []string{"--input", "-"}, "input needs bucket"},
		{"a size beyond the address space", []string{"--ring", "9999999999G"}, "no size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := agent.Load(tt.args, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load = %v, want %q in it", err, tt.want)
			}
		})
	}
	if _, err := agent.Load([]string{"--help"}, nil); !errors.Is(err, agent.ErrHelp) {
		t.Errorf("--help gave %v", err)
	}
}

func TestKeysThatEveryUserCanReadAreNoticed(t *testing.T) {
	for _, tt := range []struct {
		text string
		mode os.FileMode
		want bool
	}{{"access-key = a\nsecret-key = b\n", 0o644, true}, {"access-key = a\nsecret-key = b\n", 0o640, false}, {"ring = 4M\n", 0o644, false}} {
		path := file(t, tt.text)
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		if c, err := agent.Load([]string{"--config", path}, nil); err != nil || c.Exposed != tt.want {
			t.Errorf("mode %o, %q: exposed %v, %v; want %v", tt.mode, tt.text, c.Exposed, err, tt.want)
		}
	}
}

func TestThingNameIsThePrefix(t *testing.T) {
	c, err := agent.Load([]string{"--iot-thing", "cam-17", "--iot-endpoint", "x.credentials.iot.eu-west-1.amazonaws.com", "--iot-role-alias", "a", "--iot-cert", "c", "--iot-key", "k"}, nil)
	if err != nil || c.Camera.Prefix != "cam-17" {
		t.Errorf("prefix = %q, %v; want the thing's name", c.Camera.Prefix, err)
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add("ring = 4MiB\n[camera a]\nprefix = x\n")
	f.Add("[camera a]\n[camera a]\n=\n = \nring\n\"\nprefix = \"")
	f.Fuzz(func(t *testing.T, text string) {
		path := file(t, text)
		c, err := agent.Load([]string{"--config", path}, nil)
		if err == nil && len(c.Cameras) > agent.MaxCameras {
			t.Errorf("%d cameras", len(c.Cameras))
		}
	})
}
