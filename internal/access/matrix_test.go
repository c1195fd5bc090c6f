// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/access/token"
)

// TestAuthorizationMatrix asks for every route as every kind of caller. In the table a word stands for the answer:
//
//	ok      neither refused nor sent elsewhere: 200, 204, or what the route says about its parameters (a clip has no footage here)
//	401     not known, or with a token that is not good
//	403     known, but not allowed
//	login   sent to the login page
func TestAuthorizationMatrix(t *testing.T) {
	w := newWorld(t)
	root, anna, bob, carl, expired := w.login("root"), w.login("anna"), w.login("bob"), w.login("carl"), w.login("anna")
	gone := &http.Cookie{}
	// A session that has expired, one whose person was removed, one from before a new password.
	if err := w.book.Add(access.Person{Name: "eve", Role: access.Admin}, password); err != nil {
		t.Fatal(err)
	}
	*gone = *w.login("eve")
	if err := w.book.Add(access.Person{Name: "dan", Role: access.Admin}, password); err != nil {
		t.Fatal(err)
	}
	before := w.login("dan")
	if err := w.book.Remove("eve"); err != nil {
		t.Fatal(err)
	}
	if err := w.book.SetPassword("dan", "another horse"); err != nil {
		t.Fatal(err)
	}
	revokedKey, err := w.book.NewKey("revoked")
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := token.Make(revokedKey, token.Claims{Expires: w.time().Add(24 * 365 * time.Hour), Cameras: []string{"*"}, Rights: token.All})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.book.Revoke("revoked"); err != nil {
		t.Fatal(err)
	}
	const year = 365 * 24 * time.Hour
	old := w.token(time.Minute, token.All, "*")
	good, clips, other, all := w.token(year, token.Watch, "gate"), w.token(year, token.Clip, "gate"), w.token(year, token.All, "yard/*"), w.token(year, token.All, "*")
	nine := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	within, before9 := w.ranged(nine, nine.Add(time.Hour), "gate"), w.ranged(nine.Add(-time.Hour), nine, "gate")
	foreign, _ := token.NewKey("foreign")
	forged, err := token.Make(foreign, token.Claims{Expires: w.time().Add(year), Cameras: []string{"*"}, Rights: token.All})
	if err != nil {
		t.Fatal(err)
	}
	altered := good[:20] + "x" + good[21:]
	w.wait(access.SessionIdle - time.Hour) // then all but one session are used
	for _, c := range []*http.Cookie{root, anna, bob, carl} {
		if res := w.do("GET", "/session", "", with(c)); res.StatusCode != 200 {
			t.Fatalf("session: %d", res.StatusCode)
		}
	}
	w.wait(2 * time.Hour)

	callers := []struct {
		name string
		edit func(*http.Request)
	}{
		{"nobody", nil},
		{"viewer with right", with(anna)},
		{"viewer without", with(bob)},
		{"sharer", with(carl)},
		{"admin", with(root)},
		{"session expired", with(expired)},
		{"person removed", with(gone)},
		{"password changed", with(before)},
		{"cookie made up", with(&http.Cookie{Name: "s3cam_session", Value: strings.Repeat("A", 43)})},
		{"token good", query(good)},
		{"token as bearer", bearer(good)},
		{"token for clips", query(clips)},
		{"token for all", query(all)},
		{"token other camera", query(other)},
		{"token expired", query(old)},
		{"token forged", query(forged)},
		{"token altered", query(altered)},
		{"token revoked", bearer(revoked)},
		{"token twice", func(r *http.Request) { query(all)(r); query(all)(r) }},
		{"admin with a bad token", func(r *http.Request) { with(root)(r); query(forged)(r) }},
		{"token for the range", query(within)},
		{"token for a range before", bearer(before9)},
		{"viewer with right and a range", func(r *http.Request) { with(anna)(r); query(before9)(r) }},
		{"viewer without but a range", func(r *http.Request) { with(bob)(r); query(within)(r) }},
	}
	const (
		times = "&start=2026-11-25T09:00:00Z&end=2026-11-25T10:00:00Z"
		ts    = "/2026/11/25/09/30/00.ts"
		share = `{"camera_id":"gate","expires_in":60}`
	)
	// In the order of callers.
	const (
		live   = "401 ok 403 ok ok 401 401 401 401 ok ok 403 ok 403 401 401 401 401 401 ok 403 403 ok 403"
		watch  = "401 ok 403 ok ok 401 401 401 401 ok ok 403 ok 403 401 401 401 401 401 ok ok 403 ok ok"
		clip   = "401 ok 403 ok ok 401 401 401 401 403 403 ok ok 403 401 401 401 401 401 ok ok 403 ok ok"
		yard   = "401 403 ok 403 ok 401 401 401 401 403 403 403 ok ok 401 401 401 401 401 ok 403 403 403 ok"
		public = "ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok"
		list   = "ok ok ok ok ok ok ok ok ok ok ok ok ok ok 401 401 401 401 401 ok ok ok ok ok"
		self   = "401 ok ok ok ok 401 401 401 401 ok ok ok ok ok 401 401 401 401 401 ok ok ok ok ok"
		shares = "401 403 403 ok ok 401 401 401 401 401 401 401 401 401 401 401 401 401 401 ok 401 401 403 403"
		own    = "login ok ok ok ok login login login login login login login login login login login login login login ok login login ok ok"
		never  = "403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403 403"
	)
	routes := []struct{ method, target, body, want string }{
		{"GET", "/playlist.m3u8?camera_id=gate", "", live},
		{"HEAD", "/playlist.m3u8?camera_id=gate", "", live},
		{"GET", "/playlist.m3u8?camera_id=/gate/", "", live},
		{"GET", "/playlist.m3u8?camera_id=g%61te", "", live},
		{"GET", "/replay.m3u8?camera_id=gate" + times, "", watch},
		{"GET", "/coverage?camera_id=gate" + times, "", watch},
		{"GET", "/segments/gate" + ts, "", watch},
		{"HEAD", "/segments/gate" + ts, "", watch},
		{"GET", "/segments/g%61te" + ts, "", watch},
		{"GET", "/clip.mp4?camera_id=gate" + times, "", clip},
		{"GET", "/clip.ts?camera_id=gate" + times, "", clip},
		{"HEAD", "/clip.ts?camera_id=gate" + times, "", clip},
		{"GET", "/playlist.m3u8?camera_id=yard/a", "", yard},
		{"GET", "/segments/yard/a" + ts, "", yard},
		{"GET", "/playlist.m3u8?camera_id=lobby", "", public},
		{"GET", "/replay.m3u8?camera_id=lobby" + times, "", public},
		{"GET", "/coverage?camera_id=lobby" + times, "", public},
		{"GET", "/segments/lobby" + ts, "", public},
		{"GET", "/clip.mp4?camera_id=lobby" + times, "", public},
		{"GET", "/cameras", "", list},
		{"GET", "/healthz", "", public},
		{"GET", "/", "", public}, // the page itself is no secret
		{"GET", "/config.json", "", public},
		{"GET", "/login", "", public},
		{"GET", "/login.css", "", public},
		{"GET", "/logout", "", public},
		{"GET", "/session", "", self},
		{"POST", "/share", share, shares},
		{"GET", "/password", "", own},
		{"GET", "/setup", "", never},
		{"GET", "/setup?token=x", "", never},
		{"POST", "/setup", "token=&name=mallory&password=correct+horse&repeat=correct+horse", never},
	}
	for _, route := range routes {
		want := strings.Fields(route.want)
		if len(want) != len(callers) {
			t.Fatalf("%s %s: the table has %d answers for %d callers", route.method, route.target, len(want), len(callers))
		}
		for i, c := range callers {
			t.Run(route.method+" "+route.target+" as "+c.name, func(t *testing.T) {
				res := w.do(route.method, route.target, route.body, func(r *http.Request) {
					r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1234", i) // guesses at /setup are counted
					if c.edit != nil {
						c.edit(r)
					}
				})
				got := answer(res)
				if got != want[i] {
					t.Errorf("got %s (%d), want %s", got, res.StatusCode, want[i])
				}
				if cache := res.Header.Get("Cache-Control"); strings.Contains(cache, "public") && route.target != "/login.css" {
					t.Errorf("Cache-Control %q", cache)
				}
				if got == "401" && res.Header.Get("WWW-Authenticate") == "" {
					t.Error("401 without WWW-Authenticate")
				}
			})
		}
	}
	// A request of another site's page is refused whoever's browser makes it, and changes nothing.
	for _, route := range []struct{ method, target, body string }{
		{"POST", "/login", "name=root&password=correct+horse"}, {"POST", "/logout", ""}, {"POST", "/session", `{"name":"root","password":"correct horse"}`},
		{"DELETE", "/session", ""}, {"POST", "/share", share}, {"POST", "/setup", "token=x"},
		{"POST", "/password", "current=correct+horse&password=stolen+horse&repeat=stolen+horse"},
	} {
		for name, foreign := range map[string]func(*http.Request){
			"Sec-Fetch-Site cross-site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"Sec-Fetch-Site same-site":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"another Origin":            func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
			"Origin null":               func(r *http.Request) { r.Header.Set("Origin", "null") },
			"a name that contains ours": func(r *http.Request) { r.Header.Set("Origin", "https://cams.example.org.evil.example") },
		} {
			res := w.do(route.method, route.target, route.body, func(r *http.Request) { with(root)(r); foreign(r) })
			if res.StatusCode != 403 || len(res.Cookies()) > 0 || code(res) != "cross_origin" {
				t.Errorf("%s %s with %s: %d, cookies %v", route.method, route.target, name, res.StatusCode, res.Cookies())
			}
		}
	}
	if res := w.do("GET", "/session", "", with(root)); res.StatusCode != 200 {
		t.Error("a foreign request ended the session")
	}
}

