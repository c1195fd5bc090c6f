// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

var update = flag.Bool("update", false, "write testdata/wire anew")

const goldenDir = "../../testdata/wire"

// golden is one message: its bytes are made by append and read by parse, which returns what append was given.
type golden struct {
	file, says string
	reply      bool
	value      any
	bytes      []byte
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

type mediaValue struct {
	pts  time.Duration
	lost int
	data string
}

type errorValue struct {
	code wire.Code
	text string
}

const (
	picture = "\x00\x00\x00\x01\x67\x42\x00\x1e\x00\x00\x00\x01\x68\xce\x3c\x80\x00\x00\x01\x65\x88\x84\x00\x10"
	noIDR   = "\x00\x00\x01\x41\x9a\x24\x6c\x41"
	sound   = "\xff\xf1\x50\x40\x01\xbf\xfc\x00\x11\x22\x33\x44\x55"
)

var counters = wire.Counters{
	VideoFrames: 1500, Settled: 1425, AudioFrames: 2814, StoredSegments: 19, StoredFrames: 1350, StoredBytes: 37_000_000_000, DroppedSegments: 1, DroppedFrames: 75,
	PendingSegments: 2, PendingBytes: 1_900_000, RingBytes: 4 << 20, RingUsed: 2_100_000, UploadsFailed: 3, ClockOffset: -1200 * time.Millisecond,
	SpooledSegments: 4, SpoolBytes: 5_000_000, LastError: wire.CodeClock,
}

func goldens() []golden {
	full := wire.Config{Region: "eu-central-1", Bucket: "footage", Prefix: "shop/door", Endpoint: "https://s3.example.com:8443", Camera: "door",
		RingBytes: 8 << 20, Segment: 4 * time.Second, BucketInHost: true}
	original := wire.Config{Region: "cn-north-1", Bucket: "footage", RingBytes: 4 << 20, BucketInHost: true, BucketRoot: true}
	temporary := wire.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret/key+", SessionToken: "token=="}
	permanent := wire.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "secret"}
	drop := wire.Drop{Reason: wire.ReasonRingFull, Frames: 75, Bytes: 1_880_000, Duration: 3 * time.Second,
		Start: time.Date(2026, 11, 25, 9, 30, 0, 40_000_000, time.UTC), Key: "shop/door/2026/11/25/09/30/00.ts"}
	idr := mediaValue{pts: 1_000_040 * time.Microsecond, lost: 3, data: picture}
	low := mediaValue{pts: 7 * time.Hour, lost: 0, data: noIDR}
	aac := mediaValue{pts: 1_000_021 * time.Microsecond, lost: 65535, data: sound}
	media := func(t wire.Type, v mediaValue) []byte {
		return must(wire.AppendMedia(nil, t, v.pts, v.lost, []byte(v.data[:5]), nil, []byte(v.data[5:])))
	}
	void := media(wire.TypeVideo, low)
	clear(void[wire.HeaderSize+3:])
	list := []golden{
		{file: "hello", says: `HELLO version 1 to 1, process 0, client "s3cam-c"`, value: wire.Hello{MinVersion: 1, MaxVersion: 1, Client: "s3cam-c"},
			bytes: must(wire.AppendHello(nil, wire.Hello{Client: "s3cam-c"}))},
		{file: "hello-go", says: `HELLO version 1 to 3, process 16909060, client "a 1"`, value: wire.Hello{MinVersion: 1, MaxVersion: 3, PID: 0x01020304, Client: "a 1"},
			bytes: must(wire.AppendHello(nil, wire.Hello{MinVersion: 1, MaxVersion: 3, PID: 0x01020304, Client: "a 1"}))},
		{file: "config-empty", says: "CONFIG without a field", value: wire.Config{}, bytes: must(wire.AppendConfig(nil, wire.Config{}))},
		{file: "config-full", says: "CONFIG eu-central-1 footage shop/door https://s3.example.com:8443 camera door, ring 8388608, segment 4000 ms, flags 1",
			value: full, bytes: must(wire.AppendConfig(nil, full))},
		{file: "config-original", says: "CONFIG cn-north-1 footage, ring 4194304, flags 3: S3_HLS_SDK_Initialize(4194304, \"cn-north-1\", \"footage\", NULL, NULL)",
			value: original, bytes: must(wire.AppendConfig(nil, original))},
		{file: "credentials", says: "CREDENTIALS ASIAEXAMPLE secret/key+ token==", value: temporary, bytes: must(wire.AppendCredentials(nil, temporary))},
		{file: "credentials-permanent", says: "CREDENTIALS AKIAEXAMPLE secret", value: permanent, bytes: must(wire.AppendCredentials(nil, permanent))},
		{file: "tags", says: "TAGS site=shop&floor=1", value: "site=shop&floor=1", bytes: must(wire.AppendTags(nil, "site=shop&floor=1"))},
		{file: "tags-none", says: "TAGS none", value: "", bytes: must(wire.AppendTags(nil, ""))},
		{file: "start", says: "START", bytes: wire.AppendStart(nil)},
		{file: "flush", says: "FLUSH", bytes: wire.AppendFlush(nil)},
		{file: "close", says: "CLOSE drain 10000 ms", value: 10 * time.Second, bytes: wire.AppendClose(nil, 10*time.Second)},
		{file: "close-now", says: "CLOSE without a field", value: time.Duration(0), bytes: wire.AppendClose(nil, 0)},
		{file: "status", says: "STATUS", bytes: wire.AppendStatus(nil)},
		{file: "video", says: "VIDEO 1000040 us, lost 3: SPS, PPS, IDR slice", value: idr, bytes: media(wire.TypeVideo, idr)},
		{file: "video-p", says: "VIDEO 25200000000 us: slice", value: low, bytes: media(wire.TypeVideo, low)},
		{file: "video-void", says: "VIDEO broken off after 3 bytes of data", value: wire.ErrVoid, bytes: void},
		{file: "audio", says: "AUDIO 1000021 us, lost 65535: one ADTS frame", value: aac, bytes: media(wire.TypeAudio, aac)},

		{file: "hello-reply", says: `HELLO version 1, agent "s3cam-agent 0.3"`, reply: true, value: wire.HelloReply{Version: 1, Agent: "s3cam-agent 0.3"},
			bytes: wire.AppendHelloReply(nil, wire.HelloReply{Version: 1, Agent: "s3cam-agent 0.3"})},
		{file: "ready", says: "READY", reply: true, bytes: wire.AppendReady(nil)},
		{file: "error", says: "ERROR 3: region: it is missing", reply: true, value: errorValue{wire.CodeConfig, "region: it is missing"},
			bytes: wire.AppendError(nil, wire.CodeConfig, "region: it is missing")},
		{file: "counters", says: "COUNTERS 1500 1425 2814 19 1350 37000000000 1 75 2 1900000 4194304 2100000 3 -1200 4 5000000 8", reply: true,
			value: counters, bytes: wire.AppendCounters(nil, wire.TypeCounters, &counters)},
		{file: "drop", says: "DROP ring full, 75 pictures, 1880000 bytes, 3000 ms, 1795599000040000 us, shop/door/2026/11/25/09/30/00.ts", reply: true,
			value: drop, bytes: wire.AppendDrop(nil, &drop)},
		{file: "closed", says: "CLOSED, words as counters", reply: true, value: counters, bytes: wire.AppendCounters(nil, wire.TypeClosed, &counters)},
		{file: "status-reply", says: "STATUS {}", reply: true, value: "{}", bytes: wire.AppendStatusText(nil, "{}")},
	}
	longer := wire.AppendCounters(nil, wire.TypeCounters, &counters)
	longer = append(longer, bytes.Repeat([]byte{0xee}, 24)...)
	binary.LittleEndian.PutUint32(longer[4:], uint32(len(longer)-wire.HeaderSize))
	shorter := wire.AppendCounters(nil, wire.TypeCounters, &counters)[:wire.HeaderSize+16]
	binary.LittleEndian.PutUint32(shorter[4:], 16)
	return append(list,
		golden{file: "counters-longer", says: "COUNTERS of a later version: three words more", reply: true, value: counters, bytes: longer},
		golden{file: "counters-shorter", says: "COUNTERS of two words: 1500 1425", reply: true, value: wire.Counters{VideoFrames: 1500, Settled: 1425}, bytes: shorter},
	)
}

