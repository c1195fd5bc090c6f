// SPDX-License-Identifier: Apache-2.0

package access

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
)

//go:embed page.html login.css
var files embed.FS

// pages are the pages of logging in: plain HTML, without scripts.
type pages struct {
	page *template.Template
	css  []byte
}

func newPages() (*pages, error) {
	t, err := template.ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	css, err := files.ReadFile("login.css")
	return &pages{t, css}, err
}

// view is what a page shows.
type view struct {
	T      texts
	Title  string
	Note   string // what to know before
	Error  string // what went wrong
	Action string // of the form; empty: there is none
	Button string
	Next   string
	Setup  string // secret of the setup page

	AskName, AskCurrent, AskPassword, AskRepeat bool
	Name                                        string
	Links                                       []link
}

type link struct{ Href, Text string }

func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, v view) error {
	if v.T.Lang == "" {
		v.T = language(r)
	}
	var b bytes.Buffer
	if err := p.page.Execute(&b, v); err != nil {
		return internal(err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone; net/http sends no body for HEAD
	return nil
}

func (p *pages) style(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(p.css)
	return nil
}

// language chooses the first of the browser's languages that we have.
func language(r *http.Request) texts {
	header := r.Header.Get("Accept-Language")
	for tag := range strings.SplitSeq(header[:min(len(header), 256)], ",") {
		switch tag = strings.ToLower(strings.TrimSpace(tag)); {
		case strings.HasPrefix(tag, "zh"):
			return chinese
		case strings.HasPrefix(tag, "en"):
			return english
		}
	}
	return english
}

func (a *Access) loginView(r *http.Request, next string) view {
	t := language(r)
	v := view{T: t, Title: t.Login, Action: "login", Button: t.Login, Next: next, AskName: true, AskPassword: true}
	d := a.data()
	switch c := a.caller(r); {
	case c.open:
		v = view{T: t, Title: t.Login, Note: t.Open, Links: []link{{"./", t.ToSite}}}
	case len(d.People) == 0:
		v = view{T: t, Title: t.Login, Note: t.NoPeople}
	case c.person != nil:
		v.Note = t.LoggedIn + " " + c.person.Name
		v.Links = []link{{safeNext(next), t.ToSite}, {"password", t.ChangePassword}, {"logout", t.Logout}}
	}
	return v
}

func (a *Access) loginPage(w http.ResponseWriter, r *http.Request) error {
	return a.pages.show(w, r, http.StatusOK, a.loginView(r, safeNext(r.URL.Query().Get("next"))))
}

func (a *Access) loginForm(w http.ResponseWriter, r *http.Request) error {
	in, err := form(r)
	if err != nil {
		return err
	}
	next := safeNext(in.Get("next"))
	if _, err := a.logIn(w, r, in.Get("name"), in.Get("password")); err != nil {
		v := a.loginView(r, next)
		v.Name = in.Get("name")
		return a.failed(w, r, v, err)
	}
	seeOther(w, next)
	return nil
}

// failed shows a form again with what went wrong.
func (a *Access) failed(w http.ResponseWriter, r *http.Request, v view, err error) error {
	var l limited
	status := http.StatusUnauthorized
	switch {
	case errors.As(err, &l):
		status = http.StatusTooManyRequests
		w.Header().Set("Retry-After", strconv.Itoa(l.seconds()))
		v.Error = fmt.Sprintf(v.T.Wait, l.seconds())
	case errors.Is(err, errWrong):
		v.Error = v.T.Wrong
	case errors.Is(err, errBusy):
		status, v.Error = http.StatusServiceUnavailable, v.T.Busy
	default:
		return internal(err)
	}
	return a.pages.show(w, r, status, v)
}

func (a *Access) logoutPage(w http.ResponseWriter, r *http.Request) error {
	t := language(r)
	return a.pages.show(w, r, http.StatusOK, view{T: t, Title: t.Logout, Action: "logout", Button: t.Logout, Links: []link{{"./", t.ToSite}}})
}

func (a *Access) logoutForm(w http.ResponseWriter, r *http.Request) error {
	a.logOut(w, r)
	seeOther(w, "login")
	return nil
}

func (a *Access) setupView(r *http.Request, secret string) view {
	t := language(r)
	return view{T: t, Title: t.Setup, Note: t.SetupNote, Action: "setup", Button: t.SetupButton, Setup: secret, AskName: true, AskPassword: true, AskRepeat: true}
}

// setupRefused is shown to whoever has not the secret, or comes too late.
func (a *Access) setupRefused(w http.ResponseWriter, r *http.Request) error {
	t := language(r)
	return a.pages.show(w, r, http.StatusForbidden, view{T: t, Title: t.Setup, Error: t.SetupOver, Links: []link{{"login", t.Login}}})
}

func (a *Access) setupPage(w http.ResponseWriter, r *http.Request) error {
	secret := r.URL.Query().Get("token")
	if !a.setupAllowed(secret) {
		return a.setupRefused(w, r)
	}
	return a.pages.show(w, r, http.StatusOK, a.setupView(r, secret))
}

func (a *Access) setupForm(w http.ResponseWriter, r *http.Request) error {
	in, err := form(r)
	if err != nil {
		return err
	}
	secret := in.Get("token")
	v := a.setupView(r, secret)
	if wait := a.places.take(limitKey(a.client(r)), a.now()); wait > 0 {
		return a.failed(w, r, v, limited{wait})
	}
	if !a.setupAllowed(secret) {
		return a.setupRefused(w, r)
	}
	v.Name = in.Get("name")
	name, err := CleanName(v.Name)
	if err != nil {
		v.Error = v.T.BadName
		return a.pages.show(w, r, http.StatusBadRequest, v)
	}
	if v.Error = v.T.newPassword(name, in.Get("password"), in.Get("repeat")); v.Error != "" {
		return a.pages.show(w, r, http.StatusBadRequest, v)
	}
	done, err := a.hasher.turn(r.Context())
	if err != nil {
		return a.failed(w, r, v, err)
	}
	err = a.book.addFirst(Person{Name: name, Role: Admin}, in.Get("password"))
	done()
	if errors.Is(err, ErrExists) {
		return a.setupRefused(w, r)
	}
	if err != nil {
		return internal(err)
	}
	a.log.Info("first admin", "person", name, "from", a.client(r).String())
	d := a.data()
	if p := d.person(name); p != nil {
		a.open(w, r, p)
	}
	seeOther(w, "./")
	return nil
}

func (a *Access) passwordView(r *http.Request) view {
	t := language(r)
	return view{T: t, Title: t.ChangePassword, Action: "password", Button: t.ChangePassword, AskCurrent: true, AskPassword: true, AskRepeat: true,
		Links: []link{{"./", t.ToSite}}}
}

func (a *Access) passwordPage(w http.ResponseWriter, r *http.Request) error {
	if c := a.caller(r); c.person == nil {
		seeOther(w, "login?next=./password")
		return nil
	}
	return a.pages.show(w, r, http.StatusOK, a.passwordView(r))
}

func (a *Access) passwordForm(w http.ResponseWriter, r *http.Request) error {
	c := a.caller(r)
	if c.person == nil {
		seeOther(w, "login?next=./password")
		return nil
	}
	in, err := form(r)
	if err != nil {
		return err
	}
	v := a.passwordView(r)
	if v.Error = v.T.newPassword(c.person.Name, in.Get("password"), in.Get("repeat")); v.Error != "" {
		return a.pages.show(w, r, http.StatusBadRequest, v)
	}
	if _, err := a.guess(r, c.person.Name, in.Get("current")); err != nil {
		return a.failed(w, r, v, err)
	}
	done, err := a.hasher.turn(r.Context())
	if err != nil {
		return a.failed(w, r, v, err)
	}
	err = a.book.SetPassword(c.person.Name, in.Get("password"))
	done()
	if err != nil {
		return internal(err)
	}
	d := a.data()
	if p := d.person(c.person.Name); p != nil { // this session goes on, the others end
		a.note(a.sessions.renew(c.session, p.Stamp)) // else he logs in anew
	}
	a.log.Info("password changed", "person", c.person.Name, "from", a.client(r).String())
	return a.pages.show(w, r, http.StatusOK, view{T: v.T, Title: v.Title, Note: v.T.Changed, Links: v.Links})
}
