// SPDX-License-Identifier: Apache-2.0

package aac_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/s3cam/s3cam/internal/aac"
)

// frame makes a frame whose payload is n times c.
func frame(n int, c byte) []byte {
	b, err := aac.AppendHeader(nil, aac.ProfileLC, 48000, 2, n)
	if err != nil {
		panic(err)
	}
	return append(b, bytes.Repeat([]byte{c}, n)...)
}

// tag makes an ID3v2 tag around a body.
func tag(version byte, footer bool, body []byte) []byte {
	n := len(body)
	h := []byte{'I', 'D', '3', version, 0, 0, byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}
	if footer {
		h[5] = 0x10
	}
	b := append(slices.Clone(h), body...)
	if footer {
		b = append(b, '3', 'D', 'I')
		b = append(b, h[3:]...)
	}
	return b
}

// priv makes a PRIV frame with Apple's timestamp.
func priv(pts uint64) []byte {
	const owner = "com.apple.streaming.transportStreamTimestamp"
	b := append([]byte("PRIV\x00\x00\x00"), byte(len(owner)+9), 0, 0)
	b = append(append(b, owner...), 0)
	for i := 56; i >= 0; i -= 8 {
		b = append(b, byte(pts>>i))
	}
	return b
}

func TestScanner(t *testing.T) {
	a, b, c := frame(100, 1), frame(7000, 2), frame(3, 3)
	mono, _ := aac.AppendHeader(nil, aac.ProfileLC, 44100, 1, 2)
	mono = append(mono, 9, 9)
	join := slices.Concat[[]byte]
	garbage := append(bytes.Repeat([]byte("garbage \xff\xf1\xff\xff ID3"), 40), 0)
	tests := []struct {
		name    string
		in      []byte
		want    string // payload bytes of the frames and, behind a slash, where they begin
		err     error
		skipped int64
	}{
		{"frames and the end", join(a, b, c), "100/0 7000/107 3/7114", io.EOF, 0},
		{"one frame", a, "100/0", io.EOF, 0},
		{"nothing", nil, "", io.EOF, 0},
		{"a tag at the start", join(tag(4, false, []byte("abc")), a, b), "100/13 7000/120", io.EOF, 0},
		{"tags between frames, with footer, one after the other", join(a, tag(3, false, make([]byte, 9)), tag(4, true, make([]byte, 300)), b, tag(2, false, nil), c),
			"100/0 7000/446 3/7463", io.EOF, 0},
		{"a large tag with a picture", join(tag(4, false, bytes.Repeat(a, 30000)), a, b), "100/3210010 7000/3210117", io.EOF, 0},
		{"a tag at the end", join(a, tag(4, false, make([]byte, 50))), "100/0", io.EOF, 0},
		{"an ID3v1 tag at the end", join(a, b, []byte("TAG"), make([]byte, 125)), "100/0 7000/107", io.EOF, 0},
		{"an ID3v1 tag that is cut off", join(a, b, []byte("TAG"), make([]byte, 25)), "100/0 7000/107", aac.ErrTruncated, 0},
		{"a tag that is cut off", join(a, tag(4, false, make([]byte, 50))[:40]), "100/0", aac.ErrTruncated, 0},
		{"a tag and nothing else", tag(4, false, make([]byte, 50)), "", io.EOF, 0},
		{"garbage at the start", join(garbage, a, b), fmt.Sprintf("100/%d 7000/%d", len(garbage), len(garbage)+107), io.EOF, int64(len(garbage))},
		{"garbage between frames", join(a, b, garbage, a, c), fmt.Sprintf("100/0 7000/107 100/%d 3/%d", 7114+len(garbage), 7221+len(garbage)), io.EOF, int64(len(garbage))},
		{"garbage at the end", join(a, b, []byte("end")), "100/0 7000/107", io.EOF, 3},
		{"one lost byte", join(a, a, b[1:], a, a), "100/0 100/107 100/7220 100/7327", io.EOF, 7006},
		{"a header whose follower is none is garbage", join(a[:50], b, b), "7000/50 7000/7057", io.EOF, 50},
		{"a frame between garbage cannot be believed", join([]byte("xx"), a, []byte("yyyyyyyyyyyy"), b, b), "7000/121 7000/7128", io.EOF, 121},
		{"a frame that a tag follows can", join([]byte("xx"), a, tag(4, false, nil), b), "100/2 7000/119", io.EOF, 2},
		{"another format behind the first", join(a, b, mono, mono, mono), "100/0 7000/107 2/7114 2/7123 2/7132", io.EOF, 0},
		{"the last frame is cut off", join(a, b[:6000]), "100/0", aac.ErrTruncated, 0},
		{"the last header is cut off", join(a, b[:4]), "100/0", aac.ErrTruncated, 0},
		{"only garbage", garbage, "", aac.ErrNoFrames, int64(len(garbage))},
		{"one frame, cut off", a[:50], "", aac.ErrNoFrames, 50},
		{"a broken header among good frames", join(a, a, []byte{0xff, 0xf1, 0x7c, 0, 0, 0, 0}, a, a), "100/0 100/107 100/221 100/328", io.EOF, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, r := range map[string]io.Reader{
				"whole": bytes.NewReader(tt.in), "byte by byte": iotest.OneByteReader(bytes.NewReader(tt.in)), "data with EOF": iotest.DataErrReader(bytes.NewReader(tt.in)),
			} {
				s := aac.NewScanner(r)
				var got []string
				var err error
				for {
					var f []byte
					var h aac.Header
					if f, h, err = s.Next(); err != nil {
						break
					}
					if at := int(s.Offset()); !bytes.Equal(f, tt.in[at:at+h.FrameBytes]) {
						t.Fatalf("%s: the frame at %d is not what stands there", name, at)
					}
					got = append(got, fmt.Sprintf("%d/%d", h.FrameBytes-h.HeaderBytes, s.Offset()))
				}
				if g := strings.Join(got, " "); g != tt.want || !errors.Is(err, tt.err) || s.Skipped() != tt.skipped {
					t.Errorf("%s: %q, %v, %d skipped\nwant %q, %v, %d", name, g, err, s.Skipped(), tt.want, tt.err, tt.skipped)
				}
				if _, _, again := s.Next(); !errors.Is(again, tt.err) {
					t.Errorf("%s: a second call gives %v", name, again)
				}
			}
		})
	}
}

