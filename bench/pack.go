// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
)

// frame is one access unit or one ADTS frame of the input.
type frame struct {
	audio bool
	idr   bool
	pts   int64 // 90 kHz; no B-frames, so DTS is the same
	data  []byte
}

// input is a stream held in memory, in muxing order.
type input struct {
	name    string
	fps     int
	seconds int
	frames  []frame
	bytes   int // elementary stream bytes
}

// profile describes a synthetic input: x264 at a constant rate, GOP 1 s, no B-frames, one slice, plus AAC mono.
type profile struct {
	name         string
	size         string
	fps          int
	videoKbit    int
	audioKbit    int
	audioHz      int
	seconds      int
	overheadGoal float64 // TS bytes / ES bytes - 1
}

var profiles = []profile{ //nolint:gochecknoglobals // a table
	{name: "hi", size: "1920x1080", fps: 25, videoKbit: 5000, audioKbit: 64, audioHz: 44100, seconds: 60, overheadGoal: 0.029},
	{name: "lo", size: "640x360", fps: 15, videoKbit: 500, audioKbit: 32, audioHz: 16000, seconds: 60, overheadGoal: 0.056},
}

// load makes the input with ffmpeg once (kept in dir) and reads it into memory.
func load(dir string, p profile) (*input, error) {
	video, audio := filepath.Join(dir, p.name+".h264"), filepath.Join(dir, p.name+".aac")
	if _, err := os.Stat(audio); err != nil {
		kbit := fmt.Sprintf("%dk", p.videoKbit)
		aacBits := p.audioKbit*1000 - 7*8*p.audioHz/1024 // the ADTS headers are part of the audio's bit rate
		args := []string{"-nostdin", "-v", "error", "-y",
			"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%s:rate=%d,noise=alls=20:allf=t", p.size, p.fps),
			"-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=44100",
			"-t", fmt.Sprint(p.seconds), "-map", "0:v", "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-pix_fmt", "yuv420p",
			"-b:v", kbit, "-minrate", kbit, "-maxrate", kbit, "-bufsize", kbit,
			"-x264-params", fmt.Sprintf("keyint=%d:min-keyint=%d:scenecut=0:bframes=0:slices=1:sliced-threads=0:repeat-headers=1", p.fps, p.fps),
			"-f", "h264", video,
			"-map", "1:a", "-c:a", "aac", "-b:a", fmt.Sprint(aacBits), "-ac", "1", "-ar", fmt.Sprint(p.audioHz), "-t", fmt.Sprint(p.seconds), "-f", "adts", audio + ".part"}
		cmd := exec.Command("ffmpeg", args...)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("make input %s with ffmpeg: %w", p.name, err)
		}
		if err := os.Rename(audio+".part", audio); err != nil {
			return nil, err
		}
	}
	in := &input{name: p.name, fps: p.fps, seconds: p.seconds}
	var v, a []frame
	f, err := os.Open(video)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for sc, n := h264.NewScanner(bufio.NewReader(f), 16<<20), int64(0); ; n++ {
		au, err := sc.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		info, err := h264.Inspect(au)
		if err != nil {
			return nil, err
		}
		v = append(v, frame{idr: info.IDR, pts: n * 90000 / int64(p.fps), data: bytes.Clone(au)})
	}
	g, err := os.Open(audio)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	for sc, samples := aac.NewScanner(bufio.NewReader(g)), int64(0); ; {
		data, h, err := sc.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		a = append(a, frame{audio: true, pts: samples * 90000 / int64(h.SampleRate), data: bytes.Clone(data)})
		samples += int64(h.Samples)
	}
	for len(v) > 0 || len(a) > 0 {
		if len(a) == 0 || (len(v) > 0 && v[0].pts <= a[0].pts) {
			in.frames, v = append(in.frames, v[0]), v[1:]
		} else {
			in.frames, a = append(in.frames, a[0]), a[1:]
		}
	}
	for _, f := range in.frames {
		in.bytes += len(f.data)
	}
	return in, nil
}

// writePack stores the input in the form that libav/mux.c and `-pack` read: per frame a little-endian header of
// length u32, flags u32 (1 audio, 2 IDR), pts i64, then the bytes.
func (in *input) writePack(path string) error {
	var b bytes.Buffer
	for _, f := range in.frames {
		var flags uint32
		if f.audio {
			flags |= 1
		}
		if f.idr {
			flags |= 2
		}
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(f.data))))
		b.Write(binary.LittleEndian.AppendUint32(nil, flags))
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(f.pts)))
		b.Write(f.data)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func readPack(path string) (*input, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	in := &input{name: filepath.Base(path)}
	for len(b) >= 16 {
		n, flags, pts := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), int64(binary.LittleEndian.Uint64(b[8:]))
		if uint64(n) > uint64(len(b)-16) {
			return nil, fmt.Errorf("%s is cut", path)
		}
		in.frames = append(in.frames, frame{audio: flags&1 != 0, idr: flags&2 != 0, pts: pts, data: b[16 : 16+n]})
		in.bytes += int(n)
		b = b[16+n:]
	}
	return in, nil
}
