// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/access/token"
	"github.com/s3cam/s3cam/playback"
)

// Grant is how much of a camera a request may see. The zero value is all of it.
type Grant struct {
	// From and To bound the footage; To is not included. Both are zero where all may be seen, live too. Whole seconds.
	From, To time.Time
	// Until is when the permission ends by itself; zero where it does not. Signed URLs of the store are not good for longer.
	Until time.Time
	// Guest is who nobody knows by name: the holder of a link, or whoever watches a public camera. Guests together make half of
	// the clips at a time at most, so that those who log in get theirs.
	Guest bool
}

// GrantOf is what a token that is good for a camera gives.
func GrantOf(c *token.Claims) Grant {
	return Grant{From: c.From, To: c.To, Until: c.Expires, Guest: true}
}

func (g *Grant) bounded() bool { return !g.From.IsZero() || !g.To.IsZero() }

// borderReach is how long before From a segment may begin that is looked at; none lasts for longer. borderLook is how much footage
// is listed for it.
const (
	borderReach = 64 * time.Second
	borderLook  = time.Minute
)

func (g *Grant) text() string {
	return "from " + g.From.UTC().Format(time.RFC3339) + " to " + g.To.UTC().Format(time.RFC3339)
}

// notLive refuses a live playlist.
func (g *Grant) notLive() error {
	if !g.bounded() {
		return nil
	}
	return &Error{Status: http.StatusForbidden, Code: "live_not_allowed", Message: "this link shows footage " + g.text() + " and nothing live; ask /replay.m3u8 for it"}
}

func (g *Grant) outside() error {
	return &Error{Status: http.StatusForbidden, Code: "outside_range", Message: "this link shows footage " + g.text() + "; ask for a start and an end within"}
}

// within refuses a range that reaches beyond what may be seen; without an end it does.
func (g *Grant) within(start, end time.Time) error {
	if g.bounded() && (start.Before(g.From) || end.IsZero() || end.After(g.To)) {
		return g.outside()
	}
	return nil
}

// clamp cuts a range down to what may be seen.
func (g *Grant) clamp(start, end time.Time) (time.Time, time.Time, error) {
	if !g.bounded() {
		return start, end, nil
	}
	if start.Before(g.From) {
		start = g.From
	}
	if end.After(g.To) {
		end = g.To
	}
	if !start.Before(end) {
		return start, end, g.outside()
	}
	return start, end, nil
}

// first is the key of the first segment that may be seen: of the one that runs at From, as a replay from there begins with it.
func (h *handler) first(ctx context.Context, camera string, g *Grant) (int64, error) {
	p, err := h.cfg.Playback.Replay(ctx, camera, g.From, earlier(g.To, g.From.Add(borderLook)))
	var bad *playback.RangeError // as when it lies in the future
	switch {
	case errors.Is(err, playback.ErrNoSegments), errors.As(err, &bad), err == nil && len(p.Segments) == 0:
		return g.From.Unix(), nil
	case err != nil:
		return 0, fmt.Errorf("replay of %s: %w", camera, err)
	}
	return min(p.Segments[0].Key, g.From.Unix()), nil
}

// sees tells whether a segment may be seen: some of it lies within the bounds.
func (h *handler) sees(ctx context.Context, camera string, key time.Time, g *Grant) error {
	switch {
	case !g.bounded(), !key.Before(g.From) && key.Before(g.To):
		return nil
	case !key.Before(g.To), g.From.Sub(key) > borderReach:
		return g.outside()
	}
	first, err := h.first(ctx, camera, g)
	if err == nil && key.Unix() < first {
		err = g.outside()
	}
	return err
}

// bound leaves out of a replay what [handler.sees] would refuse: about a segment before a gap the two might differ, depending on
// how long the range is.
func (h *handler) bound(ctx context.Context, camera string, p *hls.Playlist, g *Grant) error {
	if !g.bounded() || len(p.Segments) == 0 || p.Segments[0].Key >= g.From.Unix() {
		return nil
	}
	first, err := h.first(ctx, camera, g)
	if err != nil {
		return err
	}
	n := 0
	for n < len(p.Segments) && p.Segments[n].Key < first {
		n++
	}
	if n == len(p.Segments) {
		return fmt.Errorf("replay of %s: %w", camera, playback.ErrNoSegments)
	}
	if n > 0 {
		p.Segments, p.HasStart, p.StartOffset = slices.Clone(p.Segments[n:]), false, 0
		p.Segments[0].Discontinuity = false
	}
	return nil
}
