// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync"
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

// sessions are the open sessions, on disk: they outlive a restart. While the file cannot be written, as on a disk that is full, those
// that begin and end are kept in memory: the people who have to do something about it can log in, and who logs out is out.
type sessions struct {
	file *state.File[map[string]session]

	mu    sync.Mutex         // of what follows, never held while the disk is waited for
	extra map[string]session // that are not in the file, or not as here
	ended map[string]bool    // that still are in it
}

// openSessions reads the file. One that is damaged is put aside: nobody needs it enough for a server not to record.
func openSessions(dir string, now func() time.Time) (s *sessions, damaged error, err error) {
	path := filepath.Join(dir, SessionsFile)
	open := func() (*state.File[map[string]session], error) {
		return state.Open[map[string]session](path, state.WithClock(now), state.Disposable())
	}
	f, err := open()
	if err != nil {
		damaged = err
		if err = os.Rename(path, path+".damaged"); err == nil {
			f, err = open()
		}
	}
	if err != nil {
		return nil, nil, errors.Join(damaged, err)
	}
	return &sessions{file: f, extra: map[string]session{}, ended: map[string]bool{}}, damaged, nil
}

// update changes the file, and brings what was kept in memory into it.
func (s *sessions) update(change func(map[string]session)) error {
	s.mu.Lock()
	extra, ended := maps.Clone(s.extra), maps.Clone(s.ended)
	s.mu.Unlock()
	err := s.file.Update(func(all *map[string]session) error {
		if *all == nil {
			*all = map[string]session{}
		}
		maps.Copy(*all, extra)
		for id := range ended {
			delete(*all, id)
		}
		change(*all)
		return nil
	})
	if err == nil {
		s.mu.Lock()
		maps.DeleteFunc(s.extra, func(id string, x session) bool { return extra[id] == x })
		maps.DeleteFunc(s.ended, func(id string, _ bool) bool { return ended[id] })
		s.mu.Unlock()
	}
	return err
}

// remember changes a session in memory, since the file could not be.
func (s *sessions) remember(id string, change func(*session)) {
	all, _ := s.file.Get()
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.extra[id]
	if !ok {
		x, ok = all[id]
	}
	if ok && !s.ended[id] {
		change(&x)
		s.extra[id] = x
	}
}

// sessionID is the name under which a secret is kept.
func sessionID(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// begin opens a session and returns the secret for the browser. With an error the session is in memory alone.
func (s *sessions) begin(p *Person, from string, now time.Time) (secret string, err error) {
	var b [32]byte
	rand.Read(b[:]) // never fails
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	now = now.UTC().Truncate(time.Second)
	add := func(all map[string]session) {
		own := 0
		for id, x := range all {
			if !now.Before(x.expires()) || x.Name == p.Name && x.Stamp != p.Stamp {
				delete(all, id)
			} else if x.Name == p.Name {
				own++
			}
		}
		if own >= maxOwnSessions {
			dropOldest(all, p.Name)
		}
		if len(all) >= maxSessions {
			dropOldest(all, "")
		}
		all[sessionID(secret)] = session{p.Name, p.Stamp, now, now, from}
	}
	if err = s.update(add); err != nil {
		s.mu.Lock()
		add(s.extra)
		s.mu.Unlock()
	}
	return secret, err
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
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := all[id]
	if y, too := s.extra[id]; too {
		x, ok = y, true
	}
	return x, ok && !s.ended[id] && now.Before(x.expires()), err
}

// touch notes that a session is in use, now and then. What seems to be from the future, after a step of the clock, is from now on.
func (s *sessions) touch(id string, x session, now time.Time) error {
	if now.Sub(x.Seen).Abs() < seenStep && now.Sub(x.Created) > -seenStep {
		return nil
	}
	return s.change(id, func(x *session) {
		x.Seen = now.UTC().Truncate(time.Second)
		if x.Created.After(x.Seen) {
			x.Created = x.Seen
		}
	})
}

// change changes a session. With an error it is changed in memory alone.
func (s *sessions) change(id string, how func(*session)) error {
	err := s.update(func(all map[string]session) {
		if x, ok := all[id]; ok {
			how(&x)
			all[id] = x
		}
	})
	if err != nil {
		s.remember(id, how)
	}
	return err
}

// renew gives a session the new stamp of its person.
func (s *sessions) renew(id, stamp string) error {
	return s.change(id, func(x *session) { x.Stamp = stamp })
}

// end ends a session. With an error it is ended as long as this process runs, and in the file with the next change.
func (s *sessions) end(id string) error {
	err := s.update(func(all map[string]session) { delete(all, id) })
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.extra, id)
		s.ended[id] = true
	}
	return err
}

// knows tells whether a person is logged in at an address already.
func (s *sessions) knows(name, from string, now time.Time) bool {
	all, _ := s.file.Get()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, some := range []map[string]session{all, s.extra} {
		for id, x := range some {
			if x.Name == name && x.From == from && !s.ended[id] && now.Before(x.expires()) {
				return true
			}
		}
	}
	return false
}
