// SPDX-License-Identifier: Apache-2.0

package shim_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/wire"
)

func kill(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

// gone waits until there is no process of that number, zombies included, since the library reaps its agents.
func gone(t *testing.T, pid int) {
	t.Helper()
	if !polltest.Within(limit, func() bool { return syscall.Kill(pid, 0) != nil }) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		t.Fatalf("agent %d is still there: %.100s", pid, b)
	}
}

func TestAnAgentThatDiesIsReplaced(t *testing.T) {
	onAll(t, func(t *testing.T, b build) {
		a := newAgent(t)
		f := b.start(t, "", a.path)
		f.do(0, "block-signals")
		f.send("open 20")
		c := a.acceptRelay()
		if !strings.Contains(c.about, `["--fd" "3"] true SigBlk: 0 SigIgn: 0`) {
			t.Errorf("the agent was started as %s", c.about)
		}
		cfg := c.welcome()
		f.result()
		f.do(0, "credentials old old old")
		f.do(0, "start")
		for i := range 10 {
			typ := 0x65
			if i > 0 {
				typ = 0x41
			}
			f.do(0, "put v %d %s,00000141,08", i, slice(typ)) // pictures of two slices
			f.do(0, "put a %d fff1", i)
		}
		for n := 0; n < 10; {
			if m, err := c.next(); err != nil {
				t.Fatal(err)
			} else if m.Type == wire.TypeVideo {
				n++
			}
		}
		c.tell(wire.AppendCounters(nil, wire.TypeCounters, &wire.Counters{VideoFrames: 10, Settled: 4}))
		for f.do(0, "counters"); f.count[5] != 4; f.do(0, "counters") {
		}
		f.do(0, "credentials new new new")
		f.do(0, "tags a=b")
		kill(t, c.pid, syscall.SIGKILL)
		gone(t, c.pid)

		second := a.acceptRelay()
		f.do(-4, "put v 10 %s", slice(0x65)) // not ready yet
		if again := second.welcome(); again != cfg {
			t.Errorf("the second agent got %+v", again)
		}
		if got, err := wire.ParseCredentials([]byte(second.expect(wire.TypeCredentials).data)); err != nil || got.SessionToken != "new" {
			t.Errorf("the second agent got %#v, %v", got, err)
		}
		second.expect(wire.TypeTags)
		second.expect(wire.TypeStart)
		for f.do(0, "counters"); f.count[3] != 2; f.do(0, "counters") {
		}
		f.do(-4, "put v 11 %s", slice(0x41)) // needs what the first agent had
		f.do(0, "put v 12 %s", slice(0x65))
		if m := second.expect(wire.TypeVideo); m.Time != 12 || m.Lost != 2 {
			t.Errorf("first picture %d, lost %d, want 12, 2", m.Time, m.Lost)
		}
		f.do(0, "counters")
		if got := f.count[:6]; !slices.Equal(got, []int64{2, 0, 6, 2, 0, 0}) {
			t.Errorf("counters begin %v", got)
		}
		if want := []string{"me 7 6 0 0 0 "}; !slices.Equal(f.drops, want) {
			t.Errorf("drops %q, want %q", f.drops, want)
		}
		f.send("close 5000")
		second.bye(wire.Counters{})
		if r, took := f.result(); r != 0 {
			t.Errorf("close = %d", r)
		} else {
			f.within(took, 2*time.Second)
		}
		gone(t, second.pid)
		f.end()
	}, "plain", "asan", "tsan", "valgrind")
}

func TestTheOriginalInterfaceTellsOfLossOnce(t *testing.T) {
	a := newAgent(t)
	f := driver(t, "asan").start(t, "", a.path)
	f.send("linit 0 eu-west-1 b p")
	c := a.acceptRelay()
	c.welcome()
	f.result()
	f.do(0, "lstart")
	f.do(0, "lstart")
	f.do(0, "lput v 0 %s", slice(0x65))
	c.tell(wire.AppendDrop(nil, &wire.Drop{Reason: wire.ReasonRingFull}))
	wait := func() {
		t.Helper()
		for end := time.Now().Add(limit); ; {
			f.send("lput v 1 %s", slice(0x41))
			if r, _ := f.result(); r == -4 {
				return
			}
			if time.Now().After(end) {
				t.Fatal("the loss is not told")
			}
		}
	}
	wait()
	f.do(0, "lput v 2 %s", slice(0x41))
	kill(t, c.pid, syscall.SIGKILL)
	second := a.acceptRelay()
	second.welcome()
	wait()
	var r int
	for r = -4; r == -4; r, _ = f.result() { // until it is ready
		f.send("lput v 3 %s", slice(0x65))
	}
	f.do(0, "lput v 3 %s", slice(0x41))
	f.send("lfinalize")
	second.bye(wire.Counters{PendingSegments: 3})
	f.result()
	gone(t, second.pid)
	f.do(0, "lfinalize")

	// All begins again with a clean state, and an agent that dies before Start is noticed by it.
	f.send("linit 0 eu-west-1 b p")
	c = a.acceptRelay()
	c.welcome()
	f.result()
	f.do(0, "lput v 1 %s", slice(0x41))
	kill(t, c.pid, syscall.SIGKILL)
	f.do(0, "lstart")
	c = a.acceptRelay()
	c.welcome()
	c.expect(wire.TypeStart)
	f.send("lfinalize")
	c.bye(wire.Counters{})
	f.result()
	f.end()
}

