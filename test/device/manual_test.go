// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// The example that makes the manual's sequence of calls, and includes nothing but the two headers of the original, records real footage:
// each decoded picture is the source's.
func TestTheManualsProgram(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := street(t)
	examples := filepath.Join(mediatest.Root(t), "csdk", "examples")
	source, err := os.ReadFile(filepath.Join(examples, "manual.c"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(source), `#include "s3cam.h"`) {
		t.Error("manual.c uses more than the original's headers")
	}
	program, err := b.compile(native, filepath.Join(examples, "manual.c"), filepath.Join(t.TempDir(), "manual"), filepath.Join(examples, "encoder.c"))
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	l := newLink(t, s.host)
	env := append(newDevice(t, s.ca).env, "AWS_ACCESS_KEY_ID="+rootKey.access, "AWS_SECRET_ACCESS_KEY="+rootKey.secret, "S3_ENDPOINT="+l.addr)
	p := run(t, b.agent, append(program, region, bucketName, "/"+prefix, mediatest.Path(t, "camera/kvs_street_640x480_25.h264")), env)
	o := p.wait(2 * time.Minute)
	p.gone(time.Minute)
	if o.exit != 0 || !strings.Contains(p.out.String(), "0 overflows") {
		t.Errorf("exit code %d, it said %q", o.exit, p.out.String())
	}
	a := inspect(t, s.objects(t, prefix), c)
	want := mediatest.Lookup(t, "camera/kvs_street_640x480_25.h264")
	if a.frames != want.Frames || a.md5(t) != want.MD5 {
		t.Errorf("%d pictures are readable, want %d, decoded as the source\n%v", a.frames, want.Frames, &a)
	}
}
