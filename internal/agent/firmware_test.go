// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/wire"
	"github.com/s3cam/s3cam/mpegts"
)

// daemon is an agent that listens on a socket, in this process.
type daemon struct {
	t      testing.TB
	socket string
	stop   context.CancelFunc
	ended  chan error
	logged lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t testing.TB, settings ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, socket: filepath.Join(t.TempDir(), "agent.sock"), ended: make(chan error, 1)}
	cfg, err := agent.Load(append([]string{"--socket", d.socket, "--log-level", "debug", "--drain", "5s", "--keep-text"}, settings...), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(cfg, agent.Options{Logger: agent.NewLogger(&cfg, &d.logged)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	go func() { d.ended <- a.Run(ctx, nil) }()
	t.Cleanup(func() {
		stop()
		if err, ok := <-d.ended; ok && err != nil {
			t.Errorf("Run: %v", err)
		}
		if t.Failed() {
			t.Log(d.logged.String())
		}
	})
	return d
}

// end stops the agent and returns what Run did.
func (d *daemon) end() error {
	d.stop()
	err := <-d.ended
	close(d.ended)
	return err
}

// firmware is the other end of a connection.
type firmware struct {
	t   testing.TB
	nc  net.Conn
	in  *wire.Reader
	buf []byte
}

func (d *daemon) connect() *firmware {
	d.t.Helper()
	var nc net.Conn
	polltest.Until(d.t, 10*time.Second, "the agent listens", func() (ok bool) {
		var err error
		nc, err = net.Dial("unix", d.socket)
		return err == nil
	})
	f := &firmware{t: d.t, nc: nc, in: wire.NewReplyReader(nc)}
	d.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	return f
}

func (f *firmware) send(b []byte, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.nc.Write(b); err != nil {
		f.t.Fatal(err)
	}
}

func (f *firmware) hello(c wire.Config) {
	f.t.Helper()
	f.send(wire.AppendHello(nil, wire.Hello{PID: 7, Client: "test"}))
	f.send(wire.AppendConfig(nil, c))
}

// next returns the next message of a type, past others, or fails.
func (f *firmware) next(types ...wire.Type) wire.Message {
	f.t.Helper()
	for {
		m, err := f.in.Next()
		if err != nil {
			f.t.Fatalf("waiting for %v: %v", types, err)
		}
		if slices.Contains(types, m.Type) {
			m.Payload = bytes.Clone(m.Payload)
			return m
		}
		if m.Type == wire.TypeError {
			code, text, _ := wire.ParseError(m.Payload)
			f.t.Fatalf("ERROR %d: %s", code, text)
		}
	}
}

// record says hello for a camera, waits until the agent is ready, and starts.
func (f *firmware) record(c wire.Config) {
	f.t.Helper()
	f.hello(c)
	f.next(wire.TypeReady)
	f.send(wire.AppendStart(nil), nil)
}

// videos sends units, 25 a second.
func (f *firmware) videos(units [][]byte) {
	f.t.Helper()
	for i, u := range units {
		f.video(time.Duration(i)*40*time.Millisecond, 0, u)
	}
}

func (f *firmware) video(pts time.Duration, lost int, parts ...[]byte) {
	f.t.Helper()
	f.send(wire.AppendMedia(f.buf[:0], wire.TypeVideo, pts, lost, parts...))
}

func (f *firmware) closed(drain time.Duration) wire.Counters {
	f.t.Helper()
	f.send(wire.AppendClose(nil, drain), nil)
	c, err := wire.ParseCounters(f.next(wire.TypeClosed).Payload)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.in.Next(); err != io.EOF {
		f.t.Errorf("after CLOSED: %v, want the end", err)
	}
	return c
}

// stream is a made-up camera: 25 pictures a second, an IDR every second, each picture tells its number.
func stream(seconds int) (units [][]byte) {
	sps := []byte{0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1E, 0xDA, 0x02, 0x80, 0xBF, 0xE5, 0xC0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xCA, 0x3C, 0x58, 0xBA, 0x80}
	pps := []byte{0, 0, 0, 1, 0x68, 0xCE, 0x0F, 0x2C, 0x80}
	for i := range seconds * 25 {
		slice := []byte{0, 0, 0, 1, 0x41, 0x9A}
		var u []byte
		if i%25 == 0 {
			slice = []byte{0, 0, 0, 1, 0x65, 0x88}
			u = append(append(u, sps...), pps...)
		}
		u = append(u, slice...)
		u = fmt.Appendf(u, "picture %06d;", i)
		u = append(u, bytes.Repeat([]byte{0x5A}, 400)...)
		units = append(units, u)
	}
	return units
}

// pictures reads the numbers back out of everything that a bucket holds.
func pictures(t testing.TB, b *s3servertest.Bucket, prefix string) (numbers []int, keys []string) {
	t.Helper()
	err := b.List(t.Context(), prefix, "", 0, func(key []byte, _ int64) bool { keys = append(keys, string(key)); return true })
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		data, err := b.ReadRange(t.Context(), key, 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		d := mpegts.NewDemuxer(bytes.NewReader(data))
		for {
			u, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, rest, ok := bytes.Cut(u.Data, []byte("picture ")); ok {
				var n int
				fmt.Sscanf(string(rest), "%06d", &n)
				numbers = append(numbers, n)
			}
		}
	}
	return numbers, keys
}

func into(b *s3servertest.Bucket) []string {
	return []string{"--endpoint", b.URL, "--region", b.Region, "--bucket", b.Name(), "--access-key", b.AccessKey, "--secret-key", b.SecretKey, "--segment", "1s"}
}

func count(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}
