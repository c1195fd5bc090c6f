// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/agent"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/wire"
)

func TestFirmwareRecords(t *testing.T) {
	units := stream(4)
	tests := []struct {
		name string
		feed func(f *firmware, i int, u []byte, pts time.Duration)
	}{
		{"whole access units", func(f *firmware, _ int, u []byte, pts time.Duration) { f.video(pts, 0, u) }},
		{"one NAL unit per message", func(f *firmware, _ int, u []byte, pts time.Duration) {
			for nal := range h264.NALUnits(u) {
				f.video(pts, 0, []byte{0, 0, 1}, nal)
			}
		}},
		{"messages broken off in between", func(f *firmware, i int, u []byte, pts time.Duration) {
			if i%7 == 3 { // a void message of the same picture, then the picture
				b, _ := wire.AppendMedia(nil, wire.TypeVideo, pts, 9, u)
				b[len(b)-1] = wire.Void
				f.send(b, nil)
			}
			f.video(pts, 0, u)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := s3servertest.New(t)
			f := start(t, into(b)...).connect()
			f.record(wire.Config{Prefix: "/door/"})
			for i, u := range units {
				tt.feed(f, i, u, time.Duration(i)*40*time.Millisecond)
			}
			c := f.closed(10 * time.Second)
			got, keys := pictures(t, b, "door/")
			if want := count(len(units)); !slices.Equal(got, want) {
				t.Errorf("stored pictures %v, want 0 to %d; keys %q", got, len(want)-1, keys)
			}
			if c.VideoFrames != 100 || c.Settled != 100 || c.StoredFrames != 100 || c.PendingSegments != 0 || c.DroppedFrames != 0 || c.StoredSegments != uint64(len(keys)) {
				t.Errorf("CLOSED = %+v", c)
			}
		})
	}
}

func TestNothingIsUploadedBeforeStart(t *testing.T) {
	b := s3servertest.New(t)
	f := start(t, into(b)...).connect()
	f.hello(wire.Config{Prefix: "cam"})
	f.next(wire.TypeReady)
	units := stream(3)
	f.videos(units)
	for {
		c, err := wire.ParseCounters(f.next(wire.TypeCounters).Payload)
		if err != nil {
			t.Fatal(err)
		}
		if c.PendingSegments >= 2 {
			break
		}
	}
	if got, _ := pictures(t, b, ""); len(got) != 0 {
		t.Errorf("%d pictures are stored before START", len(got))
	}
	f.send(wire.AppendStart(nil), nil)
	f.closed(10 * time.Second)
	if got, _ := pictures(t, b, ""); len(got) != len(units) {
		t.Errorf("%d pictures stored after START, want %d", len(got), len(units))
	}
}

func TestLostPicturesCostTheRestOfTheGOP(t *testing.T) {
	b := s3servertest.New(t)
	f := start(t, into(b)...).connect()
	f.record(wire.Config{Prefix: "cam"})
	units := stream(3)
	for i, u := range units {
		switch {
		case i == 30 || i == 31:
		case i == 32:
			f.video(time.Duration(i)*40*time.Millisecond, 2, u)
		default:
			f.video(time.Duration(i)*40*time.Millisecond, 0, u)
		}
	}
	c := f.closed(10 * time.Second)
	got, _ := pictures(t, b, "")
	want := append(count(30), count(75)[50:]...)
	if !slices.Equal(got, want) {
		t.Errorf("stored %v, want up to 29 and from 50 on", got)
	}
	if c.VideoFrames != 73 || c.DroppedFrames != 18 || c.StoredFrames != 55 || c.Settled != 73 {
		t.Errorf("CLOSED = %+v, want 73 received, 55 stored, 18 dropped", c)
	}
}

func TestSettingsThatAreRefusedSayWhy(t *testing.T) {
	d := start(t)
	tests := []struct {
		name string
		c    wire.Config
		want string
	}{
		{"no bucket", wire.Config{Region: "eu-west-1", Prefix: "a"}, "bucket is set neither"},
		{"no region", wire.Config{Bucket: "b", Prefix: "a"}, "region is set neither"},
		{"no prefix", wire.Config{Bucket: "bucket", Region: "eu-west-1"}, "prefix: bad camera prefix"},
		{"a bad prefix", wire.Config{Bucket: "bucket", Region: "eu-west-1", Prefix: "a//b"}, "prefix: bad camera prefix"},
		{"a small ring", wire.Config{Bucket: "bucket", Region: "eu-west-1", Prefix: "a", RingBytes: 1000}, "RingBytes"},
		{"a bad endpoint", wire.Config{Bucket: "bucket", Region: "eu-west-1", Prefix: "a", Endpoint: "ftp://x"}, "ftp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := d.connect()
			f.t = t
			f.hello(tt.c)
			code, text, err := wire.ParseError(f.next(wire.TypeError).Payload)
			if err != nil || code != wire.CodeConfig || !strings.Contains(text, tt.want) {
				t.Errorf("ERROR %d %q, %v; want code %d and %q", code, text, err, wire.CodeConfig, tt.want)
			}
			if _, err := f.in.Next(); err != io.EOF {
				t.Errorf("then %v, want the end", err)
			}
		})
	}
}

