// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"path/filepath"
	"regexp"
	"strconv"
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
			got, said := md5(t, s.replay(name), "0:v", "rawvideo", "-fps_mode", "passthrough")
			if got != c.md5 {
				t.Errorf("md5 of the decoded frames is %s, want %s\n%s", got, c.md5, out)
			}
			silent(t, "the playlist", said, nil)
			got, _ = md5(t, s.replay(name), "0:a", "s16le")
			if want, _ := md5(t, c.audio, "0:a", "s16le"); got != want {
				t.Errorf("md5 of the decoded sound is %s, want %s", got, want)
			}
			if !strings.Contains(out, "retr") {
				t.Errorf("push says nothing about retries although the store was away: %s", filepath.Base(out))
			}
		})
	}
}

// Beyond what the ring holds, whole segments are dropped, and the program says exactly how many: what it says is what the store
// then lacks.
func TestOutageBeyondTheRingIsCountedExactly(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED by -short: feeds 16 s of footage in real time")
	}
	need(t, "ffmpeg", "ffprobe")
	var c clip
	for _, k := range footage(t) {
		if k.name == "camera/kvs_street_640x480_25" { // 16 s, 4 Mbit/s, a key frame every 1.8 s
			c = k
		}
	}
	s := serve(t)
	p := newProxy(t, s.s3)
	began := time.AfterFunc(2*time.Second, func() { p.set(hang) })
	ended := time.AfterFunc(12*time.Second, func() { p.set(pass) })
	defer began.Stop()
	defer ended.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	through := server{web: s.web, s3: p.url(), bucket: s.bucket}
	out, code := through.push(ctx, t, "--camera", "street", "--input", c.path, "--speed", "realtime", "--start", start, "--segment", "1s", "--ring", "2")
	m := regexp.MustCompile(`(\d+) of (\d+) segments .*were dropped`).FindStringSubmatch(out)
	if code != 3 || m == nil {
		t.Fatalf("push: exit %d, want 3 and the number of dropped segments\n%s", code, out)
	}
	dropped, _ := strconv.Atoi(m[1])
	total, _ := strconv.Atoi(m[2])
	var listed int
	for _, line := range strings.Split(string(fetch(t, s.replay("street"))), "\n") {
		if line != "" && line[0] != '#' {
			listed++
		}
	}
	if total != 9 || listed != total-dropped || dropped == 0 {
		t.Errorf("%d of %d segments were dropped, %d are listed; want 9 in all, some dropped, the rest listed\n%s", dropped, total, listed, out)
	}
	checkSegments(t, s, "street", ownMessages(t, c))
}
