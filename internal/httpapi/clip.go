// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/s3cam/s3cam/internal/clip"
)

const (
	mp4Type = "video/mp4"

	// clipRetry is what a client is told to wait when too many clips are being made.
	clipRetry = "10"
	// fetchTries is how often a segment is asked for: a download of a day should not end with one broken connection.
	fetchTries = 3
	// fetchRate is what a store delivers at least, in bytes per second, before the segment is asked for again.
	fetchRate = 500_000
	// maxNameBytes is the longest file name that is accepted; file systems take 255.
	maxNameBytes = 150
)

func (h *handler) clipMP4(w *response, r *http.Request) error { return h.clip(w, r, "mp4") }
func (h *handler) clipTS(w *response, r *http.Request) error  { return h.clip(w, r, "ts") }

// clip answers /clip.mp4 and /clip.ts.
func (h *handler) clip(w *response, r *http.Request, form string) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	camera, start, end, err := q.cameraAndRange()
	if err != nil {
		return err
	}
	if end.IsZero() {
		return badParameter("end", "it is missing; write %s", TimeForms)
	}
	partial, err := q.partial.oneOf("0", "1")
	if err != nil {
		return err
	}
	gaps, err := q.gaps.oneOf("keep", "cut")
	if err != nil {
		return err
	}
	name, _, err := q.name.get()
	if err != nil {
		return err
	}
	g, err := h.authorize(r, camera)
	if err == nil {
		err = g.within(start, end)
	}
	if err != nil {
		return err
	}
	if cap(h.clips) == 0 {
		return &Error{Status: http.StatusNotImplemented, Code: "clips_not_offered",
			Message: "no clips are made here; make one from the segments of /replay.m3u8, as ffmpeg -i <url> -c copy clip.mp4"}
	}
	if g.Guest {
		if !begin(h.guests) {
			return tooManyClips(w, cap(h.guests))
		}
		defer func() { <-h.guests }()
	}
	if !begin(h.clips) {
		return tooManyClips(w, cap(h.clips))
	}
	defer func() { <-h.clips }()
	c, err := h.openClip(r, clip.Config{Camera: camera, Start: start, End: end, Partial: partial == 1, CutGaps: gaps == 1, Fetch: h.fetch})
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", map[string]string{"mp4": mp4Type, "ts": segmentType}[form])
	header.Set("Content-Disposition", attachment(name, camera, c, form))
	header.Set("Cache-Control", "no-store")
	header.Set("Accept-Ranges", "none")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-S3cam-Start", c.Start().Format(time.RFC3339Nano))
	header.Set("X-S3cam-End", c.End().Format(time.RFC3339Nano))
	header.Set("X-S3cam-Segments", strconv.Itoa(c.Segments()))
	estimate := c.EstimatedBytes()
	if form == "ts" {
		if estimate = c.Bytes(); partial == 0 {
			header.Set("Content-Length", strconv.FormatInt(estimate, 10))
		}
	}
	header.Set("X-S3cam-Estimated-Bytes", strconv.FormatInt(estimate, 10))
	if header.Get("Content-Length") == "" {
		header.Set("Trailer", "X-S3cam-Skipped, X-S3cam-Damaged, X-S3cam-Unheard, X-S3cam-Gaps")
	}
	if r.Method == http.MethodHead {
		header.Del("Trailer")
		w.WriteHeader(http.StatusOK)
		return nil
	}
	w.WriteHeader(http.StatusOK)
	out := &pushed{w: w, control: http.NewResponseController(w), stall: h.cfg.Clips.Stall}
	write := c.WriteMP4
	if form == "ts" {
		write = c.WriteTS
	}
	res, err := write(r.Context(), out)
	if err != nil {
		return fmt.Errorf("clip of %s: %w", camera, err)
	}
	if header.Get("Trailer") != "" {
		header.Set("X-S3cam-Skipped", strconv.Itoa(res.Skipped))
		header.Set("X-S3cam-Damaged", strconv.FormatInt(res.Damaged, 10))
		header.Set("X-S3cam-Unheard", strconv.FormatInt(res.Unheard, 10))
		header.Set("X-S3cam-Gaps", strconv.Itoa(res.Gaps))
	}
	return nil
}

// begin takes one of the places, if there is one.
func begin(places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
		return false
	}
}

func tooManyClips(w http.ResponseWriter, most int) error {
	w.Header().Set("Retry-After", clipRetry)
	return &Error{Status: http.StatusServiceUnavailable, Code: "too_many_clips",
		Message: fmt.Sprintf("%d clips are being made, no more are made at a time; try again when one is done", most)}
}