// streams are files of several messages.
func streams(list []golden) []golden {
	pick := func(names ...string) (b []byte) {
		for _, n := range names {
			for _, g := range list {
				if g.file == n {
					b = append(b, g.bytes...)
				}
			}
		}
		return b
	}
	return []golden{
		{file: "stream-shim", says: "hello config-full credentials tags start video video-void video-p audio flush close",
			bytes: pick("hello", "config-full", "credentials", "tags", "start", "video", "video-void", "video-p", "audio", "flush", "close")},
		{file: "stream-agent", says: "hello-reply ready counters error drop counters-longer closed", reply: true,
			bytes: pick("hello-reply", "ready", "counters", "error", "drop", "counters-longer", "closed")},
	}
}

func TestGoldenBytes(t *testing.T) {
	list := goldens()
	all := append(list, streams(list)...)
	var index strings.Builder
	index.WriteString("# SPDX-License-Identifier: Apache-2.0\n# Messages of docs/ref/wire.md. File .bin, who sends it, what it says. Made by: go test ./internal/wire -run Golden -update\n")
	for _, g := range all {
		who := "shim"
		if g.reply {
			who = "agent"
		}
		fmt.Fprintf(&index, "%s\t%s\t%s\n", g.file, who, g.says)
	}
	if *update {
		for _, g := range all {
			if err := os.WriteFile(filepath.Join(goldenDir, g.file+".bin"), g.bytes, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(goldenDir, "index.txt"), []byte(index.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(goldenDir, "index.txt")); err != nil || string(got) != index.String() {
		t.Errorf("index.txt is not what the tests make (%v): run with -update", err)
	}
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.bin"))
	if err != nil || len(files) != len(all) {
		t.Errorf("%d files in %s, want %d (%v)", len(files), goldenDir, len(all), err)
	}
	for _, g := range all {
		if got, err := os.ReadFile(filepath.Join(goldenDir, g.file+".bin")); err != nil || !bytes.Equal(got, g.bytes) {
			t.Errorf("%s.bin (%v):\n got %x\nwant %x", g.file, err, got, g.bytes)
		}
	}
	for _, g := range list {
		if got := parse(t, g); !reflect.DeepEqual(got, g.value) {
			t.Errorf("%s: parsed to %#v, want %#v", g.file, got, g.value)
		}
	}
}

// parse reads the one message of g and returns its value in the form that goldens has it.
func parse(t *testing.T, g golden) any {
	t.Helper()
	r := wire.NewReader(bytes.NewReader(g.bytes))
	if g.reply {
		r = wire.NewReplyReader(bytes.NewReader(g.bytes))
	}
	m, err := r.Next()
	if err != nil {
		t.Fatalf("%s: %v", g.file, err)
	}
	v, err := value(r, m)
	if err == wire.ErrVoid {
		return err
	}
	if err != nil {
		t.Fatalf("%s: %v", g.file, err)
	}
	return v
}

// value parses whatever m is.
func value(r *wire.Reader, m wire.Message) (any, error) {
	p := m.Payload
	switch m.Type {
	case wire.TypeHello:
		return wrap(wire.ParseHello(p))
	case wire.TypeConfig:
		return wrap(wire.ParseConfig(p))
	case wire.TypeCredentials:
		return wrap(wire.ParseCredentials(p))
	case wire.TypeTags:
		return wrap(wire.ParseTags(p))
	case wire.TypeClose:
		return wrap(wire.ParseClose(p))
	case wire.TypeStart, wire.TypeFlush, wire.TypeStatus:
		return nil, wire.ParseBare(m.Type, p)
	case wire.TypeVideo, wire.TypeAudio:
		data := make([]byte, m.Size)
		err := r.Media(data)
		return mediaValue{m.PTS(), int(m.Lost), string(data)}, err
	case wire.TypeHelloReply:
		return wrap(wire.ParseHelloReply(p))
	case wire.TypeError:
		code, text, err := wire.ParseError(p)
		return errorValue{code, text}, err
	case wire.TypeCounters, wire.TypeClosed:
		return wrap(wire.ParseCounters(p))
	case wire.TypeDrop:
		return wrap(wire.ParseDrop(p))
	case wire.TypeStatusText:
		return string(p), nil
	}
	return nil, nil
}

func wrap[T any](v T, err error) (any, error) { return v, err }
