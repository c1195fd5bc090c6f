// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// audit is what a bucket holds of one camera.
type audit struct {
	segments []stored
	frames   int // pictures in all
	bytes    int
	audio    int // ADTS bytes
	holes    []hole
}

// stored is one segment that passed every check.
type stored struct {
	key     string
	data    []byte
	start   time.Time // of its first picture
	end     time.Time // of its last picture, and one frame more
	frames  int
	first   int // number of its first picture in the clip, below len(clip.units)
	audio   int
	idrs    int
	flagged int // pictures with random_access_indicator
}

// hole is footage that is missing between two segments.
type hole struct {
	after string // key
	gap   time.Duration
}

// frameSlack is how far a picture may be from its place: the clock corrections of package uploader stay below.
const frameSlack = 15 * time.Millisecond

// inspect reads a camera's objects and fails the test for each that is not a whole, clean segment made of consecutive pictures of the clip.
// It says where footage is missing and leaves it to the caller to judge that.
func inspect(t testing.TB, objects []object, c *clip) audit {
	t.Helper()
	return inspectWith(t, objects, c, 0)
}

// inspectWith lets segments be off their place by so much: agents that follow one another on a device with a wrong clock know the time from
// answers of servers, to the second.
func inspectWith(t testing.TB, objects []object, c *clip, slack time.Duration) audit {
	t.Helper()
	var a audit
	for _, o := range objects {
		s, err := inspectSegment(o, c, slack)
		if err != nil {
			t.Errorf("%s (%d bytes): %v", o.key, len(o.data), err)
			continue
		}
		if n := len(a.segments); n > 0 {
			before := a.segments[n-1]
			if s.first == before.first && s.start.Sub(before.start).Abs() < 2*time.Second {
				t.Errorf("%s and %s are the same footage", before.key, o.key)
			}
			if slack == 0 && !s.start.After(before.start) || s.start.Before(before.end.Add(-frameSlack-c.frame()-slack)) {
				t.Errorf("%s begins at %v, inside %s, which ends at %v", o.key, s.start, before.key, before.end)
			}
			switch gap := s.start.Sub(before.end); {
			case gap > frameSlack:
				a.holes = append(a.holes, hole{before.key, gap})
			case slack == 0 && s.first != (before.first+before.frames)%len(c.units):
				t.Errorf("%s begins with picture %d though %s ended with %d and no time is missing", o.key, s.first, before.key, (before.first+before.frames-1)%len(c.units))
			}
		}
		a.segments = append(a.segments, s)
		a.frames += s.frames
		a.audio += s.audio
		a.bytes += len(o.data)
	}
	return a
}

func (a *audit) String() string {
	var b strings.Builder
	for _, s := range a.segments {
		fmt.Fprintf(&b, "%s %s %d frames from %d, %d bytes\n", s.key, s.start.UTC().Format("15:04:05.000"), s.frames, s.first, len(s.data))
	}
	for _, h := range a.holes {
		fmt.Fprintf(&b, "hole of %v after %s\n", h.gap, h.after)
	}
	return b.String()
}

