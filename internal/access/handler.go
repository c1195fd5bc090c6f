// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/httpapi"
)

const (
	setupPath = "/setup"

	maxBody     = 8 << 10
	maxNext     = 2048
	cookieLocal = "s3cam_session"
	cookieTLS   = "__Host-s3cam_session" // a browser takes it from this host only, and by TLS only
)

// Has tells whether a path belongs to the pages of logging in.
func (a *Access) Has(path string) bool {
	switch path {
	case "/login", "/login.css", "/logout", setupPath, "/password", "/session", "/share":
		return true
	}
	return false
}

// Serve answers a request for a path that Has knows. An error is for the caller to answer, in the form of the API; nothing has
// been written then.
func (a *Access) Serve(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer browsers send "Origin: null" with a form
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if err := a.cross.Check(r); err != nil {
		return &httpapi.Error{Status: http.StatusForbidden, Code: "cross_origin", Message: "the request comes from a page of another site", Err: err}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if r.Method == http.MethodHead && r.URL.Path != "/session" {
		r = r.Clone(r.Context())
		r.Method = http.MethodGet
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /login":
		return a.loginPage(w, r)
	case "POST /login":
		return a.loginForm(w, r)
	case "GET /login.css":
		return a.pages.style(w, r)
	case "GET /logout":
		return a.logoutPage(w, r)
	case "POST /logout":
		return a.logoutForm(w, r)
	case "GET " + setupPath:
		return a.setupPage(w, r)
	case "POST " + setupPath:
		return a.setupForm(w, r)
	case "GET /password":
		return a.passwordPage(w, r)
	case "POST /password":
		return a.passwordForm(w, r)
	case "GET /session", "HEAD /session":
		return a.showSession(w, r)
	case "POST /session":
		return a.beginSession(w, r)
	case "DELETE /session":
		return a.endSession(w, r)
	case "POST /share":
		return a.share(w, r)
	}
	allow := map[string]string{"/login.css": "GET, HEAD", "/session": "GET, HEAD, POST, DELETE", "/share": "POST"}[r.URL.Path]
	if allow == "" {
		allow = "GET, HEAD, POST"
	}
	h.Set("Allow", allow)
	return &httpapi.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "use " + allow}
}

func (a *Access) cookieName(r *http.Request) string {
	if a.secure(r) {
		return cookieTLS
	}
	return cookieLocal
}

// cookie is the session cookie; an empty secret takes it away.
func (a *Access) cookie(r *http.Request, secret string) *http.Cookie {
	c := &http.Cookie{Name: a.cookieName(r), Value: secret, Path: "/", HttpOnly: true, Secure: a.secure(r), SameSite: http.SameSiteLaxMode,
		MaxAge: int(SessionLife / time.Second)}
	if secret == "" {
		c.MaxAge = -1
	}
	return c
}

// limited is the error of one who guesses too often.
type limited struct{ wait time.Duration }

func (l limited) Error() string { return "too many attempts" }

func (l limited) seconds() int { return max(1, int(math.Ceil(l.wait.Seconds()))) }

// errWrong says that name and password do not belong together.
var errWrong = errors.New("wrong name or password")

// logIn checks a name and a password and opens a session.
func (a *Access) logIn(w http.ResponseWriter, r *http.Request, name, password string) (*Person, error) {
	p, err := a.guess(r, name, password)
	if err != nil {
		return nil, err
	}
	a.open(w, r, p)
	a.log.Info("logged in", "person", p.Name, "from", a.client(r).String())
	return p, nil
}

func (a *Access) open(w http.ResponseWriter, r *http.Request, p *Person) {
	secret, err := a.sessions.begin(p, limitKey(a.client(r)), a.now())
	a.note(err)
	http.SetCookie(w, a.cookie(r, secret))
}

