// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/httpapi"
)

func TestLivePlaylist(t *testing.T) {
	s := serve(t, nil)
	r := s.get("/playlist.m3u8?camera_id=shop/door%201")
	text := body(t, r)
	p, err := hls.Parse([]byte(text))
	if err != nil || len(p.Segments) != 6 || p.MediaSequence != 100 {
		t.Fatalf("%v, %d segments from %d in\n%s", err, len(p.Segments), p.MediaSequence, text)
	}
	if got, want := p.Segments[0].URI, "segments/shop/door%201/2026/11/25/11/59/00.ts"; got != want {
		t.Errorf("first segment %q, want %q: relative and escaped", got, want)
	}
	for name, want := range map[string]string{"Content-Type": "application/vnd.apple.mpegurl", "Cache-Control": "max-age=0, must-revalidate",
		"Content-Length": fmt.Sprint(len(text)), "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	head := s.do(http.MethodHead, "/playlist.m3u8?camera_id=shop/door%201")
	if got := body(t, head); got != "" || head.Header.Get("Content-Length") != r.Header.Get("Content-Length") || head.StatusCode != 200 {
		t.Errorf("HEAD gives status %d, length %s, body %q; want GET's headers alone", head.StatusCode, head.Header.Get("Content-Length"), got)
	}

	tag := r.Header.Get("Etag")
	if again := s.get("/playlist.m3u8?camera_id=shop/door%201", "If-None-Match", `"x", `+tag); again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("the same playlist again is status %d, want 304 without a body", again.StatusCode)
	}
	s.live = window(101, 6)
	s.now = s.now.Add(time.Second)
	if again := s.get("/playlist.m3u8?camera_id=shop/door%201", "If-None-Match", tag); again.StatusCode != 200 || again.Header.Get("Etag") == tag {
		t.Errorf("after the window moved: status %d, ETag %s; want 200 and another tag", again.StatusCode, again.Header.Get("Etag"))
	}
}

// Many viewers of one camera are one question to playback each 50 ms.
func TestLivePlaylistIsSharedByViewers(t *testing.T) {
	s := serve(t, nil)
	for i := range 100 {
		s.live = window(100+int64(i), 6) // a new segment each time
		s.get("/playlist.m3u8?camera_id=cam")
		s.get("/playlist.m3u8?camera_id=other")
		s.now = s.now.Add(5 * time.Millisecond)
	}
	if len(s.asked) != 20 {
		t.Errorf("100 polls in 500 ms of two cameras asked playback %d times, want 10 for each", len(s.asked))
	}
	s.now = s.now.Add(-time.Hour) // a clock that is set back must not keep an old playlist
	before := len(s.asked)
	if s.get("/playlist.m3u8?camera_id=cam"); len(s.asked) != before+1 {
		t.Error("after the clock was set back playback is not asked")
	}
}

func TestGzipOnlyForThoseWhoAccept(t *testing.T) {
	s := serve(t, nil)
	plain := body(t, s.get("/playlist.m3u8?camera_id=cam"))
	tests := []struct {
		accept string
		want   bool
	}{
		{"", false}, {"gzip", true}, {"GZIP", true}, {"gzip, deflate, br", true}, {"br;q=1.0, gzip;q=0.8, *;q=0.1", true}, {"*", true},
		{"gzip;q=0", false}, {"gzip;q=0.000, *", false}, {"identity", false}, {"deflate", false}, {"*;q=0", false}, {"gzip;q=x", false}, {";,;=,", false},
	}
	for _, target := range []string{"/playlist.m3u8?camera_id=cam", "/replay.m3u8?camera_id=cam&start=1763000000&end=1763000060"} {
		for _, tt := range tests {
			r := s.get(target, "Accept-Encoding", tt.accept)
			zipped := r.Header.Get("Content-Encoding") == "gzip"
			if zipped != tt.want || !strings.Contains(r.Header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("%s with Accept-Encoding %q: gzip %v, Vary %q; want %v", target, tt.accept, zipped, r.Header.Get("Vary"), tt.want)
			}
			if text := body(t, r); !strings.HasPrefix(text, "#EXTM3U\n") || strings.HasPrefix(target, "/playlist") && text != plain {
				t.Errorf("%s with Accept-Encoding %q decodes to %q", target, tt.accept, text)
			}
		}
	}
}

