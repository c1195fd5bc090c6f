// SPDX-License-Identifier: Apache-2.0

package access

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/segment"
)

// MaxShare is for how long a link made by POST /share is good at most. The command line makes longer ones.
const MaxShare = 30 * 24 * time.Hour

// who is the body of GET and POST /session.
type who struct {
	Open    bool     `json:"open"`    // nobody has to log in
	Name    string   `json:"name"`    // empty when open, and for one who has a token only
	Role    Role     `json:"role"`    // likewise
	Cameras []string `json:"cameras"` // ids or beginnings; * stands for all
	Share   bool     `json:"share"`   // POST /share is allowed
}

func about(p *Person) who {
	o := who{Name: p.Name, Role: p.Role, Cameras: p.Cameras, Share: p.mayShare()}
	if p.Role == Admin {
		o.Cameras = []string{"*"}
	}
	return o
}

func (a *Access) showSession(w http.ResponseWriter, r *http.Request) error {
	c := a.caller(r)
	switch {
	case c.open:
		return writeJSON(w, r, who{Open: true, Cameras: []string{"*"}})
	case c.person != nil:
		return writeJSON(w, r, about(c.person))
	case c.claims != nil:
		return writeJSON(w, r, who{Cameras: c.claims.Cameras})
	}
	return unauthorized(c.refused)
}

func (a *Access) beginSession(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	p, err := a.logIn(w, r, in.Name, in.Password)
	if err != nil {
		return refusal(w, err)
	}
	return writeJSON(w, r, about(p))
}

func (a *Access) endSession(w http.ResponseWriter, r *http.Request) error {
	if err := a.logOut(w, r); err != nil {
		return internal(err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// share makes a link for others to one camera.
func (a *Access) share(w http.ResponseWriter, r *http.Request) error {
	c := a.caller(r)
	switch {
	case c.open: // nothing is closed, so there is nothing to open
		return &httpapi.Error{Status: http.StatusConflict, Code: "not_needed", Message: "everyone may watch on this server; a link needs no token"}
	case c.person == nil:
		return unauthorized(nil)
	}
	var in struct {
		Camera  string   `json:"camera_id"`
		Seconds int64    `json:"expires_in"`
		Rights  []string `json:"rights"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	camera, err := segment.CleanPrefix(in.Camera)
	if err != nil || strings.Contains(camera, "*") { // which would stand for others too
		return bad("camera_id", "name one camera")
	}
	if !c.person.mayShare() || !c.person.may(camera) {
		return &httpapi.Error{Status: http.StatusForbidden, Code: "forbidden", Message: "you may not make links to this camera"}
	}
	if in.Seconds < 1 || in.Seconds > int64(MaxShare/time.Second) {
		return bad("expires_in", fmt.Sprintf("write 1 to %d seconds", int64(MaxShare/time.Second)))
	}
	rights := token.Watch
	for i, name := range in.Rights {
		right, ok := map[string]token.Right{"watch": token.Watch, "clip": token.Clip}[name]
		if !ok {
			return bad("rights", `write a list of "watch" and "clip"`)
		}
		if i == 0 {
			rights = 0
		}
		rights |= right
	}
	k, err := a.book.Signer("")
	if err != nil {
		return internal(err)
	}
	expires := a.now().Add(time.Duration(in.Seconds) * time.Second)
	text, err := token.Make(k, token.Claims{Expires: expires, Cameras: []string{camera}, Rights: rights})
	if err != nil {
		return bad("camera_id", "it is too long for a link")
	}
	a.log.Info("link made", "person", c.person.Name, "camera", camera, "key", k.ID, "expires", expires.UTC())
	return writeJSON(w, r, struct {
		Token    string    `json:"token"`
		Key      string    `json:"key"`
		Camera   string    `json:"camera_id"`
		Expires  time.Time `json:"expires"`
		Playlist string    `json:"playlist"` // relative to the API
	}{text, k.ID, camera, expires.UTC().Truncate(time.Second), "playlist.m3u8?camera_id=" + url.QueryEscape(camera) + "&token=" + text})
}

func bad(field, message string) error {
	return &httpapi.Error{Status: http.StatusBadRequest, Code: "bad_" + field, Message: field + ": " + message}
}

func writeJSON(w http.ResponseWriter, r *http.Request, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return internal(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(b, '\n')) // the client may be gone
	}
	return nil
}
