// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/access"
)

func from(addr string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = addr + ":4321" }
}

func (w *world) guess(name, password string, edit func(*http.Request)) *http.Response {
	return w.do("POST", "/login", url.Values{"name": {name}, "password": {password}, "next": {"/#/live/gate"}}.Encode(), edit)
}

func TestLoggingInOnThePage(t *testing.T) {
	w := newWorld(t)
	page := text(w.do("GET", "/login?next=/%23/live/gate", "", nil))
	if !strings.Contains(page, `name="next" value="/#/live/gate"`) || !strings.Contains(page, `<html lang="en">`) {
		t.Errorf("the page is\n%s", page)
	}
	wrong := w.guess(`anna`, "wrong horse", nil)
	if body := text(wrong); wrong.StatusCode != 401 || len(wrong.Cookies()) != 0 || !strings.Contains(body, "do not belong together") || !strings.Contains(body, `value="anna"`) || strings.Contains(body, "wrong horse") {
		t.Errorf("a wrong password: %d\n%s", wrong.StatusCode, body)
	}
	res := w.guess(" Anna ", password, nil)
	if res.StatusCode != 303 || res.Header.Get("Location") != "/#/live/gate" || len(res.Cookies()) != 1 {
		t.Fatalf("%d to %q with %v", res.StatusCode, res.Header.Get("Location"), res.Cookies())
	}
	c := res.Cookies()[0]
	if c.Name != "s3cam_session" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
		t.Errorf("cookie %+v", c)
	}
	if out := w.do("POST", "/logout", "", with(c)); out.StatusCode != 303 || out.Cookies()[0].MaxAge >= 0 || out.Header.Get("Clear-Site-Data") != `"cache"` {
		t.Errorf("logout: %d %v", out.StatusCode, out.Header)
	}
	if res := w.do("GET", "/session", "", with(c)); res.StatusCode != 401 {
		t.Errorf("after the logout: %d", res.StatusCode)
	}
	for _, secret := range []string{password, "wrong horse", c.Value} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log shows %q:\n%s", secret, w.log.String())
		}
	}
}

func TestThePagesSpeakChinese(t *testing.T) {
	w := newWorld(t)
	page := text(w.do("GET", "/login", "", func(r *http.Request) { r.Header.Set("Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8") }))
	if !strings.Contains(page, `<html lang="zh-CN">`) || !strings.Contains(page, "登录") {
		t.Error(page)
	}
}

// Pages hold what was typed; none of it becomes markup, and the policy allows no script.
func TestPagesEscapeWhatWasTyped(t *testing.T) {
	w := newWorld(t)
	const evil = `"><script>alert(1)</script>`
	res := w.guess(evil, "x", nil)
	if body := text(res); strings.Contains(body, "<script") {
		t.Error(body)
	}
	csp := res.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("policy %q", csp)
	}
	if got := res.Header.Get("Referrer-Policy"); got != "same-origin" {
		t.Errorf("Referrer-Policy %q", got)
	}
}

func TestWhereToGoAfterwards(t *testing.T) {
	for next, want := range map[string]string{
		"": "./", "/": "/", "/#/live/gate": "/#/live/gate", "./?camera=gate": "./?camera=gate", "?a=b": "./?a=b", "#/x": "./#/x", "./password": "./password",
		"//evil.example": "./", "///evil.example": "./", "/\\evil.example": "./", "\\\\evil.example": "./", "https://evil.example/": "./", "HTTPS:evil.example": "./",
		"javascript:alert(1)": "./", "data:text/html,x": "./", " //evil.example": "./", "/\t/evil.example": "./", "/\n/evil.example": "./", "/a\r\nSet-Cookie: x=y": "./",
		"evil.example": "./", "@evil.example": "./", "/%2f/evil.example": "/%2f/evil.example", "/é": "./", "/%zz": "./", "/" + strings.Repeat("a", 3000): "./", ".//evil.example": ".//evil.example",
	} {
		if got := access.SafeNext(next); got != want {
			t.Errorf("after logging in with next=%q one goes to %q, want %q", next, got, want)
		}
	}
}

func FuzzSafeNext(f *testing.F) {
	for _, s := range []string{"/", "//x", "/\\x", "https://x", "./?a", "/\t/x", "#//x"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://cams.example.org/login")
	f.Fuzz(func(t *testing.T, next string) {
		got := access.SafeNext(next)
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || u.Scheme != "https" || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t\x00") || got == "" {
			t.Fatalf("next=%q leads to %q", next, got)
		}
	})
}