func TestReplayPlaylist(t *testing.T) {
	noonUTC := "2021-05-01T11:00:00Z"
	tests := []struct {
		name, query, want string
	}{
		{"a space as %20", "start=2021-05-01%2011:00:00&end=2021-05-01%2012:00:00", noonUTC + " 2021-05-01T12:00:00Z"},
		{"a space as plus", "start=2021-05-01+11:00:00&end=2021-05-01+12:00:00", noonUTC + " 2021-05-01T12:00:00Z"},
		{"a raw space, as API Gateway hands it on", "start=2021-05-01 11:00:00&end=2021-05-01 12:00:00", noonUTC + " 2021-05-01T12:00:00Z"},
		{"the form of the manual's text", "start=2021-05-01%2011-00-00&end=2021-05-01%2012-00-00", noonUTC + " 2021-05-01T12:00:00Z"},
		{"RFC 3339 with an unescaped plus", "start=2021-05-01T13:00:00+02:00&end=2021-05-01T12:00:00Z", noonUTC + " 2021-05-01T12:00:00Z"},
		{"Unix seconds", "start=1619866800&end=1619866860.5", noonUTC + " 2021-05-01T11:01:00.5Z"},
		{"no end", "start=1619866800", noonUTC + " open"},
		{"parameters of others", "start=1619866800&_HLS_msn=3&_t=1&_t=2", noonUTC + " open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil)
			r := s.get("/replay.m3u8?camera_id=/cam/&" + tt.query)
			if r.StatusCode != 200 || len(s.asked) != 1 || s.asked[0] != "replay cam "+tt.want {
				t.Errorf("status %d, asked %q; want %q", r.StatusCode, s.asked, "replay cam "+tt.want)
			}
		})
	}
}

func TestReplayIsCacheableWhenItsRangeIsClosed(t *testing.T) {
	at := func(d time.Duration) string { return fmt.Sprint(noon().Add(d).Unix()) }
	event := hls.Playlist{TargetDuration: 3, Type: hls.Event, Segments: window(0, 3).Segments}
	vod := newFake().replay
	tests := []struct {
		name, query, want string
		list              hls.Playlist
		authorize         bool
	}{
		{"a range of an hour ago", "start=" + at(-2*time.Hour) + "&end=" + at(-time.Hour), "public, max-age=300", vod, false},
		{"the same where viewers log in", "start=" + at(-2*time.Hour) + "&end=" + at(-time.Hour), "private, max-age=300", vod, true},
		{"a range that has just ended", "start=" + at(-time.Hour) + "&end=" + at(-time.Minute), "max-age=0, must-revalidate", vod, false},
		{"a range into the future", "start=" + at(-time.Hour) + "&end=" + at(time.Hour), "max-age=0, must-revalidate", vod, false},
		{"one that grows", "start=" + at(-time.Hour), "max-age=0, must-revalidate", event, false},
		{"one without end whose camera has fallen silent, but may come back", "start=" + at(-time.Hour), "max-age=0, must-revalidate", vod, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(c *httpapi.Config) {
				if tt.authorize {
					c.Authorize = func(*http.Request, string) (g httpapi.Grant, err error) { return g, nil }
				}
			})
			s.replay = tt.list
			r := s.get("/replay.m3u8?camera_id=cam&" + tt.query)
			if got := r.Header.Get("Cache-Control"); r.StatusCode != 200 || got != tt.want {
				t.Errorf("status %d, Cache-Control %q; want %q", r.StatusCode, got, tt.want)
			}
			if tag := r.Header.Get("Etag"); s.get("/replay.m3u8?camera_id=cam&"+tt.query, "If-None-Match", tag).StatusCode != http.StatusNotModified {
				t.Error("the same replay again is not 304")
			}
		})
	}
}

// The URL of a segment must not change from reload to reload (RFC 8216bis 6.3.4), until its signature gets old.
func TestPresignedLivePlaylistIsStable(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) {
		c.Live, c.Replay, c.PresignPeriod = httpapi.Presign, httpapi.Redirect, 600*time.Second
	})
	uris := func() map[int64]string {
		t.Helper()
		p, err := hls.Parse([]byte(body(t, s.get("/playlist.m3u8?camera_id=cam"))))
		if err != nil {
			t.Fatal(err)
		}
		m := map[int64]string{}
		for i, seg := range p.Segments {
			m[p.MediaSequence+int64(i)] = seg.URI
		}
		return m
	}
	first := uris()
	if u := first[100]; !strings.HasPrefix(u, "https://bucket.example/cam/2026/11/25/11/59/00.ts?") || !strings.Contains(u, "Date=11:59:00") {
		t.Errorf("the URL of segment 100 is %s; want it signed at the minute in which the segment starts", u)
	}
	published := first
	for i := range int64(40) { // two minutes
		s.now = s.now.Add(3 * time.Second)
		s.live = window(101+i, 6)
		for msn, u := range uris() {
			if before := published[msn]; before != "" && before != u {
				t.Fatalf("segment %d had the URL %s and now has %s", msn, before, u)
			}
			published[msn] = u
		}
	}
	// The camera falls silent: the playlist stays, and its signatures are renewed before they end.
	before := uris()
	s.now = s.now.Add(8 * time.Minute)
	if now := uris(); now[140] != before[140] {
		t.Errorf("after 8 minutes the URL changed from %s to %s", before[140], now[140])
	}
	s.now = s.now.Add(3 * time.Minute)
	now := uris()
	if now[140] == before[140] || !strings.Contains(now[140], "Date=12:13:00") {
		t.Errorf("after 11 minutes the URL is %s; want a fresh signature", now[140])
	}
	for _, made := range s.signed {
		if !strings.HasSuffix(made, " for 15m0s") {
			t.Errorf("signed at %s; want all for the period and a margin of 5 minutes", made)
		}
	}
}

