// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	repeatWindow = time.Minute
	repeatMost   = 5  // lines with the same message in it
	repeatKinds  = 64 // messages that are watched
)

// NewLogger makes the agent's logger: to stderr as text, to syslog in the form of RFC 3164 (and to stderr while there is no syslog daemon,
// unless the firmware has started us: its output is not ours), or nowhere. The same warning or error more often
// than five times a minute is left out and counted.
func NewLogger(cfg *Config, stderr io.Writer) *slog.Logger {
	if cfg.Log == "none" {
		return slog.New(slog.DiscardHandler)
	}
	s := &lines{seen: map[string]*repeat{}, stderr: stderr}
	if cfg.Log == "syslog" {
		s.syslog = &syslog{path: "/dev/log"}
		if cfg.FD != 0 {
			s.stderr = io.Discard
		}
	}
	return slog.New(handler{level: cfg.LogLevel, lines: s})
}

// handler writes lines of key=value, as slog's own text handler does; that one would bring encoding/json along, 250 KB of flash.
type handler struct {
	level slog.Level
	attrs string // of WithAttrs, formatted
	group string
	lines *lines
}

// lines is what all copies of a handler share.
type lines struct {
	mu     sync.Mutex
	seen   map[string]*repeat
	buf    []byte
	stderr io.Writer
	syslog *syslog // nil: stderr
}

type repeat struct {
	since  time.Time
	n      int
	silent int
}

func (h handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	s := h.lines
	s.mu.Lock()
	defer s.mu.Unlock()
	silent := 0
	if r.Level >= slog.LevelWarn {
		var show bool
		if silent, show = s.count(r.Message, r.Time); !show {
			return nil
		}
	}
	b := s.buf[:0]
	if s.syslog == nil {
		b = r.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z ")
		b = append(append(b, r.Level.String()...), ' ')
	} else {
		b = s.syslog.head(b, r.Level)
	}
	b = append(b, r.Message...)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.group, a)
		return true
	})
	if silent > 0 {
		b = append(b, " repeated="...)
		b = strconv.AppendInt(b, int64(silent), 10)
	}
	b = append(b, '\n')
	s.buf = b
	if s.syslog != nil && s.syslog.write(b[:len(b)-1]) {
		return nil
	}
	_, err := s.stderr.Write(b)
	return err
}

func (s *lines) count(message string, now time.Time) (silent int, show bool) {
	r := s.seen[message]
	if r == nil {
		if len(s.seen) >= repeatKinds {
			clear(s.seen)
		}
		r = &repeat{since: now}
		s.seen[message] = r
	}
	if d := now.Sub(r.since); d >= repeatWindow || d < 0 {
		silent = r.silent
		*r = repeat{since: now}
	}
	if r.n >= repeatMost {
		r.silent++
		return 0, false
	}
	r.n++
	return silent, true
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	b := []byte(h.attrs)
	for _, a := range attrs {
		b = appendAttr(b, h.group, a)
	}
	h.attrs = string(b)
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.group += name + "."
	return h
}

// appendAttr appends " key=value"; values that would not be one word are quoted.
func appendAttr(b []byte, group string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		for _, in := range v.Group() {
			b = appendAttr(b, group+a.Key+".", in)
		}
		return b
	}
	if a.Key == "" {
		return b
	}
	text := v.String()
	if v.Kind() == slog.KindTime {
		text = v.Time().UTC().Format(time.RFC3339)
	}
	b = append(append(append(append(b, ' '), group...), a.Key...), '=')
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r >= 0x7f }) {
		return strconv.AppendQuote(b, text)
	}
	return append(b, text...)
}

// syslog writes to the local syslog daemon, RFC 3164 without a host name as local daemons want it. The lines' lock guards it.
type syslog struct {
	path string
	conn net.Conn
}

// head appends what stands before the message.
func (s *syslog) head(b []byte, level slog.Level) []byte {
	severity := 6 // informational
	switch {
	case level >= slog.LevelError:
		severity = 3
	case level >= slog.LevelWarn:
		severity = 4
	case level < slog.LevelInfo:
		severity = 7
	}
	const daemon = 3 << 3
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(daemon|severity), 10)
	b = append(b, '>')
	b = time.Now().AppendFormat(b, time.Stamp)
	b = append(b, " s3cam-agent["...)
	b = strconv.AppendInt(b, int64(os.Getpid()), 10)
	return append(b, "]: "...)
}

// write tells whether the daemon has taken the line.
func (s *syslog) write(line []byte) bool {
	for range 2 { // the daemon may have been started again
		if s.conn == nil {
			c, err := net.DialTimeout("unixgram", s.path, time.Second)
			if err != nil {
				return false
			}
			s.conn = c
		}
		_ = s.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // a full queue must not hold up frames
		if _, err := s.conn.Write(line); err == nil {
			return true
		}
		_ = s.conn.Close()
		s.conn = nil
	}
	return false
}
