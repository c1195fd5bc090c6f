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

	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/access/token"
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
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if got, _, body := get(t, s.Web+"/"+link.Playlist); got == 401 && strings.Contains(string(body), "token_refused") {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the link goes on after its key was revoked: %d %s", got, body)
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
