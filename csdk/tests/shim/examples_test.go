// SPDX-License-Identifier: Apache-2.0

package shim_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/wire"
)

// clip is a small stream: what the examples are fed with, and what must arrive.
type clip struct {
	video, audio string     // paths
	units        [][][]byte // of each picture its NAL units, without start codes
	codes        [][]int    // bytes of the start code of each
	sound        [][]byte
}

// newClip makes pictures of several slices, some with delimiters, parameter sets, SEI and short start codes, one of them of the given size.
func newClip(t *testing.T, largest int) *clip {
	t.Helper()
	var c clip
	var all []byte
	nal := func(n int, head ...byte) []byte {
		b := bytes.Clone(head)
		for len(b) < n {
			b = append(b, byte(len(b)%251+4)) // no zero: nothing that looks like a start code
		}
		return b
	}
	for i := range 12 {
		var units [][]byte
		if i%2 == 0 {
			units = append(units, []byte{9, 0xf0})
		}
		if i%6 == 0 {
			units = append(units, nal(12, 0x67), nal(5, 0x68), nal(30, 6), nal(3000+i, 0x65, 0x88), nal(2000, 0x65, 0x40), nal(1000, 0x65, 0x20))
		} else {
			size := 400 + i
			if i == 7 {
				size = largest
			}
			units = append(units, nal(size, 0x41, 0x9a), nal(300, 0x41, 0x4a))
		}
		codes := make([]int, len(units))
		for k, u := range units {
			codes[k] = 3
			if k == 0 || u[0] == 0x67 || i%3 == 0 {
				codes[k] = 4
			}
			all = append(append(all, []byte{0, 0, 0, 1}[4-codes[k]:]...), u...)
		}
		c.units, c.codes = append(c.units, units), append(c.codes, codes)
	}
	sound := []byte("ID3\x03\x00\x00\x00\x00\x00\x04\xff\xf1\x50\x40") // a tag with what looks like a frame
	for i := range 20 {
		n := 50 + i
		b := append([]byte{0xff, 0xf1, 0x4c, 0x40, byte(n >> 3), byte(n<<5) | 0x1f, 0xfc}, bytes.Repeat([]byte{byte(i)}, n-7)...) // 48 kHz
		c.sound, sound = append(c.sound, b), append(sound, b...)
	}
	c.video, c.audio = filepath.Join(t.TempDir(), "v.h264"), filepath.Join(t.TempDir(), "a.aac")
	for path, b := range map[string][]byte{c.video: all, c.audio: sound} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &c
}

// picture returns the bytes of one picture with start codes as in the file (0), or of 3 or 4 bytes, with or without delimiter.
func (c *clip) picture(i, code int, aud bool) (b []byte) {
	i %= len(c.units)
	for k, u := range c.units[i] {
		if u[0] == 9 && !aud {
			continue
		}
		n := code
		if n == 0 {
			n = c.codes[i][k]
		}
		b = append(append(b, []byte{0, 0, 0, 1}[4-n:]...), u...)
	}
	return b
}

// session is what an agent was told.
type session struct {
	config      wire.Config
	credentials []wire.Credentials
	tags        []string
	video       map[uint64][]byte // by time; the calls of one picture joined
	videoCalls  int
	audio       []message
	closed      bool
}

// listen plays the agent until CLOSE.
func (c *conn) listen() *session {
	c.t.Helper()
	s := &session{config: c.welcome(), video: map[uint64][]byte{}}
	for {
		m, err := c.next()
		if err != nil {
			c.t.Errorf("before CLOSE: %v", err)
			return s
		}
		switch m.Type {
		case wire.TypeVideo:
			s.video[m.Time] = append(s.video[m.Time], m.data...)
			s.videoCalls++
		case wire.TypeAudio:
			s.audio = append(s.audio, m)
		case wire.TypeCredentials:
			k, err := wire.ParseCredentials([]byte(m.data))
			if err != nil {
				c.t.Error(err)
			}
			s.credentials = append(s.credentials, k)
		case wire.TypeTags:
			s.tags = append(s.tags, m.data)
		case wire.TypeClose:
			s.closed = true
			c.tell(wire.AppendCounters(nil, wire.TypeClosed, &wire.Counters{}))
			_ = c.Close()
			return s
		}
	}
}

// example compiles one, with sanitizers.
func example(t *testing.T, name string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	dir := filepath.Join("..", "..", "examples")
	compile(t, "gcc", out, append([]string{"-I" + dir}, flagsOf["asan"]...), filepath.Join(dir, name+".c"), filepath.Join(dir, "encoder.c"), "../../src/s3cam.c")
	return out
}