func TestFirmwareThatDiesComesBackToItsCamera(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, into(b)...)
	units := stream(6)
	f := d.connect()
	f.record(wire.Config{Prefix: "cam"})
	f.videos(units[:60])
	f.nc.Close() // without CLOSE
	polltest.Until(t, 10*time.Second, "the 60 pictures of the firmware that died are stored", func() bool {
		got, _ := pictures(t, b, "")
		return len(got) == 60
	})
	f = d.connect()
	f.record(wire.Config{Prefix: "cam"})
	for i, u := range units[100:] { // begins with an IDR; its clock too begins anew
		f.video(time.Duration(i)*40*time.Millisecond, 0, u)
	}
	c := f.closed(10 * time.Second)
	if c.VideoFrames != 50 || c.StoredFrames+c.DroppedFrames != 50 {
		t.Errorf("CLOSED = %+v, want the 50 pictures of this connection", c)
	}
	got, keys := pictures(t, b, "")
	if !slices.Equal(got[:60], count(60)) || !slices.IsSorted(got) || !slices.IsSorted(keys) {
		t.Errorf("stored %v under %q", got, keys)
	}
}

// Each of the two that finds the camera taken must learn it; before, one of them could send into the void and hear that all was well.
func TestAConnectionThatStandsStillLosesItsCamera(t *testing.T) {
	for name, config := range map[string]wire.Config{"with the same settings": {Prefix: "cam"}, "with other settings": {Prefix: "cam", Segment: 2 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			b := s3servertest.New(t)
			d := start(t, into(b)...)
			old := d.connect()
			old.hello(wire.Config{Prefix: "cam"})
			old.next(wire.TypeReady)
			f := d.connect()
			f.hello(config)
			f.next(wire.TypeReady)
			if code, text, _ := wire.ParseError(old.next(wire.TypeError).Payload); code != wire.CodeBusy {
				t.Errorf("the old one heard %d %q, want busy", code, text)
			}
			if _, err := old.in.Next(); err == nil {
				t.Error("the old connection goes on")
			}
			f.send(wire.AppendStart(nil), nil)
			f.videos(stream(2))
			if c := f.closed(10 * time.Second); c.StoredFrames != 50 {
				t.Errorf("CLOSED = %+v, want 50 stored", c)
			}
		})
	}
}

// Two processes that take a camera from each other four times a second record next to nothing.
func TestACameraInUseIsNotTakenOver(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, into(b)...)
	first := d.connect()
	first.record(wire.Config{Prefix: "cam"})
	units, sent := stream(60), 0
	send := func() {
		first.video(time.Duration(sent)*40*time.Millisecond, 0, units[sent])
		sent++
	}
	for used := false; !used; {
		send()
		send()
		c, err := wire.ParseCounters(first.next(wire.TypeCounters).Payload)
		used = err == nil && c.VideoFrames > 0
	}
	var others sync.WaitGroup
	for _, k := range []wire.Config{{Prefix: "cam"}, {Prefix: "cam", Segment: 2 * time.Second}} {
		f := d.connect()
		f.hello(k)
		others.Go(func() {
			if m, err := f.in.Next(); err != nil || m.Type != wire.TypeHelloReply {
				t.Errorf("the answer to HELLO: %v, %v", m.Type, err)
			}
			if m, err := f.in.Next(); err != nil || m.Type != wire.TypeError {
				t.Errorf("the second one heard %v, %v, want ERROR", m.Type, err)
			} else if code, text, _ := wire.ParseError(m.Payload); code != wire.CodeBusy {
				t.Errorf("the second one heard %d %q, want busy", code, text)
			}
		})
	}
	refused := make(chan struct{})
	go func() { others.Wait(); close(refused) }()
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for going := true; going; {
		send()
		select {
		case <-pace.C:
		case <-refused:
			going = false
		}
	}
	if c := first.closed(10 * time.Second); c.StoredFrames != uint64(sent) {
		t.Errorf("CLOSED = %+v, want all %d stored", c, sent)
	}
}

