// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// stored is one object as the auditor found it on the disk.
type stored struct {
	key    string
	body   body
	frames int64
	path   string
}

// holdings are all objects of the bucket by camera, each checked for itself: whole packets, no finding of the analyzer.
func holdings(t testing.TB, dir string) map[string][]stored {
	t.Helper()
	out := map[string][]stored{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		key, _ := filepath.Rel(dir, path)
		if d.IsDir() {
			if d.Name() == ".sgwtmp" {
				left, _ := os.ReadDir(path)
				for _, f := range left {
					t.Errorf("%s was left in the folder of unfinished objects", f.Name())
				}
				return fs.SkipDir
			}
			return nil
		}
		camera, _, ok := segment.ParseKey(key)
		if !ok {
			t.Errorf("%s is no segment", key)
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s := stored{key: key, body: body{len(data), crc32.Checksum(data, castagnoli)}, path: path}
		if s.frames, err = check(data); err != nil {
			t.Errorf("%s (%d bytes): %v", key, len(data), err)
		}
		out[camera] = append(out[camera], s)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, l := range out {
		sort.Slice(l, func(i, j int) bool { return l[i].key < l[j].key })
	}
	return out
}

// few is what may be in a segment whose camera was switched off as it began.
const few = 4

// check reads a segment with the analyzer and the demuxer and counts its pictures.
func check(data []byte) (frames int64, err error) {
	if len(data) == 0 || len(data)%188 != 0 {
		return 0, errors.New("not a whole number of packets")
	}
	a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
	a.Write(data)
	r := a.Report()
	var errs []error
	d := mpegts.NewDemuxer(bytes.NewReader(data))
	for {
		u, err := d.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return frames, errors.Join(append(errs, err)...)
		}
		if u.Kind == mpegts.Video {
			frames++
		}
	}
	for _, f := range r.Findings {
		// The camera was switched off after one or two pictures, before any sound.
		if f.Severity != "info" && !(f.Code == "stream_absent" && frames < few) {
			errs = append(errs, fmt.Errorf("%s %s at packet %d: %s", f.Severity, f.Code, f.Packet, f.Message))
		}
	}
	if frames == 0 {
		errs = append(errs, errors.New("no picture in it"))
	}
	return frames, errors.Join(errs...)
}

// audit compares a camera's ledger with what is stored.
func (c *camera) audit(t testing.TB, have []stored) string {
	t.Helper()
	st := c.up.Stats()
	by := map[string]stored{}
	var frames int64
	corrupt := 0
	for _, s := range have {
		by[s.key] = s
		frames += s.frames
		if !c.book.tried[s.key][s.body] {
			t.Errorf("%s: %d bytes with CRC %08x, which the camera never sent under that name", s.key, s.body.size, s.body.crc)
			corrupt++
		}
	}
	lost := 0
	for key, want := range c.book.acked {
		if by[key].body != want {
			t.Errorf("%s was acknowledged as %+v and is stored as %+v", key, want, by[key].body)
			lost++
		}
	}
	for key := range c.book.stored {
		if _, ok := by[key]; !ok {
			t.Errorf("the camera counts %s as stored, and it is not", key)
			lost++
		}
	}
	dropped := st.Dropped().Frames + st.DroppedBeforeIDR
	// A segment whose answer was cut off and that then had to make room counts as lost, though the store has it.
	unsure := int64(0)
	for key, n := range c.book.drops {
		if _, ok := by[key]; ok {
			unsure += int64(n)
		}
	}
	if c.fed != st.VideoFrames {
		t.Errorf("%s: %d pictures fed, %d counted", c.name, c.fed, st.VideoFrames)
	}
	if missing := c.fed - frames; missing > dropped || missing < dropped-unsure {
		t.Errorf("%s: %d of %d pictures are missing, %d are counted as lost, of which %d may be stored (%+v)", c.name, missing, c.fed, dropped, unsure, st)
	}
	return fmt.Sprintf("%s: %d pictures fed, %d readable in %d objects; counted as lost %d; %d segments acknowledged, %d of them missing; %d objects wrong; failed tries %v, rejected %v; clock off by %v",
		c.name, c.fed, frames, len(have), dropped, len(c.book.acked), lost, corrupt, c.book.errs, c.book.refuse, st.ClockOffset)
}

// audit compares what the store acknowledged to anybody, as the front saw it, with what is stored.
func (f *front) audit(t testing.TB, have map[string][]stored) (acked int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	by := map[string]body{}
	for _, l := range have {
		for _, s := range l {
			by[s.key] = s.body
		}
	}
	for key, acks := range f.acks {
		acked++
		b, ok := by[key]
		if !ok {
			t.Errorf("the store acknowledged %s, and it is not there", key)
			continue
		}
		for _, a := range acks {
			raw, _ := base64.StdEncoding.DecodeString(a.crc)
			if int64(b.size) != a.size || len(raw) == 4 && binary.BigEndian.Uint32(raw) != b.crc {
				t.Errorf("the store acknowledged %s with %d bytes and CRC %x, and has %d bytes and %08x", key, a.size, raw, b.size, b.crc)
			}
		}
		if len(acks) > 1 {
			t.Errorf("the store acknowledged %s %d times: a conditional PUT has overwritten it", key, len(acks))
		}
	}
	return acked
}

// audit compares what the agent says with what is stored of it.
func (a *agent) audit(t testing.TB, last agentStatus, have []stored) string {
	t.Helper()
	var frames int64
	for _, s := range have {
		frames += s.frames
	}
	// One that was started as the encoder stopped may have got nothing of what was in the pipe.
	lost := a.lost + last.Dropped + last.Before + last.Skipped + max(0, a.fed-last.Video)
	if missing := a.all - frames; missing > lost {
		t.Errorf("%s: %d of %d pictures are missing, %d are counted as lost (%d with %d killed agents, %+v)", a.prefix, missing, a.all, lost, a.lost, a.kills, last)
	}
	if frames > a.all {
		t.Errorf("%s: %d pictures are stored, %d were fed", a.prefix, frames, a.all)
	}
	return fmt.Sprintf("%s: %d pictures fed, %d readable in %d objects; counted as lost %d (at most %d with %d killed agents)", a.prefix, a.all, frames, len(have), lost, a.lost, a.kills)
}

// decodeSample lets ffmpeg decode up to n segments of each camera alone: it must find all pictures and say nothing.
func decodeSample(t testing.TB, have map[string][]stored, n int) string {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		return "SKIPPED, NOT TESTED: no sample was decoded, because ffmpeg is not installed (make deps)"
	}
	decoded := 0
	for _, l := range have {
		for i := 0; i < len(l); i += max(1, len(l)/n) {
			s := l[i]
			if s.frames < few {
				continue
			}
			cmd := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "warning", "-i", s.path, "-map", "0:v", "-f", "framemd5", "-")
			var out, said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &said
			if err := cmd.Run(); err != nil || strings.TrimSpace(said.String()) != "" {
				t.Errorf("%s: ffmpeg says %v %s", s.key, err, said.String())
			}
			if got := int64(bytes.Count(out.Bytes(), []byte("\n0, "))); got != s.frames {
				t.Errorf("%s: ffmpeg decodes %d pictures, want %d", s.key, got, s.frames)
			}
			decoded++
		}
	}
	return fmt.Sprintf("ffmpeg decoded %d segments without a word", decoded)
}