func TestOverTLSTheCookieBelongsToTheHost(t *testing.T) {
	w := newWorld(t)
	proxied := func(r *http.Request) {
		r.RemoteAddr = "10.9.0.1:99"
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-For", "203.0.113.5")
	}
	c := w.guess("anna", password, proxied).Cookies()[0]
	if c.Name != "__Host-s3cam_session" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
	if res := w.do("GET", "/session", "", func(r *http.Request) { proxied(r); with(c)(r) }); res.StatusCode != 200 {
		t.Errorf("session: %d", res.StatusCode)
	}
	// A neighbour on the same host without TLS can set the plain name only, which counts for nothing here.
	if res := w.do("GET", "/session", "", func(r *http.Request) { proxied(r); with(&http.Cookie{Name: "s3cam_session", Value: c.Value})(r) }); res.StatusCode != 401 {
		t.Errorf("with the name without prefix: %d", res.StatusCode)
	}
	untrusted := func(r *http.Request) { proxied(r); r.RemoteAddr = "198.51.100.1:99" }
	if c := w.guess("anna", password, untrusted).Cookies()[0]; c.Secure {
		t.Error("a client that is no proxy was believed that it came by TLS")
	}
}

func TestGuessingIsLimitedPerAddress(t *testing.T) {
	w := newWorld(t)
	for i := range access.PlaceBurst {
		if res := w.guess(fmt.Sprintf("person%d", i), "x", from("192.0.2.7")); res.StatusCode != 401 {
			t.Fatalf("guess %d: %d", i, res.StatusCode)
		}
	}
	res := w.guess("anna", password, from("192.0.2.7"))
	if wait, _ := strconv.Atoi(res.Header.Get("Retry-After")); res.StatusCode != 429 || wait < 1 || wait > 60 {
		t.Errorf("one more guess: %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	if res := w.guess("anna", password, from("192.0.2.8")); res.StatusCode != 303 {
		t.Errorf("from another address: %d", res.StatusCode)
	}
	// What a client claims about itself changes nothing.
	if res := w.guess("anna", password, func(r *http.Request) { from("192.0.2.7")(r); r.Header.Set("X-Forwarded-For", "192.0.2.99") }); res.StatusCode != 429 {
		t.Errorf("with X-Forwarded-For: %d", res.StatusCode)
	}
	w.wait(time.Minute)
	if res := w.guess("anna", password, from("192.0.2.7")); res.StatusCode != 303 {
		t.Errorf("a minute later: %d", res.StatusCode)
	}
}

func TestIPv6NetworksCountAsOneAddress(t *testing.T) {
	w := newWorld(t)
	at := func(i int) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr = fmt.Sprintf("[2001:db8:1:2::%x]:99", i+1) }
	}
	for i := range access.PlaceBurst {
		w.guess(fmt.Sprintf("person%d", i), "x", at(i))
	}
	if res := w.guess("anna", password, at(77)); res.StatusCode != 429 {
		t.Errorf("another address of the same network: %d", res.StatusCode)
	}
}

func TestBehindAProxyTheClientsAddressCounts(t *testing.T) {
	w := newWorld(t)
	via := func(client string) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr = "10.9.0.1:99"
			r.Header.Set("X-Forwarded-For", "1.2.3.4, "+client+", 10.9.0.2")
		}
	}
	for i := range access.PlaceBurst {
		w.guess(fmt.Sprintf("person%d", i), "x", via("203.0.113.5"))
	}
	if res := w.guess("anna", password, via("203.0.113.5")); res.StatusCode != 429 {
		t.Errorf("the same client: %d", res.StatusCode)
	}
	if res := w.guess("anna", password, via("203.0.113.6")); res.StatusCode != 303 {
		t.Errorf("another client: %d", res.StatusCode)
	}
}

func TestGuessingIsLimitedPerAccount(t *testing.T) {
	w := newWorld(t)
	if res := w.guess("anna", password, from("203.0.113.77")); res.StatusCode != 303 {
		t.Fatal(res.StatusCode)
	}
	for i := range access.AccountBurst {
		if res := w.guess("anna", "x", from(fmt.Sprintf("192.0.2.%d", i+1))); res.StatusCode != 401 {
			t.Fatalf("guess %d: %d", i, res.StatusCode)
		}
	}
	if res := w.guess("anna", password, from("192.0.2.200")); res.StatusCode != 429 {
		t.Errorf("a guess from yet another address: %d", res.StatusCode)
	}
	if res := w.guess("bob", password, from("192.0.2.200")); res.StatusCode != 303 {
		t.Errorf("somebody else: %d", res.StatusCode)
	}
	if res := w.guess("anna", password, from("203.0.113.77")); res.StatusCode != 303 {
		t.Errorf("anna, where she is logged in: others have locked her out with %d", res.StatusCode)
	}
}

