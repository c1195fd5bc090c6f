// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/access/token"
)

func TestAPlaylistListsItsSegmentsWithTheToken(t *testing.T) {
	w := newWorld(t)
	tok := w.token(time.Hour, token.Watch, "gate")
	const times = "&start=2026-11-25T09:00:00Z&end=2026-11-25T10:00:00Z"
	for _, target := range []string{"/playlist.m3u8?camera_id=gate", "/replay.m3u8?camera_id=gate" + times} {
		body := text(w.do("GET", target, "", query(tok)))
		want := "segments/gate/2026/11/25/09/30/00.ts?token=" + tok + "\n"
		if !strings.Contains(body, want) {
			t.Errorf("%s lacks %s:\n%s", target, want, body)
		}
		segment := strings.TrimSpace(body[strings.Index(body, "segments/") : strings.Index(body, want)+len(want)])
		if res := w.do("GET", "/"+segment, "", nil); res.StatusCode != 200 || text(res) != "TS" {
			t.Errorf("GET /%s: %d", segment, res.StatusCode)
		}
		if cache := w.do("GET", target, "", query(tok)).Header.Get("Cache-Control"); !strings.HasPrefix(cache, "private") {
			t.Errorf("Cache-Control %q", cache)
		}
		for name, edit := range map[string]func(*http.Request){"a session": with(w.login("anna")), "a bearer": bearer(tok)} {
			if body := text(w.do("GET", target, "", edit)); strings.Contains(body, "token=") || !strings.Contains(body, "00.ts\n") {
				t.Errorf("with %s:\n%s", name, body)
			}
		}
	}
	// Nothing of a query gets into a playlist that is no token.
	for _, evil := range []string{"x%0a%23EXT-X-ENDLIST", "s3t1.a.b%0d%0a", "s3t1.<script>.x"} {
		if body := text(w.do("GET", "/playlist.m3u8?camera_id=lobby&token="+evil, "", nil)); strings.Contains(body, "ENDLIST") || strings.Contains(body, "?") || strings.Contains(body, "<") {
			t.Errorf("token=%s:\n%s", evil, body)
		}
	}
}

func TestSharing(t *testing.T) {
	w := newWorld(t)
	carl, root := with(w.login("carl")), with(w.login("root"))
	var made struct {
		Token, Key, Playlist string
		Expires              time.Time
	}
	res := w.do("POST", "/share", `{"camera_id":"gate","expires_in":3600}`, carl)
	if err := json.Unmarshal([]byte(text(res)), &made); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	if want := w.time().Add(time.Hour); !made.Expires.Equal(want) {
		t.Errorf("expires %v, want %v", made.Expires, want)
	}
	if res := w.do("GET", "/"+made.Playlist, "", nil); res.StatusCode != 200 {
		t.Errorf("GET /%s: %d", made.Playlist, res.StatusCode)
	}
	if res := w.do("GET", "/clip.ts?camera_id=gate&start=1&end=2", "", query(made.Token)); res.StatusCode != 403 {
		t.Errorf("a clip with a link to watch: %d", res.StatusCode)
	}
	for _, tt := range []struct {
		name, body string
		as         func(*http.Request)
		status     int
		code       string
	}{
		{"a camera that he may not see", `{"camera_id":"yard/a","expires_in":60}`, carl, 403, "forbidden"},
		{"all cameras", `{"camera_id":"*","expires_in":60}`, root, 400, "bad_camera_id"},
		{"no camera", `{"expires_in":60}`, root, 400, "bad_camera_id"},
		{"no camera's name", `{"camera_id":"../x","expires_in":60}`, root, 400, "bad_camera_id"},
		{"for ever", `{"camera_id":"gate"}`, root, 400, "bad_expires_in"},
		{"for too long", `{"camera_id":"gate","expires_in":9223372036854775807}`, root, 400, "bad_expires_in"},
		{"a start without an end", `{"camera_id":"gate","expires_in":60,"start":"2026-11-25T09:00:00Z"}`, root, 400, "bad_end"},
		{"an end without a start", `{"camera_id":"gate","expires_in":60,"end":"2026-11-25T09:00:00Z"}`, root, 400, "bad_start"},
		{"an end before the start", `{"camera_id":"gate","expires_in":60,"start":"2026-11-25T09:00:00Z","end":"2026-11-25T08:00:00Z"}`, root, 400, "bad_end"},
		{"an empty range", `{"camera_id":"gate","expires_in":60,"start":"2026-11-25T09:00:00Z","end":"2026-11-25T10:00:00+01:00"}`, root, 400, "bad_end"},
		{"a range before 1970", `{"camera_id":"gate","expires_in":60,"start":"1969-11-25T09:00:00Z","end":"2026-11-25T09:00:00Z"}`, root, 400, "bad_start"},
		{"a range beyond all years", `{"camera_id":"gate","expires_in":60,"start":"2026-11-25T09:00:00Z","end":"9999-12-31T23:59:59.5Z"}`, root, 400, "bad_end"},
		{"a start in other words", `{"camera_id":"gate","expires_in":60,"start":"nine","end":"2026-11-25T09:00:00Z"}`, root, 400, "bad_start"},
		{"a start that is a number", `{"camera_id":"gate","expires_in":60,"start":1,"end":2}`, root, 400, "bad_json"},
		{"a right that is none", `{"camera_id":"gate","expires_in":60,"rights":["admin"]}`, root, 400, "bad_rights"},
		{"an unknown member", `{"camera_id":"gate","expires_in":60,"role":"admin"}`, root, 400, "bad_json"},
		{"a form", `camera_id=gate`, root, 415, "unsupported_media_type"},
		{"too much", `{"camera_id":"` + strings.Repeat("x", 9000) + `"}`, root, 413, "body_too_large"},
		{"with a token alone", `{"camera_id":"gate","expires_in":60}`, query(made.Token), 401, "login_required"},
	} {
		if res := w.do("POST", "/share", tt.body, tt.as); res.StatusCode != tt.status || code(res) != tt.code {
			t.Errorf("%s: %d, want %d %s", tt.name, res.StatusCode, tt.status, tt.code)
		}
	}
	if strings.Contains(w.log.String(), made.Token) {
		t.Error("the log shows the token")
	}
	if err := w.book.Revoke(made.Key); err != nil {
		t.Fatal(err)
	}
	if res := w.do("GET", "/"+made.Playlist, "", nil); res.StatusCode != 401 || code(res) != "token_refused" {
		t.Errorf("after its key was revoked: %d", res.StatusCode)
	}
}

