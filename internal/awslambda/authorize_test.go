// SPDX-License-Identifier: Apache-2.0

package awslambda_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/awslambda"
)

// Every route as every kind of caller. The functions have no bucket here: whoever is let in gets 502 or 503 for it.
func TestWhoMayWatch(t *testing.T) {
	now := time.Now()
	key, other := token.Key{ID: "k1", Secret: token.Secret(strings.Repeat("k", 32))}, token.Key{ID: "k2", Secret: token.Secret(strings.Repeat("x", 32))}
	mint := func(k token.Key, life time.Duration, cameras ...string) string {
		text, err := token.Make(k, token.Claims{Expires: now.Add(life), Cameras: cameras, Rights: token.Watch})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	nine := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	ranged := func(from time.Time) string {
		text, err := token.Make(key, token.Claims{Expires: now.Add(time.Hour), Cameras: []string{"gate"}, Rights: token.Watch, From: from, To: from.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	by, err := token.Make(key, token.Claims{Expires: now.Add(time.Hour), Cameras: []string{"gate"}, Rights: token.Watch, By: "x4k2v7qd3mpa"})
	if err != nil {
		t.Fatal(err)
	}
	good := mint(key, time.Hour, "gate")
	callers := []struct {
		name  string
		query string
		auth  string
	}{
		{"nobody", "", ""},
		{"a good token", good, ""},
		{"a good bearer", "", "Bearer " + good},
		{"another camera's", mint(key, time.Hour, "yard/*"), ""},
		{"expired", mint(key, -time.Second, "*"), ""},
		{"forged", mint(token.Key{ID: "k1", Secret: other.Secret}, time.Hour, "*"), ""},
		{"of a key that is gone", mint(other, time.Hour, "*"), ""},
		{"of a login service", "", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln"},
		{"no token at all", "hello", ""},
		{"made by a person of some server", by, ""},
		{"for the range", ranged(nine), ""},
		{"for a range before", "", "Bearer " + ranged(nine.Add(-time.Hour))},
	}
	const times = "&start=2026-11-25T09:00:00Z&end=2026-11-25T10:00:00Z"
	routes := []struct{ function, target, want string }{ // in the order of callers; ok: let in
		{"playlist", "/playlist.m3u8?camera_id=gate", "401 ok ok 403 401 401 401 401 401 401 403 403"},
		{"replay", "/replay.m3u8?camera_id=gate" + times, "401 ok ok 403 401 401 401 401 401 401 ok 403"},
		{"replay", "/segments/gate/2026/11/25/09/30/00.ts?", "401 ok ok 403 401 401 401 401 401 401 ok 403"},
		{"cameras", "/coverage?camera_id=gate" + times, "401 ok ok 403 401 401 401 401 401 401 ok 403"},
		{"cameras", "/cameras?", "ok ok ok ok 401 401 401 ok 401 401 ok ok"},
		{"playlist", "/playlist.m3u8?camera_id=lobby", "ok ok ok ok ok ok ok ok ok ok ok ok"},
		{"replay", "/segments/lobby/2026/11/25/09/30/00.ts?", "ok ok ok ok ok ok ok ok ok ok ok ok"},
	}
	server := httptest.NewServer(http.NotFoundHandler()) // refuses as no S3 does
	defer server.Close()
	for _, route := range routes {
		m := stack(route.function)
		m["AWS_ENDPOINT_URL"], m["S3CAM_ANONYMOUS"], m["S3CAM_PUBLIC_CAMERAS"] = server.URL, "false", "demo, lobby"
		m["S3CAM_TOKEN_KEYS"] = "k1:" + base64.StdEncoding.EncodeToString(key.Secret)
		c, err := awslambda.Settings(env(m))
		if err != nil {
			t.Fatal(err)
		}
		h, err := awslambda.NewAPI(c)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range strings.Fields(route.want) {
			caller := callers[i]
			target := route.target
			if caller.query != "" {
				target += "&token=" + caller.query
			}
			r := httptest.NewRequest("GET", target, nil)
			if caller.auth != "" {
				r.Header.Set("Authorization", caller.auth)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got := "ok"
			if w.Code == 401 || w.Code == 403 {
				got = map[int]string{401: "401", 403: "403"}[w.Code]
			}
			if got != want {
				t.Errorf("%s %s as %s: %s (%d), want %s", route.function, route.target, caller.name, got, w.Code, want)
			}
		}
	}
}

func TestKeysThatAreNone(t *testing.T) {
	m := stack("playlist")
	m["S3CAM_TOKEN_KEYS"] = "k1:c2VjcmV0LXRoYXQtaXMtc2hvcnQ="[:18]
	_, err := awslambda.Settings(env(m))
	if err == nil || !strings.Contains(err.Error(), "S3CAM_TOKEN_KEYS") || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("error %v", err)
	}
}
