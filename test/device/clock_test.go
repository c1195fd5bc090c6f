// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"testing"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// A server whose clock is off by so much looks to the device as its own clock being off the other way: the first segments already lie
// under the server's time, nothing is overwritten, and signing heals within one round trip.
func TestWrongClock(t *testing.T) {
	b := build(t, native)
	c := encode(t, small)
	for _, tt := range []struct {
		name  string
		ahead time.Duration // of the server
		step  time.Duration // by which the server's clock is stepped in the middle
	}{
		{name: "the device is 20 minutes slow", ahead: 20 * time.Minute},
		{name: "the device is 20 minutes fast", ahead: -20 * time.Minute},
		{name: "the device is three minutes fast: no skew for S3, but wrong keys", ahead: -3 * time.Minute},
		{name: "the device begins in 1970", ahead: 56 * 365 * 24 * time.Hour},
		{name: "the device is ten years ahead", ahead: -10 * 365 * 24 * time.Hour},
		{name: "the device's clock steps back by an hour", step: time.Hour},
		{name: "the device's clock steps ahead by an hour", step: -time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			f := newFront(t, s, leaf{})
			f.setClock(tt.ahead)
			d := newDevice(t, s.ca, "S3CAM_SEGMENT=1s")
			const fed = 250
			sc := newScript(t).initialize(1<<20, region, bucketName, prefix, f.addr).credential(rootKey).start().zero()
			feed{clip: c, frames: fed, speed: 1}.write(sc).finalize()
			began := time.Now().Add(tt.ahead)
			p := b.play(t, d.env, sc)
			if tt.step != 0 {
				timer := time.AfterFunc(5*time.Second, func() { f.setClock(tt.ahead + tt.step) })
				defer timer.Stop()
			}
			r := &result{clip: c, fed: fed, store: s, outcome: p.wait(time.Minute)}
			p.gone(time.Minute)
			r.audit = inspect(t, s.objects(t, prefix), c)
			r.ok(t)
			if r.audit.frames != fed {
				t.Errorf("%d of %d frames are readable", r.audit.frames, fed)
			}
			seen := map[string]bool{}
			for _, k := range s.puts() {
				if seen[k] {
					t.Errorf("%s was overwritten", k)
				}
				seen[k] = true
			}
			refused := 0
			for _, q := range f.seen() {
				if q.status == 403 {
					refused++
				}
			}
			if tt.step == 0 && refused > 1 {
				t.Errorf("%d requests were refused, want 1 at most", refused)
			}
			for i, g := range r.audit.segments {
				_, at, _ := segment.ParseKey(g.key)
				from, to := began.Add(-2*time.Second), began.Add(20*time.Second)
				if tt.step != 0 && at.After(to) { // the stream's time follows a step ahead, and never goes back
					from, to = from.Add(tt.step), to.Add(tt.step)
				}
				if at.Before(from) || at.After(to) {
					t.Errorf("segment %d is %s, want it within %v and %v, the server's time", i, g.key, from.UTC(), to.UTC())
				}
			}
			if tt.step == 0 && len(r.audit.holes) > 0 {
				t.Errorf("holes: %v", r.audit.holes)
			}
			if t.Failed() {
				for _, q := range f.seen() {
					t.Logf("%s %s: %d", q.at.Format("05.000"), q.key, q.status)
				}
				t.Logf("%s\nthe device said:\n%s", &r.audit, r.output)
			}
		})
	}
}