// The examples feed real cameras and our own tests, so each byte they hand over must be the file's, however it is split.
func TestExamplesHandOverEveryByte(t *testing.T) {
	t.Parallel()
	c := newClip(t, 40_000)      // within a socket's buffer, since the original's interface has no deadline to set
	large := newClip(t, 700_000) // beyond the simulated encoder's ring
	for _, program := range []struct {
		name  string
		cases []exampleCall
	}{
		{"annexb", []exampleCall{
			{name: "as it is", args: []string{"--deadline", "9000", "--speed", "0", "--deadline", "9000", c.video}, aud: true},
			{name: "a picture larger than the ring", args: []string{"--speed", "0", "--deadline", "9000", large.video}, aud: true, large: true},
			{name: "a large picture, split at random", args: []string{"--speed", "0", "--deadline", "9000", "--parts", "random", large.video}, aud: true, large: true},
			{name: "in one part", args: []string{"--deadline", "9000", "--speed", "0", "--parts", "none", c.video}, aud: true},
			{name: "split at random", args: []string{"--deadline", "9000", "--speed", "0", "--parts", "random", c.video}, aud: true},
			{name: "split at random otherwise, with sound", args: []string{"--deadline", "9000", "--speed", "0", "--parts", "random", "--seed", "77", c.video, c.audio}, aud: true, sound: true},
			{name: "a NAL unit per call, with sound", args: []string{"--deadline", "9000", "--speed", "0", "--nal", c.video, c.audio}, aud: true, sound: true, calls: 38},
			{name: "a NAL unit per call, split at random", args: []string{"--deadline", "9000", "--speed", "0", "--nal", "--parts", "random", c.video}, aud: true, calls: 38},
			{name: "without delimiters", args: []string{"--deadline", "9000", "--speed", "0", "--no-aud", c.video}},
			{name: "short start codes, split at random", args: []string{"--deadline", "9000", "--speed", "0", "--start-code", "3", "--parts", "random", c.video}, aud: true, code: 3},
			{name: "long start codes", args: []string{"--deadline", "9000", "--speed", "0", "--start-code", "4", c.video}, aud: true, code: 4},
			{name: "three times from a time on", args: []string{"--deadline", "9000", "--speed", "0", "--loops", "3", "--start", "1000000", c.video}, aud: true, pictures: 36, start: 1_000_000},
			{name: "stopped within the second loop", args: []string{"--deadline", "9000", "--speed", "0", "--loops", "3", "--frames", "17", c.video}, aud: true, pictures: 17},
			{name: "ten times as fast, other frame rate", args: []string{"--speed", "10", "--fps", "12.5", c.video}, aud: true, step: 80_000},
		}},
		{"manual", []exampleCall{{name: "in real time, with sound", args: []string{"eu-west-1", "b", "p", c.video, c.audio}, aud: true, sound: true}}},
		{"pseudo", []exampleCall{{name: "two threads, keys replaced", args: []string{c.video, c.audio}, aud: true, sound: true}}},
	} {
		t.Run(program.name, func(t *testing.T) {
			t.Parallel()
			bin := example(t, program.name)
			for _, tt := range program.cases {
				t.Run(tt.name, func(t *testing.T) {
					a := newAgent(t)
					cmd := exec.Command(bin, tt.args...)
					cmd.Env = append(os.Environ(), "S3CAM_SOCKET="+a.path, "AWS_ACCESS_KEY_ID=AK", "AWS_SECRET_ACCESS_KEY=SK", "AWS_SESSION_TOKEN=T",
						"S3_REGION=eu-west-1", "S3_BUCKET=b", "S3_PREFIX=p", "S3_TAGS=a=b")
					var out bytes.Buffer
					cmd.Stdout, cmd.Stderr = &out, &out
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					s := a.accept().listen()
					if err := cmd.Wait(); err != nil {
						t.Errorf("%v: %s", err, out.String())
					}
					if tt.large {
						tt.check(t, large, s)
					} else {
						tt.check(t, c, s)
					}
					if program.name != "annexb" && (s.config.Region != "eu-west-1" || s.config.Bucket != "b" || s.config.Prefix != "p" || len(s.tags) != 1) {
						t.Errorf("config %+v, tags %q", s.config, s.tags)
					}
					if program.name == "pseudo" && len(s.credentials) < 2 {
						t.Error("the keys were not replaced")
					}
					for _, k := range s.credentials {
						if k != (wire.Credentials{AccessKeyID: "AK", SecretAccessKey: "SK", SessionToken: "T"}) {
							t.Errorf("credentials %#v", k)
						}
					}
				})
			}
		})
	}
}

