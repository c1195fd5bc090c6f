// SPDX-License-Identifier: Apache-2.0

package shim_test

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

// cameras compiles the program of several cameras for a variant and returns how it is run.
func cameras(t *testing.T, variant string, args ...string) *exec.Cmd {
	t.Helper()
	out := filepath.Join(t.TempDir(), "cameras")
	run := []string{out}
	flags := flagsOf[variant]
	if variant == "valgrind" {
		v, err := exec.LookPath("valgrind")
		if err != nil {
			t.Skip("SKIP: no valgrind")
		}
		flags = []string{"-O1", "-g"}
		run = []string{v, "-q", "--error-exitcode=97", "--leak-check=full", out}
	}
	compile(t, "gcc", out, flags, "testdata/cameras.c")
	run = append(run, args...)
	return exec.Command(run[0], run[1:]...)
}

// unitOf is the access unit that the program puts for a camera.
func unitOf(code int, idr bool, id byte) (b []byte) {
	units := []string{"\x41\x9a\x01"}
	if idr {
		units = []string{"\x09\xf0", "\x67\x42\x00\x1e", "\x68\xce\x38", "\x06\x05\x01\x80", "\x65\x88\x80\x01", "\x65\x40\x02"}
	}
	for _, u := range units {
		b = append(append(b, []byte{0, 0, 0, 1}[4-code:]...), u...)
	}
	return append(b, id)
}

// Several cameras in one process, from two threads each, one of them by the original's interface: nothing of one reaches another. Each puts an
// access unit in all ways to cut it into two or three parts, and whichever it is, the library sees the IDR, or that there is none.
func TestSeveralCamerasAndEveryCut(t *testing.T) {
	t.Parallel()
	const n = 2
	for _, variant := range []string{"asan", "tsan", "valgrind"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && variant != "asan" {
				t.Skip("one is enough")
			}
			a := newAgent(t)
			cmd := cameras(t, variant, "cameras", a.path, fmt.Sprint(n))
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var served sync.WaitGroup
			for i := range n + 1 { // one after the other, since each waits for READY
				c := a.accept()
				cfg := c.welcome()
				if want := fmt.Sprintf("cam%d", i); cfg.Prefix != want {
					t.Errorf("camera %d is %q", i, cfg.Prefix)
				}
				served.Go(func() { everyCut(t, c, i) })
			}
			served.Wait()
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v:\n%s", err, out.String())
			}
		})
	}
}

// everyCut checks what one camera sends.
func everyCut(t *testing.T, c *conn, i int) {
	id := byte(0x10 + i)
	var want [][]byte
	for code := 3; code <= 4; code++ {
		for _, idr := range []bool{true, false} {
			u := unitOf(code, idr, id)
			for range (len(u) + 1) * (len(u) + 2) / 2 {
				want = append(want, u)
			}
		}
	}
	last, pictures, sounds, credentials := int64(-1), 0, 0, 0
	for {
		m, err := c.next()
		if err != nil {
			t.Errorf("camera %d after %d pictures: %v", i, pictures, err)
			return
		}
		switch m.Type {
		case wire.TypeVideo:
			pictures++
			if int64(m.Time) <= last || m.Time >= uint64(len(want)) || m.data != string(want[m.Time]) {
				t.Errorf("camera %d, picture %d: %x", i, m.Time, m.data)
			}
			last = int64(m.Time)
		case wire.TypeAudio:
			if m.data != strings.Repeat(string(id), 40) || m.Time != uint64(sounds) {
				t.Errorf("camera %d, sound frame %d at %d: %x", i, sounds, m.Time, m.data)
			}
			sounds++
		case wire.TypeCredentials:
			k, err := wire.ParseCredentials([]byte(m.data))
			if want := fmt.Sprintf("cam%d", i); err != nil || k.AccessKeyID != want || k.SecretAccessKey != want || k.SessionToken != want {
				t.Errorf("camera %d has the credentials %#v", i, k)
			}
			credentials++
		case wire.TypeClose:
			// The original's interface, the last one, waits 20 ms and not longer, and some P pictures may go.
			if low := len(want) * 9 / 10; pictures < low || i < 2 && pictures != len(want) || sounds != 500 || credentials != 1 {
				t.Errorf("camera %d: %d pictures of %d, %d sound frames, %d credentials", i, pictures, len(want), sounds, credentials)
			}
			if _, err := c.Write(wire.AppendCounters(nil, wire.TypeClosed, &wire.Counters{})); err != nil {
				t.Error(err)
			}
			return
		}
	}
}

// Calls of the original's interface in any order get the results of its table, under sanitizers. Another order each time.
func TestCallsInAnyOrder(t *testing.T) {
	t.Parallel()
	for _, variant := range []string{"asan", "tsan", "valgrind"} {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && variant != "asan" {
				t.Skip("one is enough")
			}
			a := newAgent(t)
			var served sync.WaitGroup
			served.Go(func() {
				for {
					raw, err := a.l.Accept()
					if err != nil { // closed below
						return
					}
					served.Go(func() { obey(t, raw) })
				}
			})
			seed := fmt.Sprint(time.Now().UnixNano() % 1e9)
			out, err := cameras(t, variant, "orders", a.path, seed).CombinedOutput()
			if err != nil {
				t.Errorf("seed %s: %v\n%s", seed, err, out)
			}
			t.Logf("seed %s: %s", seed, out)
			_ = a.l.Close()
			served.Wait()
		})
	}
}

// obey plays an agent that accepts everything, as long as the order of messages is right.
func obey(t *testing.T, raw net.Conn) {
	c := &conn{Conn: raw, t: t, r: wire.NewReader(raw)}
	defer func() { _ = raw.Close() }()
	for {
		m, err := c.next()
		var answer []byte
		switch {
		case err != nil:
			t.Errorf("before CLOSE: %v", err)
			return
		case m.Type == wire.TypeConfig:
			answer = wire.AppendReady(wire.AppendHelloReply(nil, wire.HelloReply{Version: 1, Agent: "test"}))
		case m.Type == wire.TypeClose:
			answer = wire.AppendCounters(nil, wire.TypeClosed, &wire.Counters{})
		}
		if _, err := raw.Write(answer); err != nil {
			t.Error(err)
		}
		if m.Type == wire.TypeClose {
			return
		}
	}
}
