// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/segment"
)

const (
	// closedAfter is how long after its end a range counts as closed: segments that were late have arrived by then.
	closedAfter = 10 * time.Minute

	closedCacheControl = "max-age=300"
	openCacheControl   = "max-age=0, must-revalidate"

	// maxPresign is the longest validity that S3 accepts for a signed URL.
	maxPresign = 7 * 24 * time.Hour
	// replayMargin is added to the range's length for pauses and seeks.
	replayMargin = 15 * time.Minute
)

func (h *handler) replay(w *response, r *http.Request) error {
	ctx, cancel := h.within(r)
	defer cancel()
	camera, start, end, err := cameraAndRange(r)
	if err != nil {
		return err
	}
	g, err := h.authorize(r, camera)
	if err == nil {
		err = g.within(start, end)
	}
	if err != nil {
		return err
	}
	p, err := h.cfg.Playback.Replay(ctx, camera, start, end)
	if err != nil {
		return fmt.Errorf("replay of %s: %w", camera, err)
	}
	if err := h.bound(ctx, camera, &p, &g); err != nil {
		return err
	}
	now := h.cfg.Now()
	uri := relativeURI(camera, h.segmentQuery(r))
	cacheControl := h.openCache()
	needed := rangeLength(start, end, &p) + replayMargin
	var signer Presigner
	if g.Until.IsZero() || !now.Add(needed).After(g.Until) { // a signed URL asks nobody whether its reader still may
		signer, err = h.replaySigner(ctx, now, needed, &p)
	}
	switch {
	case err != nil:
		return fmt.Errorf("replay of %s: sign: %w", camera, err)
	case signer != nil:
		key := make([]byte, 0, segment.MaxKeyBytes)
		uri = func(dst []byte, s *hls.Segment) []byte {
			key = segment.AppendKey(key[:0], camera, time.Unix(s.Key, 0))
			return signer.AppendGet(dst, string(key))
		}
		cacheControl = "no-store" // the signatures age
	case p.Ended && !end.IsZero() && now.Sub(end) >= closedAfter: // without end a camera that comes back grows a new playlist
		cacheControl = h.cacheScope() + closedCacheControl
	}
	text := p.AppendM3U8(make([]byte, 0, 512+len(p.Segments)*(48+len(camera))), uri)
	h.render.make(playlistType, cacheControl, text, acceptsGzip(r.Header.Get("Accept-Encoding"))).serve(w, r)
	return nil
}

// replaySigner signs the segments of a replay that is to be watched for as long as needed, or is nil when relative URLs are
// listed: players never reload a playlist that has ended, so its URLs must last as long as somebody watches, and of one that
// grows they do not take new signatures.
func (h *handler) replaySigner(ctx context.Context, now time.Time, needed time.Duration, p *hls.Playlist) (Presigner, error) {
	if h.cfg.Replay != Presign || !p.Ended || needed > h.cfg.MaxPresign {
		return nil, nil
	}
	signer, err := h.cfg.Presign(ctx, now, needed)
	if err != nil {
		return nil, err
	}
	// The credentials may end before. A signer rounds its date down a little.
	if e, ok := signer.(interface{ Expires() time.Time }); ok && e.Expires().Before(now.Add(needed-time.Minute)) {
		return nil, nil
	}
	return signer, nil
}

// rangeLength is how long it takes to watch a range; without an end it is up to the segments.
func rangeLength(start, end time.Time, p *hls.Playlist) time.Duration {
	if !end.IsZero() {
		return end.Sub(start)
	}
	var d time.Duration
	for i := range p.Segments {
		d += p.Segments[i].Duration
	}
	return d.Truncate(time.Second)
}