// A minute for the police, and not the whole camera.
func TestSharingARange(t *testing.T) {
	w := newWorld(t)
	carl := with(w.login("carl"))
	res := w.do("POST", "/share", `{"camera_id":"gate","expires_in":3600,"rights":["watch","clip"],"start":"2026-11-25T10:29:30.5+01:00","end":"2026-11-25T09:30:30.5Z"}`, carl)
	var made struct {
		Token, Playlist, Start, End string
	}
	if err := json.Unmarshal([]byte(text(res)), &made); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	if made.Start != "2026-11-25T09:29:30Z" || made.End != "2026-11-25T09:30:31Z" ||
		made.Playlist != "replay.m3u8?camera_id=gate&start=2026-11-25T09:29:30Z&end=2026-11-25T09:30:31Z&token="+made.Token {
		t.Errorf("made %+v", made)
	}
	if res := w.do("GET", "/"+made.Playlist, "", nil); res.StatusCode != 200 || !strings.Contains(text(res), "segments/gate/2026/11/25/09/30/00.ts?token="+made.Token) {
		t.Errorf("GET /%s: %d", made.Playlist, res.StatusCode)
	}
	if res := w.do("GET", "/playlist.m3u8?camera_id=gate", "", query(made.Token)); res.StatusCode != 403 || code(res) != "live_not_allowed" {
		t.Errorf("live: %d", res.StatusCode)
	}
	if res := w.do("GET", "/replay.m3u8?camera_id=gate&start=2026-11-25T09:29:29Z&end=2026-11-25T09:30:31Z", "", query(made.Token)); res.StatusCode != 403 || code(res) != "outside_range" {
		t.Errorf("more than the range: %d", res.StatusCode)
	}
	const link = `"link":{"cameras":["gate"],"rights":["watch","clip"],"expires":"2026-11-25T13:00:00Z","start":"2026-11-25T09:29:30Z","end":"2026-11-25T09:30:31Z"}`
	for name, tt := range map[string]struct {
		edit func(*http.Request)
		want string
	}{
		"the link alone":     {bearer(made.Token), `{"open":false,"name":"","role":"","cameras":["gate"],"share":false,` + link + "}\n"},
		"logged in too":      {func(r *http.Request) { carl(r); query(made.Token)(r) }, `{"open":false,"name":"carl","role":"viewer","cameras":["gate"],"share":true,` + link + "}\n"},
		"without":            {carl, `{"open":false,"name":"carl","role":"viewer","cameras":["gate"],"share":true}` + "\n"},
		"for ever and live":  {query(w.token(time.Hour, token.Watch, "*")), `{"open":false,"name":"","role":"","cameras":["*"],"share":false,"link":{"cameras":["*"],"rights":["watch"],"expires":"2026-11-25T13:00:00Z"}}` + "\n"},
		"and one that is no": {func(r *http.Request) { carl(r); query(made.Token + "x")(r) }, `{"open":false,"name":"carl","role":"viewer","cameras":["gate"],"share":true}` + "\n"},
	} {
		if got := text(w.do("GET", "/session", "", tt.edit)); got != tt.want {
			t.Errorf("%s: %s want %s", name, got, tt.want)
		}
	}
	if log := w.log.String(); !strings.Contains(log, "footage=\"2026-11-25T09:29:30Z to 2026-11-25T09:30:31Z\"") || strings.Contains(log, made.Token) {
		t.Errorf("the log says %s", log)
	}
	var list struct{ Cameras []struct{ ID, Last string } }
	if err := json.Unmarshal([]byte(text(w.do("GET", "/cameras", "", query(made.Token)))), &list); err != nil || len(list.Cameras) != 2 || list.Cameras[0].Last != "" {
		t.Errorf("cameras %+v, %v", list, err)
	}
}

