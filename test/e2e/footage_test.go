// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start is the instant at which every clip is recorded here.
const start = "2026-03-29 00:59:57" // crosses a minute, an hour, and the hour in which Europe changes its clocks

// Every H.264 file of the footage goes through push into the store and comes back through /replay.m3u8. What ffmpeg decodes from
// the playlist must be what it decodes from the file: each video frame, each audio sample.
func TestFootageSurvivesTheWholePath(t *testing.T) {
	need(t, "ffmpeg", "ffprobe")
	clips := footage(t)
	s := serve(t)
	for _, c := range clips {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--camera", c.name, "--input", c.path, "--speed", "max", "--start", start}
			if c.audio != "" {
				args = append(args, "--audio", c.audio)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			out, code := s.push(ctx, t, args...)
			if c.refused != "" {
				if code == 0 || !strings.Contains(out, c.refused) {
					t.Errorf("push of a file that cannot work: exit %d, output %q; want an error that says %q", code, out, c.refused)
				}
				return
			}
			if code != 0 && code != 3 { // 3: pictures before the first IDR cannot be kept
				t.Fatalf("push: exit %d\n%s", code, out)
			}
			playlist := s.replay(c.name)
			level := "warning"
			if c.noisy {
				level = "fatal" // what is wrong in the file itself stays wrong
			}
			if got := md5(t, level, playlist, "0:v", "rawvideo", "-fps_mode", "passthrough"); got != c.md5 {
				t.Errorf("md5 of the decoded frames is %s, want %s (%s frames)\n%s", got, c.md5, c.frames, out)
			}
			if c.audio != "" {
				if got, want := md5(t, "warning", playlist, "0:a", "s16le"), md5(t, "error", c.audio, "0:a", "s16le"); got != want {
					t.Errorf("md5 of the decoded sound is %s, want that of the source, %s", got, want)
				}
			}
			checkSegments(t, s, c.name)
		})
	}
}

// replay is the URL of the minutes after start.
func (s server) replay(camera string) string {
	return s.web + "/replay.m3u8?" + url.Values{"camera_id": {camera}, "start": {start}, "end": {"2026-03-29 01:05:00"}}.Encode()
}

// md5 decodes one stream with ffmpeg and returns the md5 of all of it.
func md5(t *testing.T, level, input, stream, format string, flags ...string) string {
	t.Helper()
	args := append([]string{"-i", input, "-map", stream}, flags...)
	out := ffmpeg(t, level, append(args, "-f", format, "md5:")...)
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "MD5=")
}

// checkSegments fetches each segment of the playlist, lets our own strict analyzer and ffprobe judge it, and checks that each one
// decodes alone.
func checkSegments(t *testing.T, s server, camera string) {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for _, line := range strings.Split(string(fetch(t, s.replay(camera))), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		base, _ := url.Parse(s.web + "/replay.m3u8")
		ref, err := base.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, strings.ReplaceAll(filepath.ToSlash(ref.Path[len(ref.Path)-len("00/00/00.ts"):]), "/", "-"))
		if err := os.WriteFile(name, fetch(t, ref.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	if len(files) == 0 {
		t.Fatal("the playlist lists nothing")
	}
	cmd := exec.Command(program(t), append([]string{"probe", "--json"}, files...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("s3cam probe: %v\n%s", err, tail(string(out)))
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	var report any
	if err := dec.Decode(&report); err != nil {
		t.Errorf("s3cam probe --json is not JSON: %v", err)
	}
	for _, f := range files {
		cmd := exec.Command("ffprobe", "-v", "warning", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", f)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		frames, err := cmd.Output()
		if err != nil || stderr.Len() > 0 {
			t.Errorf("ffprobe of %s alone: %v\n%s", filepath.Base(f), err, tail(stderr.String()))
		}
		if n := strings.TrimSpace(string(frames)); n == "" || n == "0" || n == "N/A" {
			t.Errorf("%s alone decodes to %q frames", filepath.Base(f), n)
		}
	}
}

func fetch(t *testing.T, u string) []byte {
	t.Helper()
	resp, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatalf("GET %s: %s\n%s", u, resp.Status, tail(string(b)))
	}
	return b
}
