// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path/filepath"
	"time"

	"github.com/s3cam/s3cam/internal/state"
)

// SessionsFile is the name of the file with open sessions, beside [BookFile].
const SessionsFile = "sessions.json"

// Life and number of sessions.
const (
	SessionIdle = 14 * 24 * time.Hour // without any request
	SessionLife = 90 * 24 * time.Hour // after logging in

	maxSessions    = 10_000
	maxOwnSessions = 50
	seenStep       = time.Hour // how exactly it is kept when a session was used last
)

// session is one browser in which somebody has logged in. It is kept under the hash of what the browser holds.
type session struct {
	Name    string    `json:"name"`
	Stamp   string    `json:"stamp"` // of the person when logging in
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`
	From    string    `json:"from"` // address, see limitKey
}

func (s *session) expires() time.Time {
	a, b := s.Seen.Add(SessionIdle), s.Created.Add(SessionLife)
	if a.Before(b) {
		return a
	}
	return b
}

// sessions are the open sessions, on disk: they outlive a restart.
type sessions struct {
	file *state.File[map[string]session]
}

func openSessions(dir string, now func() time.Time) (*sessions, error) {
	f, err := state.Open[map[string]session](filepath.Join(dir, SessionsFile), state.WithClock(now), state.Disposable())
	if err != nil {
		return nil, err
	}
	return &sessions{f}, nil
}

// sessionID is the name under which a secret is kept.
func sessionID(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// begin opens a session and returns the secret for the browser.
func (s *sessions) begin(p *Person, from string, now time.Time) (secret string, err error) {
	var b [32]byte
	rand.Read(b[:]) // never fails
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	now = now.UTC().Truncate(time.Second)
	return secret, s.file.Update(func(all *map[string]session) error {
		if *all == nil {
			*all = map[string]session{}
		}
		own := 0
		for id, x := range *all {
			if !now.Before(x.expires()) || x.Name == p.Name && x.Stamp != p.Stamp {
				delete(*all, id)
			} else if x.Name == p.Name {
				own++
			}
		}
		if own >= maxOwnSessions {
			dropOldest(*all, p.Name)
		}
		if len(*all) >= maxSessions {
			dropOldest(*all, "")
		}
		(*all)[sessionID(secret)] = session{p.Name, p.Stamp, now, now, from}
		return nil
	})
}

// dropOldest ends the session that was used least recently, of one person or of all.
func dropOldest(all map[string]session, name string) {
	oldest := ""
	for id, x := range all {
		if (name == "" || x.Name == name) && (oldest == "" || x.Seen.Before(all[oldest].Seen)) {
			oldest = id
		}
	}
	delete(all, oldest)
}

// find returns an open session. The error of the file is given with what was known before it; who removes the file ends all sessions.
func (s *sessions) find(id string, now time.Time) (session, bool, error) {
	all, err := s.file.Get()
	x, ok := all[id]
	return x, ok && now.Before(x.expires()), err
}

// touch notes that a session is in use, now and then. What seems to be from the future, after a step of the clock, is from now on.
func (s *sessions) touch(id string, x session, now time.Time) error {
	if now.Sub(x.Seen).Abs() < seenStep && now.Sub(x.Created) > -seenStep {
		return nil
	}
	return s.file.Update(func(all *map[string]session) error {
		if x, ok := (*all)[id]; ok {
			x.Seen = now.UTC().Truncate(time.Second)
			if x.Created.After(x.Seen) {
				x.Created = x.Seen
			}
			(*all)[id] = x
		}
		return nil
	})
}

// renew gives a session the new stamp of its person.
func (s *sessions) renew(id, stamp string) error {
	return s.file.Update(func(all *map[string]session) error {
		if x, ok := (*all)[id]; ok {
			x.Stamp = stamp
			(*all)[id] = x
		}
		return nil
	})
}

func (s *sessions) end(id string) error {
	return s.file.Update(func(all *map[string]session) error {
		delete(*all, id)
		return nil
	})
}

// knows tells whether a person is logged in at an address already.
func (s *sessions) knows(name, from string, now time.Time) bool {
	all, _ := s.file.Get()
	for _, x := range all {
		if x.Name == name && x.From == from && now.Before(x.expires()) {
			return true
		}
	}
	return false
}
