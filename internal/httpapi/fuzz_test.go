// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/segment"
)

// Whatever a client sends, the answer is no failure of the server, and the store is asked for segments only.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/playlist.m3u8", "camera_id=cam", "gzip;q=0.5", `W/"x", "y"`, "bytes=0-1")
	f.Add("GET", "/playlist.m3u8", "&x;y=1&=&camera%5Fid=a%2Fb+c", "gzip", "", "")
	f.Add("HEAD", "/segments/"+segmentKey, "", "*;q=", "*", "bytes=1-")
	f.Add("GET", "/replay.m3u8", "camera_id=a&start=1&end=2021-05-01T00:00:00 08:00", ";,", `"`, "bytes=-")
	f.Add("OPTIONS", "/coverage", "camera_id=%2e%2e&start=%", "", "W/", "=")
	f.Add("GET", "/clip.mp4", "camera_id=front-door&start=2026-11-25 11:00:00&end=2026-11-25 13:00:00&partial=1&name=%22%0a..%2F", "", "", "")
	f.Add("HEAD", "/clip.ts", "camera_id=front-door&start=2026-11-25 11:00:00&end=2026-11-25 13:00:00&gaps=cut", "", "", "")
	f.Add("GET", "/coverage", "camera_id=a&start=1&resolution=exact&activity=1", "", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, accept, match, ranges string) {
		fake := newFake()
		fake.objects = map[string]string{segmentKey: "0123456789"}
		h, err := httpapi.New(httpapi.Config{Playback: fake, Objects: fake, Fault: classify, Now: noon, Clips: httpapi.Clips{Max: 1}})
		if err != nil {
			t.Fatal(err)
		}
		s := &server{fake: fake, handler: h}
		r := s.do(strings.ToUpper(strings.Map(letters, method)), path+"?"+query, "Accept-Encoding", accept, "If-None-Match", match, "Range", ranges)
		if r.StatusCode >= 500 || r.StatusCode < 200 {
			t.Errorf("status %d", r.StatusCode)
		}
		if r.StatusCode >= 400 && r.StatusCode != http.StatusRequestedRangeNotSatisfiable && r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("status %d as %s", r.StatusCode, r.Header.Get("Content-Type"))
		}
		values, err := url.ParseQuery(query)
		for _, asked := range fake.asked {
			if camera, ok := strings.CutPrefix(asked, "live "); ok && (err != nil || len(values["camera_id"]) != 1 || camera != strings.Trim(values.Get("camera_id"), "/")) {
				t.Errorf("camera %q of query %q, which url.ParseQuery reads as %q, %v", camera, query, values, err)
			}
			if key, ok := strings.CutPrefix(asked, "open "); ok {
				if _, _, ok := segment.ParseKey(key); !ok {
					t.Errorf("the store was asked for %q", key)
				}
			}
		}
	})
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return 'X'
}
