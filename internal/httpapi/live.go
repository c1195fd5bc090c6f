// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/segment"
)

const (
	playlistType = "application/vnd.apple.mpegurl" // RFC 8216 section 10

	// signedStep is the grid to which the date of a live segment's URL is floored, so that several servers with the same
	// credentials sign the same URL; presignMargin is how long a URL is good after the playlist stopped listing it under
	// that signature: a player may be a window and a stall behind.
	signedStep    = time.Minute
	presignMargin = 5 * time.Minute

	// maxLives bounds the cache of rendered live playlists; each is a few kilobytes.
	maxLives = 4096
)

func (h *handler) live(w *response, r *http.Request) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	camera, err := q.cameraID()
	if err != nil {
		return err
	}
	g, err := h.authorize(r, camera)
	if err == nil {
		err = g.notLive()
	}
	if err != nil {
		return err
	}
	now := w.began
	if b := h.lives.fresh(camera, now, h.cfg.LiveAge); b != nil {
		h.serveLive(w, r, b)
		return nil
	}
	ctx, cancel := h.within(r)
	defer cancel()
	p, err := h.cfg.Playback.Live(ctx, camera)
	if err != nil {
		return fmt.Errorf("live playlist of %s: %w", camera, err)
	}
	body, err := h.lives.body(ctx, h, camera, &p)
	if err == nil {
		body.asked.Store(now.UnixNano())
	} else {
		return fmt.Errorf("live playlist of %s: %w", camera, err)
	}
	h.serveLive(w, r, body)
	return nil
}

// serveLive sends a live playlist, with the token of the request for its segments.
func (h *handler) serveLive(w http.ResponseWriter, r *http.Request, b *liveBody) {
	query := h.segmentQuery(r)
	if query == "" || h.cfg.Live == Presign { // signed URLs need no token
		b.serve(w, r)
		return
	}
	h.render.make(playlistType, h.openCache(), withQuery(b.plain, query), acceptsGzip(field(r, "Accept-Encoding"))).serve(w, r)
}

// liveVersion tells two states of a live window apart: what was published about a segment never changes, so the ends of
// the window say everything.
type liveVersion struct {
	sequence, discontinuity int64
	first, last             int64 // keys
	segments, target        int
	lastDuration            time.Duration
}

func versionOf(p *hls.Playlist) liveVersion {
	v := liveVersion{sequence: p.MediaSequence, discontinuity: p.DiscontinuitySequence, segments: len(p.Segments), target: p.TargetDuration}
	if n := len(p.Segments); n > 0 {
		v.first, v.last, v.lastDuration = p.Segments[0].Key, p.Segments[n-1].Key, p.Segments[n-1].Duration
	}
	return v
}

// liveCache holds the last rendered live playlist of each camera, compressed too: as long as the window does not change,
// a poll is a lookup and a write.
type liveCache struct {
	mu      sync.RWMutex
	entries map[string]*liveEntry
}

type liveEntry struct {
	mu      sync.Mutex // held while rendering
	current atomic.Pointer[liveBody]
}

// liveBody is immutable but for its place in an entry and the time of the last answer that confirmed it.
type liveBody struct {
	*rendered
	asked   atomic.Int64 // Unix nanoseconds at which Playback was asked for it
	version liveVersion
	signed  map[int64]signedURL // by key; nil unless URLs are signed
	renew   time.Time           // when a signature gets too old; zero: never
}

type signedURL struct {
	url   string
	renew time.Time
}

func newLiveCache() *liveCache { return &liveCache{entries: map[string]*liveEntry{}} }

func (c *liveCache) find(camera string) *liveEntry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[camera]
}

// fresh returns the playlist of a camera if Playback confirmed it less than age ago.
func (c *liveCache) fresh(camera string, now time.Time, age time.Duration) *liveBody {
	e := c.find(camera)
	if e == nil {
		return nil
	}
	b := e.current.Load()
	if b == nil || !b.renew.IsZero() && !now.Before(b.renew) {
		return nil
	}
	if since := now.UnixNano() - b.asked.Load(); since < 0 || since >= int64(age) {
		return nil
	}
	return b
}

