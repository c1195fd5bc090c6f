// SPDX-License-Identifier: Apache-2.0

package aac_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
)

// adts writes a header field by field.
type adts struct {
	id, layer, protectionAbsent, profile, rate, channels, length, blocks uint64
}

// bytes returns the 56 bits of the fixed and variable header.
func (a adts) bytes() []byte {
	v := uint64(0xfff)
	for _, f := range []struct{ bits, v uint64 }{{1, a.id}, {2, a.layer}, {1, a.protectionAbsent}, {2, a.profile}, {4, a.rate}, {1, 0},
		{3, a.channels}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {13, a.length}, {11, 0x7ff}, {2, a.blocks}} {
		v = v<<f.bits | f.v
	}
	var b []byte
	for i := 48; i >= 0; i -= 8 {
		b = append(b, byte(v>>i))
	}
	return b
}

func TestParseHeader(t *testing.T) {
	ok := adts{protectionAbsent: 1, profile: 1, rate: 3, channels: 2, length: 300}
	with := func(change func(*adts)) []byte { a := ok; change(&a); return a.bytes() }
	lc := aac.Header{Profile: aac.ProfileLC, SampleRate: 48000, Channels: 2, HeaderBytes: 7, FrameBytes: 300, Blocks: 1, Samples: 1024}
	but := func(change func(*aac.Header)) aac.Header { h := lc; change(&h); return h }
	tests := []struct {
		name string
		in   []byte
		want aac.Header
		err  error
		text string
	}{
		{"LC, 48 kHz, stereo", ok.bytes(), lc, nil, ""},
		{"MPEG-2", with(func(a *adts) { a.id = 1 }), but(func(h *aac.Header) { h.MPEG2 = true }), nil, ""},
		{"main profile", with(func(a *adts) { a.profile = 0 }), but(func(h *aac.Header) { h.Profile = aac.ProfileMain }), nil, ""},
		{"SSR", with(func(a *adts) { a.profile = 2 }), but(func(h *aac.Header) { h.Profile = aac.ProfileSSR }), nil, ""},
		{"LTP", with(func(a *adts) { a.profile = 3 }), but(func(h *aac.Header) { h.Profile = aac.ProfileLTP }), nil, ""},
		{"core of HE-AAC, 24 kHz", with(func(a *adts) { a.rate = 6 }), but(func(h *aac.Header) { h.SampleRate = 24000 }), nil, ""},
		{"96 kHz", with(func(a *adts) { a.rate = 0 }), but(func(h *aac.Header) { h.SampleRate = 96000 }), nil, ""},
		{"7350 Hz", with(func(a *adts) { a.rate = 12 }), but(func(h *aac.Header) { h.SampleRate = 7350 }), nil, ""},
		{"mono", with(func(a *adts) { a.channels = 1 }), but(func(h *aac.Header) { h.Channels = 1 }), nil, ""},
		{"5.1", with(func(a *adts) { a.channels = 6 }), but(func(h *aac.Header) { h.Channels = 6 }), nil, ""},
		{"7.1", with(func(a *adts) { a.channels = 7 }), but(func(h *aac.Header) { h.Channels = 8 }), nil, ""},
		{"channels in the payload", with(func(a *adts) { a.channels = 0 }), but(func(h *aac.Header) { h.Channels = 0 }), nil, ""},
		{"CRC", with(func(a *adts) { a.protectionAbsent = 0 }), but(func(h *aac.Header) { h.HeaderBytes, h.CRC = 9, true }), nil, ""},
		{"four raw data blocks", with(func(a *adts) { a.blocks = 3 }), but(func(h *aac.Header) { h.Blocks, h.Samples = 4, 4096 }), nil, ""},
		{"two raw data blocks with CRC", with(func(a *adts) { a.blocks, a.protectionAbsent = 1, 0 }),
			but(func(h *aac.Header) { h.Blocks, h.Samples, h.HeaderBytes, h.CRC = 2, 2048, 11, true }), nil, ""},
		{"the longest frame", with(func(a *adts) { a.length = 8191 }), but(func(h *aac.Header) { h.FrameBytes = 8191 }), nil, ""},
		{"one byte of payload", with(func(a *adts) { a.length = 8 }), but(func(h *aac.Header) { h.FrameBytes = 8 }), nil, ""},

		{"nothing", nil, aac.Header{}, aac.ErrShort, ""},
		{"half of the syncword", []byte{0xff}, aac.Header{}, aac.ErrShort, ""},
		{"six bytes", ok.bytes()[:6], aac.Header{}, aac.ErrShort, ""},
		{"another first byte", []byte{0x47}, aac.Header{}, aac.ErrSync, ""},
		{"another second byte", []byte{0xff, 0xe1}, aac.Header{}, aac.ErrSync, ""},
		{"MP3", with(func(a *adts) { a.layer = 1 }), aac.Header{}, aac.ErrHeader, "layer is 1"},
		{"reserved sample rate", with(func(a *adts) { a.rate = 13 }), aac.Header{}, aac.ErrHeader, "sampling_frequency_index is 13"},
		{"escape value of the sample rate", with(func(a *adts) { a.rate = 15 }), aac.Header{}, aac.ErrHeader, "sampling_frequency_index is 15"},
		{"no room for the header", with(func(a *adts) { a.length = 6 }), aac.Header{}, aac.ErrHeader, "aac_frame_length is 6"},
		{"no payload", with(func(a *adts) { a.length = 7 }), aac.Header{}, aac.ErrHeader, "aac_frame_length is 7"},
		{"no payload behind the CRC", with(func(a *adts) { a.length, a.protectionAbsent = 9, 0 }), aac.Header{}, aac.ErrHeader, "aac_frame_length is 9"},
		{"length 0", with(func(a *adts) { a.length = 0 }), aac.Header{}, aac.ErrHeader, "aac_frame_length is 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := aac.ParseHeader(tt.in)
			if got != tt.want || !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got  %+v, %v\nwant %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
	in := ok.bytes()
	if n := testing.AllocsPerRun(100, func() { _, _ = aac.ParseHeader(in) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestAppendHeaderIsReadBack(t *testing.T) {
	for _, profile := range []int{1, 2, 3, 4} {
		for _, rate := range []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350} {
			for _, channels := range []int{0, 1, 2, 3, 4, 5, 6, 8} {
				for _, payload := range []int{1, 200, 2041, 8184} {
					b, err := aac.AppendHeader([]byte{0xaa}, profile, rate, channels, payload)
					if err != nil || len(b) != 8 || b[0] != 0xaa {
						t.Fatalf("%d %d %d %d: %x, %v", profile, rate, channels, payload, b, err)
					}
					h, err := aac.ParseHeader(b[1:])
					want := aac.Header{Profile: profile, SampleRate: rate, Channels: channels, HeaderBytes: 7, FrameBytes: 7 + payload, Blocks: 1, Samples: 1024}
					if h != want || err != nil {
						t.Fatalf("got %+v, %v, want %+v", h, err, want)
					}
				}
			}
		}
	}
	for _, bad := range [][4]int{{0, 48000, 2, 1}, {5, 48000, 2, 1}, {2, 0, 2, 1}, {2, 48001, 2, 1}, {2, 48000, 7, 1}, {2, 48000, -1, 1},
		{2, 48000, 9, 1}, {2, 48000, 2, 0}, {2, 48000, 2, 8185}, {2, 48000, 2, -7}} {
		if b, err := aac.AppendHeader(nil, bad[0], bad[1], bad[2], bad[3]); err == nil || len(b) != 0 {
			t.Errorf("%v was accepted: %x", bad, b)
		}
	}
}

func TestTicks(t *testing.T) {
	tests := []struct {
		samples int64
		rate    int
		want    int64
	}{
		{1024, 48000, 1920}, {1024, 44100, 2090}, {2048, 44100, 4180}, {44100 * 3600, 44100, 90000 * 3600}, {1024, 8000, 11520}, {0, 48000, 0},
		{-1024, 44100, -2090}, {1 << 50, 48000, 2111062325329920}, {5, 0, 0}, {5, -1, 0},
	}
	for _, tt := range tests {
		if got := aac.Ticks(tt.samples, tt.rate); got != tt.want {
			t.Errorf("Ticks(%d, %d) = %d, want %d", tt.samples, tt.rate, got, tt.want)
		}
	}
	if got := (aac.Header{Samples: 1024, SampleRate: 8000}).Duration(); got != 128*time.Millisecond {
		t.Errorf("Duration = %v", got)
	}
	if got := (aac.Header{}).Duration(); got != 0 {
		t.Errorf("Duration of nothing = %v", got)
	}
}