func inspectSegment(o object, c *clip, slack time.Duration) (stored, error) {
	s := stored{key: o.key, data: o.data}
	if len(o.data)%188 != 0 {
		return s, errors.New("not a whole number of packets")
	}
	_, second, ok := segment.ParseKey(o.key)
	if !ok {
		return s, errors.New("not a segment's key")
	}
	an := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
	if _, err := an.Write(o.data); err != nil {
		return s, err
	}
	r := an.Report()
	var errs []error
	for _, f := range r.Findings {
		errs = append(errs, fmt.Errorf("%s %s at packet %d: %s", f.Severity, f.Code, f.Packet, f.Message))
	}
	var base, last int64
	d := mpegts.NewDemuxer(bytes.NewReader(o.data))
	for {
		u, err := d.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s, errors.Join(append(errs, err)...)
		}
		if u.Kind == mpegts.Audio {
			s.audio += len(u.Data)
			continue
		}
		nals := splitNALs(u.Data)
		for i, n := range nals {
			switch kind := n[0] & 31; {
			case kind == 9 && i != 0:
				errs = append(errs, fmt.Errorf("picture %d has a second delimiter", s.frames))
			case kind == 5:
				s.idrs++
			}
		}
		if u.RandomAccess {
			s.flagged++
		}
		places := c.sums[pictureSum(nals)]
		if s.frames == 0 {
			if len(places) != 1 {
				return s, errors.Join(append(errs, fmt.Errorf("its first picture is at %v of the clip, want one place", places))...)
			}
			s.first = places[0]
			// Where the second of its name was taken it has a later one; its timestamps stay.
			ok := false
			for at := second; !ok && second.Sub(at) <= slack; at = at.Add(-time.Second) {
				s.start, ok = segment.StartFromPTS(at, u.PTS)
			}
			if !ok {
				errs = append(errs, fmt.Errorf("PTS %d is not in the second of the key", u.PTS))
				s.start = second
			}
		} else if want := (s.first + s.frames) % len(c.units); !slices.Contains(places, want) {
			errs = append(errs, fmt.Errorf("picture %d is that of %v in the clip, want %d", s.frames, places, want))
		}
		// The encoder's timestamps are kept exactly: microseconds to 90 kHz, rounded once for each of the two pictures.
		if s.frames == 0 {
			base = u.PTS
		} else if got, want := (u.PTS-base+segment.PTSModulus)%segment.PTSModulus, int64(c.at(s.first+s.frames)-c.at(s.first))*9/100; got < want-1 || got > want+1 {
			errs = append(errs, fmt.Errorf("picture %d is %d ticks after the first, want %d", s.frames, got, want))
		}
		last = u.PTS
		s.frames++
	}
	if s.frames == 0 {
		return s, errors.Join(append(errs, errors.New("no pictures"))...)
	}
	first := segment.PTS(s.start)
	s.end = s.start.Add(time.Duration((last-first+segment.PTSModulus)%segment.PTSModulus) * time.Second / segment.Timescale).Add(c.frame())
	if s.flagged != s.idrs {
		errs = append(errs, fmt.Errorf("%d key frames, %d random access flags", s.idrs, s.flagged))
	}
	return s, errors.Join(errs...)
}

// decodes lets ffmpeg decode each segment alone and fails the test when it says anything or finds another number of pictures.
func (a *audit) decodes(t testing.TB) {
	t.Helper()
	need(t, "ffmpeg")
	for _, s := range a.segments {
		out, said := ffmpeg(t, s.data, "-f", "framemd5", "-")
		if n := bytes.Count(out, []byte("\n0, ")); n != s.frames {
			t.Errorf("ffmpeg decodes %d pictures of %s, want %d", n, s.key, s.frames)
		}
		if said != "" {
			t.Errorf("%s makes ffmpeg say %s", s.key, said)
		}
	}
}

// md5 is that of all decoded pictures.
func (a *audit) md5(t testing.TB) string {
	t.Helper()
	var all []byte
	for _, s := range a.segments {
		all = append(all, s.data...)
	}
	return decodedMD5(t, all)
}

// decodedMD5 is the md5 of the decoded pictures of a stream, as MANIFEST.md has it.
func decodedMD5(t testing.TB, data []byte) string {
	t.Helper()
	out, said := ffmpeg(t, data, "-map", "0:v", "-f", "rawvideo", "-fps_mode", "passthrough", "-enc_time_base", "1:90000", "md5:")
	if said != "" {
		t.Errorf("ffmpeg says %s", said)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "MD5=")
}

// ffmpeg runs it on data and returns what it wrote, and what it said at warning level.
func ffmpeg(t testing.TB, data []byte, args ...string) (stdout []byte, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffmpeg", append([]string{"-hide_banner", "-loglevel", "warning", "-i", "pipe:0"}, args...)...)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("ffmpeg: %v", err)
	}
	return out.Bytes(), strings.TrimSpace(stderr.String())
}
