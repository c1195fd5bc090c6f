// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

// raw makes a message of the shim from its payload, trailer included.
func raw(t wire.Type, payload string) []byte {
	return append(wire.Header{Type: t, Length: uint32(len(payload))}.Append(nil), payload...)
}

func TestMessagesThatAreNone(t *testing.T) {
	tests := []struct {
		name  string
		reply bool
		bytes []byte
		want  error
	}{
		{"nothing at all is an end", false, nil, io.EOF},
		{"an end within a header", false, []byte{1, 0, 0}, io.ErrUnexpectedEOF},
		{"an end within a payload", false, raw(wire.TypeStart, "abc\x01")[:18], io.ErrUnexpectedEOF},
		{"an end before the data", false, raw(wire.TypeVideo, "abc\x01")[:wire.HeaderSize], io.ErrUnexpectedEOF},
		{"an end within the data", false, raw(wire.TypeVideo, "abc\x01")[:wire.HeaderSize+2], io.ErrUnexpectedEOF},
		{"an end before the trailer", false, raw(wire.TypeVideo, "abc\x01")[:wire.HeaderSize+3], io.ErrUnexpectedEOF},
		{"type 0", false, raw(0, "\x01"), wire.ErrProtocol},
		{"an unknown type that may not be ignored", false, raw(0x20, "\x01"), wire.ErrProtocol},
		{"a message of the agent from a shim", false, raw(wire.TypeReady, "\x01"), wire.ErrProtocol},
		{"an optional message of the agent from a shim", false, raw(0xc1, "\x01"), wire.ErrProtocol},
		{"a message of the shim from an agent", true, raw(wire.TypeHello, "\x01"), wire.ErrProtocol},
		{"an optional message of the shim from an agent", true, raw(0x41, "\x01"), wire.ErrProtocol},
		{"no trailer", false, raw(wire.TypeStart, ""), wire.ErrProtocol},
		{"no trailer of media", false, raw(wire.TypeVideo, ""), wire.ErrProtocol},
		{"a trailer that is neither", false, raw(wire.TypeStart, "\x02"), wire.ErrProtocol},
		{"a trailer of media that is neither", false, raw(wire.TypeAudio, "a\xff"), wire.ErrProtocol},
		{"control beyond its limit", false, wire.Header{Type: wire.TypeTags, Length: wire.MaxControl + 1}.Append(nil), wire.ErrProtocol},
		{"media beyond its limit", false, wire.Header{Type: wire.TypeVideo, Length: wire.MaxMedia + 2}.Append(nil), wire.ErrProtocol},
		{"the greatest length", false, wire.Header{Type: wire.TypeVideo, Length: math.MaxUint32}.Append(nil), wire.ErrProtocol},
		{"an optional message beyond its limit", false, wire.Header{Type: 0x7f, Length: wire.MaxControl + 1}.Append(nil), wire.ErrProtocol},
		{"a reply beyond its limit", true, wire.Header{Type: wire.TypeError, Length: wire.MaxReply + 1}.Append(nil), wire.ErrProtocol},
		{"a status text beyond its limit", true, wire.Header{Type: wire.TypeStatusText, Length: wire.MaxStatus + 1}.Append(nil), wire.ErrProtocol},
		{"HELLO without magic", false, raw(wire.TypeHello, "s3cx\x01\x00\x01\x00\x00\x00\x00\x00\x01"), wire.ErrProtocol},
		{"HELLO cut short", false, raw(wire.TypeHello, "s3cm\x01\x00\x01\x00\x00\x01"), wire.ErrProtocol},
		{"a field cut in its head", false, raw(wire.TypeConfig, "\x01\x01\x01"), wire.ErrProtocol},
		{"a field cut in its value", false, raw(wire.TypeConfig, "\x01\x03\x00ab\x01"), wire.ErrProtocol},
		{"a field twice", false, raw(wire.TypeConfig, "\x01\x01\x00a\x01\x01\x00b\x01"), wire.ErrProtocol},
		{"a text with NUL", false, raw(wire.TypeTags, "\x01\x03\x00a\x00b\x01"), wire.ErrProtocol},
		{"a number of three bytes", false, raw(wire.TypeClose, "\x01\x03\x00abc\x01"), wire.ErrProtocol},
		{"a setting that is not known", false, raw(wire.TypeConfig, "\x09\x01\x00a\x01"), wire.ErrUnknownField},
		{"a flag that is not known", false, raw(wire.TypeConfig, "\x08\x04\x00\x04\x00\x00\x00\x01"), wire.ErrUnknownField},
		{"START with a field that is not known", false, raw(wire.TypeStart, "\x01\x01\x00a\x01"), wire.ErrUnknownField},
		{"a HELLO reply without version", true, raw(wire.TypeHelloReply, "\x01"), wire.ErrProtocol},
		{"an ERROR without code", true, raw(wire.TypeError, "\x01"), wire.ErrProtocol},
		{"COUNTERS that end within a word", true, raw(wire.TypeCounters, "123456789"), wire.ErrProtocol},
		{"a DROP cut short", true, raw(wire.TypeDrop, strings.Repeat("a", 39)), wire.ErrProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := wire.NewReader(bytes.NewReader(tt.bytes))
			if tt.reply {
				r = wire.NewReplyReader(bytes.NewReader(tt.bytes))
			}
			m, err := r.Next()
			if err == nil {
				_, err = value(r, m)
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestOptionalThingsAreIgnored(t *testing.T) {
	in := raw(0x40, "later\x01")
	in = append(in, raw(0x7f, "broken off\x00")...)
	in = append(in, raw(wire.TypeClose, "\x80\x02\x00xy\x01\x04\x00\xe8\x03\x00\x00\x80\x00\x00\x01")...)
	r := wire.NewReader(bytes.NewReader(in))
	m, err := r.Next()
	if err != nil || m.Type != wire.TypeClose {
		t.Fatalf("Next() = %v, %v, want CLOSE", m.Type, err)
	}
	if got, err := wire.ParseClose(m.Payload); err != nil || got != time.Second {
		t.Errorf("ParseClose = %v, %v, want 1s", got, err)
	}
	replies := append(raw(0xff, "later"), wire.AppendReady(nil)...)
	if m, err := wire.NewReplyReader(bytes.NewReader(replies)).Next(); err != nil || m.Type != wire.TypeReady {
		t.Errorf("Next() = %v, %v, want READY", m.Type, err)
	}
}

func TestMessagesThatWereBrokenOffAreSkipped(t *testing.T) {
	var in []byte
	void := func(b []byte, sent int) { // what a shim sends that had room for the first bytes only
		clear(b[sent:])
		in = append(in, b...)
	}
	credentials := must(wire.AppendCredentials(nil, wire.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: strings.Repeat("s", 3000)}))
	for _, sent := range []int{wire.HeaderSize, wire.HeaderSize + 1, 500, len(credentials) - 1} {
		void(bytes.Clone(credentials), sent)
	}
	big := must(wire.AppendMedia(nil, wire.TypeVideo, 0, 0, bytes.Repeat([]byte{1}, 100_000)))
	for _, sent := range []int{wire.HeaderSize, 5000, len(big) - 1} {
		void(bytes.Clone(big), sent)
	}
	in = append(in, must(wire.AppendMedia(nil, wire.TypeVideo, time.Second, 3, []byte("whole")))...)

	r := wire.NewReader(iotest.HalfReader(bytes.NewReader(in)))
	buf := make([]byte, wire.MaxMedia)
	for range 3 {
		m, err := r.Next()
		if err != nil || m.Type != wire.TypeVideo || m.Size != 100_000 {
			t.Fatalf("Next() = %v of %d bytes, %v, want the VIDEO message", m.Type, m.Size, err)
		}
		if err := r.Media(buf); err != wire.ErrVoid {
			t.Fatalf("Media = %v, want ErrVoid", err)
		}
	}
	m, err := r.Next()
	if err != nil || m.Lost != 3 || m.PTS() != time.Second {
		t.Fatalf("Next() = %+v, %v, want the whole message", m, err)
	}
	if err := r.Media(buf); err != nil || string(buf[:m.Size]) != "whole" {
		t.Errorf("Media = %q, %v", buf[:m.Size], err)
	}
	if got := r.Voided(); got != 7 {
		t.Errorf("Voided() = %d, want 7", got)
	}
}

func TestMediaThatIsNotTakenIsSkipped(t *testing.T) {
	in := must(wire.AppendMedia(nil, wire.TypeVideo, 0, 0, make([]byte, 50_000)))
	in = append(in, wire.AppendFlush(nil)...)
	r := wire.NewReader(bytes.NewReader(in))
	m, err := r.Next()
	if err != nil || m.Type != wire.TypeVideo {
		t.Fatal(m, err)
	}
	if err := r.Media(make([]byte, m.Size-1)); err == nil {
		t.Error("Media takes a buffer that is too small")
	}
	if m, err = r.Next(); err != nil || m.Type != wire.TypeFlush {
		t.Errorf("Next() = %v, %v, want FLUSH", m.Type, err)
	}
	if err := r.Media(make([]byte, 100)); err == nil {
		t.Error("Media reads after a control message")
	}
	if _, err = r.Next(); err != io.EOF {
		t.Errorf("Next() = %v, want EOF", err)
	}
}

func TestAppendKeepsLimits(t *testing.T) {
	before := []byte("before")
	long := strings.Repeat("x", wire.MaxControl-wire.HeaderSize)
	for _, s := range []string{strings.Repeat("x", wire.MaxControl-3), strings.Repeat("x", math.MaxUint16+1)} {
		if got, err := wire.AppendTags(before, s); !errors.Is(err, wire.ErrTooLong) || string(got) != "before" {
			t.Errorf("AppendTags of %d bytes = %d bytes, %v, want ErrTooLong", len(s), len(got), err)
		}
		if got, err := wire.AppendConfig(before, wire.Config{Prefix: s}); !errors.Is(err, wire.ErrTooLong) || string(got) != "before" {
			t.Errorf("AppendConfig of %d bytes = %d bytes, %v, want ErrTooLong", len(s), len(got), err)
		}
	}
	got, err := wire.AppendTags(nil, strings.Repeat("x", wire.MaxControl-4))
	if err != nil || len(got) != wire.HeaderSize+wire.MaxControl {
		t.Errorf("the longest TAGS has %d bytes, %v", len(got), err)
	}
	if _, err := wire.AppendMedia(nil, wire.TypeVideo, 0, 0, make([]byte, wire.MaxMedia), []byte{1}); !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("AppendMedia beyond the limit: %v", err)
	}
	if _, err := wire.AppendMedia(nil, wire.TypeFlush, 0, 0); err == nil {
		t.Error("AppendMedia makes a FLUSH")
	}
	for name, b := range map[string][]byte{
		"ERROR": wire.AppendError(nil, wire.CodeConfig, long),
		"HELLO": wire.AppendHelloReply(nil, wire.HelloReply{Agent: long}),
		"DROP":  wire.AppendDrop(nil, &wire.Drop{Key: long}),
	} {
		if len(b) != wire.HeaderSize+wire.MaxReply {
			t.Errorf("%s with a long text has %d bytes, want it cut", name, len(b))
		}
	}
	if b := wire.AppendStatusText(nil, strings.Repeat("x", wire.MaxStatus+1)); len(b) != wire.HeaderSize+wire.MaxStatus {
		t.Errorf("STATUS has %d bytes, want it cut", len(b))
	}
}

func TestCountersHaveTheNumberOfWordsTheyClaim(t *testing.T) {
	b := wire.AppendCounters(nil, wire.TypeCounters, &wire.Counters{})
	if got := binary.LittleEndian.Uint32(b[4:]); got != 8*wire.CounterWords || len(b) != wire.HeaderSize+8*wire.CounterWords {
		t.Errorf("length field %d of %d bytes, want %d words", got, len(b), wire.CounterWords)
	}
}

func TestNegotiate(t *testing.T) {
	for _, tt := range []struct {
		min, max uint16
		want     uint16
	}{{1, 1, 1}, {0, 1, 1}, {1, 9, 1}, {2, 9, 0}, {0, 0, 0}, {3, 1, 0}} {
		got, err := wire.Negotiate(wire.Hello{MinVersion: tt.min, MaxVersion: tt.max})
		if got != tt.want || (err == nil) != (tt.want != 0) || err != nil && !errors.Is(err, wire.ErrVersion) {
			t.Errorf("Negotiate(%d to %d) = %d, %v, want %d", tt.min, tt.max, got, err, tt.want)
		}
	}
}

func TestHelloKeepsTheClientOutOfTheLog(t *testing.T) {
	h, err := wire.ParseHello([]byte("s3cm\x01\x00\x01\x00\x07\x00\x00\x00good\nERROR forged"))
	if err != nil || h.Client != "good" || h.PID != 7 {
		t.Errorf("got %+v, %v, want the name cut at the line break", h, err)
	}
}

func TestOrder(t *testing.T) {
	H, C, K, S, Q, V, X := wire.TypeHello, wire.TypeConfig, wire.TypeCredentials, wire.TypeStart, wire.TypeStatus, wire.TypeVideo, wire.TypeClose
	tests := []struct {
		name string
		in   []wire.Type
		bad  int // index of the message that may not come, len(in) if none
	}{
		{"a camera", []wire.Type{H, C, K, S, V, V, K, Q, S, X}, 10},
		{"one that asks", []wire.Type{H, Q, Q}, 3},
		{"one that asks first", []wire.Type{H, Q, C, V}, 4},
		{"no HELLO", []wire.Type{C}, 0},
		{"no HELLO before STATUS", []wire.Type{Q}, 0},
		{"HELLO twice", []wire.Type{H, H}, 1},
		{"CONFIG twice", []wire.Type{H, C, C}, 2},
		{"no CONFIG", []wire.Type{H, V}, 1},
		{"after CLOSE", []wire.Type{H, C, X, V}, 3},
		{"CLOSE without CONFIG", []wire.Type{H, X}, 1},
		{"STATUS after CLOSE", []wire.Type{H, C, X, Q}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o wire.Order
			for i, typ := range tt.in {
				err := o.Next(typ)
				if (err == nil) != (i != tt.bad) || err != nil && !errors.Is(err, wire.ErrOrder) {
					t.Fatalf("message %d, %v: %v", i, typ, err)
				}
				if err != nil {
					return
				}
			}
		})
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c := wire.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "hush", SessionToken: "psst"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "c", c)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c), fmt.Sprintf("%+v", struct{ C wire.Credentials }{c}), log.String()} {
		if strings.Contains(s, "hush") || strings.Contains(s, "psst") || !strings.Contains(s, "AKIAEXAMPLE") {
			t.Errorf("printed as %s", s)
		}
	}
}

func TestTimestamps(t *testing.T) {
	for us, want := range map[uint64]time.Duration{0: 0, 40: 40 * time.Microsecond, math.MaxUint64: math.MaxInt64} {
		if got := (wire.Header{Time: us}).PTS(); got != want {
			t.Errorf("PTS of %d us = %v, want %v", us, got, want)
		}
	}
}
