// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	repeatWindow = time.Minute
	repeatMost   = 5  // lines with the same message in it
	repeatKinds  = 64 // messages that are watched
)

// NewLogger makes the agent's logger: to stderr as text, to syslog in the form of RFC 3164, or nowhere. The same warning or error more often
// than five times a minute is left out and counted.
func NewLogger(cfg *Config, stderr io.Writer) *slog.Logger {
	h := &handler{level: cfg.LogLevel, seen: map[string]*repeat{}, buf: &bytes.Buffer{}, mu: &sync.Mutex{}}
	opt := &slog.HandlerOptions{Level: cfg.LogLevel}
	switch cfg.Log {
	case "none":
		return slog.New(slog.DiscardHandler)
	case "syslog":
		h.out = &syslog{path: "/dev/log", fallback: stderr}
		opt.ReplaceAttr = func(groups []string, at slog.Attr) slog.Attr {
			if len(groups) == 0 && (at.Key == slog.TimeKey || at.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return at
		}
	default:
		h.out = plain{stderr}
		opt.ReplaceAttr = func(groups []string, at slog.Attr) slog.Attr {
			if len(groups) == 0 && at.Key == slog.TimeKey {
				return slog.String(slog.TimeKey, at.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
			}
			return at
		}
	}
	h.text = slog.NewTextHandler(h.buf, opt)
	return slog.New(h)
}

type sink interface {
	write(level slog.Level, line []byte)
}

type plain struct{ w io.Writer }

func (p plain) write(_ slog.Level, line []byte) { _, _ = p.w.Write(line) }

type repeat struct {
	since  time.Time
	n      int
	silent int
}

// handler formats by slog's own text handler and limits repetitions. Copies made by WithAttrs share everything but the attributes.
type handler struct {
	level slog.Level
	out   sink
	text  slog.Handler

	mu   *sync.Mutex
	buf  *bytes.Buffer
	seen map[string]*repeat
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Level >= slog.LevelWarn {
		silent, show := h.count(r.Message, r.Time)
		if !show {
			return nil
		}
		if silent > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("repeated", silent))
		}
	}
	h.buf.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	h.out.write(r.Level, h.buf.Bytes())
	return nil
}

func (h *handler) count(message string, now time.Time) (silent int, show bool) {
	s := h.seen[message]
	if s == nil {
		if len(h.seen) >= repeatKinds {
			clear(h.seen)
		}
		s = &repeat{since: now}
		h.seen[message] = s
	}
	if d := now.Sub(s.since); d >= repeatWindow || d < 0 {
		silent = s.silent
		*s = repeat{since: now}
	}
	if s.n >= repeatMost {
		s.silent++
		return 0, false
	}
	s.n++
	return silent, true
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.text = h.text.WithAttrs(attrs)
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	c.text = h.text.WithGroup(name)
	return &c
}

// syslog writes to the local syslog daemon, RFC 3164 without a host name as local daemons want it. While there is none, lines go to
// fallback. The handler's lock guards it.
type syslog struct {
	path     string
	fallback io.Writer
	conn     net.Conn
	buf      []byte
}

func (s *syslog) write(level slog.Level, line []byte) {
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
	b := append(s.buf[:0], '<')
	b = strconv.AppendInt(b, int64(daemon|severity), 10)
	b = append(b, '>')
	b = time.Now().AppendFormat(b, time.Stamp)
	b = append(b, " s3cam-agent["...)
	b = strconv.AppendInt(b, int64(os.Getpid()), 10)
	b = append(b, "]: "...)
	b = append(b, bytes.TrimRight(line, "\n")...)
	s.buf = b
	for range 2 { // the daemon may have been started again
		if s.conn == nil {
			c, err := net.DialTimeout("unixgram", s.path, time.Second)
			if err != nil {
				break
			}
			s.conn = c
		}
		_ = s.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // a full queue must not hold up frames
		if _, err := s.conn.Write(b); err == nil {
			return
		}
		_ = s.conn.Close()
		s.conn = nil
	}
	_, _ = s.fallback.Write(line)
}
