// SPDX-License-Identifier: Apache-2.0

package demosite_test

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/s3cam/s3cam/internal/demosite"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

var start = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)

func record(t *testing.T) []demosite.Segment {
	t.Helper()
	segments, err := demosite.Record(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	return segments
}

func TestTheRecordingIsAMinuteFromTheStartOf2021(t *testing.T) {
	segments := record(t)
	if len(segments) != 20 {
		t.Fatalf("%d segments, want 20 of 3 s", len(segments))
	}
	size := 0
	for i, s := range segments {
		at := start.Add(time.Duration(3*i) * time.Second)
		if want := segment.Key("demo", at); s.Key != want {
			t.Errorf("segment %d is %s, want %s", i, s.Key, want)
		}
		if pts, ok := mpegts.FirstPTS(s.Data); !ok || pts != segment.PTS(at) {
			t.Errorf("segment %d begins at PTS %d (%v), want %d", i, pts, ok, segment.PTS(at))
		}
		if crc := crc32.Checksum(s.Data, crc32.MakeTable(crc32.Castagnoli)); crc != s.CRC32C {
			t.Errorf("segment %d: checksum %08x, want %08x", i, s.CRC32C, crc)
		}
		size += len(s.Data)
	}
	if segments[0].Key != "demo/2021/01/01/00/00/00.ts" {
		t.Errorf("it begins with %s", segments[0].Key)
	}
	t.Logf("%d segments, %d bytes", len(segments), size)
}

func TestTheRecordingIsTheSameEachTime(t *testing.T) {
	first := record(t)
	for range 3 {
		again := record(t)
		if !slices.EqualFunc(first, again, func(a, b demosite.Segment) bool { return a.Key == b.Key && bytes.Equal(a.Data, b.Data) }) {
			t.Fatal("two recordings differ")
		}
	}
}

func TestStoredSegmentsAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.put(w.video, "demo/2021/01/01/00/00/03.ts", "footage")
	w.put(w.video, "cam1/2021/01/01/00/00/03.ts", "footage")
	w.must(cfn.RequestCreate, w.properties(), nil)
	got := w.contents(w.video)
	want := map[string]string{"cam1/2021/01/01/00/00/03.ts": "footage"}
	for _, s := range record(t) {
		want[s.Key] = string(s.Data)
	}
	want["demo/2021/01/01/00/00/03.ts"] = "footage"
	if !maps.Equal(got, want) {
		t.Errorf("the video bucket has %q", slices.Sorted(maps.Keys(got)))
	}
	for request, h := range w.headers {
		if strings.HasPrefix(request, "PUT /"+w.video.Name()) && (h.Get("Content-Type") != "video/mp2t" || h.Get("If-None-Match") != "*") {
			t.Errorf("%s with %q", request, h)
		}
	}
}

// An independent reader counts the pictures and says when they are shown.
func TestFfprobeReadsTheRecording(t *testing.T) {
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("SKIPPED: reading the demo video with ffprobe, because it is not on PATH")
	}
	var all bytes.Buffer
	for _, s := range record(t) {
		all.Write(s.Data)
	}
	name := filepath.Join(t.TempDir(), "demo.ts")
	if err := os.WriteFile(name, all.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, problems bytes.Buffer
	cmd := exec.Command(ffprobe, "-v", "warning", "-of", "json", "-show_streams", "-show_frames", "-show_entries", "frame=media_type,pts:stream=codec_type,codec_name", name)
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil || problems.Len() > 0 {
		t.Fatalf("ffprobe: %v\n%s", err, problems.String())
	}
	var seen struct {
		Frames []struct {
			MediaType string `json:"media_type"`
			PTS       int64  `json:"pts"`
		} `json:"frames"`
		Streams []struct {
			CodecName string `json:"codec_name"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(out.Bytes(), &seen); err != nil {
		t.Fatal(err)
	}
	var video, audio []int64
	for _, f := range seen.Frames {
		if f.MediaType == "video" {
			video = append(video, f.PTS)
		} else {
			audio = append(audio, f.PTS)
		}
	}
	if len(video) != 900 || len(audio) != 60*32000/1024 || len(seen.Streams) != 2 {
		t.Errorf("%d pictures and %d audio frames in %d streams, want 900 (60 s at 15 per second) and %d", len(video), len(audio), len(seen.Streams), 60*32000/1024)
	}
	first, last := segment.PTS(start), segment.PTS(start.Add(time.Minute-time.Second/15))
	if len(video) > 0 && (video[0] != first || video[len(video)-1] != last) {
		t.Errorf("pictures from %s to %s, want %d to %d", strconv.FormatInt(video[0], 10), strconv.FormatInt(video[len(video)-1], 10), first, last)
	}
	if unix := start.Unix(); len(video) > 0 && uint64(video[0]) != uint64(unix)*90000%(1<<33) {
		t.Errorf("the first PTS %d is not 90 kHz times %d", video[0], unix)
	}
}
