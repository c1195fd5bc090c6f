// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/s3cam/s3cam/internal/clip"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// recording is an input as a camera stores it.
type recording struct {
	start    time.Time
	segments []segment.Segment
	objects  map[string][]byte
	bytes    int
}

const clipCamera = "front-door"

// record cuts the input into segments.
func record(in *input) *recording {
	r := &recording{start: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), objects: map[string][]byte{}}
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	var (
		began, first int64
		open         bool
		cur          []byte
	)
	seal := func() {
		if cur == nil {
			return
		}
		cur = m.FlushAudio(cur)
		at := r.start.Add(time.Duration(first) * time.Second / 90000)
		r.segments = append(r.segments, segment.Segment{Key: at.Truncate(time.Second), Start: at, Size: int64(len(cur))})
		r.objects[segment.Key(clipCamera, at)] = slices.Clone(cur)
		r.bytes += len(cur)
	}
	base := segment.Ticks(r.start)
	for i := range in.frames {
		f := &in.frames[i]
		if cut(f, &began, &open) {
			seal()
			cur, first = m.AppendTables(make([]byte, 0, 4<<20)), f.pts
		}
		var err error
		if f.audio {
			if cur, err = m.AppendAudio(cur, f.data, base+f.pts); err != nil {
				panic(err)
			}
			continue
		}
		cur = m.AppendVideo(cur, &mpegts.VideoFrame{Parts: [][]byte{f.data}, PTS: base + f.pts, DTS: base + f.pts, RandomAccess: f.idr})
	}
	seal()
	return r
}

// memory is a writer that copies, as a socket would, and keeps nothing.
type memory struct {
	b []byte
	n int64
}

func (m *memory) Write(p []byte) (int, error) {
	copy(m.b, p)
	m.n += int64(len(p))
	return len(p), nil
}

// cutOut writes the whole recording as MP4.
func (r *recording) cutOut(fetch func(ctx context.Context, key string, size int64, dst []byte) ([]byte, error), w io.Writer) error {
	c, err := clip.Open(context.Background(), clip.Config{Camera: clipCamera, Start: r.start, End: r.start.Add(24 * time.Hour), Segments: r.segments, Fetch: fetch})
	if err != nil {
		return err
	}
	_, err = c.WriteMP4(context.Background(), w)
	return err
}

func (r *recording) fromMemory(_ context.Context, key string, _ int64, dst []byte) ([]byte, error) {
	return append(dst[:0], r.objects[key]...), nil
}

func clipMemory(r *recording, m *memory) int {
	m.n = 0
	if err := r.cutOut(r.fromMemory, m); err != nil {
		panic(err)
	}
	return int(m.n)
}

// store writes the segments below dir, and all of them behind each other, copies times, as one file for ffmpeg.
func (r *recording) store(dir string, copies int) (joined string, err error) {
	joined = filepath.Join(dir, fmt.Sprintf("joined-%d.ts", copies))
	f, err := os.Create(joined)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for i := range copies {
		for _, s := range r.segments {
			data := r.objects[segment.Key(clipCamera, s.Start)]
			if _, err := f.Write(data); err != nil {
				return "", err
			}
			if i > 0 {
				continue
			}
			path := filepath.Join(dir, segment.Key(clipCamera, s.Start))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return "", err
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				return "", err
			}
		}
	}
	return joined, f.Close()
}

// clipFiles makes the clip from the files below dir into a file, passes times.
func clipFiles(r *recording, dir string, passes int) error {
	fetch := func(_ context.Context, key string, size int64, dst []byte) ([]byte, error) {
		f, err := os.Open(filepath.Join(dir, key))
		if err != nil {
			return dst, err
		}
		defer f.Close()
		dst = slices.Grow(dst[:0], int(size))[:size]
		_, err = io.ReadFull(f, dst)
		return dst, err
	}
	for range passes {
		f, err := os.Create(filepath.Join(dir, "s3cam.mp4"))
		if err != nil {
			return err
		}
		if err := errors.Join(r.cutOut(fetch, f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// cpuOf runs a command some times and gives the median of its CPU time.
func cpuOf(rounds int, name string, args ...string) (time.Duration, error) {
	var times []time.Duration
	for range rounds {
		cmd := exec.Command(name, args...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
		}
		times = append(times, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	}
	slices.Sort(times)
	return times[rounds/2], nil
}

// reportClip measures a clip of 60 s: instructions from memory to memory, CPU from files to a file.
func reportClip(g *goals, dir string) error {
	in, err := load(dir, profiles[0])
	if err != nil {
		return err
	}
	pack := filepath.Join(dir, in.name+".pack")
	if err := in.writePack(pack); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r := record(in)
	m := &memory{b: make([]byte, 8<<20)}
	size := 0
	results := interleave(7, 3,
		candidate{"memcpy", func() {
			for _, s := range r.segments {
				copy(m.b, r.objects[segment.Key(clipCamera, s.Start)])
			}
		}},
		candidate{"clip", func() { size = clipMemory(r, m) }})
	fmt.Fprintf(g.out, "\nClip of 60 s as MP4: %d segments, %d TS bytes, %d MP4 bytes\n", len(r.segments), r.bytes, size)
	for _, c := range results {
		fmt.Fprintf(g.out, "  %-28s %10.2f ms CPU %10.0f allocs %12.0f bytes allocated\n", c.name+", memory to memory", c.cpu.Seconds()*1e3, c.allocs, c.bytes)
	}
	if _, err := exec.LookPath("valgrind"); err == nil {
		instr, err := slope(r.bytes, func(passes string) (string, []string) { return self, []string{"-only", "clip", "-passes", passes, "-pack", pack} })
		if err != nil {
			return err
		}
		g.atMost("clip: instructions per TS byte", instr, 2.5, "")
	} else {
		fmt.Fprintln(g.out, "  SKIPPED: instructions are not counted, valgrind is missing")
	}
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		fmt.Fprintln(g.out, "  SKIPPED: ffmpeg is missing")
		return nil
	}
	files, err := os.MkdirTemp("/dev/shm", "s3cam-bench-") // RAM: the disk is not what is measured
	if err != nil {
		if files, err = os.MkdirTemp(dir, "clip-"); err != nil {
			return err
		}
	}
	defer os.RemoveAll(files)
	one, err := r.store(files, 1)
	if err != nil {
		return err
	}
	ten, err := r.store(files, 10)
	if err != nil {
		return err
	}
	const rounds = 7
	var cpu [2][2]time.Duration // ours, ffmpeg's; 1 and 10 times 60 s, measured in turn
	for i := range 2 {
		passes, joined := []string{"1", "10"}[i], []string{one, ten}[i]
		if cpu[0][i], err = cpuOf(rounds, self, "-only", "clip-files", "-passes", passes, "-pack", pack, "-dir", files); err != nil {
			return err
		}
		if cpu[1][i], err = cpuOf(rounds, "ffmpeg", "-nostdin", "-v", "error", "-y", "-i", joined, "-c", "copy", filepath.Join(files, "ffmpeg.mp4")); err != nil {
			return err
		}
	}
	ours, theirs := (cpu[0][1]-cpu[0][0]).Seconds()/9*1e3, (cpu[1][1]-cpu[1][0]).Seconds()/9*1e3
	fmt.Fprintf(g.out, "  60 s, file to file: %.1f ms CPU, ffmpeg -c copy %.1f ms (slopes from 1 to 10 times)\n", ours, theirs)
	g.atMost("clip: CPU against ffmpeg -c copy, file to file", ours/theirs, 0.8, "x")
	return nil
}
