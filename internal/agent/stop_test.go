// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/wire"
)

// A shim counts what is not settled as lost when its connection ends, and kills an agent that is still there when it starts the next one.
func TestAStoppingAgentKeepsTheConnectionUntilAllIsStored(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, into(b)...)
	f := d.connect()
	f.record(wire.Config{Prefix: "cam"})
	units := stream(3)
	f.videos(units)
	f.send(wire.AppendStatus(nil), nil)
	f.next(wire.TypeStatusText) // everything before it has been read
	d.stop()
	var last wire.Counters
	for {
		m, err := f.in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.Type == wire.TypeCounters {
			last, _ = wire.ParseCounters(m.Payload)
		}
	}
	if err := d.end(); err != nil {
		t.Error(err)
	}
	if n := uint64(len(units)); last.VideoFrames != n || last.Settled != n || last.StoredFrames != n {
		t.Errorf("the last counters before the end are %+v, want %d pictures stored", last, n)
	}
	if got, _ := pictures(t, b, ""); !slices.Equal(got, count(len(units))) {
		t.Errorf("stored %v", got)
	}
}

// silentServer takes requests and answers none.
func silentServer(t *testing.T) string {
	gone := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gone }))
	t.Cleanup(func() { close(gone); s.CloseClientConnections(); s.Close() })
	return s.URL
}

// While it drains, frames are read and refused: a firmware whose socket stays full thinks that the agent hangs.
func TestAStoppingAgentReportsWhatItCouldNotStore(t *testing.T) {
	d := start(t, "--endpoint", silentServer(t), "--bucket", "bucket", "--region", "r", "--access-key", "a", "--secret-key", "b",
		"--segment", "1s", "--drain", "1s")
	f := d.connect()
	f.record(wire.Config{Prefix: "cam"})
	units := stream(2)
	f.videos(units)
	f.send(wire.AppendStatus(nil), nil)
	f.next(wire.TypeStatusText)
	d.stop()
	more := make(chan int)
	go func() { // far more than a socket holds
		n, big := 0, make([]byte, 32<<10)
		for {
			b, _ := wire.AppendMedia(nil, wire.TypeVideo, time.Duration(100+n)*40*time.Millisecond, 0, big)
			if _, err := f.nc.Write(b); err != nil {
				break
			}
			n++
		}
		more <- n
	}()
	var dropped uint64
	for {
		m, err := f.in.Next()
		if err != nil {
			break // EOF, or a reset since frames were on the way
		}
		if m.Type == wire.TypeDrop {
			drop, _ := wire.ParseDrop(m.Payload)
			dropped += drop.Frames
			if drop.Reason != wire.ReasonClosed {
				t.Errorf("DROP = %+v, want reason closed", drop)
			}
		}
	}
	if n := <-more; n < 32 {
		t.Errorf("only %d frames were read while draining", n)
	}
	if dropped != uint64(len(units)) {
		t.Errorf("%d pictures were reported as lost, want %d", dropped, len(units))
	}
	if err := d.end(); err == nil || !strings.Contains(err.Error(), "not everything was stored") {
		t.Errorf("Run = %v, want an error about what was not stored", err)
	}
}

func TestTheSecondSignalEndsTheDrain(t *testing.T) {
	cfg, err := agent.Load([]string{"--socket", t.TempDir() + "/s", "--endpoint", silentServer(t), "--bucket", "bucket", "--access-key", "a",
		"--secret-key", "b", "--drain", "1h", "--log", "none"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(cfg, agent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, socket: cfg.Socket}
	ctx, stop := context.WithCancel(t.Context())
	now, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- a.Run(ctx, now) }()
	f := d.connect()
	f.record(wire.Config{Prefix: "cam"})
	f.videos(stream(1))
	f.send(wire.AppendStatus(nil), nil)
	f.next(wire.TypeStatusText)
	stop()
	close(now)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("Run forgot what was lost")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the drain goes on")
	}
}

// Firmware that was restarted, after CLOSE, during an outage: what the first one left must not be given up for the second one.
func TestFirmwareThatClosedComesBackToItsCamera(t *testing.T) {
	b := s3servertest.New(t)
	out := newGate(t, b.URL)
	d := start(t, append(into(b), "--endpoint", out.url)...)
	units := stream(6)
	f := d.connect()
	f.record(wire.Config{Prefix: "cam"})
	f.videos(units[:75])
	if c := f.closed(100 * time.Millisecond); c.PendingSegments == 0 || c.StoredFrames != 0 {
		t.Fatalf("CLOSED = %+v, want all pending: nothing can be stored", c)
	}
	f = d.connect()
	f.record(wire.Config{Prefix: "cam"})
	f.videos(units[75:])
	out.open()
	f.closed(20 * time.Second)
	if got, keys := pictures(t, b, ""); !slices.Equal(got, count(len(units))) {
		t.Errorf("stored %v under %q", got, keys)
	}
}

// gate is a way to a server that is shut at first.
type gate struct {
	url  string
	free chan struct{}
}

func newGate(t *testing.T, to string) *gate {
	g := &gate{free: make(chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.url = "http://" + l.Addr().String()
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			select {
			case <-g.free:
			default:
				nc.Close()
				continue
			}
			go func() {
				defer nc.Close()
				up, err := net.Dial("tcp", strings.TrimPrefix(to, "http://"))
				if err != nil {
					return
				}
				go func() { io.Copy(up, nc); up.Close() }()
				io.Copy(nc, up)
			}()
		}
	}()
	return g
}

func (g *gate) open() { close(g.free) }

// Firmware that comes back in the very moment in which its camera is given up gets a camera that records.
func TestComingBackWhileBeingGivenUp(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, append(into(b), "--drain", "1ms")...)
	units := stream(1)
	for round := range 30 {
		f := d.connect()
		f.record(wire.Config{Prefix: "cam"})
		f.videos(units)
		if c := f.closed(5 * time.Second); c.VideoFrames != uint64(len(units)) {
			t.Fatalf("round %d: CLOSED = %+v, want %d pictures taken", round, c, len(units))
		}
		time.Sleep(time.Duration(round%4) * 400 * time.Microsecond) // before, while and after it is given up
	}
}