func (c *liveCache) entry(camera string) *liveEntry {
	if e := c.find(camera); e != nil {
		return e
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[camera]
	if e == nil {
		if len(c.entries) >= maxLives {
			clear(c.entries) // far more cameras than are watched: begin anew
		}
		e = &liveEntry{}
		c.entries[camera] = e
	}
	return e
}

func (c *liveCache) body(ctx context.Context, h *handler, camera string, p *hls.Playlist) (*liveBody, error) {
	version := versionOf(p)
	usable := func(b *liveBody) bool {
		return b != nil && b.version == version && (b.renew.IsZero() || h.cfg.Now().Before(b.renew))
	}
	e := c.entry(camera)
	if b := e.current.Load(); usable(b) {
		return b, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.current.Load()
	if usable(before) {
		return before, nil
	}
	b := &liveBody{version: version}
	uri := relativeURI(camera, "")
	if h.cfg.Live == Presign {
		var err error
		if uri, err = b.sign(ctx, h, camera, p, before); err != nil {
			return nil, err
		}
	}
	text := p.AppendM3U8(nil, uri)
	b.rendered = h.render.make(playlistType, h.openCache(), text, true)
	e.current.Store(b)
	return b, nil
}

// sign gives every segment of the window a signed URL: the one that it was published with, as long as that is good. A
// segment keeps its URL from reload to reload (RFC 8216bis 6.3.4).
func (b *liveBody) sign(ctx context.Context, h *handler, camera string, p *hls.Playlist, before *liveBody) (func([]byte, *hls.Segment) []byte, error) {
	now := h.cfg.Now()
	expires := h.cfg.PresignPeriod + presignMargin // dated from signedAt on, as renew is
	b.signed = make(map[int64]signedURL, len(p.Segments))
	var signer Presigner
	var signedAt time.Time
	for i := range p.Segments {
		key := p.Segments[i].Key
		s, known := signedURL{}, false
		if before != nil {
			s, known = before.signed[key]
		}
		if !known || !now.Before(s.renew) {
			start := time.Unix(key, 0)
			at := earlier(start, now).Truncate(signedStep)
			if now.Sub(at) >= h.cfg.PresignPeriod { // a camera that has been silent for long
				at = now.Truncate(signedStep)
			}
			if signer == nil || !at.Equal(signedAt) {
				var err error
				if signer, err = h.cfg.Presign(ctx, at, expires); err != nil {
					return nil, fmt.Errorf("sign: %w", err)
				}
				signedAt = at
			}
			s = signedURL{url: string(signer.AppendGet(nil, segment.Key(camera, start))), renew: at.Add(h.cfg.PresignPeriod)}
			// Temporary credentials may end before the URL does.
			if e, ok := signer.(interface{ Expires() time.Time }); ok && !e.Expires().IsZero() {
				s.renew = earlier(s.renew, e.Expires().Add(-presignMargin))
			}
			if soon := now.Add(signedStep / 2); s.renew.Before(soon) {
				s.renew = soon // nothing better can be had; do not sign on each poll
			}
		}
		b.signed[key] = s
		if b.renew.IsZero() || s.renew.Before(b.renew) {
			b.renew = s.renew
		}
	}
	return func(dst []byte, s *hls.Segment) []byte { return append(dst, b.signed[s.Key].url...) }, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// relativeURI renders the address of a segment relative to the playlist, with a query behind it.
func relativeURI(camera, query string) func(dst []byte, s *hls.Segment) []byte {
	prefix := string(hls.AppendPath([]byte(segmentsPath[1:]), camera))
	return func(dst []byte, s *hls.Segment) []byte {
		return append(segment.AppendKey(dst, prefix, time.Unix(s.Key, 0)), query...)
	}
}
