// SPDX-License-Identifier: Apache-2.0

package shim_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

const goldenDir = "../../../testdata/wire"

func golden(t *testing.T, names ...string) (b []byte) {
	t.Helper()
	for _, n := range names {
		one, err := os.ReadFile(filepath.Join(goldenDir, n+".bin"))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, one...)
	}
	return b
}

// parts cuts a golden media message's data at the given places and writes it as an argument of put.
func parts(t *testing.T, name string, cuts ...int) string {
	t.Helper()
	b := golden(t, name)
	b = b[wire.HeaderSize : len(b)-1]
	var s []string
	from := 0
	for _, c := range append(cuts, len(b)) {
		if c == from {
			s = append(s, ".")
		} else {
			s = append(s, fmt.Sprintf("%x", b[from:c]))
		}
		from = c
	}
	return strings.Join(s, ",")
}

func TestMessagesAreTheGoldenBytes(t *testing.T) {
	onAll(t, func(t *testing.T, b build) {
		a := newAgent(t)
		f := b.start(t, a.path, "")
		f.send("open 1000")
		c := a.accept()
		c.tell(golden(t, "hello-reply", "ready"))
		if r, _ := f.result(); r != 0 || f.text != "" {
			t.Fatalf("open = %d, %q", r, f.text)
		}
		f.do(0, "credentials ASIAEXAMPLE secret/key+ token==")
		f.do(0, "tags site=shop&floor=1")
		f.do(0, "start")
		f.do(0, "put v 25200000000 %s", parts(t, "video-p", 0, 1, 1, 4))
		f.do(0, "put v 25200000000 %s", parts(t, "video-p"))
		f.do(0, "tags -")
		f.do(0, "credentials AKIAEXAMPLE secret -")
		f.do(0, "flush")
		f.send("close 10000")
		want := golden(t, "hello", "config-full", "credentials", "tags", "start", "video-p", "video-p", "tags-none", "credentials-permanent", "flush", "close")
		got := make([]byte, len(want))
		if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v:\n got %x\nwant %x", err, got[:n], want)
		}
		c.tell(golden(t, "closed"))
		if r, _ := f.result(); r != -4 { // two segments are pending in it
			t.Errorf("close = %d, want -4", r)
		}
		f.end()
	}, "plain", "musl", "asan", "tsan", "valgrind", "times", "mipsel", "armel", "armhf", "arm64")
}

func TestTheOriginalInterfaceSendsTheGoldenConfig(t *testing.T) {
	for _, prefix := range []string{"-", ""} {
		a := newAgent(t)
		f := driver(t, "asan").start(t, a.path, "")
		f.send("larguments 0")
		f.result()
		f.do(0, "lfinalize")
		f.send("linit 4194304 cn-north-1 footage %s", prefix)
		c := a.accept()
		c.tell(golden(t, "hello-reply", "ready"))
		if r, _ := f.result(); r != 0 {
			t.Fatalf("Initialize = %d", r)
		}
		f.do(0, "larguments 1")
		f.do(0, "lcredentials AKIAEXAMPLE secret -")
		f.do(0, "ltags site=shop&floor=1")
		f.do(0, "ltags -")
		f.do(0, "lstart")
		f.do(0, "lput v 25200000000 00000141+9a24,6c41")
		f.send("lfinalize")
		want := golden(t, "hello", "config-original", "credentials-permanent", "tags", "tags-none", "start", "video-p", "close")
		got := make([]byte, len(want))
		if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v:\n got %x\nwant %x", err, got[:n], want)
		}
		c.tell(golden(t, "closed"))
		f.result()
		f.do(0, "larguments 0")
		f.do(0, "lfinalize")
		f.end()
	}
}

func TestArgumentsAreAnsweredNotCrashedOn(t *testing.T) {
	onAll(t, func(t *testing.T, b build) {
		a := newAgent(t)
		f := b.start(t, a.path, "")
		f.do(0, "arguments 0")
		f.send("open 20")
		c := a.accept()
		c.welcome()
		f.result()
		f.do(0, "arguments 1")
		f.send("close 1000")
		c.bye(wire.Counters{})
		if r, _ := f.result(); r != 0 {
			t.Errorf("close = %d, want 0", r)
		}
		f.end()
	})
}