func TestScannerReportsTheReadersError(t *testing.T) {
	for name, in := range map[string][]byte{
		"between frames":      slices.Concat(frame(100, 1), frame(100, 1)),
		"within a frame":      slices.Concat(frame(100, 1), frame(100, 1), frame(100, 1)[:60]),
		"within a header":     slices.Concat(frame(100, 1), frame(100, 1), frame(100, 1)[:3]),
		"within a tag":        slices.Concat(frame(100, 1), frame(100, 1), tag(4, false, make([]byte, 90))[:50]),
		"within a tag header": slices.Concat(frame(100, 1), frame(100, 1), []byte("ID3")),
	} {
		s := aac.NewScanner(io.MultiReader(bytes.NewReader(in), iotest.ErrReader(io.ErrClosedPipe)))
		n := 0
		var err error
		for ; err == nil; n++ {
			_, _, err = s.Next()
		}
		if n != 3 || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %d frames, then %v", name, n-1, err)
		}
	}
	if _, _, err := aac.NewScanner(stuck{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
	if _, _, err := aac.NewScanner(liar{}).Next(); err == nil || !strings.Contains(err.Error(), "impossible") {
		t.Errorf("a reader that lies: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

type liar struct{}

func (liar) Read(p []byte) (int, error) { return len(p) + 1, nil }

func TestTimestampOfPackedAudio(t *testing.T) {
	const pts = 1<<33 - 5
	other := append([]byte("TXXX\x00\x00\x00\x03\x00\x00"), 1, 2, 3)
	tests := []struct {
		name string
		tag  []byte
		want int64
		ok   bool
	}{
		{"PRIV alone", tag(4, false, priv(pts)), pts, true},
		{"behind another frame, version 3", tag(3, false, slices.Concat(other, priv(7))), 7, true},
		{"more than 33 bits", tag(4, false, priv(1<<40|9)), 9, true},
		{"followed by padding", tag(4, false, append(priv(8), make([]byte, 64)...)), 8, true},
		{"another frame only", tag(4, false, other), 0, false},
		{"cut off", tag(4, false, priv(8))[:40], 0, false},
		{"a size beyond the tag", tag(4, false, append([]byte("PRIV\x7f\x7f\x7f\x7f\x00\x00"), 1)), 0, false},
		{"version 3, a size beyond everything", tag(3, false, append([]byte("PRIV\xff\xff\xff\xff\x00\x00"), 1)), 0, false},
		{"no tag", frame(50, 1), 0, false},
		{"nothing", nil, 0, false},
	}
	for _, tt := range tests {
		if got, ok := aac.TagTimestamp(tt.tag); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %d, %v, want %d, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}

	s := aac.NewScanner(bytes.NewReader(slices.Concat(tag(4, false, priv(100)), frame(9, 1), tag(4, false, other), frame(9, 1), tag(4, false, priv(300)), frame(9, 1))))
	for i, want := range []int64{100, 100, 300} {
		if _, _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Timestamp(); got != want || !ok {
			t.Errorf("at frame %d: %d, %v, want %d", i, got, ok, want)
		}
	}
}

func TestScannerAllocatesNothingPerFrame(t *testing.T) {
	s := aac.NewScanner(io.MultiReader(bytes.NewReader(bytes.Repeat(slices.Concat(frame(300, 1), tag(4, false, priv(5))), 3000))))
	if got := testing.AllocsPerRun(1000, func() { _, _, _ = s.Next() }); got != 0 {
		t.Errorf("%v allocations per frame, want 0", got)
	}
}

func FuzzScanner(f *testing.F) {
	f.Add(slices.Concat(frame(10, 1), frame(20, 2)))
	f.Add(slices.Concat(tag(4, true, priv(5)), frame(10, 1), []byte("xx"), frame(20, 2), frame(3, 3), []byte("TAG")))
	f.Add(append(frame(9, 0xff), 0xff, 0xf1))
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(r io.Reader) (frames [][]byte, skipped int64, err error) {
			s := aac.NewScanner(r)
			for {
				fr, h, err := s.Next()
				if err != nil {
					return frames, s.Skipped(), err
				}
				if at := s.Offset(); len(fr) != h.FrameBytes || !bytes.Equal(fr, b[at:at+int64(len(fr))]) {
					t.Fatalf("frame at %d", at)
				}
				frames = append(frames, bytes.Clone(fr))
			}
		}
		whole, skipped1, err1 := read(bytes.NewReader(b))
		bits, skipped2, err2 := read(iotest.OneByteReader(bytes.NewReader(b)))
		if skipped1 != skipped2 || fmt.Sprint(err1) != fmt.Sprint(err2) || !slices.EqualFunc(whole, bits, bytes.Equal) {
			t.Fatalf("in one piece %d frames, %d skipped, %v; byte by byte %d, %d, %v", len(whole), skipped1, err1, len(bits), skipped2, err2)
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	f.Add(frame(10, 1))
	f.Add(adts{blocks: 3, length: 500, profile: 2, channels: 7}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := aac.ParseHeader(b)
		if err == nil && (h.FrameBytes <= h.HeaderBytes || h.SampleRate < 7350 || h.Channels > 8 || h.Samples < 1024) {
			t.Fatalf("%+v", h)
		}
		_, _ = aac.TagTimestamp(b)
	})
}
