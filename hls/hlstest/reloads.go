// SPDX-License-Identifier: Apache-2.0

package hlstest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/hls"
)

// Reloads checks successive versions of one media playlist, in the order in which a server answered them, against what
// RFC 8216bis 6.2.1, 6.2.2 and 6.3.4 demand of changes: same number, same segment; numbers never go back; nothing that was
// published changes; nothing leaves a window that then is too short. The zero value is ready. It is not safe for
// concurrent use.
type Reloads struct {
	// IgnoreQuery compares addresses without their query, for playlists that are signed anew.
	IgnoreQuery bool

	Count   int // playlists seen
	Jumps   int // times a playlist began behind the end of the one before: fine for a viewer who slept, not for one who polled
	Changes int // playlists with something new

	last  hls.Playlist
	first hls.Playlist
	known map[int64]published // by media sequence number
	uris  map[string]int64
}

type published struct {
	uri           string
	duration      time.Duration
	discontinuity bool
	number        int64     // discontinuity sequence number of the segment
	date          time.Time // written, or counted from the last one written
}

// Add reads text and checks it like AddPlaylist.
func (r *Reloads) Add(text []byte) error {
	p, err := hls.Parse(text)
	if err != nil {
		return err
	}
	return r.AddPlaylist(p)
}

// AddPlaylist checks p against itself and against everything seen before, and returns all problems, joined.
func (r *Reloads) AddPlaylist(p hls.Playlist) error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("reload %d: "+format, append([]any{r.Count}, args...)...))
	}
	if err := p.Validate(); err != nil {
		bad("%w", err)
	}
	if r.Count == 0 {
		r.first = p
		r.known, r.uris = map[int64]published{}, map[string]int64{}
	} else {
		r.compare(&p, bad)
	}
	r.record(&p, bad)
	r.last = p
	r.Count++
	return errors.Join(problems...)
}

func (r *Reloads) compare(p *hls.Playlist, bad func(string, ...any)) {
	last := &r.last
	if p.TargetDuration != last.TargetDuration {
		bad("target duration changed from %d to %d (6.2.1)", last.TargetDuration, p.TargetDuration)
	}
	if p.Type != last.Type || p.Version != last.Version || p.Independent != last.Independent || p.HasStart != last.HasStart || p.StartOffset != last.StartOffset {
		bad("type, version, independence or start changed (6.2.1)")
	}
	if p.MediaSequence < last.MediaSequence {
		bad("media sequence went back from %d to %d (6.2.2)", last.MediaSequence, p.MediaSequence)
	}
	if p.DiscontinuitySequence < last.DiscontinuitySequence {
		bad("discontinuity sequence went back from %d to %d (6.2.2)", last.DiscontinuitySequence, p.DiscontinuitySequence)
	}
	oldEnd, newEnd := last.MediaSequence+int64(len(last.Segments)), p.MediaSequence+int64(len(p.Segments))
	if newEnd < oldEnd {
		bad("the end went back from number %d to %d", oldEnd, newEnd)
	}
	if p.MediaSequence > oldEnd {
		r.Jumps++
	}
	if newEnd > oldEnd {
		r.Changes++
	}
	removed := p.MediaSequence - last.MediaSequence
	if least := 3 * time.Duration(p.TargetDuration) * time.Second; removed > 0 && p.Duration() < least {
		bad("%d segments left and %v remain, less than three target durations (6.2.2)", removed, p.Duration())
	}
	if removed > 0 && p.Type != hls.Live {
		bad("%d segments left a playlist of type %v (6.2.1)", removed, p.Type)
	}
	if last.Ended && (!p.Ended || newEnd != oldEnd) {
		bad("it changed after its end (4.4.3.4)")
	}
}

func (r *Reloads) record(p *hls.Playlist, bad func(string, ...any)) {
	number := p.DiscontinuitySequence
	var date time.Time
	for i := range p.Segments {
		s := &p.Segments[i]
		msn := p.MediaSequence + int64(i)
		if s.Discontinuity {
			number++
		}
		if !s.ProgramDateTime.IsZero() {
			date = s.ProgramDateTime
		}
		now := published{uri: s.URI, duration: s.Duration, discontinuity: s.Discontinuity, number: number, date: date}
		if s.URI == "" {
			now.uri = "key " + strconv.FormatInt(s.Key, 10)
		}
		if r.IgnoreQuery {
			now.uri, _, _ = strings.Cut(now.uri, "?")
		}
		if was, ok := r.known[msn]; ok {
			switch {
			case was.uri != now.uri:
				bad("number %d was %s and is %s (6.3.4)", msn, was.uri, now.uri)
			case was.duration != now.duration:
				bad("EXTINF of number %d was %v and is %v", msn, was.duration, now.duration)
			case was.discontinuity != now.discontinuity:
				bad("number %d: discontinuity was %v and is %v", msn, was.discontinuity, now.discontinuity)
			case was.number != now.number:
				bad("number %d had discontinuity sequence %d and has %d (6.2.2)", msn, was.number, now.number)
			case was.date.Sub(now.date).Abs() > 2*time.Millisecond:
				bad("date of number %d was %v and is %v", msn, was.date, now.date)
			}
		} else {
			if before, ok := r.known[msn-1]; ok && !now.date.After(before.date) {
				bad("number %d is dated %v, not after the one before, %v", msn, now.date, before.date)
			}
			if was, ok := r.uris[now.uri]; ok && was != msn {
				bad("%s is number %d and number %d", now.uri, was, msn)
			}
			r.known[msn], r.uris[now.uri] = now, msn
		}
		date = date.Add(s.Duration)
	}
}

// URIs returns every address seen, by media sequence number from the lowest, and the lowest number.
func (r *Reloads) URIs() (uris []string, first int64) {
	if r.Count == 0 {
		return nil, 0
	}
	for msn, end := r.first.MediaSequence, r.last.MediaSequence+int64(len(r.last.Segments)); msn < end; msn++ {
		if s, ok := r.known[msn]; ok {
			uris = append(uris, s.uri)
		}
	}
	return uris, r.first.MediaSequence
}
