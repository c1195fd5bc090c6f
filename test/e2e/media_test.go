// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/mediatest"
)

// clip is one H.264 file of the footage, with what its manifest says.
type clip struct {
	name    string // "camera/kvs_street_640x480_25"
	path    string
	audio   string // path of its AAC, or ""
	md5     string // of all decoded frames, or "" when nothing decodes
	frames  int
	refused string // push must fail with an error that says this
}

// refused lists the files that cannot work, and what the error must say.
var refused = map[string]string{
	"features/membrane_input-10-no-pps-sps": "parameter sets",
}

// footage returns the H.264 files of media/camera and media/features; it skips the test, saying so, when there is none.
func footage(t *testing.T) []clip {
	t.Helper()
	dir := mediatest.Dir(t)
	var clips []clip
	for _, e := range mediatest.Manifest(t) {
		name, ok := strings.CutSuffix(e.Name, ".h264")
		if !ok || !(strings.HasPrefix(name, "camera/") || strings.HasPrefix(name, "features/")) {
			continue
		}
		c := clip{name: name, path: filepath.Join(dir, e.Name), md5: e.MD5, frames: e.Frames, refused: refused[name]}
		if c.md5 == "" && c.refused == "" {
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
