// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"errors"
	"net/http"
	"time"

	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/httpapi"
)

// Access says who may watch. The zero value lets nobody.
type Access struct {
	Anonymous     bool       // everyone may see everything: for a gateway that asks who is there by itself, or for all the world
	TokenKeys     token.Keys // whose tokens are good
	PublicCameras []string   // that everyone may see, as token.Match takes them
}

// authorize returns what httpapi.Config.Authorize takes; nil allows all. There are no people here: who logs in does so at the
// gateway.
func (a *Access) authorize(now func() time.Time) func(*http.Request, string) (httpapi.Grant, error) {
	if a.Anonymous {
		return nil
	}
	return func(r *http.Request, camera string) (g httpapi.Grant, err error) {
		if camera != "" && token.Match(a.PublicCameras, camera) {
			return g, nil
		}
		text, given := token.FromQuery(r.URL.RawQuery)
		if !given {
			text, given = token.FromBearer(r.Header.Get("Authorization"))
		}
		right := token.Watch
		if httpapi.WantsClip(r) {
			right = token.Clip
		}
		var claims token.Claims
		if given {
			claims, err = a.TokenKeys.Check(text, now())
			if err == nil && claims.By != "" { // whether that person still may is for his server to say
				err = token.ErrRefused
			}
		}
		switch {
		case errors.Is(err, token.ErrExpired):
			return g, &httpapi.Error{Status: http.StatusUnauthorized, Code: "token_expired", Message: "the link has expired; ask for a new one"}
		case err != nil:
			return g, &httpapi.Error{Status: http.StatusUnauthorized, Code: "token_refused", Message: "the link is not valid, or was revoked; ask for a new one"}
		case camera == "" && (given || len(a.PublicCameras) > 0):
			return g, nil
		case given && claims.Allows(camera, right):
			return httpapi.GrantOf(&claims), nil
		case given:
			return g, &httpapi.Error{Status: http.StatusForbidden, Code: "forbidden", Message: "you may not do this with this camera"}
		}
		return g, &httpapi.Error{Status: http.StatusUnauthorized, Code: "login_required", Message: "a token is needed: ?token=... or Authorization: Bearer ..."}
	}
}

// access reads who may watch.
func (e *environment) access() (a Access) {
	switch v := e.get("S3CAM_ANONYMOUS"); v {
	case "", "false":
	case "true":
		a.Anonymous = true
	default:
		e.bad("S3CAM_ANONYMOUS", v, "want true or false")
	}
	var err error
	if a.TokenKeys, err = token.ParseKeys(e.get("S3CAM_TOKEN_KEYS")); err != nil {
		e.problems = append(e.problems, errors.Join(errors.New("S3CAM_TOKEN_KEYS is not id:base64 secret, separated by commas"), err)) // it is secret itself
	}
	a.PublicCameras = e.list("S3CAM_PUBLIC_CAMERAS")
	return a
}