// exampleCall is one way to call an example.
type exampleCall struct {
	name     string
	args     []string
	aud      bool
	large    bool
	sound    bool
	code     int
	calls    int    // 0: one per picture, or not known
	pictures int    // 0: the clip's
	start    uint64 // microseconds
	step     uint64 // 0: 25 a second
}

func (e exampleCall) check(t *testing.T, c *clip, s *session) {
	t.Helper()
	if e.pictures == 0 {
		e.pictures = len(c.units)
	}
	if e.step == 0 {
		e.step = 40_000
	}
	if len(s.video) != e.pictures || e.calls != 0 && s.videoCalls != e.calls {
		t.Errorf("%d pictures in %d calls, want %d, %d", len(s.video), s.videoCalls, e.pictures, e.calls)
	}
	for i := range e.pictures {
		got, want := s.video[e.start+uint64(i)*e.step], c.picture(i, e.code, e.aud)
		if !bytes.Equal(got, want) {
			t.Errorf("picture %d: %d bytes, want %d, or they differ", i, len(got), len(want))
		}
	}
	want := 0
	if e.sound {
		want = len(c.sound)
	}
	if len(s.audio) < want-2 || len(s.audio) > want { // the last ones may be due after the last picture
		t.Errorf("%d sound frames, want %d", len(s.audio), want)
	}
	for i, m := range s.audio {
		if m.data != string(c.sound[i]) || m.Time != uint64(i)*1024*1_000_000/48000 {
			t.Errorf("sound frame %d at %d is not the file's", i, m.Time)
		}
	}
	if !s.closed {
		t.Error("no CLOSE")
	}
}

func TestExamplesExplainThemselves(t *testing.T) {
	t.Parallel()
	c := newClip(t, 40_000)
	annexb := example(t, "annexb")
	empty, text := filepath.Join(t.TempDir(), "empty"), filepath.Join(t.TempDir(), "text")
	for path, s := range map[string]string{empty: "", text: "this is no video"} {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help", []string{"--help"}, 0, "usage: annexb"},
		{"nothing", nil, 2, "usage: annexb"},
		{"an unknown option", []string{"--colour", "red", c.video}, 2, "there is no option --colour"},
		{"an option without its value", []string{c.video, "--fps"}, 2, "--fps needs a value"},
		{"a wrong value", []string{"--parts", "many", c.video}, 2, "there is no option --parts many"},
		{"one file too many", []string{c.video, c.audio, c.audio}, 2, "one file too many"},
		{"no such file", []string{"/nowhere.h264"}, 1, "/nowhere.h264: No such file"},
		{"an empty file", []string{empty}, 1, "the file is empty"},
		{"not a video", []string{text}, 1, "not an H.264 Annex-B file"},
		{"no agent", []string{"--socket", "/nowhere", "--agent", "/nowhere", c.video}, 1, "no agent can be started"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command(annexb, tt.args...)
			out, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != tt.code || !strings.Contains(string(out), tt.want) {
				t.Errorf("exit code %d, want %d, %q must be in:\n%s", got, tt.code, tt.want, out)
			}
		})
	}
}

// An exit code must tell what became of the footage.
func TestAnnexBTellsOfLoss(t *testing.T) {
	t.Parallel()
	c := newClip(t, 40_000)
	annexb := example(t, "annexb")
	for _, tt := range []struct {
		name string
		code int
		bye  []byte
	}{
		{"all is stored", 0, wire.AppendCounters(nil, wire.TypeClosed, &wire.Counters{})},
		{"a segment is pending", 3, wire.AppendCounters(nil, wire.TypeClosed, &wire.Counters{PendingSegments: 1})},
		{"a segment was dropped at the end", 3, wire.AppendCounters(wire.AppendDrop(nil, &wire.Drop{Reason: wire.ReasonClosed, Frames: 12, Key: "k"}), wire.TypeClosed, &wire.Counters{})},
		{"it never answers", 3, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAgent(t)
			cmd := exec.Command(annexb, "--deadline", "9000", "--speed", "0", "--drain", "500", c.video)
			cmd.Env = append(os.Environ(), "S3CAM_SOCKET="+a.path)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			k := a.accept()
			k.welcome()
			for {
				m, err := k.next()
				if err != nil {
					t.Fatal(err)
				}
				if m.Type == wire.TypeClose {
					break
				}
			}
			k.tell(tt.bye)
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tt.code || !strings.Contains(out.String(), fmt.Sprintf("pictures %d,", len(c.units))) {
				t.Errorf("exit code %d, want %d:\n%s", got, tt.code, out.String())
			}
		})
	}
}
