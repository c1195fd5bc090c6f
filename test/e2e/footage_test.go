// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
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
			allowed := ownMessages(t, c)
			playlist := s.replay(c.name)
			got, said := md5(t, playlist, "0:v", "rawvideo", "-fps_mode", "passthrough")
			if got != c.md5 {
				t.Errorf("md5 of the decoded frames is %s, want %s (%d frames)\n%s", got, c.md5, c.frames, out)
			}
			silent(t, "the playlist", said, allowed)
			if got, _ := md5(t, s.clip(c.name), "0:v", "rawvideo", "-fps_mode", "passthrough"); got != c.md5 {
				t.Errorf("md5 of the decoded frames of the clip is %s, want %s (%d frames)", got, c.md5, c.frames)
			}
			if c.audio != "" {
				got, said := md5(t, playlist, "0:a", "s16le")
				if want, _ := md5(t, c.audio, "0:a", "s16le"); got != want {
					t.Errorf("md5 of the decoded sound is %s, want that of the source, %s", got, want)
				}
				silent(t, "the sound of the playlist", said, allowed)
			}
			checkSegments(t, s, c.name, allowed)
		})
	}
}

// replay is the URL of the minutes after start.
func (s server) replay(camera string) string {
	return s.web + "/replay.m3u8?" + url.Values{"camera_id": {camera}, "start": {start}, "end": {"2026-03-29 01:05:00"}}.Encode()
}

// clip is the URL of the same minutes as one MP4 file.
func (s server) clip(camera string) string {
	return strings.Replace(s.replay(camera), "/replay.m3u8?", "/clip.mp4?", 1)
}

// brokenInside names what is wrong in the file itself, which no cutting can mend.
var brokenInside = map[string]string{
	"features/membrane_input-30-240p-vp-sps-pps": "sps", // SPS 4 is illegal and not used by any picture
}

// ownMessages returns what ffmpeg says about the file itself: that stays as it is.
func ownMessages(t *testing.T, c clip) map[string]bool {
	t.Helper()
	_, said := run(t, "ffmpeg", "-nostdin", "-i", c.path, "-f", "null", "-")
	if c.name == "features/openh264_Cisco_Men_whisper_640x320_CABAC_Bframe_9" {
		// Its SPS does not tell the reordering depth (no bitstream_restriction), so the decoder finds it out.
		said["Increasing reorder buffer to 1"] = true
	}
	return said
}

// md5 decodes one stream with ffmpeg and returns the md5 of all of it, and what ffmpeg said.
func md5(t *testing.T, input, stream, format string, flags ...string) (sum string, messages map[string]bool) {
	t.Helper()
	args := append([]string{"-nostdin", "-i", input, "-map", stream}, flags...)
	out, said := run(t, "ffmpeg", append(args, "-f", format, "md5:")...)
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "MD5="), said
}

// checkSegments fetches each segment of the playlist, lets our own strict analyzer and ffprobe judge it, and checks that each one
// decodes alone.
func checkSegments(t *testing.T, s server, camera string, allowed map[string]bool) {
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
	out, _ := exec.Command(program(t), append([]string{"probe", "--json"}, files...)...).Output() // exit 1 means findings
	var reports []struct {
		Findings []struct{ Code, Message string }
	}
	if err := json.Unmarshal(out, &reports); err != nil || len(reports) != len(files) {
		t.Errorf("s3cam probe --json of %d files gives %d reports, %v", len(files), len(reports), err)
	}
	for _, r := range reports {
		for _, f := range r.Findings {
			if f.Code != brokenInside[camera] {
				t.Errorf("s3cam probe finds %s: %s", f.Code, f.Message)
			}
		}
	}
	for _, f := range files {
		frames, said := run(t, "ffprobe", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", f)
		silent(t, filepath.Base(f)+" alone", said, allowed)
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
