// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// query holds the parameters that we know. Others are left alone: players and caches add their own.
type query struct {
	camera, start, end parameter

	name, partial, gaps  parameter // of clips
	resolution, activity parameter // of coverage
}

// parameter is one that may be given once.
type parameter struct {
	name, value string // the first value
	times       int    // how often it was given
}

// parseQuery decodes as url.ParseQuery does, but allocates nothing for a query without escapes, such as that of a poll.
func parseQuery(r *http.Request) (query, error) {
	q := query{
		camera: parameter{name: "camera_id"}, start: parameter{name: "start"}, end: parameter{name: "end"},
		name: parameter{name: "name"}, partial: parameter{name: "partial"}, gaps: parameter{name: "gaps"},
		resolution: parameter{name: "resolution"}, activity: parameter{name: "activity"},
	}
	rest := r.URL.RawQuery
	// A camera id and two times are far shorter; the limit keeps the parser's work small.
	if len(rest) > maxQueryBytes {
		return q, badRequest("query_too_long", "the query is too long: at most %d bytes", maxQueryBytes)
	}
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		k, v, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(v)
		if err != nil || err2 != nil || strings.Contains(pair, ";") {
			return q, badRequest("bad_query", "the query cannot be decoded: write %%XX for special characters and & between parameters")
		}
		for _, p := range [...]*parameter{&q.camera, &q.start, &q.end, &q.name, &q.partial, &q.gaps, &q.resolution, &q.activity} {
			if p.name == name {
				if p.times++; p.times == 1 {
					p.value = value
				}
			}
		}
	}
	return q, nil
}

// get returns the value and whether it was given.
func (p *parameter) get() (string, bool, error) {
	switch {
	case p.times == 0:
		return "", false, nil
	case p.times > 1:
		return "", false, badParameter(p.name, "it is given %d times; give it once", p.times)
	case p.value == "":
		if p.name != "end" {
			return "", false, badParameter(p.name, "it is empty; give it a value")
		}
		return "", false, badParameter(p.name, "it is empty; give it a value, or leave it out for up to now")
	}
	return p.value, true, nil
}

// oneOf returns the place of the value in words, 0 when it was not given.
func (p *parameter) oneOf(words ...string) (int, error) {
	v, given, err := p.get()
	if err != nil || !given {
		return 0, err
	}
	if i := slices.Index(words, v); i >= 0 {
		return i, nil
	}
	return 0, badParameter(p.name, "write one of %s", strings.Join(words, ", "))
}

// time returns the value as a time, the zero time when it was not given.
func (p *parameter) time() (time.Time, error) {
	v, given, err := p.get()
	if err != nil || !given {
		return time.Time{}, err
	}
	t, err := ParseTime(v)
	if err != nil {
		return time.Time{}, badParameter(p.name, "%v", err)
	}
	return t, nil
}

// cameraID returns camera_id, cleaned of slashes around it.
func (q *query) cameraID() (string, error) {
	v, given, err := q.camera.get()
	if err != nil {
		return "", err
	}
	if !given {
		return "", badParameter("camera_id", "it is missing; add camera_id=, the prefix under which the camera stores its segments")
	}
	id, err := segment.CleanPrefix(v)
	if err != nil {
		return "", badParameter("camera_id", "%s", strings.TrimPrefix(err.Error(), "bad camera prefix "))
	}
	return id, nil
}

// timeRange returns start and end. start must be given. A missing end is the zero time.
func (q *query) timeRange() (start, end time.Time, err error) {
	if start, err = q.start.time(); err != nil {
		return start, end, err
	}
	if start.IsZero() {
		return start, end, badParameter("start", "it is missing; write %s", TimeForms)
	}
	if end, err = q.end.time(); err != nil {
		return start, end, err
	}
	if !end.IsZero() && !end.After(start) {
		return start, end, badParameter("end", "it must be after start (%s); swap them or choose a later end", start.Format(time.RFC3339Nano))
	}
	return start, end, nil
}

// cameraAndRange reads the parameters of a request about footage.
func cameraAndRange(r *http.Request) (camera string, start, end time.Time, err error) {
	q, err := parseQuery(r)
	if err != nil {
		return camera, start, end, err
	}
	return q.cameraAndRange()
}

func (q *query) cameraAndRange() (camera string, start, end time.Time, err error) {
	camera, err = q.cameraID()
	if err == nil {
		start, end, err = q.timeRange()
	}
	return camera, start, end, err
}
