// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// clip is one H.264 file of the footage, with what its manifest says.
type clip struct {
	name    string // "camera/kvs_street_640x480_25"
	path    string
	audio   string // path of its AAC, or ""
	md5     string // of all decoded frames, or "" when nothing decodes
	frames  string
	refused string // push must fail with an error that says this
}

// refused lists the files that cannot work, and what the error must say.
var refused = map[string]string{
	"features/membrane_input-10-no-pps-sps": "parameter sets",
}

// footage returns the H.264 files of media/camera and media/features; it skips the test, saying so, when there is none.
func footage(t *testing.T) []clip {
	t.Helper()
	dir := os.Getenv("S3CAM_MEDIA")
	if dir == "" {
		dir = filepath.Join(repo(t), "..", "shared", "media")
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "MANIFEST.md"))
	if err != nil {
		t.Skipf("SKIPPED: no footage (%v); set S3CAM_MEDIA to the folder that holds MANIFEST.md", err)
	}
	var clips []clip
	for _, section := range bytes.Split(manifest, []byte("\n### "))[1:] {
		title, body, _ := strings.Cut(string(section), "\n")
		name, ok := strings.CutSuffix(title, ".h264")
		if !ok || !(strings.HasPrefix(name, "camera/") || strings.HasPrefix(name, "features/")) {
			continue
		}
		c := clip{name: name, path: filepath.Join(dir, title), refused: refused[name]}
		if m := regexp.MustCompile(`decoded frames (\d+), md5 of decoded frames ([0-9a-f]{32})`).FindStringSubmatch(body); m != nil {
			c.frames, c.md5 = m[1], m[2]
		} else if c.refused == "" {
			t.Errorf("%s: the manifest gives no md5 and the test does not know why it is refused", name)
		}
		if a := filepath.Join(dir, name+".aac"); exists(a) {
			c.audio = a
		}
		clips = append(clips, c)
	}
	if len(clips) < 20 {
		t.Errorf("only %d clips in %s, want at least 20", len(clips), dir)
	}
	return clips
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
