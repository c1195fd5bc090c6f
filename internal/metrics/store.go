// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/s3cam/s3cam/playback"
)

// putClasses are the classes of failed PUTs, and the statuses behind them.
var putClasses = []string{"denied", "exists", "invalid", "busy", "full", "error"}

func putClass(status int) string {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "denied"
	case status == http.StatusConflict || status == http.StatusPreconditionFailed:
		return "exists"
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		return "busy"
	case status == http.StatusInsufficientStorage:
		return "full"
	case status >= http.StatusInternalServerError:
		return "error"
	}
	return "invalid"
}

// S3Request counts a request to the embedded store (s3server.Config.OnRequest).
func (m *Metrics) S3Request(method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions:
	default:
		method = "other"
	}
	m.s3Requests.WithLabelValues(method, strconv.Itoa(status)).Inc()
	m.s3Seconds.WithLabelValues(method).Observe(took.Seconds())
	if status == http.StatusForbidden || status == http.StatusUnauthorized {
		m.denied.WithLabelValues("s3").Inc()
	}
	if method == http.MethodPut && status >= 400 {
		m.putFailed.WithLabelValues(putClass(status)).Inc()
	}
}

// Store counts what playback asks a store.
func (m *Metrics) Store(s playback.Store) playback.Store { return countedStore{s, m} }

type countedStore struct {
	store playback.Store
	m     *Metrics
}

func (m *Metrics) asked(ctx context.Context, op string, began time.Time, err error) {
	if t := traceOf(ctx); t != nil && op != "read" {
		t.lists.Add(1)
	}
	m.storeRequests.WithLabelValues(op, outcome(err)).Inc()
	m.storeSeconds.WithLabelValues(op).Observe(m.cfg.Now().Sub(began).Seconds())
}

func (c countedStore) List(ctx context.Context, prefix, startAfter string, pageSize int, yield func(key []byte, size int64) bool) (err error) {
	began := c.m.cfg.Now()
	defer func() { c.m.asked(ctx, "list", began, err) }()
	return c.store.List(ctx, prefix, startAfter, pageSize, yield)
}

func (c countedStore) ListFolders(ctx context.Context, prefix string, yield func(name string) bool) (err error) {
	began := c.m.cfg.Now()
	defer func() { c.m.asked(ctx, "folders", began, err) }()
	return c.store.ListFolders(ctx, prefix, yield)
}

// Heads counts the reads of beginnings and ends of segments.
func (m *Metrics) Heads(h playback.HeadReader) playback.HeadReader { return countedHeads{h, m} }

type countedHeads struct {
	heads playback.HeadReader
	m     *Metrics
}

func (c countedHeads) ReadRange(ctx context.Context, key string, offset, n int64) (b []byte, err error) {
	began := c.m.cfg.Now()
	defer func() { c.m.asked(ctx, "read", began, err) }()
	return c.heads.ReadRange(ctx, key, offset, n)
}

// Windows counts what playback asks the store of live windows.
func (m *Metrics) Windows(w playback.WindowStore) playback.WindowStore { return countedWindows{w, m} }

type countedWindows struct {
	windows playback.WindowStore
	m       *Metrics
}

func (c countedWindows) done(op string, began time.Time, err error) {
	result := outcome(err)
	if errors.Is(err, playback.ErrConflict) {
		result = "conflict"
	}
	c.m.windows.WithLabelValues(op, result).Inc()
	c.m.windowSeconds.WithLabelValues(op).Observe(c.m.cfg.Now().Sub(began).Seconds())
}

func (c countedWindows) Load(ctx context.Context, id string) (w playback.Window, err error) {
	began := c.m.cfg.Now()
	defer func() { c.done("load", began, err) }()
	return c.windows.Load(ctx, id)
}

func (c countedWindows) Save(ctx context.Context, w playback.Window) (err error) {
	began := c.m.cfg.Now()
	defer func() { c.done("save", began, err) }()
	return c.windows.Save(ctx, w)
}
