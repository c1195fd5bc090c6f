// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/clip/cliptest"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// recorded fills the fake store with n segments of 3 s from 11:00 on and offers clips.
func recorded(t *testing.T, n int, change func(*httpapi.Config)) *server {
	t.Helper()
	s := serve(t, func(c *httpapi.Config) {
		c.Clips = httpapi.Clips{Max: 2}
		if change != nil {
			change(c)
		}
	})
	s.objects = map[string]string{}
	var cam cliptest.Camera
	for i := range n {
		at := eleven().Add(time.Duration(i) * 3 * time.Second)
		s.objects[segment.Key("front-door", at)] = string(cam.Segment(at, 75))
	}
	return s
}

func eleven() time.Time { return noon().Add(-time.Hour) }

// clipURL is a clip of front-door between two offsets from eleven.
func clipURL(form string, from, to time.Duration, more string) string {
	return "/clip." + form + "?camera_id=front-door&start=" + eleven().Add(from).Format(time.RFC3339Nano) + "&end=" + eleven().Add(to).Format(time.RFC3339Nano) + more
}

func TestClipSaysWhatItDelivers(t *testing.T) {
	s := recorded(t, 20, nil)
	r := s.get(clipURL("mp4", 10500*time.Millisecond, 20200*time.Millisecond, ""))
	data := body(t, r)
	for name, want := range map[string]string{
		"Content-Type":        "video/mp4",
		"Content-Disposition": `attachment; filename="front-door_2026-11-25T11-00-10Z_11s.mp4"`,
		"Cache-Control":       "no-store",
		"X-S3cam-Start":       "2026-11-25T11:00:10Z", // GOPs of one second
		"X-S3cam-End":         "2026-11-25T11:00:21Z",
		"X-S3cam-Segments":    "4",
		"Content-Length":      "",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.StatusCode != 200 || !strings.HasPrefix(data[4:], "ftyp") || !strings.Contains(data, "moof") || !strings.Contains(data[len(data)-24:], "mfro") {
		t.Errorf("status %d, %d bytes that are no whole MP4", r.StatusCode, len(data))
	}
	if got := r.Trailer.Get("X-S3cam-Skipped") + r.Trailer.Get("X-S3cam-Gaps"); got != "00" {
		t.Errorf("trailer %v", r.Trailer)
	}
	head := s.do(http.MethodHead, clipURL("mp4", 10500*time.Millisecond, 20200*time.Millisecond, ""))
	if body(t, head) != "" || head.Header.Get("X-S3cam-End") != r.Header.Get("X-S3cam-End") {
		t.Errorf("HEAD: %v", head.Header)
	}
}

func TestClipAsTSIsTheSegments(t *testing.T) {
	s := recorded(t, 20, nil)
	r := s.get(clipURL("ts", 10500*time.Millisecond, 20200*time.Millisecond, "&name=my+clip"))
	want := ""
	for i := 3; i < 7; i++ {
		want += s.objects[segment.Key("front-door", eleven().Add(time.Duration(i)*3*time.Second))]
	}
	if got := body(t, r); got != want || r.ContentLength != int64(len(want)) {
		t.Errorf("%d bytes, Content-Length %d, want %d", len(got), r.ContentLength, len(want))
	}
	if got := r.Header.Get("Content-Type") + " " + r.Header.Get("Content-Disposition"); got != `video/mp2t attachment; filename="my clip.ts"` {
		t.Errorf("headers %s", got)
	}
}

func TestClipNames(t *testing.T) {
	s := recorded(t, 3, nil)
	for name, want := range map[string]string{
		"&name=garage.mp4":                   `attachment; filename="garage.mp4"`,
		"&name=..%2F..%2Fetc%2Fpasswd%00":    `attachment; filename="-..-etc-passwd.mp4"`,
		"&name=a%22%3B%20b%0D%0AX-Evil:%201": `attachment; filename="a-- bX-Evil- 1.mp4"`,
		"&name=%E5%A4%A7%E9%97%A8%20%2B1":    `attachment; filename="__ +1.mp4"; filename*=UTF-8''%E5%A4%A7%E9%97%A8%20%2B1.mp4`,
		"&name=%FF...":                       `attachment; filename="front-door_2026-11-25T11-00-00Z_3s.mp4"`,
	} {
		r := s.do(http.MethodHead, clipURL("mp4", 0, 3*time.Second, name))
		if got := r.Header.Get("Content-Disposition"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestClipRefusals(t *testing.T) {
	s := recorded(t, 5, func(c *httpapi.Config) { c.Clips.MaxLength = time.Hour })
	tests := []struct {
		name, target string
		status       int
		code         string
	}{
		{"no end", "/clip.mp4?camera_id=front-door&start=2026-11-25T11:00:00Z", 400, "bad_end"},
		{"no camera", "/clip.mp4?start=2026-11-25T11:00:00Z&end=2026-11-25T11:00:01Z", 400, "bad_camera_id"},
		{"too long", clipURL("mp4", 0, 2*time.Hour, ""), 400, "bad_end"},
		{"strange partial", clipURL("mp4", 0, time.Minute, "&partial=yes"), 400, "bad_partial"},
		{"strange gaps", clipURL("ts", 0, time.Minute, "&gaps=squeeze"), 400, "bad_gaps"},
		{"nothing there", clipURL("mp4", 5*time.Minute, 6*time.Minute, ""), 404, "no_segments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, s.get(tt.target), tt.status, tt.code) })
	}
	// Where clips are not offered, nothing is looked up.
	off := recorded(t, 5, func(c *httpapi.Config) { c.Clips.Max = 0 })
	wantError(t, off.get(clipURL("mp4", 0, time.Minute, "")), 501, "clips_not_offered")
	if len(off.asked) > 0 {
		t.Errorf("asked for %q", off.asked)
	}
	denied := recorded(t, 5, func(c *httpapi.Config) {
		c.Authorize = func(*http.Request, string) (g httpapi.Grant, err error) { return g, errors.New("no") }
	})
	wantError(t, denied.get(clipURL("ts", 0, time.Minute, "")), 403, "forbidden")
}

func TestClipWithADamagedSegmentIsRefusedOrBreaksOff(t *testing.T) {
	at := func(i int) string { return segment.Key("front-door", eleven().Add(time.Duration(i)*3*time.Second)) }
	whole := recorded(t, 10, nil).objects
	damage := func(i int) func(map[string]string) {
		return func(o map[string]string) { o[at(i)] = o[at(i)][:188*40] + o[at(i)][188*43:] } // 3 packets lost
	}
	tests := []struct {
		name    string
		change  func(map[string]string)
		refused bool // before the first byte
		lost    time.Duration
	}{
		{"first one damaged", damage(0), true, 0},
		{"last one damaged", damage(9), true, 0},
		{"one in the middle damaged", damage(5), false, 0},
		{"one in the middle empty", func(o map[string]string) { o[at(5)] = "" }, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := recorded(t, 0, nil)
			maps.Copy(s.objects, whole)
			tt.change(s.objects)
			ts := httptest.NewServer(s.handler)
			defer ts.Close()
			r, err := http.Get(ts.URL + clipURL("mp4", 0, time.Minute, ""))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if tt.refused {
				wantError(t, r, 422, "damaged_segment")
			} else if _, err := io.ReadAll(r.Body); err == nil {
				t.Error("the download looks complete")
			}
			// With partial=1 it is complete and says what is missing.
			p, err := http.Get(ts.URL + clipURL("mp4", 0, time.Minute, "&partial=1"))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Body.Close()
			if data, err := io.ReadAll(p.Body); err != nil || len(data) < 100_000 {
				t.Errorf("partial: %d bytes, %v", len(data), err)
			}
			if p.Trailer.Get("X-S3cam-Skipped") == "0" && p.Trailer.Get("X-S3cam-Damaged") == "0" {
				t.Errorf("partial: trailer %v", p.Trailer)
			}
		})
	}
}

func TestClipEndsWhenTheStoreBreaksOff(t *testing.T) {
	s := recorded(t, 10, nil)
	s.growth = map[time.Time]int64{eleven().Add(15 * time.Second): 188} // the object is shorter than its listing said
	ts := httptest.NewServer(s.handler)
	defer ts.Close()
	for _, form := range []string{"mp4", "ts"} {
		r, err := http.Get(ts.URL + clipURL(form, 0, time.Minute, ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Errorf("%s: the download looks complete", form)
		}
		r.Body.Close()
	}
	ts.Close() // waits for the handlers
	if !strings.Contains(s.log.String(), "is damaged") {
		t.Errorf("the log does not say why:\n%s", s.log)
	}
}

// A client that goes away stops the reading, and makes room for another.
func TestClipsAreBoundedAndEndWithTheirClient(t *testing.T) {
	started, release := make(chan string, 100), make(chan struct{})
	s := recorded(t, 10, func(c *httpapi.Config) { c.Clips.Max = 1 })
	s.open = func(o httpapi.Object) io.ReadCloser {
		started <- o.ETag
		if len(started) > 3 { // the first, the last and one more have come
			<-release
		}
		return o.Body
	}
	ts := httptest.NewServer(s.handler)
	defer ts.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, ts.URL+clipURL("mp4", 0, time.Minute, ""), nil)
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	busy := s.get(clipURL("mp4", 0, time.Minute, ""))
	wantError(t, busy, 503, "too_many_clips")
	if busy.Header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After %q", busy.Header.Get("Retry-After"))
	}
	cancel()
	r.Body.Close()
	close(release)
	polltest.Until(t, 20*time.Second, "the place of a client that went away is free again", func() bool {
		return s.get(clipURL("ts", 0, 9*time.Second, "")).StatusCode == 200
	})
	if n := len(started); n > 20 {
		t.Errorf("%d segments were opened", n)
	}
}

// Holders of links, who take their clips as slowly as they like, leave half of the places to those who log in.
func TestGuestsTakeHalfOfTheClips(t *testing.T) {
	release := make(chan struct{})
	s := recorded(t, 10, func(c *httpapi.Config) {
		c.Clips.Max = 4
		c.Authorize = func(r *http.Request, _ string) (httpapi.Grant, error) {
			return httpapi.Grant{Guest: r.Header.Get("Authorization") != ""}, nil
		}
	})
	s.open = func(o httpapi.Object) io.ReadCloser {
		<-release
		return o.Body
	}
	answers := make(chan int, 10)
	for _, who := range []string{"guest", "guest", "guest", "guest", "guest", "", ""} {
		go func() {
			var headers []string
			if who != "" {
				headers = []string{"Authorization", who}
			}
			answers <- s.get(clipURL("ts", 0, 9*time.Second, ""), headers...).StatusCode
		}()
	}
	for range 3 { // of five guests two are served
		if got := <-answers; got != 503 {
			t.Errorf("a guest too many: %d", got)
		}
	}
	close(release)
	for range 4 {
		if got := <-answers; got != 200 {
			t.Errorf("one of two guests and two others: %d", got)
		}
	}
}

func TestCoverageTakesResolutionAndActivity(t *testing.T) {
	s := serve(t, nil)
	at := eleven()
	s.coverage = playback.Coverage{
		Start: at, End: noon(),
		Ranges: []playback.Range{{Start: at, End: at.Add(9 * time.Second), Segments: 3, Bytes: 60}, {Start: at.Add(time.Minute), End: at.Add(65 * time.Second), Segments: 2, Bytes: 50}},
		Activity: []playback.Activity{
			{Start: at, Durations: []uint32{3000, 3000, 3000}, Bytes: []int64{10, 20, 30}},
			{Start: at.Add(time.Minute), Durations: []uint32{2000, 3000}, Bytes: []int64{20, 30}},
		},
	}
	got := body(t, s.get("/coverage?camera_id=cam&start=2026-11-25T11:00:00Z&resolution=exact&activity=1"))
	want := `{"camera_id":"cam","start":"2026-11-25T11:00:00Z","end":"2026-11-25T12:00:00Z","resolution":0,"ranges":[` +
		`{"start":"2026-11-25T11:00:00Z","end":"2026-11-25T11:00:09Z","segments":3,"bytes":60,"activity":{"start":"2026-11-25T11:00:00Z","step":3,"bytes":[10,20,30]}},` +
		`{"start":"2026-11-25T11:01:00Z","end":"2026-11-25T11:01:05Z","segments":2,"bytes":50,"activity":{"start":"2026-11-25T11:01:00Z","durations":[2000,3000],"bytes":[20,30]}}]}` + "\n"
	if got != want || s.options != (playback.CoverageOptions{Resolution: playback.Exact, Activity: true}) {
		t.Errorf("options %+v, answer\n%s\nwant\n%s", s.options, got, want)
	}
	for query, want := range map[string]playback.CoverageOptions{
		"": {}, "&resolution=auto": {}, "&resolution=day": {Resolution: playback.Day}, "&resolution=hour&activity=0": {Resolution: playback.Hour},
		"&resolution=minute&activity=1": {Resolution: playback.Minute, Activity: true}, "&activity=1": {Activity: true},
	} {
		if r := s.get("/coverage?camera_id=cam&start=2026-11-25T11:00:00Z" + query); r.StatusCode != 200 || s.options != want {
			t.Errorf("%q: status %d, options %+v, want %+v", query, r.StatusCode, s.options, want)
		}
	}
	for query, code := range map[string]string{"&resolution=week": "bad_resolution", "&resolution=": "bad_resolution", "&activity=yes": "bad_activity", "&resolution=day&activity=1": "bad_activity"} {
		wantError(t, s.get("/coverage?camera_id=cam&start=2026-11-25T11:00:00Z"+query), 400, code)
	}
}

// Scrub pictures are read by ranged requests from pages of other origins too.
func TestHeadsOfSegmentsCanBeReadAcrossOrigins(t *testing.T) {
	s := recorded(t, 1, func(c *httpapi.Config) { c.CORSOrigins = []string{"https://site.example"} })
	key := segment.Key("front-door", eleven())
	r := s.get("/segments/"+key, "Range", "bytes=0-8191", "Origin", "https://site.example")
	if got := body(t, r); r.StatusCode != 206 || got != s.objects[key][:8192] || !strings.HasPrefix(r.Header.Get("Content-Range"), "bytes 0-8191/") {
		t.Errorf("status %d, %d bytes, Content-Range %q", r.StatusCode, len(got), r.Header.Get("Content-Range"))
	}
	exposed := r.Header.Get("Access-Control-Expose-Headers")
	for _, name := range []string{"Content-Range", "X-S3cam-Estimated-Bytes", "X-S3cam-Start", "X-S3cam-End"} {
		if !strings.Contains(exposed, name) || r.Header.Get("Access-Control-Allow-Origin") != "https://site.example" {
			t.Errorf("%s is not exposed: %q", name, exposed)
		}
	}
	preflight := s.do(http.MethodOptions, "/segments/"+key, "Origin", "https://site.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "range")
	if !strings.Contains(preflight.Header.Get("Access-Control-Allow-Headers"), "Range") {
		t.Errorf("preflight %v", preflight.Header)
	}
}

// large is recorded with pictures so large that no buffer between server and client holds the clip.
func large(t *testing.T, change func(*httpapi.Config)) *server {
	s := recorded(t, 0, change)
	cam := cliptest.Camera{Bytes: 20_000}
	for i := range 20 {
		at := eleven().Add(time.Duration(i) * 3 * time.Second)
		s.objects[segment.Key("front-door", at)] = string(cam.Segment(at, 75))
	}
	return s
}

// The time limit of an answer is for segments: a clip takes as long as its client does, as long as that takes anything.
func TestClipOutlivesTheWriteTimeout(t *testing.T) {
	s := large(t, nil)
	ts := httptest.NewUnstartedServer(s.handler)
	ts.Config.WriteTimeout = time.Millisecond // over long before some 30 MB have gone through the buffers of a connection
	ts.Start()
	defer ts.Close()
	r, err := http.Get(ts.URL + clipURL("mp4", 0, time.Minute, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if n, err := io.Copy(io.Discard, r.Body); err != nil || n < 29_000_000 {
		t.Errorf("after %d bytes: %v", n, err)
	}
}

func TestClipOfAClientThatTakesNothingIsGivenUp(t *testing.T) {
	s := large(t, func(c *httpapi.Config) { c.Clips = httpapi.Clips{Max: 1, Stall: 100 * time.Millisecond} })
	ts := httptest.NewServer(s.handler)
	defer ts.Close()
	r, err := http.Get(ts.URL + clipURL("mp4", 0, time.Minute, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	polltest.Until(t, 20*time.Second, "the place of a client that takes nothing is free again", func() bool {
		return s.do(http.MethodHead, clipURL("mp4", 0, time.Minute, "")).StatusCode == 200
	})
	if _, err := io.ReadAll(r.Body); err == nil {
		t.Error("the download looks complete")
	}
}
