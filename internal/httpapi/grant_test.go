// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// tape answers replays out of segments of 3 s from 11:00:01 on, as package playback does: from the one that runs at start.
type tape struct {
	*fake
	long time.Duration // ranges that are longer take the segment before the gap for one that runs until then
}

func (p tape) Replay(ctx context.Context, camera string, start, end time.Time) (hls.Playlist, error) {
	out := hls.Playlist{TargetDuration: 3, Type: hls.VOD, Ended: true, HasStart: true, StartOffset: time.Second}
	for at := tapeStart(); at.Before(end); at = at.Add(3 * time.Second) {
		if p.long > 0 && end.Sub(start) > p.long && start.Sub(at) < 9*time.Second || start.Sub(at) < 3*time.Second {
			out.Segments = append(out.Segments, hls.Segment{Key: at.Unix(), Duration: 3 * time.Second})
		}
	}
	err := p.call(ctx, "replay "+camera)
	if err == nil && len(out.Segments) == 0 {
		err = playback.ErrNoSegments
	}
	return out, err
}

func tapeStart() time.Time { return time.Date(2026, 11, 25, 11, 0, 1, 0, time.UTC) }

func at(clock string) time.Time {
	t, err := time.Parse("15:04:05", clock)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 11, 25, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// bounded is a server on which everybody may see 11:10:00 to 11:11:00; segments begin at 11:09:58, 11:10:01, ... 11:10:58.
func bounded(t *testing.T, change func(*httpapi.Config)) *server {
	s := serve(t, func(c *httpapi.Config) {
		c.Authorize = func(*http.Request, string) (httpapi.Grant, error) {
			return httpapi.Grant{From: at("11:10:00"), To: at("11:11:00"), Until: noon().Add(time.Hour)}, nil
		}
		c.Clips.Max = 1
		f := c.Playback.(*fake)
		c.Playback = tape{fake: f}
		f.objects = map[string]string{}
		for at := tapeStart(); at.Before(noon()); at = at.Add(3 * time.Second) {
			f.objects[segment.Key("cam", at)] = "TS"
		}
		if change != nil {
			change(c)
		}
	})
	s.cameras = []playback.Camera{{ID: "cam", Last: noon(), Live: true}}
	return s
}

func TestALinkToARangeShowsNothingElse(t *testing.T) {
	s := bounded(t, nil)
	const day = "2026-11-25T"
	for _, tt := range []struct {
		target string
		status int
		code   string
	}{
		{"/playlist.m3u8?camera_id=cam", 403, "live_not_allowed"},
		{"/replay.m3u8?camera_id=cam&start=" + day + "11:10:00Z&end=" + day + "11:11:00Z", 200, ""},
		{"/replay.m3u8?camera_id=cam&start=" + day + "11:10:20Z&end=" + day + "11:10:40Z", 200, ""},
		{"/replay.m3u8?camera_id=cam&start=" + day + "11:09:59Z&end=" + day + "11:11:00Z", 403, "outside_range"},
		{"/replay.m3u8?camera_id=cam&start=" + day + "11:09:59.999Z&end=" + day + "11:11:00Z", 403, "outside_range"},
		{"/replay.m3u8?camera_id=cam&start=" + day + "11:10:00Z&end=" + day + "11:11:00.001Z", 403, "outside_range"},
		{"/replay.m3u8?camera_id=cam&start=" + day + "11:10:00Z", 403, "outside_range"}, // would grow up to now
		{"/replay.m3u8?camera_id=cam&start=" + day + "11:11:00Z&end=" + day + "11:12:00Z", 403, "outside_range"},
		{"/replay.m3u8?camera_id=cam&start=" + day + "12:10:00%2b01:00&end=" + day + "12:11:00%2b01:00", 200, ""},
		{"/clip.ts?camera_id=cam&start=" + day + "11:09:00Z&end=" + day + "11:10:30Z", 403, "outside_range"},
		{"/clip.mp4?camera_id=cam&start=" + day + "11:10:00Z&end=" + day + "11:11:01Z", 403, "outside_range"},
		{"/clip.mp4?camera_id=cam&start=" + day + "11:10:00Z&end=" + day + "11:11:00Z", 422, "damaged_segment"}, // it is no TS, but was looked at
		{"/coverage?camera_id=cam&start=" + day + "10:00:00Z&end=" + day + "11:10:00Z", 403, "outside_range"},
		{"/coverage?camera_id=cam&start=" + day + "11:11:00Z", 403, "outside_range"},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := s.do(method, tt.target)
			if r.StatusCode != tt.status {
				t.Errorf("%s %s: status %d, want %d", method, tt.target, r.StatusCode, tt.status)
			} else if method == "GET" && tt.code != "" {
				if m := wantError(t, r, tt.status, tt.code); tt.status == 403 && !strings.Contains(m, "from 2026-11-25T11:10:00Z to 2026-11-25T11:11:00Z") {
					t.Errorf("%s: the message does not tell the range: %s", tt.target, m)
				}
			}
		}
	}
	if got, want := body(t, s.get("/cameras")), `{"cameras":[{"id":"cam","last":null,"live":false}]}`+"\n"; got != want {
		t.Errorf("/cameras is %s, want %s", got, want)
	}
}