func TestTwoCamerasWithCredentialsOfTheirOwn(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, "--endpoint", b.URL, "--bucket", b.Name(), "--segment", "1s")
	units := stream(3)
	var feeding sync.WaitGroup
	for _, name := range []string{"one", "two"} {
		f := d.connect()
		f.hello(wire.Config{Prefix: name, Camera: name, Region: b.Region})
		f.next(wire.TypeReady)
		f.send(wire.AppendCredentials(nil, wire.Credentials{AccessKeyID: b.AccessKey, SecretAccessKey: b.SecretKey}))
		f.send(wire.AppendTags(nil, "camera="+name))
		f.send(wire.AppendStart(nil), nil)
		feeding.Go(func() {
			f.videos(units)
			if c := f.closed(10 * time.Second); c.StoredFrames != uint64(len(units)) {
				t.Errorf("%s: CLOSED = %+v", name, c)
			}
		})
	}
	feeding.Wait()
	for _, name := range []string{"one/", "two/"} {
		if got, _ := pictures(t, b, name); !slices.Equal(got, count(len(units))) {
			t.Errorf("%s: stored %v", name, got)
		}
	}
}

func TestStatus(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, into(b)...)
	f := d.connect()
	f.record(wire.Config{Prefix: "cam", Camera: "front"})
	f.videos(stream(2))
	f.send(wire.AppendFlush(nil), nil)
	for {
		if c, _ := wire.ParseCounters(f.next(wire.TypeCounters).Payload); c.StoredFrames == 50 {
			break
		}
	}
	var text strings.Builder
	if err := agent.AskStatus(t.Context(), d.socket, false, &text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"healthy: s3cam-agent", "1 cameras", "front: healthy", "received   50 pictures", b.Name() + "/cam"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("status lacks %q:\n%s", want, text.String())
		}
	}
	text.Reset()
	if err := agent.AskStatus(t.Context(), d.socket, true, &text); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Status  string
		Cameras []map[string]any
	}
	if err := json.Unmarshal([]byte(text.String()), &got); err != nil {
		t.Fatalf("%v in %s", err, text.String())
	}
	if got.Status != "healthy" || len(got.Cameras) != 1 || got.Cameras[0]["name"] != "front" || got.Cameras[0]["stored_frames"] != 50.0 {
		t.Errorf("status = %+v", got)
	}
	if strings.Contains(text.String()+d.logged.String(), b.SecretKey) {
		t.Error("a secret is in the status or the log")
	}
}

func TestStoppingDrains(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, into(b)...)
	f := d.connect()
	f.record(wire.Config{Prefix: "cam"})
	units := stream(2)
	f.videos(units)
	f.send(wire.AppendStatus(nil), nil)
	f.next(wire.TypeStatusText) // everything before it has been read
	if err := d.end(); err != nil {
		t.Fatal(err)
	}
	if got, _ := pictures(t, b, ""); !slices.Equal(got, count(len(units))) {
		t.Errorf("stored %v", got)
	}
}

func TestASocketInUseIsNotTaken(t *testing.T) {
	d := start(t)
	d.connect()
	cfg, err := agent.Load([]string{"--socket", d.socket, "--log", "none"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(cfg, agent.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "another agent listens") {
		t.Errorf("Run = %v", err)
	}
	d.connect() // still there
}

func TestGarbageEndsOnlyItsConnection(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, into(b)...)
	for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", strings.Repeat("\xff", 64), "\x10\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"} {
		f := d.connect()
		f.send([]byte(garbage), nil)
		if code, _, _ := wire.ParseError(f.next(wire.TypeError).Payload); code != wire.CodeProtocol {
			t.Errorf("%q: code %d, want %d", garbage, code, wire.CodeProtocol)
		}
	}
	f := d.connect()
	f.hello(wire.Config{Prefix: "cam"})
	f.next(wire.TypeReady)
}

// A card that is missing costs the spool, not the recording, and is told.
func TestRecordingGoesOnWithoutASpool(t *testing.T) {
	b := s3servertest.New(t)
	d := start(t, append(into(b), "--spool-dir", filepath.Join(t.TempDir(), "no", "card"))...)
	f := d.connect()
	f.record(wire.Config{Prefix: "cam"})
	var text strings.Builder
	if err := agent.AskStatus(t.Context(), d.socket, false, &text); !errors.Is(err, agent.ErrUnhealthy) || !strings.Contains(text.String(), "no spool: ") {
		t.Errorf("status says %v:\n%s", err, text.String())
	}
	f.videos(stream(2))
	if c := f.closed(10 * time.Second); c.StoredFrames != 50 {
		t.Errorf("CLOSED = %+v, want 50 stored", c)
	}
	if !strings.Contains(d.logged.String(), "without a spool") {
		t.Error("the log does not say so")
	}
}