func TestTheEndIsBoundedAndAnyOrderWorks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		start bool
		agent func(c *conn) // after READY
		most  time.Duration
	}{
		{"without start", false, func(c *conn) { c.bye(wire.Counters{}) }, 2 * time.Second},
		{"with start", true, func(c *conn) { c.bye(wire.Counters{}) }, 2 * time.Second},
		{"the agent never answers", true, func(*conn) {}, 2 * time.Second},
		{"the agent never answers, without start", false, func(*conn) {}, 2 * time.Second},
		{"the agent is dead", true, func(c *conn) { kill(c.t, c.pid, syscall.SIGKILL) }, 2 * time.Second},
		{"the agent is dead, without start", false, func(c *conn) { kill(c.t, c.pid, syscall.SIGKILL) }, 2 * time.Second},
		{"the agent is stopped", true, func(c *conn) { kill(c.t, c.pid, syscall.SIGSTOP) }, 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onAll(t, func(t *testing.T, b build) {
				a := newAgent(t)
				f := b.start(t, "", a.path)
				f.send("open 20")
				c := a.acceptRelay()
				c.welcome()
				f.result()
				if tt.start {
					f.do(0, "start")
				}
				f.do(0, "slice 101 0 10000")
				f.send("close 500")
				tt.agent(c)
				_, took := f.result()
				f.within(took, tt.most)
				f.end()
			}, "asan", "tsan")
		})
	}
}

func TestFirmwareThatForksIgnoresChildrenAndHasNoStandardInput(t *testing.T) {
	onAll(t, func(t *testing.T, b build) {
		a := newAgent(t)
		f := b.start(t, "", a.path)
		f.do(0, "close-stdin")
		f.do(0, "ignore-sigchld")
		f.send("linit 0 eu-west-1 b p")
		c := a.acceptRelay()
		if !strings.Contains(c.about, "SigIgn: 0") {
			t.Errorf("the agent inherits ignored signals: %s", c.about)
		}
		c.welcome()
		f.result()
		f.do(0, "fork")
		f.do(0, "lstart")
		c.expect(wire.TypeStart)
		f.do(0, "lput v 0 %s", slice(0x65))
		kill(t, c.pid, syscall.SIGKILL)
		second := a.acceptRelay()
		second.welcome()
		f.send("lfinalize")
		second.bye(wire.Counters{})
		_, took := f.result()
		f.within(took, 2*time.Second)
		f.end() // of the parent, which ended long ago, and of the output of the child
	}, "plain")
}

func TestAnAgentThatHangsIsReplaced(t *testing.T) {
	if testing.Short() {
		t.Skip("it lasts 10 s")
	}
	t.Parallel()
	a := newAgent(t)
	f := driver(t, "plain").start(t, "", a.path)
	f.send("open 5")
	c := a.acceptRelay()
	c.welcome()
	f.result()
	f.do(0, "start")
	kill(t, c.pid, syscall.SIGSTOP)
	full := false
	for i := range 100 {
		f.send("slice 101 %d 60000", i)
		if r, _ := f.result(); r == -4 {
			full = true
			break
		}
	}
	if !full {
		t.Fatal("the socket does not fill")
	}
	began := time.Now()
	second := a.acceptRelay()
	if waited := time.Since(began); waited < 9*time.Second {
		t.Errorf("it was replaced after %v already", waited)
	}
	gone(t, c.pid)
	second.welcome()
	f.send("close 1000")
	second.bye(wire.Counters{})
	f.result()
	if len(f.drops) != 1 {
		t.Errorf("drops %q", f.drops)
	}
	f.end()
}

// Four threads, and agents that die all the time: for the sanitizers.
func TestManyThreads(t *testing.T) {
	t.Parallel()
	onAll(t, func(t *testing.T, b build) {
		t.Parallel()
		a := newAgent(t)
		f := b.start(t, "", a.path)
		f.send("open 5")
		agents, pictures := 0, 0
		life := func(c *conn) {
			c.welcome()
			agents++
			var last string
			for n := 0; ; n++ {
				m, err := c.next()
				if err != nil {
					t.Errorf("agent %d after %d messages: %v", agents, n, err)
					return
				}
				switch m.Type {
				case wire.TypeVideo:
					pictures++
					if d := strings.Trim(m.data[5:], "\x00"); d != "" && d != "\x9a" {
						t.Errorf("a picture is damaged: %.20x", d)
					}
				case wire.TypeCredentials:
					k, err := wire.ParseCredentials([]byte(m.data))
					if err != nil || len(k.SecretAccessKey) != 599 || k.SessionToken != k.SecretAccessKey {
						t.Errorf("credentials are mixed: %v", err)
					}
					last = k.SecretAccessKey
				case wire.TypeClose:
					c.tell(wire.AppendCounters(nil, wire.TypeClosed, &wire.Counters{}))
					return
				}
				if n%50 == 0 {
					c.tell(wire.AppendCounters(nil, wire.TypeCounters, &wire.Counters{VideoFrames: uint64(n), Settled: uint64(n / 2)}))
				}
				if n == 3000 && last != "" {
					kill(t, c.pid, syscall.SIGKILL)
					return
				}
			}
		}
		done := make(chan bool)
		go func() {
			defer close(done)
			for {
				c, err := a.l.Accept()
				if err != nil { // closed below
					return
				}
				life(a.relayed(c))
			}
		}()
		f.result()
		f.do(0, "start")
		f.send("stress 4000")
		f.result()
		f.send("close 5000")
		f.result()
		_ = a.l.Close()
		<-done
		f.end()
		t.Logf("%d agents, %d pictures, %d drops", agents, pictures, len(f.drops))
		if agents < 2 || pictures < 100 {
			t.Errorf("%d agents and %d pictures show little", agents, pictures)
		}
	}, "asan", "tsan")
}