// Every second of an hour as the key of a segment: those that run within the range are served, and no other.
func TestALinkToARangeOpensTheSegmentsThatRunWithin(t *testing.T) {
	s := bounded(t, nil)
	list := body(t, s.get("/replay.m3u8?camera_id=cam&start=2026-11-25T11:10:00Z&end=2026-11-25T11:11:00Z"))
	served := 0
	for at := tapeStart(); at.Before(noon()); at = at.Add(3 * time.Second) {
		key := segment.Key("cam", at)
		want := 403
		if !at.Before(time.Date(2026, 11, 25, 11, 9, 58, 0, time.UTC)) && at.Before(time.Date(2026, 11, 25, 11, 11, 0, 0, time.UTC)) {
			want = 200
			served++
		}
		if r := s.get("/segments/" + key); r.StatusCode != want {
			t.Errorf("%s: status %d, want %d", key, r.StatusCode, want)
		}
		if listed := strings.Contains(list, key); listed != (want == 200) {
			t.Errorf("%s: listed %v", key, listed)
		}
	}
	if served != 21 {
		t.Errorf("%d segments, want 21", served)
	}
}

// What one way of looking takes for a segment that runs at the start of the range, and the other for one before a gap, is neither
// listed nor served: a player is never sent to a segment that it does not get.
func TestAReplayListsWhatIsServed(t *testing.T) {
	for _, delivery := range []httpapi.Delivery{httpapi.Direct, httpapi.Redirect, httpapi.Presign} {
		s := bounded(t, func(c *httpapi.Config) {
			c.Replay, c.Live = delivery, delivery
			c.Authorize = func(*http.Request, string) (httpapi.Grant, error) {
				return httpapi.Grant{From: at("11:10:00"), To: at("11:20:00"), Until: noon().Add(time.Hour)}, nil
			}
			c.Playback = tape{fake: c.Playback.(tape).fake, long: 5 * time.Minute}
		})
		list := body(t, s.get("/replay.m3u8?camera_id=cam&start=2026-11-25T11:10:00Z&end=2026-11-25T11:20:00Z"))
		if strings.Contains(list, "11/09/55") || !strings.Contains(list, "11/09/58") || strings.Contains(list, "EXT-X-START") || !strings.Contains(list, "11/19/58") {
			t.Errorf("delivery %d lists\n%s", delivery, list[:600])
		}
		for key, want := range map[string]bool{"11/09/55": false, "11/09/58": true} {
			if r := s.get("/segments/cam/2026/11/25/" + key + ".ts"); (r.StatusCode < 400) != want || r.StatusCode >= 400 && r.Header.Get("Location") != "" {
				t.Errorf("delivery %d: segment %s: status %d", delivery, key, r.StatusCode)
			}
		}
	}
}

func TestACoverageIsCutToTheRange(t *testing.T) {
	s := bounded(t, nil)
	for _, query := range []string{"start=2026-11-25T00:00:00Z", "start=2026-11-25T11:10:00Z&end=2026-11-25T12:00:00Z", "start=0&end=1800000000&resolution=day", "start=2020-01-01T00:00:00Z&resolution=minute&activity=1"} {
		s.asked = nil
		r := s.get("/coverage?camera_id=cam&" + query)
		text := body(t, r)
		if r.StatusCode != 200 || !strings.Contains(text, `"start":"2026-11-25T11:10:00Z","end":"2026-11-25T11:11:00Z"`) {
			t.Errorf("%s: %d %s", query, r.StatusCode, text)
		}
		if len(s.asked) != 1 || s.asked[0] != "coverage cam 2026-11-25T11:10:00Z 2026-11-25T11:11:00Z" || s.options.Resolution != playback.Exact {
			t.Errorf("%s: asked for %q with %+v", query, s.asked, s.options)
		}
	}
}

// Signed URLs of the store are made for no longer than the link is good.
func TestSignedURLsEndWithTheLink(t *testing.T) {
	for _, tt := range []struct {
		left   time.Duration
		signed bool
	}{{15*time.Minute + time.Second, false}, {16*time.Minute - time.Second, false}, {16 * time.Minute, true}, {time.Hour, true}} {
		s := bounded(t, func(c *httpapi.Config) {
			c.Live, c.Replay = httpapi.Presign, httpapi.Presign
			c.Authorize = func(*http.Request, string) (httpapi.Grant, error) {
				return httpapi.Grant{From: at("11:10:00"), To: at("11:11:00"), Until: noon().Add(tt.left)}, nil
			}
		})
		list := body(t, s.get("/replay.m3u8?camera_id=cam&start=2026-11-25T11:10:00Z&end=2026-11-25T11:11:00Z"))
		if got := strings.Contains(list, "X-Amz-Signature"); got != tt.signed || !tt.signed && !strings.Contains(list, "\nsegments/cam/") {
			t.Errorf("with %v left: signed %v, want %v\n%s", tt.left, got, tt.signed, list[:300])
		}
	}
}

// A cache keeps answers apart by who asked, a browser's own too.
func TestAuthorisedAnswersVaryByWhoAsks(t *testing.T) {
	s := bounded(t, func(c *httpapi.Config) { c.CORSOrigins = []string{"https://a.example"} })
	for _, target := range []string{"/replay.m3u8?camera_id=cam&start=2026-11-25T11:10:00Z&end=2026-11-25T11:11:00Z", "/segments/cam/2026/11/25/11/10/01.ts", "/cameras", "/coverage?camera_id=cam&start=2026-11-25T11:10:00Z", "/playlist.m3u8?camera_id=cam"} {
		r := s.get(target)
		vary := strings.Join(r.Header.Values("Vary"), ", ")
		for _, name := range []string{"Authorization", "Cookie", "Origin"} {
			if !strings.Contains(vary, name) {
				t.Errorf("%s: Vary %q lacks %s", target, vary, name)
			}
		}
		if cache := r.Header.Get("Cache-Control"); strings.Contains(cache, "public") || cache == "" {
			t.Errorf("%s: Cache-Control %q", target, cache)
		}
	}
}
