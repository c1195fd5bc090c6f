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
	Open    bool      `json:"open"`    // nobody has to log in
	Name    string    `json:"name"`    // empty when open, and for one who has a token only
	Role    Role      `json:"role"`    // likewise
	Cameras []string  `json:"cameras"` // ids or beginnings; * stands for all
	Share   bool      `json:"share"`   // POST /share is allowed
	Link    *linkInfo `json:"link,omitempty"`
}

// linkInfo is what the token of a request gives, beside what its person may see.
type linkInfo struct {
	Cameras []string   `json:"cameras"`
	Rights  []string   `json:"rights"` // watch, clip
	Expires time.Time  `json:"expires"`
	Start   *time.Time `json:"start,omitempty"` // of the footage; without them all of it and live
	End     *time.Time `json:"end,omitempty"`
}

func linkOf(c *token.Claims) *linkInfo {
	if c == nil {
		return nil
	}
	l := linkInfo{Cameras: c.Cameras, Rights: []string{}, Expires: c.Expires}
	for _, name := range rightNames {
		if c.Rights&name.right != 0 {
			l.Rights = append(l.Rights, name.text)
		}
	}
	if c.Bounded() {
		l.Start, l.End = &c.From, &c.To
	}
	return &l
}

var rightNames = [...]struct {
	text  string
	right token.Right
}{{"watch", token.Watch}, {"clip", token.Clip}}

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
		o := about(c.person)
		o.Link = linkOf(c.claims)
		return writeJSON(w, r, o)
	case c.claims != nil:
		return writeJSON(w, r, who{Cameras: c.claims.Cameras, Link: linkOf(c.claims)})
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
	a.logOut(w, r)
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
		Start   string   `json:"start"` // of the footage; empty for all of it and live
		End     string   `json:"end"`
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
		if i == 0 {
			rights = 0
		}
		right := token.Right(0)
		for _, known := range rightNames {
			if known.text == name {
				right = known.right
			}
		}
		if right == 0 {
			return bad("rights", `write a list of "watch" and "clip"`)
		}
		rights |= right
	}
	from, to, err := footageOf(in.Start, in.End)
	if err != nil {
		return err
	}
	k, err := a.book.signerOfLinks()
	if err != nil {
		return internal(err)
	}
	by := c.person.ID
	if by == "" {
		if by, err = a.book.identify(c.person.Name); err != nil {
			return internal(err)
		}
	}
	expires := a.now().Add(time.Duration(in.Seconds) * time.Second)
	text, err := token.Make(k, token.Claims{Expires: expires, Cameras: []string{camera}, Rights: rights, From: from, To: to, By: by})
	if err != nil {
		return bad("camera_id", "it is too long for a link")
	}
	made := struct {
		Token    string     `json:"token"`
		Key      string     `json:"key"`
		Camera   string     `json:"camera_id"`
		Expires  time.Time  `json:"expires"`
		Start    *time.Time `json:"start,omitempty"`
		End      *time.Time `json:"end,omitempty"`
		Playlist string     `json:"playlist"` // relative to the API
	}{Token: text, Key: k.ID, Camera: camera, Expires: expires.UTC().Truncate(time.Second), Playlist: "playlist.m3u8?camera_id=" + url.QueryEscape(camera)}
	footage := "all"
	if !from.IsZero() {
		made.Start, made.End = &from, &to
		start, end := from.Format(time.RFC3339), to.Format(time.RFC3339)
		made.Playlist = "replay.m3u8?camera_id=" + url.QueryEscape(camera) + "&start=" + start + "&end=" + end
		footage = start + " to " + end
	}
	made.Playlist += "&token=" + text
	a.log.Info("link made", "person", c.person.Name, "camera", camera, "footage", footage, "key", k.ID, "expires", expires.UTC())
	return writeJSON(w, r, made)
}

// footageOf reads the bounds of a link's footage, widened to whole seconds; both are zero for none.
func footageOf(start, end string) (from, to time.Time, err error) {
	if start == "" && end == "" {
		return from, to, nil
	}
	if from, err = time.Parse(time.RFC3339, start); err != nil {
		return from, to, bad("start", "write it as 2026-11-25T09:30:00Z, and end too")
	}
	if to, err = time.Parse(time.RFC3339, end); err != nil {
		return from, to, bad("end", "write it as 2026-11-25T09:31:00Z, and start too")
	}
	from, to = from.UTC().Truncate(time.Second), to.UTC().Add(time.Second-1).Truncate(time.Second)
	switch {
	case from.Unix() < 0:
		return from, to, bad("start", "it is before 1970")
	case !to.After(from):
		return from, to, bad("end", "it is not after start")
	case to.Year() > 9999:
		return from, to, bad("end", "it is after the year 9999")
	}
	return from, to, nil
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
