// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/push"
	"github.com/s3cam/s3cam/uploader"
)

// pushProgress tells a person how a push goes: on a terminal one line that is written over, elsewhere a line now and then.
type pushProgress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	began    time.Time
	spoke    time.Time
	width    int // of the line on the terminal

	input, bucket, camera string
	info                  push.Info

	mu   sync.Mutex
	odd  []string // what the uploader complained about
	more int
}

// maxProblems is how many complaints of the uploader are shown.
const maxProblems = 5

// problem takes a complaint of the uploader, from any goroutine. What the store refuses is in the progress and the end.
func (p *pushProgress) problem(err error) {
	if errors.Is(err, uploader.ErrRejected) || errors.Is(err, uploader.ErrExpiredCredentials) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	text := strings.TrimPrefix(firstLine(err.Error()), "uploader: ")
	switch {
	case slices.Contains(p.odd, text):
	case len(p.odd) < maxProblems:
		p.odd = append(p.odd, text)
	default:
		p.more++
	}
}

func (p *pushProgress) problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	texts := slices.Clone(p.odd)
	if p.more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more problems", p.more))
	}
	return texts
}

// speakEvery is how often a log file gets a line.
const speakEvery = 10 * time.Second

func newPushProgress(w io.Writer, now func() time.Time, input string, info push.Info, bucket, camera string) *pushProgress {
	p := &pushProgress{w: w, now: now, input: filepath.Base(input), info: info, bucket: bucket, camera: camera, terminal: isTerminal(w)}
	if input == "-" {
		p.input = "standard input"
	}
	p.began = now()
	p.spoke = p.began
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

func (p *pushProgress) begin() {
	what := p.info.Format.String()
	if p.info.Width > 0 {
		what += fmt.Sprintf(" %dx%d", p.info.Width, p.info.Height)
	}
	if p.info.Rate.Valid() {
		what += fmt.Sprintf(", %v fps", p.info.Rate)
	}
	if p.info.Audio {
		what += ", AAC"
	}
	fmt.Fprintf(p.w, "pushing %s (%s) as camera %s to bucket %s\n", p.input, what, p.camera, p.bucket)
	if p.info.Assumed {
		fmt.Fprintf(p.w, "note: the video does not say its frame rate; %v fps is assumed, --fps sets it\n", p.info.Rate)
	}
}

func (p *pushProgress) show(s push.Progress) {
	now := p.now()
	if !p.terminal && now.Sub(p.spoke) < speakEvery {
		return
	}
	p.spoke = now
	line := fmt.Sprintf("%s read, %s stored in %s, %s", clock(s.Position), size(s.Stats.Stored.Bytes), count(s.Stats.Stored.Segments, "segment"), rate(s.Stats.Throughput))
	if n := s.Stats.Pending.Segments; n > 0 {
		line += fmt.Sprintf(", %d waiting", n)
	}
	if n := s.Stats.Dropped().Segments; n > 0 {
		line += fmt.Sprintf(", %d dropped", n)
	}
	if s.Stats.Failures > 0 {
		line += fmt.Sprintf(", try %d failed: %s", s.Stats.Failures, firstLine(s.Stats.LastError))
	}
	if !p.terminal {
		fmt.Fprintln(p.w, line)
		return
	}
	if len(line) > 150 {
		line = line[:150]
	}
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}

func (p *pushProgress) end(r push.Result, notes []string, err error) {
	if p.terminal && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
	}
	for _, n := range append(notes, p.problems()...) {
		fmt.Fprintln(p.w, "note:", n)
	}
	s := r.Stats
	if n := s.DroppedBeforeIDR; n > 0 && s.Begun > 0 {
		fmt.Fprintf(p.w, "note: %s that no key frame precedes left out\n", count(n, "picture"))
	}
	if s.Begun == 0 {
		return // the error says why
	}
	took := p.now().Sub(p.began)
	fmt.Fprintf(p.w, "stored %s, %s, %v of video from %s, in %v\n", count(s.Stored.Segments, "segment"), size(s.Stored.Bytes),
		s.Stored.Duration.Round(time.Millisecond), r.Start.UTC().Format("2006-01-02 15:04:05.000 UTC"), took.Round(time.Millisecond))
	if r.Existing > 0 {
		fmt.Fprintf(p.w, "  %d of them there already\n", r.Existing)
	}
	if s.MovedKeys > 0 {
		fmt.Fprintf(p.w, "  %d of them under a later second, because other footage had theirs\n", s.MovedKeys)
	}
	if s.Retries > 0 {
		fmt.Fprintf(p.w, "  %s retried\n", count(s.Retries, "upload"))
	}
	if d := s.Dropped(); d.Segments > 0 {
		fmt.Fprintf(p.w, "dropped %s, %s, %v of video\n", count(d.Segments, "segment"), size(d.Bytes), d.Duration.Round(time.Millisecond))
	}
}

// count gives "1 segment", "2 segments".
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func clock(d time.Duration) string {
	s := int(d / time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

func rate(n int64) string {
	if n == 0 {
		return "-"
	}
	return size(n) + "/s"
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
