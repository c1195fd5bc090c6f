// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/spool"
)

// The card may be mounted after the firmware has started, and an agent whose firmware was restarted may still hold the folder.
func TestTheSpoolMayComeLater(t *testing.T) {
	tests := []struct {
		name string
		hide func(t *testing.T, dir, folder string) (show func())
	}{
		{"the card is mounted later", func(t *testing.T, dir, _ string) func() {
			return func() {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"another agent holds the folder", func(t *testing.T, dir, folder string) func() {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			other, err := spool.New(spool.Config{Dir: folder, MaxBytes: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = other.Close() }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "card")
			k := testAgent(t).cfg.Camera
			k.SpoolDir, k.SpoolBytes = dir, 1<<20
			show := tt.hide(t, dir, filepath.Join(dir, spoolName(&k)))
			a := testAgent(t)
			cam, err := a.newCamera(k)
			if err != nil {
				t.Fatal(err)
			}
			a.cameras[cam.id] = cam
			defer a.finish(t)
			a.checkHealth(false)
			if cam.unhealthy(time.Hour) == "" {
				t.Error("nothing is said about the missing spool")
			}
			show()
			polltest.Until(t, 10*time.Second, "the camera is healthy again", func() bool {
				a.checkHealth(false) // as each 10 s
				return cam.unhealthy(time.Hour) == ""
			})
			if _, bytes := cam.spool.Usage(); bytes != 0 {
				t.Errorf("an empty spool has %d bytes", bytes)
			}
		})
	}
}

func TestASpoolIsNotOpenedForACameraThatHasEnded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "card")
	l := &lateSpool{cfg: spool.Config{Dir: filepath.Join(dir, "cam"), MaxBytes: 1 << 20}}
	if l.open() == nil {
		t.Fatal("a folder without parent was opened")
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if l.open() == nil {
		t.Error("it was opened")
	}
	if s, err := spool.New(l.cfg); err != nil {
		t.Errorf("the folder is not free: %v", err)
	} else {
		_ = s.Close()
	}
}
