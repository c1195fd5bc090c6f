// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

// clipOf is the address of a clip of the camera "demo".
func clipOf(web, form string, start, end time.Time) string {
	return web + "/clip." + form + "?" + url.Values{"camera_id": {"demo"}, "start": {start.Format(time.RFC3339Nano)}, "end": {end.Format(time.RFC3339Nano)}}.Encode()
}

// pictures gives the md5 of each picture that ffmpeg decodes from a file, and its time to the millisecond.
func pictures(t *testing.T, data []byte, name string) (sums []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command("ffmpeg", "-nostdin", "-v", "warning", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-")
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		t.Fatalf("ffmpeg: %v\n%s", err, said.String())
	}
	for _, line := range strings.Split(string(out), "\n") {
		if line != "" && line[0] != '#' {
			sums = append(sums, strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:]))
		}
	}
	return sums
}

// A minute of the demo's recording comes out of the embedded store, and out of one that is elsewhere, as MP4 and TS with the
// same pictures.
func TestClipFromEitherStore(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("SKIPPED: clips are not judged because ffmpeg is missing")
	}
	b := s3servertest.New(t)
	up := client(t, b, nil)
	if err := up.List(t.Context(), "", "", 1, func([]byte, int64) bool { return false }); err != nil { // so that all of the engine runs before start looks for leaks
		t.Fatal(err)
	}
	source := start(t, standalone.Config{
		Engine:    &standalone.Engine{Dir: t.TempDir(), Volatile: true},
		Recording: &standalone.Recording{Camera: standalone.Camera{ID: "demo", Clip: simcam.FrontDoor()}, Start: recordingStart(), Duration: 75 * time.Second},
	})
	from := recordingStart().Add(6400 * time.Millisecond)
	to := from.Add(time.Minute)
	polltest.Until(t, 30*time.Second, "the recording is there", func() bool {
		r, err := http.Head(clipOf(source.Web, "ts", recordingStart(), recordingStart().Add(75*time.Second)))
		return err == nil && r.Header.Get("X-S3cam-Segments") == "25"
	})
	status, header, mp4 := get(t, clipOf(source.Web, "mp4", from, to))
	if status != 200 || header.Get("X-S3cam-Start") == "" {
		t.Fatalf("status %d, %v", status, header)
	}
	begin, _ := time.Parse(time.RFC3339Nano, header.Get("X-S3cam-Start"))
	end, _ := time.Parse(time.RFC3339Nano, header.Get("X-S3cam-End"))
	if begin.After(from) || from.Sub(begin) > time.Second || end.Before(to) || end.Sub(to) > time.Second {
		t.Errorf("asked for %v to %v, got %v to %v", from, to, begin, end)
	}
	_, _, ts := get(t, clipOf(source.Web, "ts", from, to))
	got, all := pictures(t, mp4, "clip.mp4"), pictures(t, ts, "clip.ts")
	first := slices.Index(all, got[0])
	if want := int(end.Sub(begin).Seconds()*15 + 0.5); len(got) != want || first < 0 || !slices.Equal(got, all[first:first+len(got)]) {
		t.Errorf("%d pictures, want %d, from picture %d of the TS", len(got), want, first)
	}

	for at := range 25 {
		key := segment.Key("demo", recordingStart().Add(time.Duration(at)*3*time.Second))
		_, _, data := get(t, source.Web+"/segments/"+key)
		if _, err := up.Put(t.Context(), key, bytes.NewReader(data), int64(len(data)), s3.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	remote := start(t, standalone.Config{Store: client(t, b, nil)})
	if _, _, same := get(t, clipOf(remote.Web, "mp4", from, to)); !bytes.Equal(same, mp4) {
		t.Errorf("%d bytes from the remote store, %d from the embedded one", len(same), len(mp4))
	}
	// What vanishes while the clip is made does not make a short one.
	key := segment.Key("demo", recordingStart().Add(30*time.Second))
	if err := up.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	r, err := http.Get(clipOf(remote.Web, "mp4", from, to))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if data, err := io.ReadAll(r.Body); err != nil || len(data) >= len(mp4) || r.Trailer.Get("X-S3cam-Gaps") != "1" {
		t.Errorf("without a segment that is not listed: %d bytes, %v, trailer %v", len(data), err, r.Trailer)
	}
}

// A page that offers what is answered by 501 is no help.
func TestThePageIsToldWhenNoClipsAreOffered(t *testing.T) {
	for max, want := range map[int]string{-1: `{"apiBase":"","login":"login","clips":false}`, 0: `{"apiBase":"","login":"login"}`, 7: `{"apiBase":"","login":"login"}`} {
		s := start(t, standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir(), Volatile: true}, Playback: standalone.Playback{MaxClips: max}})
		if status, _, config := get(t, s.Web+"/config.json"); status != 200 || strings.TrimSpace(string(config)) != want {
			t.Errorf("MaxClips %d: %d %s, want %s", max, status, config, want)
		}
		status, _, answer := get(t, clipOf(s.Web, "mp4", recordingStart(), recordingStart().Add(time.Minute)))
		if offered := !strings.Contains(string(answer), "clips_not_offered"); offered != (max >= 0) || !offered && status != 501 {
			t.Errorf("MaxClips %d: a clip is answered %d %s", max, status, answer)
		}
	}
}