func TestLimiterForgetsNothingAndStaysSmall(t *testing.T) {
	l, now := access.NewLimiter(3, time.Minute), time.Now()
	for range 3 {
		if l.Take("a", now) != 0 {
			t.Fatal("refused within the burst")
		}
	}
	for i := range 5000 { // who has a table of recent names could be made to drop one
		l.Take(fmt.Sprint("name", i), now)
	}
	if wait := l.Take("a", now); wait < time.Minute-time.Second || wait > time.Minute*3 {
		t.Errorf("wait %v", wait)
	}
	if l.Take("a", now.Add(10*time.Minute)) != 0 {
		t.Error("still refused after ten minutes")
	}
	l = access.NewLimiter(1, time.Minute)
	for range 10 {
		if l.Take("a", now) != 0 {
			t.Fatal("refused although the event before was given back")
		}
		l.Refund("a")
	}
}

// A clock that was ahead, as one without a battery at the start, and was set right then, locks nobody out for the difference.
func TestTheLimiterAfterAStepOfTheClock(t *testing.T) {
	l, now := access.NewLimiter(3, time.Minute), time.Now()
	for range 4 {
		l.Take("a", now.AddDate(1, 0, 0))
	}
	if wait := l.Take("a", now); wait <= 0 || wait > time.Minute {
		t.Errorf("after a step back by a year: wait %v, want at most that of one who guessed just now", wait)
	}
	if l.Take("a", now.Add(time.Minute)) != 0 {
		t.Error("still refused a minute later")
	}
}

func TestChangingThePassword(t *testing.T) {
	w := newWorld(t)
	here, there := w.login("anna"), w.login("anna")
	change := func(current, next, repeat string) *http.Response {
		return w.do("POST", "/password", url.Values{"current": {current}, "password": {next}, "repeat": {repeat}}.Encode(), with(here))
	}
	for _, tt := range []struct {
		name, current, next, repeat string
		want                        int
	}{
		{"a wrong password", "wrong", "new horse 1", "new horse 1", 401},
		{"two different ones", password, "new horse 1", "new horse 2", 400},
		{"a short one", password, "short", "short", 400},
		{"one character repeated", password, "aaaaaaaaaaaa", "aaaaaaaaaaaa", 400},
	} {
		if res := change(tt.current, tt.next, tt.repeat); res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, res.StatusCode, tt.want)
		}
	}
	if res := change(password, "new horse 1", "new horse 1"); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, text(res))
	}
	for name, tt := range map[string]struct {
		c    *http.Cookie
		want int
	}{"this browser": {here, 200}, "the other one": {there, 401}} {
		if res := w.do("GET", "/session", "", with(tt.c)); res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", name, res.StatusCode, tt.want)
		}
	}
	if old, now := w.guess("anna", password, nil), w.guess("anna", "new horse 1", nil); old.StatusCode != 401 || now.StatusCode != 303 {
		t.Errorf("old password %d, new %d", old.StatusCode, now.StatusCode)
	}
}

