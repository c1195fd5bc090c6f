// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/s3cam/s3cam/internal/push"
)

// The stream that the goals are stated for: 60 s of 1080p25 H.264 of 5 Mbit/s, an IDR each 3 s, no B pictures, AAC of 64 kbit/s.
const clipSeconds = 60

type frame struct {
	video bool
	data  []byte
	pts   time.Duration
}

// clip returns the frames, from a file that is made at first use. The same ffmpeg makes the same file.
func clip(dir string) ([]frame, error) {
	name := filepath.Join(dir, "clip.ts")
	if _, err := os.Stat(name); err != nil {
		tmp := name + ".tmp"
		cmd := exec.Command("ffmpeg", "-hide_banner", "-loglevel", "error", "-y",
			"-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25,noise=alls=12:allf=t:all_seed=1", // noise, so that the rate is used and not filled up
			"-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.2:seed=1", "-t", fmt.Sprint(clipSeconds),
			"-c:v", "libx264", "-preset", "ultrafast", "-b:v", "5M", "-minrate", "5M", "-maxrate", "5M", "-bufsize", "2500k", "-nal-hrd", "cbr",
			"-g", "75", "-keyint_min", "75", "-sc_threshold", "0", "-bf", "0", "-c:a", "aac", "-b:a", "64k", "-ac", "1", "-f", "mpegts", tmp)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ffmpeg: %w\n%s", err, out)
		}
		if err := os.Rename(tmp, name); err != nil {
			return nil, err
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := push.Open(push.Input{Video: f})
	if err != nil {
		return nil, err
	}
	var frames []frame
	for {
		fr, err := src.Next()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame{fr.Video, append([]byte(nil), fr.Data...), fr.PTS})
	}
}
