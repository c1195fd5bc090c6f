// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/httpapi"
)

// Config is what [New] needs. Book is required.
type Config struct {
	Book *Book // sessions are kept beside it

	Anonymous bool     // everyone may see everything
	Unmanned  bool     // the same, but only as long as the book has no people: for a server on loopback
	Public    []string // cameras that everyone may see, as token.Match takes them

	// TrustedProxies are believed what they say about the client (X-Forwarded-For, X-Forwarded-Proto).
	TrustedProxies []netip.Prefix

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // nil discards
}

// Access answers who may see what, and has the pages for logging in. It is an [httpapi.Account].
type Access struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	book     *Book
	sessions *sessions
	hasher   *hasher
	accounts *limiter // guesses of one person's password
	places   *limiter // guesses from one address
	cross    *http.CrossOriginProtection
	pages    *pages
	setup    string      // secret of the page for the first admin; empty when there were people at the start
	settled  atomic.Bool // somebody could log in since: the secret, which may stand in a history or a log, is of no use any more

	mu    sync.Mutex
	noted time.Time // when an error of the files was logged last
}

// Guesses that are allowed: at once, and one more in each period.
const (
	accountBurst, accountEvery = 10, time.Minute
	placeBurst, placeEvery     = 20, 15 * time.Second
)

