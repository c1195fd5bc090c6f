// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/access"
)

func TestASessionOutlivesARestartButNotItsTime(t *testing.T) {
	w := newWorld(t)
	c := w.login("anna")
	if b, err := os.ReadFile(filepath.Join(w.dir, access.SessionsFile)); err != nil || strings.Contains(string(b), c.Value) {
		t.Errorf("the file has the cookie itself, or %v", err)
	}
	for life := time.Duration(0); life < access.SessionLife-10*24*time.Hour; life += 10 * 24 * time.Hour {
		w.restart()
		if res := w.do("GET", "/session", "", with(c)); res.StatusCode != 200 {
			t.Fatalf("after %v: %d", life, res.StatusCode)
		}
		w.wait(10 * 24 * time.Hour)
	}
	w.wait(10 * 24 * time.Hour)
	if res := w.do("GET", "/session", "", with(c)); res.StatusCode != 401 {
		t.Errorf("after its life: %d", res.StatusCode)
	}
}

// A session that was opened while the clock was years ahead ends in its time, counted from its next use.
func TestASessionFromTheFuture(t *testing.T) {
	w := newWorld(t)
	w.wait(20 * 365 * 24 * time.Hour)
	anna := with(w.login("anna"))
	w.wait(-20 * 365 * 24 * time.Hour)
	if res := w.do("GET", "/session", "", anna); res.StatusCode != 200 {
		t.Fatalf("after the clock was set right: %d", res.StatusCode)
	}
	w.wait(access.SessionIdle + time.Hour)
	if res := w.do("GET", "/session", "", anna); res.StatusCode != 401 {
		t.Errorf("unused for longer than a session lasts: %d", res.StatusCode)
	}
}

// A disk on which nothing can be written keeps nobody out who has to do something about it, and nobody in who logs out.
func TestSessionsWhileTheFileCannotBeWritten(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.dir, access.SessionsFile)
	before, root := w.login("root"), w.login("root")
	if err := os.Mkdir(path+".tmp", 0o700); err != nil { // in the way of each change, for root too
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path+".tmp", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	during, short := w.login("anna"), w.login("anna")
	status := func(c *http.Cookie) int { return w.do("GET", "/session", "", with(c)).StatusCode }
	for name, c := range map[string]*http.Cookie{"of before": before, "of now": during} {
		if got := status(c); got != 200 {
			t.Errorf("a session %s: %d", name, got)
		}
	}
	for name, c := range map[string]*http.Cookie{"of before": before, "of now": short} {
		if res := w.do("DELETE", "/session", "", with(c)); res.StatusCode != 204 || status(c) != 401 {
			t.Errorf("logging out of one %s: %d, then %d", name, res.StatusCode, status(c))
		}
	}
	w.wait(access.SessionIdle - time.Minute) // use counts, too
	if status(root) != 200 || status(during) != 200 {
		t.Error("in use")
	}
	w.wait(time.Hour)
	if status(root) != 200 || status(during) != 200 {
		t.Error("in use until a moment ago")
	}
	if !strings.Contains(w.log.String(), "cannot be read or written") {
		t.Errorf("the log says %s", w.log.String())
	}
	if err := os.RemoveAll(path + ".tmp"); err != nil {
		t.Fatal(err)
	}
	after := w.login("carl") // brings it all into the file
	w.restart()
	for name, tt := range map[string]struct {
		cookie *http.Cookie
		want   int
	}{"of before": {root, 200}, "of then": {during, 200}, "that was ended": {before, 401}, "that was short": {short, 401}, "of after": {after, 200}} {
		if got := status(tt.cookie); got != tt.want {
			t.Errorf("after a restart, the session %s: %d, want %d", name, got, tt.want)
		}
	}
}

// Sessions that cannot be read keep no server from its start: it has to record.
func TestDamagedSessions(t *testing.T) {
	w := newWorld(t)
	anna := w.login("anna")
	path := filepath.Join(w.dir, access.SessionsFile)
	if err := os.WriteFile(path, []byte("{\"a\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if got := w.do("GET", "/session", "", with(anna)).StatusCode; got != 401 {
		t.Errorf("a session of before: %d", got)
	}
	if _, err := os.Stat(path + ".damaged"); err != nil || !strings.Contains(w.log.String(), "put aside") {
		t.Errorf("%v, the log says %s", err, w.log.String())
	}
	if got := w.do("GET", "/session", "", with(w.login("anna"))).StatusCode; got != 200 {
		t.Errorf("a new session: %d", got)
	}
}

func TestSessionsOfOnePersonAreBounded(t *testing.T) {
	w := newWorld(t)
	w.wait(time.Hour)
	first := w.login("anna")
	for range access.MaxOwnSessions {
		w.wait(time.Minute)
		w.login("anna")
	}
	if res := w.do("GET", "/session", "", with(first)); res.StatusCode != 401 {
		t.Errorf("the oldest of too many: %d", res.StatusCode)
	}
	var all map[string]any
	b, _ := os.ReadFile(filepath.Join(w.dir, access.SessionsFile))
	if err := json.Unmarshal(b, &all); err != nil || len(all) != access.MaxOwnSessions {
		t.Errorf("%d sessions, %v", len(all), err)
	}
}
