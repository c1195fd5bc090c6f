// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/s3cam/s3cam/playback"
)

const jsonType = "application/json"

// exactCoverage is the longest range for which a coverage is made from segments.
const exactCoverage = 48 * time.Hour

// cameraJSON is one camera of /cameras. Last is null when nothing of it could be dated.
type cameraJSON struct {
	ID   string     `json:"id"`
	Last *time.Time `json:"last"`
	Live bool       `json:"live"`
}

func (h *handler) cameras(w *response, r *http.Request) error {
	ctx, cancel := h.within(r)
	defer cancel()
	if _, err := h.authorize(r, ""); err != nil {
		return err
	}
	found, err := h.cfg.Playback.Cameras(ctx)
	if err != nil {
		return fmt.Errorf("list cameras: %w", err)
	}
	body := struct {
		Cameras []cameraJSON `json:"cameras"`
	}{Cameras: make([]cameraJSON, 0, len(found))}
	for _, c := range found {
		g, err := h.authorize(r, c.ID)
		if err != nil {
			continue // what a viewer may not see is not named either
		}
		if g.bounded() { // what was recorded last is none of his business
			c.Last, c.Live = time.Time{}, false
		}
		body.Cameras = append(body.Cameras, cameraJSON{ID: c.ID, Last: instant(c.Last), Live: c.Live})
	}
	return h.json(w, r, h.openCache(), body)
}

type rangeJSON struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Segments int       `json:"segments"`
	Bytes    int64     `json:"bytes"`

	Activity *activityJSON `json:"activity,omitempty"`
}

// activityJSON lists the sizes of the segments of a range, or of what was recorded in each step.
type activityJSON struct {
	Start     time.Time `json:"start"`               // of the first of bytes
	Step      float64   `json:"step,omitempty"`      // seconds, when all are as long as each other
	Durations []uint32  `json:"durations,omitempty"` // else milliseconds of each
	Bytes     []int64   `json:"bytes"`
}

func activityOf(a *playback.Activity) *activityJSON {
	out := &activityJSON{Start: a.Start.UTC(), Step: a.Step.Seconds(), Bytes: a.Bytes}
	if a.Step == 0 && len(a.Durations) > 0 {
		for _, d := range a.Durations {
			if d != a.Durations[0] {
				out.Durations = a.Durations
				return out
			}
		}
		out.Step = float64(a.Durations[0]) / 1000
	}
	return out
}

func (h *handler) coverage(w *response, r *http.Request) error {
	ctx, cancel := h.within(r)
	defer cancel()
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	camera, start, end, err := q.cameraAndRange()
	if err != nil {
		return err
	}
	o, err := q.coverageOptions()
	if err != nil {
		return err
	}
	now := h.cfg.Now().UTC()
	if end.IsZero() {
		if end = now; !end.After(start) {
			return badParameter("start", "it lies in the future, and there is no end")
		}
	}
	g, err := h.authorize(r, camera)
	if err == nil {
		start, end, err = g.clamp(start, end)
	}
	if err != nil {
		return err
	}
	if g.bounded() && end.Sub(start) <= exactCoverage {
		o.Resolution = playback.Exact // a folder of a day would tell about all of that day
	}
	c, err := h.cfg.Playback.CoverageAt(ctx, camera, start, end, o)
	if err != nil {
		return fmt.Errorf("coverage of %s: %w", camera, err)
	}
	body := struct {
		Camera     string      `json:"camera_id"`
		Start      time.Time   `json:"start"`
		End        time.Time   `json:"end"`
		Resolution int64       `json:"resolution"` // seconds; 0: segment by segment
		Ranges     []rangeJSON `json:"ranges"`
	}{camera, start, end, int64(c.Resolution / time.Second), make([]rangeJSON, 0, len(c.Ranges))}
	for i, g := range c.Ranges {
		out := rangeJSON{Start: g.Start.UTC(), End: g.End.UTC(), Segments: g.Segments, Bytes: g.Bytes}
		if i < len(c.Activity) {
			out.Activity = activityOf(&c.Activity[i])
		}
		body.Ranges = append(body.Ranges, out)
	}
	cacheControl := h.openCache()
	if now.Sub(end) >= closedAfter {
		cacheControl = h.cacheScope() + closedCacheControl
	}
	return h.json(w, r, cacheControl, body)
}

// coverageOptions reads resolution and activity.
func (q *query) coverageOptions() (o playback.CoverageOptions, err error) {
	r, err := q.resolution.oneOf("auto", "exact", "minute", "hour", "day")
	if err != nil {
		return o, err
	}
	activity, err := q.activity.oneOf("0", "1")
	if err != nil {
		return o, err
	}
	o = playback.CoverageOptions{Resolution: playback.Resolution(r), Activity: activity == 1}
	if o.Activity && (o.Resolution == playback.Hour || o.Resolution == playback.Day) {
		return o, badParameter("activity", "sizes are known for resolution exact and minute only")
	}
	return o, nil
}

func (h *handler) json(w *response, r *http.Request, cacheControl string, v any) error {
	b, err := encodeJSON(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	h.render.make(jsonType, cacheControl, b, acceptsGzip(r.Header.Get("Accept-Encoding"))).serve(w, r)
	return nil
}

// encodeJSON gives v and a newline. Unlike json.Marshal it leaves <, > and & readable: answers are never part of a page.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

var _ Playback = (*playback.Service)(nil)
