// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// PutOnly narrows an account to storing whole objects, for keys that lie in devices and may be stolen. Whatever its Allow
// says, it has one kind of request: a PUT of an object, signed in its header, without parameters. There are no multipart
// uploads, no presigned URLs and no changes to what is stored. What is stored has the type video/mp2t and none of the headers
// by which a browser would take it for something else (encoding, disposition, redirect, caching).
type PutOnly struct {
	Name        string        // whose key it is; MaxRequests counts per name
	MaxBytes    int64         // of an object; more is answered EntityTooLarge. 0: as everybody, 5 GB
	MaxRequests int           // at a time; more are answered 503 SlowDown, which clients retry. 0: no limit
	Grace       time.Duration // an object that was stored longer ago stays as it is: 412 PreconditionFailed
}

const putOnlyType = "video/mp2t"

var (
	errAccessDenied = s3err.GetAPIError(s3err.ErrAccessDenied)
	errStored       = s3err.GetAPIError(s3err.ErrPreconditionFailed)
	errSlowDown     = s3err.APIError{Code: "SlowDown", Description: "Too many uploads of this camera at a time.", HTTPStatusCode: 503}
)

// caller returns the account whose signature versitygw has verified. It is nil for the root pair. The error is AccessDenied
// when the account is gone meanwhile, or when the context tells nobody.
func (g *gateway) caller(ctx context.Context) (*Account, error) {
	who, ok := ctx.Value(string(utils.ContextKeyAccount)).(auth.Account)
	switch {
	case !ok || who.Access == "" && who.Role != auth.RoleAdmin:
		return nil, errAccessDenied
	case who.Role == auth.RoleAdmin && who.Access == g.owner:
		return nil, nil
	}
	a, err := g.users.lookup(who.Access, who.SessionToken)
	if errors.Is(err, auth.ErrInvalidSessionToken) {
		// It has expired since the request began, which was in time. Only the rule of an account is wanted here.
		return nil, s3err.GetAPIError(s3err.ErrInvalidToken)
	}
	if err != nil {
		return nil, errAccessDenied
	}
	return &a, nil
}

// notPutOnly refuses accounts that may only store whole objects.
func (g *gateway) notPutOnly(ctx context.Context) error {
	a, err := g.caller(ctx)
	if err == nil && a != nil && a.PutOnly != nil {
		err = errAccessDenied
	}
	return err
}

// putRules is what a PUT under way has to hold to.
type putRules struct {
	g    *gateway
	ctx  context.Context
	rule *PutOnly // nil: nothing
	path string   // of the object's file
	end  func()
}

// beginPut looks at a PUT before its body is read. end is to be called when it is over.
func (g *gateway) beginPut(ctx context.Context, dir, key string, in *s3response.PutObjectInput) (putRules, error) {
	r := putRules{g: g, ctx: ctx, path: filepath.Join(dir, key), end: func() {}}
	a, err := g.caller(ctx)
	if err != nil || a == nil || a.PutOnly == nil {
		return r, err
	}
	r.rule = a.PutOnly
	if !plainPut(ctx) {
		return r, errAccessDenied
	}
	if size := in.ContentLength; r.rule.MaxBytes > 0 && (size == nil || *size > r.rule.MaxBytes) {
		return r, s3err.GetEntityTooLargeErr(value(size), r.rule.MaxBytes)
	}
	if err := r.overwrites(); err != nil { // the authoritative look is before the object gets its name
		return r, err
	}
	kind := putOnlyType
	in.ContentType = &kind
	in.ContentEncoding, in.ContentDisposition, in.ContentLanguage, in.CacheControl, in.Expires, in.WebsiteRedirectLocation = nil, nil, nil, nil, nil, nil
	if r.end = g.uploads.begin(r.rule.Name, r.rule.MaxRequests); r.end == nil {
		r.end = func() {}
		return r, errSlowDown
	}
	return r, nil
}

// plainPut tells whether the request has nothing in its query. The SDKs of AWS name the operation there, which means nothing.
func plainPut(ctx context.Context) bool {
	request, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return false
	}
	for name := range request.QueryArgs().All() {
		if string(name) != "x-id" {
			return false
		}
	}
	return true
}

// allows is asked when the body is complete, just before the object gets its name: a slow upload may have begun before an
// object of this key existed, or before its key pair was taken away.
func (r *putRules) allows() error {
	if r.rule == nil {
		return nil
	}
	if _, err := r.g.caller(r.ctx); err != nil && err != s3err.GetAPIError(s3err.ErrInvalidToken) {
		return err
	}
	return r.overwrites()
}

// overwrites refuses to replace what was stored longer ago than the grace window. What seems to be from the future, after a
// step of the clock, is as old.
func (r *putRules) overwrites() error {
	st, err := os.Lstat(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return nil // what keeps the object from being looked at keeps it from being stored, and that is told better there
	case time.Since(st.ModTime()).Abs() > r.rule.Grace:
		return errStored
	}
	return nil
}

// uploads counts the PUTs under way of each name.
type uploads struct {
	mu  sync.Mutex
	now map[string]int
}

// begin counts one more and returns what ends it; nil when there are limit of them.
func (u *uploads) begin(name string, limit int) (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if limit > 0 && u.now[name] >= limit {
		return nil
	}
	if u.now == nil {
		u.now = map[string]int{}
	}
	u.now[name]++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.now[name]--; u.now[name] == 0 {
			delete(u.now, name)
		}
	}
}

func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}
