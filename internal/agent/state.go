// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

const (
	stateName  = "clock"
	stateEvery = 10 * time.Minute // flash wears
)

// state is what is worth knowing after a restart: the time. A camera without a battery-backed clock starts in 1970; certificates can
// then be verified for the last time known, and footage gets plausible times before the first answer of a server.
type state struct {
	dir string
	now func() time.Time
	log *slog.Logger

	floor time.Time // has passed for certain

	mu     sync.Mutex
	known  bool          // a server has told the time
	off    time.Duration // to be added to the device's clock
	was    time.Duration // off at the end of the run before
	loaded bool
	saved  time.Time
}

func openState(dir string, build time.Time, now func() time.Time, log *slog.Logger) (*state, error) {
	s := &state{dir: dir, now: now, log: log, floor: build}
	if dir == "" {
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			log.Warn("state cannot be read", "error", err)
		}
		return s, nil
	}
	last, off, ok := parseState(string(b))
	if !ok {
		log.Warn("state is damaged and ignored", "file", filepath.Join(dir, stateName))
		return s, nil
	}
	if last.After(s.floor) {
		s.floor = last
	}
	s.was, s.loaded = off, true
	return s, nil
}

// parseState reads "unix-seconds offset-milliseconds".
func parseState(text string) (last time.Time, off time.Duration, ok bool) {
	a, b, found := strings.Cut(strings.TrimSpace(text), " ")
	sec, err := strconv.ParseInt(a, 10, 64)
	ms, err2 := strconv.ParseInt(b, 10, 64)
	const year9999 = 253370764800
	if !found || err != nil || err2 != nil || sec < 0 || sec > year9999 || ms > year9999*1000 || ms < -year9999*1000 {
		return time.Time{}, 0, false
	}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	if ms > most || ms < -most {
		return time.Time{}, 0, false
	}
	return time.Unix(sec, 0).UTC(), time.Duration(ms) * time.Millisecond, true
}

// offset is the best guess before a server has told the time: what was learned in this run, or, when the device's clock says a time
// that has passed already, as much as leads to the last time known. A clock that may be right is believed.
func (s *state) offset() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return s.off
	}
	now := s.now()
	if now.Before(s.floor) {
		if t := now.Add(s.was); s.loaded && !t.Before(s.floor) && t.Sub(s.floor) < 30*24*time.Hour {
			return s.was // the clock runs on, as wrong as it was
		}
		return s.floor.Sub(now)
	}
	return 0
}

// time is the present time as far as it is known.
func (s *state) time() time.Time { return s.now().Add(s.offset()) }

func (s *state) isKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

// clockTolerance is by how much a server's time may differ before it is believed more than the device's clock.
const clockTolerance = 2 * time.Second

// heard takes over the time that a server has just told; zero is none.
func (s *state) heard(server time.Time) {
	if server.IsZero() || server.Before(s.floor) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := server.Sub(s.now().Add(s.off)); !s.known || d > clockTolerance || d < -clockTolerance {
		s.off = server.Sub(s.now())
		if s.off < clockTolerance && s.off > -clockTolerance {
			s.off = 0
		}
	}
	s.known = true
}

// learn takes over what a camera knows about the clock.
func (s *state) learn(up *uploader.Uploader) {
	st := up.Stats()
	if !st.ClockKnown {
		return
	}
	s.mu.Lock()
	s.known, s.off = true, st.ClockOffset
	s.mu.Unlock()
}

// keep saves the state now and then.
func (s *state) keep() {
	s.mu.Lock()
	due := s.dir != "" && s.known && (s.saved.IsZero() || s.now().Sub(s.saved) >= stateEvery)
	s.mu.Unlock()
	if due {
		if err := s.save(); err != nil {
			s.log.Warn("state cannot be written", "error", err)
		}
	}
}

// save writes the state, whole or not at all. Without a server's word about the time there is nothing to save.
func (s *state) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" || !s.known {
		return nil
	}
	s.saved = s.now()
	text := strconv.FormatInt(s.saved.Add(s.off).Unix(), 10) + " " + strconv.FormatInt(int64(s.off/time.Millisecond), 10) + "\n"
	tmp := filepath.Join(s.dir, stateName+".new")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, filepath.Join(s.dir, stateName))
	}
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}