// New returns the access of a server. It reads the files and writes none; sessions that cannot be read are put aside.
func New(cfg Config) (*Access, error) {
	if cfg.Book == nil {
		return nil, errors.New("access: no Book")
	}
	for _, p := range cfg.Public {
		if err := CheckPattern(p); err != nil {
			return nil, fmt.Errorf("public camera: %w", err)
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Access{
		cfg: cfg, log: cfg.Logger, now: cfg.Now, book: cfg.Book, hasher: newHasher(), cross: http.NewCrossOriginProtection(),
		accounts: newLimiter(accountBurst, accountEvery), places: newLimiter(placeBurst, placeEvery),
	}
	var err error
	var damaged error
	if a.sessions, damaged, err = openSessions(filepath.Dir(cfg.Book.Path()), cfg.Now); err != nil {
		return nil, err
	}
	if damaged != nil {
		a.log.Error("the open sessions cannot be read and are put aside; people have to log in again", "file", SessionsFile+".damaged", "err", damaged)
	}
	if a.pages, err = newPages(); err != nil {
		return nil, err
	}
	people, err := cfg.Book.People()
	if err != nil {
		return nil, err
	}
	if len(people) == 0 && !cfg.Anonymous && !cfg.Unmanned {
		a.setup = rand.Text() // 130 bits
	}
	return a, nil
}

// SetupPath is the path, with its secret, of the page that makes the first admin. It is empty when somebody can log in, or
// nobody has to.
func (a *Access) SetupPath() string {
	if a.setup == "" || a.peopled() {
		return ""
	}
	return setupPath + "?token=" + url.QueryEscape(a.setup)
}

func (a *Access) setupAllowed(secret string) bool {
	return a.setup != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(a.setup)) == 1 && !a.peopled()
}

// data returns what the book says. When the file cannot be read that is what it said last, so that viewers stay in while
// somebody repairs it; the log tells.
func (a *Access) data() data {
	d, err := a.book.file.Get()
	a.note(err)
	if len(d.People) > 0 && !a.settled.Load() {
		a.settled.Store(true)
	}
	return d
}

// note logs an error of the files, once a minute.
func (a *Access) note(err error) {
	if err == nil {
		return
	}
	now := a.now()
	a.mu.Lock()
	due := now.Sub(a.noted) >= time.Minute || now.Before(a.noted)
	if due {
		a.noted = now
	}
	a.mu.Unlock()
	if due {
		a.log.Error("people, keys or sessions cannot be read or written; what was known before holds", "err", err)
	}
}

// peopled tells whether somebody can log in, or could since the start.
func (a *Access) peopled() bool {
	a.data()
	return a.settled.Load()
}

// caller is who makes a request.
type caller struct {
	open    bool // everyone may do everything
	person  *Person
	session string // id

	claims  *token.Claims // of a token that is good
	maker   *Person       // who made it; nil when it depends on nobody
	refused error         // why the token that was given is not
}

func (a *Access) caller(r *http.Request) (c caller) {
	d := a.data()
	if a.cfg.Anonymous || a.cfg.Unmanned && len(d.People) == 0 {
		c.open = true
		return c
	}
	c.person, c.session = a.signedIn(r, &d)
	text, given := token.FromQuery(r.URL.RawQuery)
	if !given {
		text, given = token.FromBearer(r.Header.Get("Authorization"))
	}
	if given {
		keys, err := d.tokenKeys()
		a.note(err)
		claims, err := keys.Check(text, a.now())
		if err == nil && claims.By != "" {
			if c.maker = d.maker(claims.By); c.maker == nil || !c.maker.mayShare() {
				err = token.ErrRefused
			}
		}
		if err != nil {
			c.refused = err
		} else {
			c.claims = &claims
		}
	}
	return c
}

// signedIn returns the person whose session a request belongs to, or nil.
func (a *Access) signedIn(r *http.Request, d *data) (*Person, string) {
	cookie, err := r.Cookie(a.cookieName(r))
	if err != nil || len(cookie.Value) > 64 {
		return nil, ""
	}
	id, now := sessionID(cookie.Value), a.now()
	s, ok, err := a.sessions.find(id, now)
	a.note(err)
	if !ok {
		return nil, ""
	}
	p := d.person(s.Name)
	if p == nil || subtle.ConstantTimeCompare([]byte(p.Stamp), []byte(s.Stamp)) != 1 {
		return nil, "" // removed, or with a new password
	}
	a.note(a.sessions.touch(id, s, now))
	return p, id
}

// allows tells whether the caller has a right to a camera, and to how much of it. What a token gives less than something else does
// is no limit.
func (a *Access) allows(c *caller, camera string, right token.Right) (g httpapi.Grant, ok bool) {
	switch {
	case c.open, c.person != nil && c.person.may(camera):
		return g, true
	case token.Match(a.cfg.Public, camera):
		return httpapi.Grant{Guest: c.person == nil}, true
	case c.claims != nil && c.claims.Allows(camera, right) && (c.maker == nil || c.maker.may(camera)):
		return httpapi.GrantOf(c.claims), true
	}
	return g, false
}

// Authorize says how much of a camera a request may see; the empty camera stands for the list of cameras, in which everyone finds
// what he may see. It is for httpapi.Config.
func (a *Access) Authorize(r *http.Request, camera string) (httpapi.Grant, error) {
	c := a.caller(r)
	if camera == "" {
		if c.open || c.person != nil || c.claims != nil || c.refused == nil && len(a.cfg.Public) > 0 {
			return httpapi.Grant{}, nil
		}
		return httpapi.Grant{}, unauthorized(c.refused)
	}
	right := token.Watch
	if httpapi.WantsClip(r) {
		right = token.Clip
	}
	g, ok := a.allows(&c, camera, right)
	switch {
	case ok:
		return g, nil
	case c.person != nil, c.claims != nil:
		return g, &httpapi.Error{Status: http.StatusForbidden, Code: "forbidden", Message: "you may not do this with this camera"}
	}
	return g, unauthorized(c.refused)
}

// Admin says whether a request comes from an admin, or whether everyone may do everything.
func (a *Access) Admin(r *http.Request) error {
	c := a.caller(r)
	switch {
	case c.open, c.person != nil && c.person.Role == Admin:
		return nil
	case c.person != nil:
		return &httpapi.Error{Status: http.StatusForbidden, Code: "forbidden", Message: "this is for admins"}
	}
	return unauthorized(nil)
}

// unauthorized is the answer to somebody who is not known. refused says what was wrong with his token, if he had one.
func unauthorized(refused error) error {
	e := &httpapi.Error{Status: http.StatusUnauthorized, Code: "login_required", Message: "log in, or use a link with a token that is good"}
	switch {
	case errors.Is(refused, token.ErrExpired):
		e.Code, e.Message = "token_expired", "the link has expired; ask for a new one"
	case refused != nil:
		e.Code, e.Message = "token_refused", "the link is not valid, or was revoked; ask for a new one"
	}
	return e
}