// openClip lists the segments and looks at the first and the last.
func (h *handler) openClip(r *http.Request, cfg clip.Config) (*clip.Clip, error) {
	ctx, cancel := h.within(r)
	defer cancel()
	var err error
	if cfg.Segments, err = h.cfg.Playback.Segments(ctx, cfg.Camera, cfg.Start, cfg.End, h.cfg.Clips.MaxLength); err != nil {
		return nil, fmt.Errorf("clip of %s: %w", cfg.Camera, err)
	}
	c, err := clip.Open(ctx, cfg)
	var bad *clip.SegmentError
	switch {
	case errors.Is(err, clip.ErrNoFootage):
		return nil, &Error{Status: http.StatusNotFound, Code: "no_segments", Message: "nothing is recorded then that could be cut out (/coverage tells what there is)", Err: err}
	case errors.Is(err, clip.ErrUnsupported):
		return nil, &Error{Status: http.StatusUnprocessableEntity, Code: "unsupported_video", Message: "the video is not H.264; the segments themselves are at /segments/", Err: err}
	case errors.As(err, &bad):
		return nil, &Error{Status: http.StatusUnprocessableEntity, Code: "damaged_segment",
			Message: "the segment " + bad.Key + " is missing or damaged; add partial=1 for a clip without it", Err: err}
	case err != nil:
		return nil, fmt.Errorf("clip of %s: %w", cfg.Camera, err)
	}
	return c, nil
}

// fetch reads a whole segment for a clip.
func (h *handler) fetch(ctx context.Context, key string, size int64, dst []byte) ([]byte, error) {
	for try := 1; ; try++ {
		data, err := h.fetchOnce(ctx, key, size, dst)
		if err == nil {
			return data, nil
		}
		switch fault := h.cfg.Fault(err); {
		case fault == FaultMissing:
			return dst, fmt.Errorf("%w: %w", clip.ErrMissing, err)
		case ctx.Err() != nil, fault == FaultDenied, try == fetchTries:
			return dst, err
		}
		pause := time.NewTimer(time.Duration(try) * 200 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
}

func (h *handler) fetchOnce(ctx context.Context, key string, size int64, dst []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout+time.Duration(size)*time.Second/fetchRate)
	defer cancel()
	o, err := h.cfg.Objects.Open(ctx, key, 0, -1)
	if err != nil {
		return dst, err
	}
	if o.Body == nil {
		return dst[:0], nil
	}
	defer o.Body.Close()
	dst = slices.Grow(dst[:0], int(size)+1)[:size+1] // one more, to see the end
	n, err := io.ReadFull(o.Body, dst)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		if int64(n) < size && o.Size >= size {
			return dst, fmt.Errorf("the store sent %d of %d bytes", n, size)
		}
		err = nil
	}
	return dst[:n], err
}

// pushed moves the deadline on with each write: the time limit of the whole answer is for segments, and a clip takes as long
// as the client's line needs. Deadlines are of the system's clock.
type pushed struct {
	w       io.Writer
	control *http.ResponseController
	stall   time.Duration
}

func (p *pushed) Write(b []byte) (int, error) {
	total := 0
	for len(b) > 0 {
		n := min(len(b), 256<<10)
		_ = p.control.SetWriteDeadline(time.Now().Add(p.stall)) // where there are no deadlines there is nothing to move
		k, err := p.w.Write(b[:n])
		total += k
		if err != nil {
			return total, err
		}
		b = b[n:]
	}
	return total, nil
}

// attachment is a Content-Disposition with the name that was asked for, or one that says what is in the file (RFC 6266).
func attachment(name, camera string, c *clip.Clip, form string) string {
	if name = cleanName(name); name == "" {
		length := c.End().Sub(c.Start()).Round(time.Second)
		name = cleanName(fmt.Sprintf("%s_%s_%ds", camera, c.Start().Format("2006-01-02T15-04-05Z"), length/time.Second))
	}
	if !strings.HasSuffix(strings.ToLower(name), "."+form) {
		name += "." + form
	}
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '_'
		}
		return r
	}, name)
	value := `attachment; filename="` + plain + `"`
	if plain != name {
		value += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return value
}

// cleanName makes a file name that is one everywhere: no folders, no characters that some system forbids, not too long.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == unicode.ReplacementChar, unicode.Is(unicode.Cf, r):
			return -1
		case strings.ContainsRune(`/\:*?"<>|;%`, r):
			return '-'
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	for len(name) > maxNameBytes {
		runes := []rune(name)
		name = string(runes[:len(runes)-1])
	}
	return strings.Trim(name, " .")
}