func answer(res *http.Response) string {
	switch {
	case res.StatusCode == http.StatusSeeOther && strings.HasPrefix(res.Header.Get("Location"), "login"):
		return "login"
	case res.StatusCode == 401, res.StatusCode == 403:
		return fmt.Sprint(res.StatusCode)
	case res.StatusCode == 200, res.StatusCode == 204:
		return "ok"
	case res.StatusCode == 404: // a clip without footage, which was looked for
		if c := code(res); c == "" || c == "no_segments" || c == "no_footage" {
			return "ok"
		}
	}
	return fmt.Sprint(res.StatusCode)
}

func TestEveryoneFindsHisCamerasInTheList(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name string
		edit func(*http.Request)
		want string
	}{
		{"nobody", nil, "lobby"},
		{"anna", with(w.login("anna")), "gate lobby"},
		{"bob", with(w.login("bob")), "lobby yard/a"},
		{"admin", with(w.login("root")), "gate lobby yard/a"},
		{"token", query(w.token(time.Hour, token.Watch, "gate")), "gate lobby"},
		{"token for clips only", query(w.token(time.Hour, token.Clip, "gate")), "lobby"},
	} {
		body := text(w.do("GET", "/cameras", "", tt.edit))
		var got []string
		for _, id := range []string{"gate", "lobby", "yard/a"} {
			if strings.Contains(body, `"`+id+`"`) {
				got = append(got, id)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %s", tt.name, body)
		}
	}
}

// Without public cameras nobody sees anything but the login and the empty page, which leads there, and with nobody in the book the setup.
func TestClosedServer(t *testing.T) {
	w := emptyWorld(t, access.Config{})
	for _, tt := range []struct{ target, want string }{
		{"/playlist.m3u8?camera_id=gate", "401"}, {"/cameras", "401"}, {"/session", "401"}, {"/segments/gate/2026/11/25/09/30/00.ts", "401"},
		{"/", "ok"}, {"/?camera=gate", "ok"}, {"/index.html", "ok"}, {"/password", "login"}, {"/healthz", "ok"}, {"/login", "ok"}, {w.acc.SetupPath(), "ok"}, {"/setup?token=x", "403"},
	} {
		if got := answer(w.do("GET", tt.target, "", nil)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.target, got, tt.want)
		}
	}
}