func TestPresignedReplay(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) { c.Live, c.Replay = httpapi.Presign, httpapi.Presign })
	r := s.get("/replay.m3u8?camera_id=cam&start=1619866800&end=1619870400")
	if text := body(t, r); !strings.Contains(text, "\nhttps://bucket.example/cam/2026/11/25/11/54/00.ts?") || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q, playlist\n%s", r.Header.Get("Cache-Control"), text)
	}
	if want := "12:00:00 for 1h15m0s"; len(s.signed) != 1 || s.signed[0] != want {
		t.Errorf("signed %q, want once, %s: the range and time for pauses", s.signed, want)
	}
	// The playlist of a camera that has fallen silent has ended although nobody asked for an end.
	s.replay.Type, s.signed = hls.Event, nil
	r = s.get("/replay.m3u8?camera_id=cam&start=1619866800")
	if text := body(t, r); r.StatusCode != 200 || !strings.Contains(text, "\nhttps://bucket.example/cam/2026/11/25/11/54/00.ts?") {
		t.Errorf("without end: status %d, playlist\n%s", r.StatusCode, text)
	}
	if want := "12:00:00 for 16m0s"; len(s.signed) != 1 || s.signed[0] != want {
		t.Errorf("without end: signed %q, want once, %s: the segments and time for pauses", s.signed, want)
	}
	// Players do not take new signatures from a growing playlist, so it never has any.
	s.replay = hls.Playlist{TargetDuration: 3, Type: hls.Event, Segments: window(0, 3).Segments}
	if text := body(t, s.get("/replay.m3u8?camera_id=cam&start=1619866800")); !strings.Contains(text, "\nsegments/cam/2026/11/25/11/54/00.ts\n") {
		t.Errorf("a growing playlist has\n%s\nwant relative URLs", text)
	}
}

func TestReplayIsSignedOnlyAsLongAsTheCredentialsLast(t *testing.T) {
	const hour = "/replay.m3u8?camera_id=cam&start=1619866800&end=1619870400"
	tests := []struct {
		name   string
		most   time.Duration // MaxPresign
		ends   time.Duration // of the credentials; 0 = not known
		target string
		signed bool
	}{
		{"what fits is signed", 75 * time.Minute, 0, hour, true},
		{"what needs longer gets relative URLs", 74 * time.Minute, 0, hour, false},
		{"without a bound S3's own holds", 0, 0, "/replay.m3u8?camera_id=cam&start=1619866800&end=1620471600", false}, // 7 days and a margin
		{"credentials that end in time", 0, 80 * time.Minute, hour, true},
		{"credentials that end before", 0, 70 * time.Minute, hour, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(c *httpapi.Config) {
				c.Live, c.Replay, c.MaxPresign = httpapi.Presign, httpapi.Presign, tt.most
				if presign := c.Presign; tt.ends != 0 {
					c.Presign = func(ctx context.Context, at time.Time, expires time.Duration) (httpapi.Presigner, error) {
						p, err := presign(ctx, at, expires)
						return endingSigner{p, noon().Add(tt.ends)}, err
					}
				}
			})
			text := body(t, s.get(tt.target))
			if got := strings.Contains(text, "\nhttps://bucket.example/cam/"); got != tt.signed || strings.Contains(text, "\nsegments/cam/") == tt.signed {
				t.Errorf("signed %v, want %v:\n%s", got, tt.signed, text)
			}
		})
	}
}

// endingSigner is a signer with temporary credentials.
type endingSigner struct {
	httpapi.Presigner
	ends time.Time
}

func (e endingSigner) Expires() time.Time { return e.ends }
