// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

// memory is a connection whose peer has written everything already and reads nothing that matters.
type memory struct {
	io.Reader
	net.Conn
	out bytes.Buffer
}

func (m *memory) Read(p []byte) (int, error)       { return m.Reader.Read(p) }
func (m *memory) Write(p []byte) (int, error)      { return m.out.Write(p) }
func (m *memory) Close() error                     { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

func testAgent(t testing.TB) *Agent {
	t.Helper()
	cfg, err := Load([]string{"--socket", filepath.Join(t.TempDir(), "s"), "--endpoint", "http://127.0.0.1:1", "--bucket", "bucket", "--prefix", "cam",
		"--ring", "64K", "--drain", "0s"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *Agent) finish(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = a.closeAll(ctx) // what it could not store is not the question here
}

// Whatever a peer sends: no panic, no memory beyond the bounds, and the connection ends when its bytes do.
func FuzzConnection(f *testing.F) {
	hello, _ := wire.AppendHello(nil, wire.Hello{Client: "fuzz"})
	config, _ := wire.AppendConfig(nil, wire.Config{Region: "r", RingBytes: 65536})
	session := append(append([]byte{}, hello...), config...)
	f.Add(hello)
	f.Add(session)
	media := wire.AppendStart(bytes.Clone(session))
	for i := range 4 {
		media, _ = wire.AppendMedia(media, wire.TypeVideo, time.Duration(i)*time.Second, i, []byte{0, 0, 0, 1, 0x65, 0x88, 0x84})
		media, _ = wire.AppendMedia(media, wire.TypeAudio, time.Duration(i)*time.Second, 0, []byte{0xFF, 0xF1, 0x50, 0x80, 1, 0x1F, 0xFC})
	}
	f.Add(wire.AppendClose(wire.AppendStatus(wire.AppendFlush(media)), 0))
	creds, _ := wire.AppendCredentials(bytes.Clone(session), wire.Credentials{AccessKeyID: "a", SecretAccessKey: "b\n"})
	f.Add(creds)
	f.Fuzz(func(t *testing.T, sent []byte) {
		a := testAgent(t)
		defer a.finish(t)
		m := &memory{Reader: bytes.NewReader(sent)}
		cam, _ := a.newConnection(m, a.log).serve(t.Context())
		if cam != nil && len(cam.cfg.Prefix) > 1024 {
			t.Error("a prefix beyond the bounds")
		}
		in := wire.NewReplyReader(bytes.NewReader(m.out.Bytes()))
		for {
			if _, err := in.Next(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("the answer is no message: %v", err)
			}
		}
	})
}

func TestAssembler(t *testing.T) {
	var a assembler
	write := func(pts uint64, data string) {
		place := a.room(pts, len(data))
		copy(place, data)
		a.took(len(data), time.Time{})
	}
	write(1000, "one ")
	if a.pending(1000) {
		t.Error("a part of the same access unit is not the next one")
	}
	write(1000, "unit")
	if !a.pending(2000) {
		t.Error("the next timestamp does not complete it")
	}
	if data, pts := a.take(); string(data) != "one unit" || pts != time.Millisecond {
		t.Errorf("take = %q at %v", data, pts)
	}
	if a.pending(3000) {
		t.Error("nothing is pending after take")
	}
	write(2000, strings.Repeat("x", idleBuffer+1))
	a.take()
	for i := range shrinkRuns + 1 {
		write(uint64(3000+i), "small")
		a.take()
	}
	if cap(a.buf) > idleBuffer {
		t.Errorf("the buffer keeps %d bytes although pictures are small", cap(a.buf))
	}
	if a.room(1, MaxAccessUnit+1) != nil {
		t.Error("there is room for more than MaxAccessUnit")
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	a := testAgent(t)
	defer a.finish(t)
	hello, _ := wire.AppendHello(nil, wire.Hello{Client: "test"})
	config, _ := wire.AppendConfig(nil, wire.Config{Region: "r", RingBytes: 1 << 20})
	session := append(hello, config...)
	begun := &memory{Reader: bytes.NewReader(session)}
	c := a.newConnection(begun, a.log)
	c.out.init()
	_ = c.read(t.Context())
	if c.cam() == nil {
		t.Fatal("no camera")
	}
	idr := append([]byte{0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1E, 0xDA, 0x02, 0x80, 0xBF, 0xE5, 0xC0, 0x44, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xCA, 0x3C, 0x58, 0xBA, 0x80,
		0, 0, 0, 1, 0x68, 0xCE, 0x0F, 0x2C, 0x80, 0, 0, 0, 1, 0x65, 0x88}, bytes.Repeat([]byte{0x5A}, 2000)...)
	p := append([]byte{0, 0, 0, 1, 0x41, 0x9A}, bytes.Repeat([]byte{0x5A}, 2000)...)
	n := 0
	var buf []byte
	var in bytes.Reader
	c.in = wire.NewReader(&in)
	frame := func() {
		u := p
		if n%500 == 0 {
			u = idr
		}
		buf, _ = wire.AppendMedia(buf[:0], wire.TypeVideo, time.Duration(n)*time.Millisecond, 0, u)
		n++
		in.Reset(buf)
		m, err := c.in.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.video(&m); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		frame()
	}
	if got := testing.AllocsPerRun(200, frame); got != 0 {
		t.Errorf("a frame costs %v allocations, want 0", got)
	}
}

func TestState(t *testing.T) {
	dir := t.TempDir()
	right := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	log := testAgent(t).log
	boot := func(clock time.Time, build time.Time) *state {
		s, err := openState(dir, build, func() time.Time { return clock }, log)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := boot(time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC), right.AddDate(0, -1, 0))
	if got := first.time(); got.Before(right.AddDate(0, -1, 0)) {
		t.Errorf("before anything is known the time is %v, want the build's at least", got)
	}
	first.heard(right)
	if got := first.time(); got.Sub(right).Abs() > time.Second {
		t.Errorf("after the server's answer the time is %v, want %v", got, right)
	}
	first.heard(right.AddDate(-30, 0, 0)) // older than the build: nonsense
	if got := first.time(); got.Sub(right).Abs() > time.Second {
		t.Errorf("nonsense is believed: %v", got)
	}
	if err := first.save(); err != nil {
		t.Fatal(err)
	}
	second := boot(time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC), time.Time{})
	if got := second.floor; got.Sub(right).Abs() > time.Second {
		t.Errorf("after a restart the floor is %v, want %v", got, right)
	}
	if got := second.time(); got.Before(second.floor) {
		t.Errorf("after a restart the time is %v, before the floor", got)
	}
	third := boot(right.Add(time.Hour), time.Time{})
	if got := third.time(); !got.Equal(right.Add(time.Hour)) {
		t.Errorf("a clock that may be right is not believed: %v", got)
	}
	for _, text := range []string{"", "1", "x y", "-5 0", "99999999999999 0", "1 99999999999999999", "1 -99999999999999999", strings.Repeat("9", 400)} {
		if _, _, ok := parseState(text); ok {
			t.Errorf("parseState(%q) is taken", text)
		}
	}
}

func TestSpoolNamesAreFolderNamesAndDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, p := range []string{"cam", "Cam", "a/b", "a%2Fb", "a@b", "..", ".", "é", strings.Repeat("x", 900), strings.Repeat("x", 901), "con", "a b"} {
		name := spoolName(&CameraConfig{Bucket: "bucket", Prefix: p})
		if strings.ContainsAny(name, "/\\ ") || len(name) > 255 || name == "." || name == ".." {
			t.Errorf("%q gives the folder %q", p, name)
		}
		if other, ok := seen[strings.ToLower(name)]; ok {
			t.Errorf("%q and %q share the folder %q", p, other, name)
		}
		seen[strings.ToLower(name)] = p
	}
}

// A peer that reads nothing costs reports, not frames, and no memory.
func TestReportsAreBounded(t *testing.T) {
	var r reports
	r.init()
	for range 10000 {
		r.drop(wire.Drop{Key: "k", Frames: rand.Uint64N(100)})
		r.fail(wire.CodeStream, "x")
		r.status("x")
	}
	if len(r.texts) > maxReports || len(r.asked) > maxAsking*(wire.HeaderSize+1) {
		t.Errorf("%d texts and %d bytes of answers wait", len(r.texts), len(r.asked))
	}
	n := wire.Counters{VideoFrames: 9}
	r.reply(wire.AppendCounters(nil, wire.TypeClosed, &n))
	b, _, ended := r.take()
	if last := b[len(b)-len(wire.AppendCounters(nil, wire.TypeClosed, &n)):]; !ended || wire.Type(last[0]) != wire.TypeClosed {
		t.Errorf("after CLOSE: ended %v, the last message is % x, want CLOSED", ended, last)
	}
}

// Who reads the log of a camera without network must find the reason in it, once.
func TestTroubleIsLoggedOnceAndItsEndToo(t *testing.T) {
	var b bytes.Buffer
	c := &camera{log: NewLogger(&Config{}, &b)}
	for _, problem := range []string{"", "uploads fail since 10:00:00: no route", "uploads fail since 10:00:00: no such host", "", ""} {
		c.tell(problem)
	}
	got := b.String()
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "camera is unhealthy") || !strings.Contains(got, "no route") || !strings.Contains(got, "healthy again") {
		t.Errorf("log:\n%s\nwant the first problem and its end", got)
	}
}

func TestSizesAndSwitches(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "4096": 4096, "512k": 512 << 10, "4M": 4 << 20, "4MiB": 4 << 20, "4MB": 4 << 20, "1 GiB": 1 << 30} {
		if got, err := parseSize(in); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "M", "-1", "1.5M", "4X", "4MiBB", "1e9", "99999999999999999999", "9999999G"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", in, got)
		}
	}
}
