// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/mediatest"
)

// clip is footage as an encoder gives it out: access units at a steady rate, and perhaps sound. Cameras of the tests repeat it without end.
type clip struct {
	path  string // of the H.264 file
	units []unit
	fps   float64
	bytes int

	audio     [][]byte // ADTS frames
	audioStep time.Duration

	sums map[uint64][]int // of picture data → numbers of the units that have it
}

type unit struct {
	data []byte   // Annex B
	nals [][]byte // without start codes
	idr  bool
}

// frame is the time between two pictures.
func (c *clip) frame() time.Duration { return time.Duration(float64(time.Second) / c.fps) }

// at is the timestamp of picture n, in microseconds.
func (c *clip) at(n int) uint64 { return uint64(float64(n)*1e6/c.fps + 0.5) }

// sums are comparable within the process.
var sumSeed = maphash.MakeSeed()

// pictureSum identifies a picture by its slices. Delimiters, parameter sets and SEI do not count: we may put them in front.
func pictureSum(nals [][]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(sumSeed)
	for _, n := range nals {
		if k := n[0] & 31; k == 1 || k == 5 {
			h.Write(n)
		}
	}
	return h.Sum64()
}

func splitNALs(au []byte) [][]byte {
	var out [][]byte
	for n := range h264.NALUnits(au) {
		out = append(out, n)
	}
	return out
}

func loadClip(t testing.TB, path string, fps float64) *clip {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &clip{path: path, fps: fps, sums: map[uint64][]int{}}
	for s := h264.NewScanner(f, 0); ; {
		au, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		u := unit{data: bytes.Clone(au)}
		u.nals = splitNALs(u.data)
		for _, n := range u.nals {
			u.idr = u.idr || n[0]&31 == 5
		}
		sum := pictureSum(u.nals)
		c.sums[sum] = append(c.sums[sum], len(c.units))
		c.units = append(c.units, u)
		c.bytes += len(au)
	}
	if len(c.units) == 0 || !c.units[0].idr {
		t.Fatalf("%s: %d access units, want an IDR first", path, len(c.units))
	}
	return c
}

// sound adds the ADTS frames of a file.
func (c *clip) sound(t testing.TB, path string) *clip {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := aac.NewScanner(f); ; {
		frame, h, err := s.Next()
		if errors.Is(err, io.EOF) {
			return c
		}
		if err != nil {
			t.Fatal(err)
		}
		c.audio = append(c.audio, bytes.Clone(frame))
		c.audioStep = h.Duration()
	}
}

// street is real footage of a camera: 640x480, 25 fps, 4 Mbit/s, a delimiter before each picture, a key frame every 1.8 s.
func street(t testing.TB) *clip {
	return loadClip(t, mediatest.Path(t, "camera/kvs_street_640x480_25.h264"), 25)
}

// car is real footage with sound: 12.5 fps, 615 kbit/s.
func car(t testing.TB) *clip {
	return loadClip(t, mediatest.Path(t, "camera/intel_car_768x432_12_5.h264"), 12.5).sound(t, mediatest.Path(t, "camera/intel_car_768x432_12_5.aac"))
}

// soundFile is real sound of 3 s, which is repeated.
func soundFile(t testing.TB) string { return mediatest.Path(t, "aac/exo_44k_mono.aac") }

// made caches what ffmpeg encodes in this run of the tests.
var made struct {
	mu    sync.Mutex
	files map[string]string
}

// encoded describes footage made by ffmpeg.
type encoded struct {
	seconds, gop, kbps int
	size               string
	noise              int
}

// encode makes a stream of constant rate like that of an IP camera: no B pictures, a closed GOP of fixed length, parameter sets in each.
func encode(t testing.TB, e encoded) *clip {
	t.Helper()
	need(t, "ffmpeg")
	made.mu.Lock()
	defer made.mu.Unlock()
	name := fmt.Sprintf("%s-%ds-gop%d-%dk-n%d.h264", e.size, e.seconds, e.gop, e.kbps, e.noise)
	path := made.files[name]
	if path == "" {
		path = filepath.Join(workDir(t), name)
		rate := fmt.Sprintf("%dk", e.kbps)
		out, err := exec.Command("ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi",
			"-i", fmt.Sprintf("testsrc2=size=%s:rate=25:duration=%d,noise=alls=%d:allf=t,format=yuv420p", e.size, e.seconds, e.noise),
			"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "main", "-bf", "0", "-g", fmt.Sprint(e.gop), "-keyint_min", fmt.Sprint(e.gop),
			"-sc_threshold", "0", "-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", fmt.Sprintf("%dk", e.kbps/2),
			"-x264-params", "nal-hrd=cbr:force-cfr=1:repeat-headers=1:threads=1", path).CombinedOutput()
		if err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, out)
		}
		if made.files == nil {
			made.files = map[string]string{}
		}
		made.files[name] = path
	}
	return loadClip(t, path, 25)
}