func TestTheFirstAdmin(t *testing.T) {
	w := emptyWorld(t, access.Config{})
	path := w.acc.SetupPath()
	secret := strings.TrimPrefix(path, "/setup?token=")
	if len(secret) < 26 {
		t.Fatalf("setup at %q", path)
	}
	post := func(secret, name, password, repeat string) *http.Response {
		return w.do("POST", "/setup", url.Values{"token": {secret}, "name": {name}, "password": {password}, "repeat": {repeat}}.Encode(), nil)
	}
	if page := text(w.do("GET", path, "", nil)); !strings.Contains(page, secret) {
		t.Error("the form does not carry the secret")
	}
	if page := text(w.do("GET", "/setup?token=x", "", nil)); strings.Contains(page, "<form") {
		t.Error("a form without the secret")
	}
	for name, res := range map[string]*http.Response{
		"another secret": post("x", "root", password, password), "no secret": post("", "root", password, password),
		"a bad name": post(secret, "Ro ot", password, password), "two passwords": post(secret, "root", password, password+"x"), "a short password": post(secret, "root", "short", "short"),
	} {
		if res.StatusCode != 403 && res.StatusCode != 400 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	done := map[int]int{}
	var cookie *http.Cookie
	for i := range 4 { // one of those who come at once
		all.Go(func() {
			res := post(secret, fmt.Sprint("root", i), password, password)
			mu.Lock()
			defer mu.Unlock()
			done[res.StatusCode]++
			if res.StatusCode == 303 {
				cookie = res.Cookies()[0]
			}
		})
	}
	all.Wait()
	if done[303] != 1 || done[403] != 3 {
		t.Errorf("answers %v, want one 303 and three 403", done)
	}
	if res := w.do("GET", "/cameras", "", with(cookie)); res.StatusCode != 200 {
		t.Errorf("the new admin: %d", res.StatusCode)
	}
	if w.acc.SetupPath() != "" || w.do("GET", path, "", nil).StatusCode != 403 {
		t.Error("the address is good twice")
	}
	// Nor does it become good again when everybody is taken out: a new start prints another.
	people, err := w.book.People()
	if err != nil || len(people) != 1 {
		t.Fatalf("people %v, %v", people, err)
	}
	if err := w.book.Remove(people[0].Name); err != nil {
		t.Fatal(err)
	}
	if res := post(secret, "mallory", password, password); res.StatusCode != 403 || w.acc.SetupPath() != "" || w.do("GET", path, "", nil).StatusCode != 403 {
		t.Errorf("the address is good again without people: %d", res.StatusCode)
	}
	w.restart()
	if again := w.acc.SetupPath(); again == "" || again == path {
		t.Errorf("a new start without people: setup at %q", again)
	}
	if err := w.book.Add(access.Person{Name: "root", Role: access.Admin}, password); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if w.acc.SetupPath() != "" {
		t.Error("the server offers the setup although there is somebody")
	}
}

func TestOnLoopbackItBeginsWithTheFirstPerson(t *testing.T) {
	w := emptyWorld(t, access.Config{Unmanned: true})
	if res := w.do("GET", "/cameras", "", nil); res.StatusCode != 200 || w.acc.SetupPath() != "" {
		t.Errorf("without people: %d, setup %q", res.StatusCode, w.acc.SetupPath())
	}
	other, err := access.OpenBook(w.dir, nil) // as the command line does
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Add(access.Person{Name: "root", Role: access.Admin}, password); err != nil {
		t.Fatal(err)
	}
	w.wait(time.Second)
	if res := w.do("GET", "/cameras", "", nil); res.StatusCode != 401 {
		t.Errorf("a second after the first person came: %d", res.StatusCode)
	}
	root := w.login("root")
	if res := w.do("GET", "/cameras", "", with(root)); res.StatusCode != 200 {
		t.Errorf("the person: %d", res.StatusCode)
	}
	// It does not open again because the file is gone, and nobody's sessions go on without theirs.
	if err := os.Rename(w.book.Path(), w.book.Path()+"~"); err != nil {
		t.Fatal(err)
	}
	w.wait(time.Second)
	if stranger, person := w.do("GET", "/cameras", "", nil), w.do("GET", "/cameras", "", with(root)); stranger.StatusCode != 401 || person.StatusCode != 200 {
		t.Errorf("without the book: a stranger %d, the person %d", stranger.StatusCode, person.StatusCode)
	}
	if err := os.Remove(filepath.Join(w.dir, access.SessionsFile)); err != nil {
		t.Fatal(err)
	}
	w.wait(time.Second)
	if res := w.do("GET", "/cameras", "", with(root)); res.StatusCode != 401 {
		t.Errorf("without the sessions: %d", res.StatusCode)
	}
}

func TestAnonymousIsOpenWhateverTheBookSays(t *testing.T) {
	w := newWorld(t)
	w.cfg.Anonymous = true
	w.restart()
	if res := w.do("GET", "/playlist.m3u8?camera_id=gate", "", nil); res.StatusCode != 200 {
		t.Errorf("%d", res.StatusCode)
	}
	if body := text(w.do("GET", "/session", "", nil)); !strings.Contains(body, `"open":true`) {
		t.Error(body)
	}
}

func TestADamagedBook(t *testing.T) {
	w := newWorld(t)
	c := w.login("anna")
	if err := os.WriteFile(w.book.Path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.wait(time.Second)
	if res := w.do("GET", "/playlist.m3u8?camera_id=gate", "", with(c)); res.StatusCode != 200 {
		t.Errorf("who is logged in: %d", res.StatusCode)
	}
	if res := w.do("GET", "/playlist.m3u8?camera_id=gate", "", nil); res.StatusCode != 401 {
		t.Errorf("nobody: %d", res.StatusCode)
	}
	if n := strings.Count(w.log.String(), "cannot be read"); n != 1 {
		t.Errorf("%d lines in the log, want 1", n)
	}
	if _, err := access.OpenBook(w.dir, nil); err == nil {
		t.Error("a server starts with it, open")
	}
}

// A book that is gone is no book without people: a server on loopback would be open to everybody by that, and another one would offer
// its setup to whoever reads its log.
func TestALostBook(t *testing.T) {
	w := newWorld(t)
	root := with(w.login("root"))
	if err := os.Remove(w.book.Path()); err != nil {
		t.Fatal(err)
	}
	w.wait(2 * time.Second)
	if res := w.do("GET", "/playlist.m3u8?camera_id=gate", "", root); res.StatusCode != 200 {
		t.Errorf("while the server runs: %d", res.StatusCode)
	}
	if err := w.book.Add(access.Person{Name: "eve", Role: access.Admin}, password); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("somebody is added: %v", err)
	}
	if _, err := access.OpenBook(w.dir, w.time); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), access.BookFile) {
		t.Errorf("at the next start: %v", err)
	}
	if err := os.Remove(w.book.Path() + ".lock"); err != nil {
		t.Fatal(err)
	}
	if b, err := access.OpenBook(w.dir, w.time); err != nil {
		t.Errorf("begun without it on purpose: %v", err)
	} else if people, _ := b.People(); len(people) != 0 {
		t.Errorf("people %v", people)
	}
}

