// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A camera feeds in real time; in the middle of it the store refuses, hangs or cuts for 10 s. What the ring can hold is not lost:
// every frame and every sample comes back.
func TestOutageOfTenSecondsLosesNothingThatTheRingHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED by -short: feeds 30 s of footage in real time")
	}
	need(t, "ffmpeg", "ffprobe")
	clips := footage(t)
	var c clip
	for _, k := range clips {
		if k.name == "camera/intel_car_768x432_12_5" { // 30 s, 615 kbit/s: 10 s are far below the ring of 4 MiB
			c = k
		}
	}
	s := serve(t)
	for name, mode := range map[string]fault{"refusing": refuse, "hanging": hang, "cutting": cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, s.s3)
			// The outage begins 8 s after the start and ends 18 s after it.
			began := time.AfterFunc(8*time.Second, func() { p.set(mode) })
			ended := time.AfterFunc(18*time.Second, func() { p.set(pass) })
			defer began.Stop()
			defer ended.Stop()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			through := server{web: s.web, s3: p.url(), bucket: s.bucket}
			out, code := through.push(ctx, t, "--camera", name, "--input", c.path, "--audio", c.audio, "--speed", "realtime", "--start", start)
			if code != 0 {
				t.Fatalf("push: exit %d, want 0: nothing may be lost\n%s", code, out)
			}
			if got := md5(t, "warning", s.replay(name), "0:v", "rawvideo", "-fps_mode", "passthrough"); got != c.md5 {
				t.Errorf("md5 of the decoded frames is %s, want %s\n%s", got, c.md5, out)
			}
			if got, want := md5(t, "warning", s.replay(name), "0:a", "s16le"), md5(t, "error", c.audio, "0:a", "s16le"); got != want {
				t.Errorf("md5 of the decoded sound is %s, want %s", got, want)
			}
			if !strings.Contains(out, "retr") {
				t.Errorf("push says nothing about retries although the store was away: %s", filepath.Base(out))
			}
		})
	}
}
