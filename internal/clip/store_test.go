// SPDX-License-Identifier: Apache-2.0

package clip_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/clip"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/push"
	"github.com/s3cam/s3cam/segment"
	"github.com/s3cam/s3cam/uploader"
)

const camera = "cam1"

// store is a bucket in memory with one camera.
type store struct {
	mu      sync.Mutex
	objects map[string][]byte
	fetched []string
}

func (s *store) Put(_ context.Context, o *uploader.Object) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects == nil {
		s.objects = map[string][]byte{}
	}
	if _, ok := s.objects[o.Key]; ok {
		return time.Time{}, uploader.ErrExists
	}
	s.objects[o.Key] = slices.Concat(o.Parts[:]...)
	return time.Time{}, nil
}

func (s *store) fetch(ctx context.Context, key string, _ int64, dst []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched = append(s.fetched, key)
	b, ok := s.objects[key]
	if !ok {
		return dst, fmt.Errorf("get: %w", clip.ErrMissing)
	}
	return append(slices.Grow(dst[:0], len(b)), b...), ctx.Err()
}

// list is what a listing of the whole bucket gives.
func (s *store) list() []segment.Segment {
	var list []segment.Segment
	for key, b := range s.objects {
		if _, start, ok := segment.ParseKey(key); ok {
			list = append(list, segment.Segment{Key: start, Start: start, Size: int64(len(b))})
		}
	}
	slices.SortFunc(list, func(a, b segment.Segment) int { return a.Key.Compare(b.Key) })
	return list
}

func (s *store) config(start, end time.Time) clip.Config {
	return clip.Config{Camera: camera, Start: start, End: end, Segments: s.list(), Fetch: s.fetch}
}

// record pushes raw footage into the store as a camera does, from start on.
func (s *store) record(t testing.TB, start time.Time, length time.Duration, video, audio []byte, rate string) {
	t.Helper()
	in := push.Input{Video: bytes.NewReader(video)}
	if audio != nil {
		in.Audio = bytes.NewReader(audio)
	}
	if rate != "" {
		r, err := h264.ParseRate(rate)
		if err != nil {
			t.Fatal(err)
		}
		in.Rate = r
	}
	src, err := push.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	_, err = push.Run(t.Context(), push.Config{Frames: src, ParameterSets: src.ParameterSets(), Start: start,
		Uploader: uploader.Config{Prefix: camera, Putter: s, Audio: audio != nil, SegmentDuration: length, RingBytes: 32 << 20}})
	if err != nil {
		t.Fatal(err)
	}
}

// make runs ffmpeg to make a test recording: video and sound.
func synthetic(t testing.TB, seconds int, size string, x264 string) (video, audio []byte) {
	t.Helper()
	dir := t.TempDir()
	v, a := filepath.Join(dir, "v.h264"), filepath.Join(dir, "a.aac")
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size="+size+":rate=25", "-f", "lavfi", "-i", "sine=frequency=500:sample_rate=44100", "-t", fmt.Sprint(seconds),
		"-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x264-params", x264, "-f", "h264", v,
		"-map", "1:a", "-c:a", "aac", "-ac", "1", "-b:a", "48k", "-t", fmt.Sprint(seconds), "-f", "adts", a)
	return read(t, v), read(t, a)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: the clip is not judged because %s is missing", tool)
		}
	}
}

// ffmpeg runs ffmpeg and returns what it printed on both outputs.
func ffmpeg(t testing.TB, args ...string) (stdout, stderr string) {
	t.Helper()
	need(t, "ffmpeg")
	return tool(t, "ffmpeg", append([]string{"-nostdin", "-y", "-v", "warning"}, args...)...)
}

func tool(t testing.TB, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, said.String())
	}
	return out.String(), said.String()
}

// decoded gives the md5 of each decoded picture of a file, in order, and of the sound.
func decoded(t testing.TB, path, stream string) []string {
	t.Helper()
	out, _ := ffmpeg(t, "-i", path, "-map", stream, "-autoscale", "0", "-fps_mode", "passthrough", "-f", "framemd5", "-")
	var sums []string
	for _, line := range strings.Split(out, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, ",")
		sums = append(sums, strings.TrimSpace(f[len(f)-1]))
	}
	return sums
}

// mp4 writes the clip into a file.
func mp4(t testing.TB, cfg clip.Config) (path string, c *clip.Clip, res clip.Result) {
	t.Helper()
	c, err := clip.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if res, err = c.WriteMP4(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return write(t, "clip.mp4", b.Bytes()), c, res
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