func TestTheBook(t *testing.T) {
	dir := t.TempDir()
	b, err := access.OpenBook(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name string, role access.Role, cameras ...string) error {
		return b.Add(access.Person{Name: name, Role: role, Cameras: cameras}, password)
	}
	if err := errors.Join(add("root", access.Admin), add("anna", access.Viewer, "gate", "yard/*")); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a name that is taken": add("anna", access.Viewer, "*"), "capitals": add("Root2", access.Admin), "a space": add("a b", access.Admin), "no role": add("x", ""),
		"a viewer of nothing": add("x", access.Viewer), "a star in the middle": add("x", access.Viewer, "a*b"), "a slash in front": add("x", access.Viewer, "/gate"),
		"a short password": b.Add(access.Person{Name: "x", Role: access.Admin}, "short"), "the name as password": b.Add(access.Person{Name: "longenough", Role: access.Admin}, "LongEnough"),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := b.Remove("root"); !errors.Is(err, access.ErrLastAdmin) {
		t.Errorf("removing the last admin: %v", err)
	}
	if err := b.SetPassword("nobody", password); !errors.Is(err, access.ErrNoPerson) {
		t.Errorf("password of nobody: %v", err)
	}
	if err := errors.Join(b.Remove("anna"), b.Remove("root")); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(filepath.Join(dir, access.BookFile))
	if strings.Contains(string(text), password) {
		t.Error("the file has a password")
	}
	p := access.Person{Name: "x", Password: "$argon2id$secret"}
	if s := fmt.Sprintf("%v %+v %#v", p, p, p); strings.Contains(s, "$argon2id") {
		t.Errorf("a person prints %s", s)
	}
}

func TestStoredPasswords(t *testing.T) {
	stored := access.HashPassword(password)
	if !access.Matches(stored, password) || access.Matches(stored, password+"x") || access.HashPassword(password) == stored {
		t.Error("a hash does not tell its password, or has no salt")
	}
	for _, bad := range []string{
		"", "secret", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 43), "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 43), "$argon2id$v=19$m=64,t=999,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$" + strings.Repeat("A", 43), "$argon2id$v=19$m=64,t=1,p=1$c29$AAAA", "$argon2id$v=19$m=64,t=1$c29tZXNhbHQ$" + strings.Repeat("A", 43),
	} {
		if access.ParseHash(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 43))
	f.Add("$argon2id$v=19$m=,t=,p=$$")
	f.Fuzz(func(t *testing.T, s string) { _ = access.ParseHash(s) })
}