// guess returns the person to whom a name and a password belong, errWrong, or limited.
func (a *Access) guess(r *http.Request, name, password string) (*Person, error) {
	now, from := a.now(), limitKey(a.client(r))
	if wait := a.places.take(from, now); wait > 0 {
		return nil, limited{wait}
	}
	d := a.data()
	var p *Person
	account, err := CleanName(name)
	if err == nil {
		p = d.person(account)
	} else {
		account = "" // whatever was typed that nobody can be called
	}
	// Who is logged in at an address has guesses of his own there: others cannot lock him out.
	if p != nil && a.sessions.knows(account, from, now) {
		account += " " + from
	}
	if wait := a.accounts.take(account, now); wait > 0 {
		return nil, limited{wait}
	}
	ok, err := a.hasher.verify(r.Context(), p, password)
	switch {
	case errors.Is(err, errBusy):
		a.accounts.refund(account)
		return nil, err
	case err != nil:
		return nil, err
	case !ok:
		known := "unknown" // a name may be a password that was typed into the wrong field
		if p != nil {
			known = p.Name
		}
		a.log.Warn("wrong name or password", "person", known, "from", a.client(r).String())
		return nil, errWrong
	}
	a.accounts.refund(account)
	a.places.refund(from)
	return p, nil
}

// logOut ends the session of a request, if there is one.
func (a *Access) logOut(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, a.cookie(r, ""))
	w.Header().Set("Clear-Site-Data", `"cache"`) // footage that the browser has kept
	d := a.data()
	if p, id := a.signedIn(r, &d); p != nil {
		a.note(a.sessions.end(id))
		a.log.Info("logged out", "person", p.Name)
	}
}

// form reads the body of a page's form.
func form(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &httpapi.Error{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Message: "send the form as application/x-www-form-urlencoded"}
	}
	b, err := body(r)
	if err != nil {
		return nil, err
	}
	v, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, &httpapi.Error{Status: http.StatusBadRequest, Code: "bad_form", Message: "the form cannot be decoded"}
	}
	return v, nil
}

// decode reads a JSON body into v.
func decode(r *http.Request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &httpapi.Error{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Message: "send JSON as application/json"}
	}
	b, err := body(r)
	if err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	return &httpapi.Error{Status: http.StatusBadRequest, Code: "bad_json", Message: "the body is not the JSON object that is wanted here"}
}

func body(r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &httpapi.Error{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Message: fmt.Sprintf("at most %d bytes are taken", maxBody)}
	case err != nil:
		return nil, &httpapi.Error{Status: http.StatusBadRequest, Code: "bad_body", Message: "the body broke off", Err: err}
	}
	return b, nil
}

// refusal turns an error of guess into an answer of the API.
func refusal(w http.ResponseWriter, err error) error {
	var l limited
	switch {
	case errors.As(err, &l):
		w.Header().Set("Retry-After", strconv.Itoa(l.seconds()))
		return &httpapi.Error{Status: http.StatusTooManyRequests, Code: "too_many_attempts", Message: fmt.Sprintf("too many attempts; try again in %d s", l.seconds())}
	case errors.Is(err, errWrong):
		return &httpapi.Error{Status: http.StatusUnauthorized, Code: "wrong_password", Message: "name and password do not belong together"}
	case errors.Is(err, errBusy), errors.Is(err, context.Canceled):
		return &httpapi.Error{Status: http.StatusServiceUnavailable, Code: "busy", Message: "too many people are logging in; try again shortly"}
	}
	return internal(err)
}

func internal(err error) error {
	return &httpapi.Error{Status: http.StatusInternalServerError, Code: "internal", Message: "people, keys or sessions cannot be read or written; the server's log has the reason", Err: err}
}

// safeNext is where to go after logging in: a path on this server, or the page beside the login. Whatever a browser could take
// for another site is dropped: schemes, hosts, backslashes, and characters that browsers leave out.
func safeNext(next string) string {
	const start = "./"
	if next == "" || len(next) > maxNext {
		return start
	}
	for i := range len(next) {
		if c := next[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return start
		}
	}
	switch {
	case next[0] == '?', next[0] == '#':
		next = start + next
	case strings.HasPrefix(next, start):
	case next[0] != '/', strings.HasPrefix(next, "//"):
		return start
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return start
	}
	return next
}

// seeOther sends the browser to a page. The address may be relative: a proxy may have put the server below a path.
func seeOther(w http.ResponseWriter, where string) {
	w.Header().Set("Location", where)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}
