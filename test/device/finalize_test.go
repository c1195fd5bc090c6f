// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Finalize at any time, twice, and without anything before it, always ends within a bounded time. The original hung for ever without
// any frame and in 6 of 40 normal stops, and crashed without Start_Upload, when called twice, and before Initialize.
func TestFinalizeAtAnyTime(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, small)
	open := func(s *script, addr string) *script { return s.initialize(1<<20, region, bucketName, prefix, addr) }
	frames := func(s *script, n int) *script { return feed{clip: c, frames: n, speed: 1}.write(s.zero()) }
	for _, tt := range []struct {
		name   string
		hang   bool
		calls  func(s *script, addr string)
		frames int // stored
		limit  time.Duration
	}{
		{"before anything", false, func(s *script, _ string) { s.finalize().finalize() }, 0, 5 * time.Second},
		{"after Initialize alone", false, func(s *script, a string) { open(s, a).finalize() }, 0, 10 * time.Second},
		{"without a frame", false, func(s *script, a string) { open(s, a).credential(rootKey).start().finalize() }, 0, 10 * time.Second},
		{"without Start_Upload, with frames", false, func(s *script, a string) { frames(open(s, a).credential(rootKey), 30).finalize() }, 30, 15 * time.Second},
		{"without credentials, with frames", false, func(s *script, a string) { frames(open(s, a).start(), 30).finalize() }, 0, 20 * time.Second},
		{"twice", false, func(s *script, a string) { frames(open(s, a).credential(rootKey).start(), 30).finalize().finalize() }, 30, 15 * time.Second},
		{"while the server is silent", true, func(s *script, a string) { frames(open(s, a).credential(rootKey).start(), 30).finalize() }, 0, 20 * time.Second},
		{"again and again", false, func(s *script, a string) {
			for range 10 {
				open(s, a).credential(rootKey).start().finalize()
			}
		}, 0, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			l := newLink(t, s.host)
			if tt.hang {
				l.hang()
			}
			sc := newScript(t)
			tt.calls(sc, l.addr)
			p := b.play(t, newDevice(t, s.ca, "S3CAM_DRAIN=5s").env, sc)
			o := p.wait(tt.limit)
			p.gone(30 * time.Second)
			o.ok(t)
			for _, d := range o.took["finalize"] {
				if d > 20*time.Second { // its limit is 10 s; the machine may be busy
					t.Errorf("Finalize took %v", d)
				}
			}
			a := inspect(t, s.objects(t, prefix), c)
			if tt.name != "without Start_Upload, with frames" && a.frames != tt.frames {
				t.Errorf("%d frames stored, want %d", a.frames, tt.frames)
			}
			if t.Failed() {
				t.Logf("the device said:\n%s", o.output)
			}
		})
	}
}

// Calls before Initialize are answered as the table of codes says.
func TestCallsBeforeInitialize(t *testing.T) {
	t.Parallel()
	b := build(t, native)
	c := encode(t, small)
	sc := newScript(t).credential(rootKey).tag("a=b").start()
	sc.video(0, item{first: c.units[0].data}).audio(0, item{first: []byte("x")}).op('N').finalize()
	// Settings that cannot work fail at once.
	sc.initialize(1<<20, null, bucketName, prefix, "127.0.0.1:1").initialize(1<<20, region, null, prefix, "127.0.0.1:1").initialize(1<<20, "eu", bucketName, prefix, "127.0.0.1:1")
	sc.initialize(1<<20, region, bucketName, strings.Repeat("p", 1020), "127.0.0.1:1")
	sc.initialize(1<<20, region, bucketName, "a//../b", "127.0.0.1:1")
	s := newStore(t)
	p := b.play(t, newDevice(t, s.ca).env, sc)
	o := p.wait(30 * time.Second)
	got := fmt.Sprint(o.results, o.codes)
	want := fmt.Sprint(map[string][]int{"credential": {-2}, "tag": {-2}, "start": {-2}, "finalize": {0}, "initialize": {-7, -7, -7, -7, -7}},
		map[string]map[int]int{"video": {0: -6, 1: -6}, "audio": {0: -6}})
	if got != want || o.exit != 0 {
		t.Errorf("got  %s, exit %d\nwant %s\n%s", got, o.exit, want, o.output)
	}
}
