// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/standalone"
)

// A server where people log in, from the first admin to a link, as a browser and a player meet it.
func TestLoggingInToAServer(t *testing.T) {
	dir := t.TempDir()
	s := start(t, standalone.Config{
		Engine: &standalone.Engine{Dir: dir, Volatile: true}, Access: standalone.Access{Login: true, PublicCameras: []string{"lobby"}},
	})
	if !strings.HasPrefix(s.Setup, s.Web+"/setup?token=") {
		t.Fatalf("setup at %q", s.Setup)
	}
	status := func(path string, want int, says string, headers ...string) {
		t.Helper()
		if got, _, body := get(t, s.Web+path, headers...); got != want || !strings.Contains(string(body), says) {
			t.Errorf("GET %s: %d %.200s; want %d with %q", path, got, body, want, says)
		}
	}
	status("/playlist.m3u8?camera_id=gate", 401, "login_required")
	status("/playlist.m3u8?camera_id=lobby", 404, "no_segments")
	status("/cameras", 200, `{"cameras":[]}`)
	status("/config.json", 200, `"login":"login"`)
	status("/healthz", 200, "ok")

	u, err := url.Parse(s.Setup)
	if err != nil {
		t.Fatal(err)
	}
	const password = "correct horse"
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"token": {u.Query().Get("token")}, "name": {"root"}, "password": {password}, "repeat": {password}}
	res, err := client.PostForm(s.Web+"/setup", form)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 303 || len(res.Cookies()) != 1 {
		t.Fatalf("setup: %d", res.StatusCode)
	}
	cookie := []string{"Cookie", res.Cookies()[0].Name + "=" + res.Cookies()[0].Value}
	status("/playlist.m3u8?camera_id=gate", 404, "no_segments", cookie...)
	status("/session", 200, `"role":"admin"`, cookie...)

	req, err := http.NewRequestWithContext(t.Context(), "POST", s.Web+"/share", strings.NewReader(`{"camera_id":"gate","expires_in":60}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cookie", cookie[1])
	if res, err = client.Do(req); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var link struct{ Playlist, Token, Key string }
	if err := json.NewDecoder(res.Body).Decode(&link); err != nil || res.StatusCode != 200 {
		t.Fatalf("share: %d, %v", res.StatusCode, err)
	}
	status("/"+link.Playlist, 404, "no_segments")
	status("/playlist.m3u8?camera_id=yard&token="+link.Token, 403, "forbidden")

	// The command line changes the same file; a running server follows.
	book, err := access.OpenBook(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(book.Add(access.Person{Name: "anna", Role: access.Viewer, Cameras: []string{"gate"}}, password), book.Revoke(link.Key)); err != nil {
		t.Fatal(err)
	}
	polltest.Until(t, 20*time.Second, "the link ends after its key was revoked", func() bool {
		got, _, body := get(t, s.Web+"/"+link.Playlist)
		return got == 401 && strings.Contains(string(body), "token_refused")
	})
}

// What the page is told of time zones names cameras to nobody who may not see them.
func TestZonesAreOfOnesOwnCameras(t *testing.T) {
	dir := t.TempDir()
	book, err := access.OpenBook(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := book.Signer("")
	if err != nil {
		t.Fatal(err)
	}
	gate, err := token.Make(k, token.Claims{Expires: time.Now().Add(time.Hour), Cameras: []string{"gate"}, Rights: token.Watch})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, standalone.Config{
		Engine: &standalone.Engine{Dir: t.TempDir(), Volatile: true}, State: dir, Access: standalone.Access{Login: true, PublicCameras: []string{"lobby"}},
		Web: standalone.Web{Zone: "Asia/Shanghai", CameraZones: map[string]string{"gate": "Europe/Berlin", "lobby": "Europe/Paris", "vault": "Europe/Zurich"}},
	})
	for name, tt := range map[string]struct {
		headers []string
		want    string
	}{
		"nobody":         {nil, `"zones":{"lobby":"Europe/Paris"}`},
		"a link to gate": {[]string{"Authorization", "Bearer " + gate}, `"zones":{"gate":"Europe/Berlin","lobby":"Europe/Paris"}`},
		"a bad link":     {[]string{"Authorization", "Bearer " + gate + "x"}, `"zones":{"lobby":"Europe/Paris"}`},
	} {
		status, header, body := get(t, s.Web+"/config.json", tt.headers...)
		if status != 200 || !strings.Contains(string(body), tt.want) || !strings.Contains(string(body), `"zone":"Asia/Shanghai"`) {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if vary := strings.Join(header.Values("Vary"), ","); !strings.Contains(vary, "Cookie") || !strings.HasPrefix(header.Get("Cache-Control"), "private") {
			t.Errorf("%s: Vary %q, Cache-Control %q", name, vary, header.Get("Cache-Control"))
		}
	}
}

// Who names a proxy, or a name under which one passes requests on, is not on loopback only, though the server listens there.
func TestBehindAProxyOnThisMachinePeopleLogIn(t *testing.T) {
	for name, cfg := range map[string]standalone.Config{
		"a proxy": {Access: standalone.Access{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}},
		"a name":  {Web: standalone.Web{Hosts: []string{"video.example"}}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Engine = &standalone.Engine{Dir: t.TempDir(), Volatile: true}
			s := start(t, cfg)
			for _, path := range []string{"/cameras", "/playlist.m3u8?camera_id=gate", "/metrics"} {
				if got, _, body := get(t, s.Web+path); got != 401 {
					t.Errorf("%s: %d %s", path, got, body)
				}
			}
			if !strings.HasPrefix(s.Setup, s.Web+"/setup?token=") {
				t.Errorf("setup at %q", s.Setup)
			}
		})
	}
}

func TestTokensOfTheStateDirectory(t *testing.T) {
	dir := t.TempDir()
	book, err := access.OpenBook(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := book.Signer("")
	if err != nil {
		t.Fatal(err)
	}
	text, err := token.Make(k, token.Claims{Expires: time.Now().Add(time.Hour), Cameras: []string{"gate"}, Rights: token.Watch})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, standalone.Config{Engine: &standalone.Engine{Dir: t.TempDir(), Volatile: true}, State: dir, Access: standalone.Access{Login: true}})
	if got, _, _ := get(t, s.Web+"/playlist.m3u8?camera_id=gate", "Authorization", "Bearer "+text); got != 404 {
		t.Errorf("with a token: %d, want 404 for a camera without footage", got)
	}
	if got, _, _ := get(t, s.Web+"/", "User-Agent", "x"); got != 200 { // the login page, after a redirect
		t.Errorf("/: %d", got)
	}
}

// A minute for the police: of 75 s of real footage a link opens what runs within its 30 s, in each delivery, and nothing else. What the
// playlist lists is what can be fetched.
func TestALinkToAPartOfTheFootage(t *testing.T) {
	for _, delivery := range []httpapi.Delivery{httpapi.Direct, httpapi.Redirect, httpapi.Presign} {
		dir := t.TempDir()
		book, err := access.OpenBook(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		k, err := book.Signer("")
		if err != nil {
			t.Fatal(err)
		}
		mint := func(from, to time.Time) string {
			text, err := token.Make(k, token.Claims{Expires: time.Now().Add(time.Hour), Cameras: []string{"demo"}, Rights: token.All, From: from, To: to})
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		s := start(t, standalone.Config{
			Engine: &standalone.Engine{Dir: t.TempDir(), Volatile: true}, State: dir, Access: standalone.Access{Login: true}, Playback: standalone.Playback{Live: delivery, Replay: delivery},
			Recording: &standalone.Recording{Camera: standalone.Camera{ID: "demo", Clip: simcam.FrontDoor()}, Start: recordingStart(), Duration: 75 * time.Second},
		})
		from, to := recordingStart().Add(20*time.Second), recordingStart().Add(50*time.Second)
		all, part := "Bearer "+mint(recordingStart(), recordingStart().Add(time.Hour)), "Bearer "+mint(from, to)
		ask := func(route string, from, to time.Time) string {
			return s.Web + "/" + route + "?" + url.Values{"camera_id": {"demo"}, "start": {from.Format(time.RFC3339Nano)}, "end": {to.Format(time.RFC3339Nano)}}.Encode()
		}
		var whole hls.Playlist
		polltest.Until(t, 30*time.Second, "the recording is there", func() bool {
			if status, _, body := get(t, ask("replay.m3u8", recordingStart(), recordingStart().Add(75*time.Second)), "Authorization", all); status == 200 {
				whole, _ = hls.Parse(body)
			}
			return len(whole.Segments) >= 25
		})
		status, _, body := get(t, ask("replay.m3u8", from, to), "Authorization", part)
		p, err := hls.Parse(body)
		if status != 200 || err != nil || len(p.Segments) < 10 || len(p.Segments) > 12 {
			t.Fatalf("delivery %v: %d, %d segments, %v", delivery, status, len(p.Segments), err)
		}
		listed := map[string]bool{}
		for _, seg := range p.Segments {
			u, err := url.Parse(seg.URI)
			if err != nil {
				t.Fatal(err)
			}
			listed[u.Path[strings.Index(u.Path, "demo/"):]] = true
			address := seg.URI
			if !u.IsAbs() {
				address = s.Web + "/" + address
			}
			if status, _, data := get(t, address, "Authorization", part); status != 200 || len(data) == 0 {
				if delivery != httpapi.Presign { // the store refuses two ways of signing in one request
					t.Errorf("delivery %v: %s: %d", delivery, address, status)
				}
			}
		}
		for _, seg := range whole.Segments {
			u, _ := url.Parse(seg.URI)
			key := u.Path[strings.Index(u.Path, "demo/"):]
			status, _, _ := get(t, s.Web+"/segments/"+key, "Authorization", part)
			if want := map[bool]int{true: 200, false: 403}[listed[key]]; status != want {
				t.Errorf("delivery %v: segment %s: %d, want %d", delivery, key, status, want)
			}
		}
		for _, tt := range []struct {
			target string
			status int
			says   string
		}{
			{s.Web + "/playlist.m3u8?camera_id=demo", 403, "live_not_allowed"},
			{ask("replay.m3u8", from.Add(-time.Second), to), 403, "outside_range"},
			{ask("clip.mp4", from, to.Add(time.Second)), 403, "outside_range"},
			{ask("coverage", recordingStart(), to.Add(time.Hour)), 200, `"start":"2021-01-01T00:00:20Z","end":"2021-01-01T00:00:50Z"`},
			{s.Web + "/cameras", 200, `{"cameras":[{"id":"demo","last":null,"live":false}]}`},
			{s.Web + "/session", 200, `"start":"2021-01-01T00:00:20Z","end":"2021-01-01T00:00:50Z"`},
		} {
			if got, _, body := get(t, tt.target, "Authorization", part); got != tt.status || !strings.Contains(string(body), tt.says) {
				t.Errorf("delivery %v: %s: %d %.300s", delivery, tt.target, got, body)
			}
		}
		status, header, clip := get(t, ask("clip.mp4", from, to), "Authorization", part)
		begin, _ := time.Parse(time.RFC3339Nano, header.Get("X-S3cam-Start"))
		end, _ := time.Parse(time.RFC3339Nano, header.Get("X-S3cam-End"))
		if status != 200 || len(clip) == 0 || from.Sub(begin) > 3*time.Second || end.Sub(to) > 3*time.Second {
			t.Errorf("delivery %v: clip: %d, %v to %v", delivery, status, begin, end)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}
}
