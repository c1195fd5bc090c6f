// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
)

// NewLogger returns a logger that writes a line of JSON per record, with the field names by which Lambda's log format JSON
// knows time and level. Records between the beginning and the end of an invocation that [New]'s handler serves carry its id
// as requestId, whoever writes them: a process serves one invocation at a time.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			a.Key = "timestamp"
		case slog.MessageKey:
			a.Key = "message"
		}
		return a
	}})
	return slog.New(&logHandler{Handler: h, current: &atomic.Pointer[string]{}})
}

// logHandler adds the id of the invocation under way.
type logHandler struct {
	slog.Handler
	current *atomic.Pointer[string] // shared by all that derive from one logger
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := h.current.Load(); id != nil {
		r = r.Clone()
		r.AddAttrs(slog.String("requestId", *id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.Handler.WithAttrs(attrs), h.current}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.Handler.WithGroup(name), h.current}
}

// begin notes the invocation that log's records belong to from now on, until end is called.
func begin(ctx context.Context, log *slog.Logger) (end func()) {
	h, ok := log.Handler().(*logHandler)
	id := requestID(ctx)
	if !ok || id == "" {
		return func() {}
	}
	h.current.Store(&id)
	return func() { h.current.Store(nil) }
}