func TestOpenFailsWithTheReason(t *testing.T) {
	tests := []struct {
		name, want string
		answer     func(c *conn)
	}{
		{"the agent's text, cut", "region: it is missing; and so on and so on and so on and so on ", func(c *conn) {
			c.tell(wire.AppendError(nil, wire.CodeConfig, "region: it is missing; and so on and so on and so on and so on and so on"))
		}},
		{"it hangs up", "no agent can be started, or none answers", func(*conn) {}},
		{"it sends what is no message", "no agent can be started, or none answers", func(c *conn) { c.tell(bytes.Repeat([]byte{0xff}, 64)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAgent(t)
			f := driver(t, "asan").start(t, a.path, "")
			f.send("open 20")
			c := a.accept()
			c.expect(wire.TypeHello)
			c.expect(wire.TypeConfig)
			tt.answer(c)
			_ = c.Close()
			if r, _ := f.result(); r != -7 || f.text != tt.want {
				t.Errorf("open = %d, %q, want -7, %q", r, f.text, tt.want)
			}
			f.send("linit 0 eu-west-1 b")
			c = a.accept()
			c.tell(wire.AppendError(nil, wire.CodeConfig, "no"))
			_ = c.Close()
			if r, _ := f.result(); r != -7 {
				t.Errorf("Initialize = %d, want -7", r)
			}
			f.do(0, "larguments 0")
			f.end()
		})
	}
}

func TestOpenEndsWhenTheAgentStaysSilent(t *testing.T) {
	if testing.Short() {
		t.Skip("it lasts 5 s")
	}
	t.Parallel()
	a := newAgent(t)
	f := driver(t, "plain").start(t, a.path, "")
	f.send("open 20")
	a.accept()
	r, took := f.result()
	if r != -7 || took < 4900*time.Millisecond {
		t.Errorf("open = %d after %v, want -7 after 5 s", r, took)
	}
	f.within(took, 6500*time.Millisecond)
	f.end()
}

func TestOpenWithoutAnAgent(t *testing.T) {
	onAll(t, func(t *testing.T, b build) {
		f := b.start(t, "", "")
		f.send("open 20")
		if r, took := f.result(); r != -7 || !strings.Contains(f.text, "no agent") {
			t.Errorf("open = %d, %q", r, f.text)
		} else {
			f.within(took, 3*time.Second)
		}
		f.end()
	})
}

func slice(typ int) string { return fmt.Sprintf("000001%02x88", typ) }

func TestASlowAgentCostsFramesButNothingElse(t *testing.T) {
	onAll(t, func(t *testing.T, b build) {
		a := newAgent(t)
		f := b.start(t, a.path, "")
		f.send("open 30")
		c := a.accept()
		c.welcome()
		f.result()
		f.do(0, "start")

		taken := 0
		for i := range 100 { // the socket fills
			f.send("slice 101 %d 60000", i)
			r, took := f.result()
			f.within(took, 300*time.Millisecond)
			if r != 0 {
				if r != -4 || took < 29*time.Millisecond && !b.slow {
					t.Errorf("put to a full socket = %d after %v, want -4 after 30 ms", r, took)
				}
				break
			}
			taken++
		}
		f.do(-4, "put v 1 %s", slice(0x41)) // needs what was lost, not even tried
		f.do(-4, "put v 1 %s", slice(0x65)) // no room
		f.do(-4, "put v 1 00000165,08")     // not the first slice of a picture: no other picture
		f.do(-4, "put a 1 fff1")
		f.do(0, "tags late=1")
		f.do(0, "credentials late %s -", strings.Repeat("s", 4000))
		f.do(0, "flush")

		// The agent reads on: settings that were due arrive, and then the next IDR.
		seen := make(chan message, 1000)
		go func() {
			for {
				m, err := c.next()
				if err != nil {
					close(seen)
					return
				}
				seen <- m
			}
		}()
		expect := func(want wire.Type) message {
			t.Helper()
			select {
			case m := <-seen:
				if m.Type != want {
					t.Fatalf("got %v, want %v", m.Type, want)
				}
				return m
			case <-time.After(limit):
				t.Fatalf("no %v", want)
			}
			panic("unreachable")
		}
		expect(wire.TypeStart)
		for range taken {
			if m := expect(wire.TypeVideo); m.Lost != 0 || len(m.data) != 60000 {
				t.Errorf("a picture of %d bytes, lost %d", len(m.data), m.Lost)
			}
		}
		if m := expect(wire.TypeCredentials); len(m.data) < 4000 || strings.Contains(m.data, "\x00\x00\x00") {
			t.Errorf("credentials of %d bytes arrived damaged", len(m.data))
		}
		expect(wire.TypeTags)
		expect(wire.TypeFlush)
		f.do(-4, "put v 2 %s", slice(0x41))
		f.do(0, "put v 2 00000167,4200") // no slice: passes
		f.do(0, "put a 2 fff1")
		f.do(-4, "put v 2 00,00,0141,9a")
		// An IDR whose start code is spread over parts, behind an SEI
		f.do(0, "put v 3 0000010605ff,.,00,00,01,65,88")
		f.do(0, "put v 4 %s", slice(0x41))
		if m := expect(wire.TypeVideo); m.data != "\x00\x00\x01\x67\x42\x00" || m.Lost != 4 {
			t.Errorf("parameter sets: %x, lost %d, want 4", m.data, m.Lost)
		}
		if m := expect(wire.TypeAudio); m.Lost != 1 {
			t.Errorf("audio: lost %d, want 1", m.Lost)
		}
		if m := expect(wire.TypeVideo); m.data != "\x00\x00\x01\x06\x05\xff\x00\x00\x01\x65\x88" || m.Lost != 1 || m.Time != 3 {
			t.Errorf("IDR: %x, lost %d, want 1", m.data, m.Lost)
		}
		if m := expect(wire.TypeVideo); m.Lost != 0 || m.Time != 4 {
			t.Errorf("the picture after it: lost %d", m.Lost)
		}
		f.do(0, "counters")
		if got := f.count[:4]; !slices.Equal(got, []int64{5, 1, 0, 1}) {
			t.Errorf("lost pictures, audio frames, with agents; connects = %v", got)
		}
		f.send("close 2000")
		expect(wire.TypeClose)
		c.tell(wire.AppendCounters(nil, wire.TypeClosed, &wire.Counters{}))
		if r, _ := f.result(); r != 0 {
			t.Errorf("close = %d", r)
		}
		f.end()
		if n := c.r.Voided(); n == 0 {
			t.Error("no message was broken off: the test shows nothing")
		}
	}, "plain", "asan", "tsan")
}

func TestRepliesReachTheFirmware(t *testing.T) {
	onAll(t, func(t *testing.T, b build) {
		a := newAgent(t)
		f := b.start(t, a.path, "")
		f.send("open 20")
		c := a.accept()
		c.welcome()
		f.result()
		f.do(0, "start")
		stream := golden(t, "counters-longer", "error", "drop", "counters-shorter", "counters")
		stream = append(stream, wire.AppendDrop(nil, &wire.Drop{Reason: 99, Key: strings.Repeat("k", 2000)})...)
		stream = append(stream, append(wire.Header{Type: 0xc7, Length: 4}.Append(nil), "what"...)...) // may be ignored
		stream = append(stream, wire.AppendError(nil, wire.CodeClock, "")...)
		for len(stream) > 0 { // in pieces
			n := min(7, len(stream))
			c.tell(stream[:n])
			stream = stream[n:]
		}
		for range 1000 {
			if f.do(0, "counters"); f.count[4+13] != 0 && len(f.drops) == 2 {
				break
			}
			f.do(0, "put a 1 00")
		}
		want := []int64{0, 0, 0, 1, 1500, 1425, 2814, 19, 1350, 37_000_000_000, 1, 75, 2, 1_900_000, 4 << 20, 2_100_000, 3, -1200, 4, 5_000_000, 8}
		if !slices.Equal(f.count, want) {
			t.Errorf("counters\n got %v\nwant %v", f.count, want)
		}
		if want := []string{"me 1 75 1880000 3000 1795599000040000 shop/door/2026/11/25/09/30/00.ts", "me 99 0 0 0 0 " + strings.Repeat("k", wire.MaxReply-40)}; !slices.Equal(f.drops, want) {
			t.Errorf("drops\n got %q\nwant %q", f.drops, want)
		}
		for {
			f.send("error")
			if r, _ := f.result(); r == int(wire.CodeClock) {
				break
			}
		}
		if f.text != "" {
			t.Errorf("error text %q, want the last one", f.text)
		}
		f.send("close 1000")
		c.bye(wire.Counters{})
		f.result()
		f.end()
	}, "plain", "musl", "asan", "tsan", "valgrind", "mipsel", "armhf")
}

func TestNothingOfTheProcessIsTouched(t *testing.T) {
	obj := filepath.Join(t.TempDir(), "s3cam.o")
	compile(t, "gcc", obj, []string{"-Os", "-c"}, "../../src/s3cam.c")
	out, err := exec.Command("nm", "-u", obj).Output()
	if err != nil {
		t.Skip("SKIP: no nm")
	}
	// What must not be there: stdio, other allocation than one calloc, signal handlers, blocking waits without limit.
	bad := regexp.MustCompile(`\b(\w*printf|puts|fputs|write|malloc|realloc|strdup|signal|sigaction|abort|exit|errx?|perror|syslog|system|fork|usleep|sleep|nanosleep)\b`)
	if m := bad.FindAll(out, -1); m != nil {
		t.Errorf("the library calls %q", m)
	}
	if !bytes.Contains(out, []byte("calloc")) {
		t.Errorf("nm does not show what is called:\n%s", out)
	}
}

func TestHeadersAreCAndCPlusPlus(t *testing.T) {
	for _, h := range []string{"s3cam.h", "S3_HLS_SDK.h", "S3_HLS_Return_Code.h"} {
		for _, c := range [][]string{{"gcc", "-std=c99", "-xc"}, {"clang", "-std=c99", "-xc"}, {"g++", "-std=c++98", "-Wno-long-long", "-xc++"}, {"g++", "-std=c++17", "-xc++"}, {"clang++", "-std=c++98", "-Wno-c++11-long-long", "-xc++"}, {"clang++", "-std=c++17", "-xc++"}} {
			if _, err := exec.LookPath(c[0]); err != nil {
				t.Logf("SKIP: no %s", c[0])
				continue
			}
			src := filepath.Join(t.TempDir(), "header")
			if err := os.WriteFile(src, []byte("#include \""+h+"\"\n#include \""+h+"\"\nint main(void) { return 0; }\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			args := append(c[1:], "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-I../../include", "-fsyntax-only", src)
			if out, err := exec.Command(c[0], args...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", c, err, out)
			}
		}
	}
}
