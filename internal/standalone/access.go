// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/httpapi"
)

// DefaultState is the directory of [Config].State for a server on an external store.
const DefaultState = "s3cam-state"

// Access says who may watch. Beyond loopback that is whoever logs in or has a token, and everyone only with Web.Anonymous.
type Access struct {
	Login          bool           // on loopback too, even as long as nobody can log in; Web.Hosts and TrustedProxies do the same
	LoopbackOnly   bool           // nobody is meant to log in: refuse addresses beyond loopback, unless Web.Anonymous
	PublicCameras  []string       // that everyone may see: ids, beginnings as yard/*, or *
	TrustedProxies []netip.Prefix // that are believed who the client is (X-Forwarded-For, X-Forwarded-Proto)
}

func (a *Access) problem(web Web, loopback bool) error {
	if a.LoopbackOnly && !loopback && !web.Anonymous {
		return hint.With(fmt.Errorf("--http %s can be reached from other machines, and anyone who reaches it could watch", web.Addr),
			"keep 127.0.0.1, or add --anonymous if everyone may watch; s3cam serve lets people log in")
	}
	var errs []error
	for _, p := range a.PublicCameras {
		if err := access.CheckPattern(p); err != nil {
			errs = append(errs, fmt.Errorf("--public-camera: %w", err))
		}
	}
	return errors.Join(errs...)
}

// StateDir is the directory of what is neither footage nor configuration: people, keys, holds. It is made when something is
// written there first.
func (c *Config) StateDir() string {
	switch {
	case c.State != "":
		return c.State
	case c.Engine != nil:
		return c.Engine.Dir
	}
	return DefaultState
}

// openAccess reads who may watch.
func (s *server) openAccess(loopback bool) error {
	dir := s.cfg.StateDir()
	book, err := access.OpenBook(dir, s.cfg.Now)
	if err != nil {
		return dataError(dir, err)
	}
	c := s.cfg.Access
	// A server with a public name, or with a proxy before it, is reached from elsewhere, whatever it listens on.
	unmanned := loopback && !c.Login && len(s.cfg.Web.Hosts) == 0 && len(c.TrustedProxies) == 0
	s.access, err = access.New(access.Config{
		Book: book, Anonymous: s.cfg.Web.Anonymous, Unmanned: unmanned, Public: c.PublicCameras, TrustedProxies: c.TrustedProxies,
		Now: s.cfg.Now, Logger: s.log,
	})
	if err != nil {
		return dataError(dir, err)
	}
	return nil
}

// limitAccess puts what openAccess read before the API. The page itself is for everybody: it is the same on every server and no secret,
// a link has its token behind the '#', where no server sees it, and the page leads to the login whoever has neither.
func (s *server) limitAccess(hc *httpapi.Config) {
	hc.Account = s.access
	if s.cfg.Web.Anonymous {
		return
	}
	hc.Authorize = s.access.Authorize
}

// adminOnly answers for admins only: for what tells about all cameras at once.
func (s *server) adminOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.access.Admin(r); err != nil {
			var e *httpapi.Error
			status := http.StatusForbidden
			if errors.As(err, &e) {
				status = e.Status
			}
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, http.StatusText(status), status)
			return
		}
		next.ServeHTTP(w, r)
	})
}
