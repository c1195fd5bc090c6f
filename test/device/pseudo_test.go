// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// The example of larger firmware: pictures and sound from two threads, settings in reused buffers, slashes around the prefix, and the keys set again 50 times
// a second. All pictures arrive.
func TestFirmwareWithThreadsAndRotation(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := car(t)
	examples := filepath.Join(mediatest.Root(t), "csdk", "examples")
	program, err := b.compile(native, filepath.Join(examples, "pseudo.c"), filepath.Join(t.TempDir(), "pseudo"), filepath.Join(examples, "encoder.c"))
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	l := newLink(t, s.host)
	env := append(newDevice(t, s.ca).env, "AWS_ACCESS_KEY_ID="+rootKey.access, "AWS_SECRET_ACCESS_KEY="+rootKey.secret, "S3_ENDPOINT="+l.addr,
		"S3_REGION="+region, "S3_BUCKET="+bucketName, "S3_PREFIX=/"+prefix+"/", "S3_FPS=12.5", "S3_TAGS=example=pseudo")
	p := run(t, b.agent, append(program, mediatest.Path(t, "camera/intel_car_768x432_12_5.h264"), mediatest.Path(t, "camera/intel_car_768x432_12_5.aac")), env)
	o := p.wait(2 * time.Minute)
	p.gone(time.Minute)
	if o.exit != 0 || !strings.Contains(p.out.String(), "0 overflows, 0 errors") {
		t.Errorf("exit code %d, it said %q", o.exit, p.out.String())
	}
	a := inspect(t, s.objects(t, prefix), c)
	want := mediatest.Lookup(t, "camera/intel_car_768x432_12_5.h264")
	if a.frames != want.Frames || a.md5(t) != want.MD5 {
		t.Errorf("%d pictures are readable, want %d, decoded as the source\n%v", a.frames, want.Frames, &a)
	}
}
