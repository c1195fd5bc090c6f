// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// Firmware and agent of each kind of camera, below qemu, upload real footage over TLS: what ffmpeg decodes from the bucket is what it
// decodes from the file, and the sound is there.
func TestForeignMachines(t *testing.T) {
	const name = "camera/intel_car_768x432_12_5.h264" // 30 s, 615 kbit/s, with sound
	c := car(t)
	want := mediatest.Lookup(t, name)
	for _, g := range []target{mipsel, armel, armhf, arm64} {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			b := build(t, g)
			s := newStore(t)
			d := newDevice(t, s.ca)
			sc := newScript(t).initialize(4<<20, region, bucketName, prefix, s.host).credential(rootKey).tag("machine=qemu").start().zero()
			// Twice as fast as it was recorded: below qemu nobody waits for a camera.
			feed{clip: c, frames: len(c.units), shape: splitAt(nalPerItem, 100), speed: 2, audio: true}.write(sc).finalize()
			p := b.play(t, d.env, sc)
			r := &result{clip: c, fed: len(c.units), store: s, outcome: p.wait(2 * time.Minute)}
			p.gone(time.Minute)
			r.audit = inspect(t, s.objects(t, prefix), c)
			r.complete(t)
			r.audit.decodes(t)
			if got := r.audit.md5(t); got != want.MD5 {
				t.Errorf("md5 of the decoded frames is %s, want that of the file, %s", got, want.MD5)
			}
			if r.audit.audio == 0 {
				t.Error("no sound arrived")
			}
			t.Logf("%d segments, %d frames, %d bytes, longest Put %v", len(r.audit.segments), r.audit.frames, r.audit.bytes, r.worst)
			if t.Failed() {
				t.Logf("%s\nthe device said:\n%s", &r.audit, r.output)
			}
		})
	}
}