// A link ends with whoever made it, and with his right to the camera and to making links.
func TestALinkEndsWithItsMaker(t *testing.T) {
	w := newWorld(t)
	if _, err := w.book.NewKey("website"); err != nil {
		t.Fatal(err)
	}
	share := func(edit func(*http.Request)) (token, key string) {
		t.Helper()
		var made struct{ Token, Key string }
		res := w.do("POST", "/share", `{"camera_id":"gate","expires_in":2592000}`, edit)
		if err := json.Unmarshal([]byte(text(res)), &made); err != nil || res.StatusCode != 200 {
			t.Fatalf("%d, %v", res.StatusCode, err)
		}
		return made.Token, made.Key
	}
	status := func(token string) (int, string) {
		res := w.do("GET", "/playlist.m3u8?camera_id=gate", "", query(token))
		return res.StatusCode, code(res)
	}
	carl, key := share(with(w.login("carl")))
	root, _ := share(with(w.login("root")))
	if key != access.LinksKey { // not that of the web site, which may be revoked alone
		t.Errorf("signed with %s", key)
	}
	if strings.Contains(string(payloadOf(t, carl)), "carl") {
		t.Errorf("the link tells who made it: %s", payloadOf(t, carl))
	}
	if err := w.book.Revoke("website"); err != nil {
		t.Fatal(err)
	}
	if err := w.book.SetPassword("carl", "another horse"); err != nil {
		t.Fatal(err)
	}
	if got, _ := status(carl); got != 200 {
		t.Fatalf("after another key was revoked, and with a new password: %d", got)
	}
	for _, tt := range []struct {
		name, before, after string
		status              int
		code                string
	}{
		{"may not make links any more", `"share": true`, `"share": false`, 401, "token_refused"},
		{"may again", `"share": false`, `"share": true`, 200, ""},
		{"may not see the camera any more", "\"gate\"\n      ],\n      \"share\"", "\"shed\"\n      ],\n      \"share\"", 403, "forbidden"},
		{"may again", "\"shed\"", "\"gate\"", 200, ""},
	} {
		w.edit(func(s string) string { return strings.Replace(s, tt.before, tt.after, 1) })
		w.wait(2 * time.Second)
		if got, code := status(carl); got != tt.status || code != tt.code {
			t.Errorf("carl %s: %d %s, want %d %s", tt.name, got, code, tt.status, tt.code)
		}
	}
	if err := w.book.Remove("carl"); err != nil {
		t.Fatal(err)
	}
	if got, code := status(carl); got != 401 || code != "token_refused" {
		t.Errorf("after carl was removed: %d %s", got, code)
	}
	if err := w.book.Add(access.Person{Name: "carl", Role: access.Admin}, password); err != nil {
		t.Fatal(err)
	}
	if got, _ := status(carl); got != 401 {
		t.Errorf("another carl revives it: %d", got)
	}
	if got, _ := status(root); got != 200 {
		t.Errorf("the link of somebody else: %d", got)
	}
	if res := w.do("GET", "/session", "", query(carl)); res.StatusCode != 401 {
		t.Errorf("/session: %d", res.StatusCode)
	}
	// A book of before people had ids gives them when they are needed.
	w.edit(func(s string) string { return regexp.MustCompile(`\s*"id": "[a-z0-9]{12}",`).ReplaceAllString(s, "") })
	w.wait(2 * time.Second)
	if got, _ := status(root); got != 401 {
		t.Errorf("a maker without an id: %d", got)
	}
	again, _ := share(with(w.login("root")))
	if got, _ := status(again); got != 200 {
		t.Errorf("a link of one who gets an id: %d", got)
	}
}

func payloadOf(t *testing.T, token string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheReasonWhyATokenIsRefused(t *testing.T) {
	w := newWorld(t)
	tok := w.token(time.Minute, token.Watch, "gate")
	w.wait(time.Minute)
	for want, edit := range map[string]func(*http.Request){"token_expired": query(tok), "token_refused": query(tok + "x"), "login_required": nil} {
		if res := w.do("GET", "/playlist.m3u8?camera_id=gate", "", edit); res.StatusCode != 401 || code(res) != want {
			t.Errorf("%d, want 401 %s", res.StatusCode, want)
		}
	}
}
