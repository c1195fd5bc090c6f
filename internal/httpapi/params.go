// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// query is the parsed query of one request. Parameters that we do not know are left alone: players and caches add
// their own. A parameter that we know may be given once.
type query struct {
	values url.Values
}

func parseQuery(r *http.Request) (query, error) {
	// A camera id and two times are far shorter; the limit keeps the parser's work small.
	if len(r.URL.RawQuery) > maxQueryBytes {
		return query{}, badRequest("query_too_long", "the query is too long: at most %d bytes", maxQueryBytes)
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query{}, badRequest("bad_query", "the query cannot be decoded: write %%XX for special characters and & between parameters")
	}
	return query{values}, nil
}

// one returns the value of a parameter and whether it was given.
func (q query) one(name string) (string, bool, error) {
	v := q.values[name]
	switch {
	case len(v) == 0:
		return "", false, nil
	case len(v) > 1:
		return "", false, badParameter(name, "it is given %d times; give it once", len(v))
	case v[0] == "":
		return "", false, badParameter(name, "it is empty; give it a value or leave it out")
	}
	return v[0], true, nil
}

// camera returns camera_id, cleaned of slashes around it.
func (q query) camera() (string, error) {
	v, given, err := q.one("camera_id")
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

// time returns a time parameter, the zero time when it was not given.
func (q query) time(name string) (time.Time, error) {
	v, given, err := q.one(name)
	if err != nil || !given {
		return time.Time{}, err
	}
	t, err := ParseTime(v)
	if err != nil {
		return time.Time{}, badParameter(name, "%v", err)
	}
	return t, nil
}

// timeRange returns start and end. start must be given. A missing end is the zero time.
func (q query) timeRange() (start, end time.Time, err error) {
	if start, err = q.time("start"); err != nil {
		return start, end, err
	}
	if start.IsZero() {
		return start, end, badParameter("start", "it is missing; write %s", TimeForms)
	}
	if end, err = q.time("end"); err != nil {
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
	if err == nil {
		camera, err = q.camera()
	}
	if err == nil {
		start, end, err = q.timeRange()
	}
	return camera, start, end, err
}
