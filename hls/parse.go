// SPDX-License-Identifier: Apache-2.0

package hls

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of [Parse].
const (
	MaxBytes = 64 << 20 // a day of presigned addresses has 39 MB
	MaxLine  = 16 << 10
)

// ErrSyntax is wrapped by every error of [Parse]; the text names the line.
var ErrSyntax = errors.New("bad media playlist")

// Parse reads a media playlist strictly: what RFC 8216bis forbids in the tags that this package knows is an error, and so
// are a missing or repeated tag that must appear once and an EXTINF without a URI. Tags it does not know are skipped, as
// section 4.1 demands of a client. The result keeps no reference to text. Key is 0 in each segment, URI is set.
//
// It judges syntax only; see [Playlist.Validate] for the rest.
func Parse(text []byte) (Playlist, error) {
	if len(text) > MaxBytes {
		return Playlist{}, fmt.Errorf("%w: %d bytes, at most %d are read", ErrSyntax, len(text), MaxBytes)
	}
	r := reader{seen: map[string]bool{}}
	for len(text) > 0 {
		r.line++
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		if err := r.read(bytes.TrimSuffix(line, []byte{'\r'})); err != nil {
			return Playlist{}, fmt.Errorf("%w: line %d: %w", ErrSyntax, r.line, err)
		}
	}
	if err := r.end(); err != nil {
		return Playlist{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return r.p, nil
}

type reader struct {
	p       Playlist
	line    int
	next    Segment // tags read so far for the segment whose URI is still to come
	pending bool    // next has a tag that needs a segment
	hasInf  bool
	decimal bool // some EXTINF had a fraction
	seen    map[string]bool
}

func (r *reader) read(b []byte) error {
	switch {
	case len(b) > MaxLine:
		return fmt.Errorf("%d bytes, at most %d are read", len(b), MaxLine)
	case !utf8.Valid(b):
		return errors.New("not UTF-8")
	case bytes.ContainsFunc(b, func(c rune) bool { return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == '\ufeff' }):
		return errors.New("control character or byte order mark")
	}
	line := string(b)
	if r.line == 1 {
		if line != "#EXTM3U" {
			return errors.New("the first line is not #EXTM3U")
		}
		return nil
	}
	if r.p.Ended && strings.TrimSpace(line) != "" {
		return errors.New("text after EXT-X-ENDLIST")
	}
	switch {
	case line == "":
		return nil
	case line[0] != '#':
		return r.uri(line)
	case strings.HasPrefix(line, "#EXT"):
		return r.tag(line)
	}
	return nil // a comment
}

func (r *reader) uri(line string) error {
	if !r.hasInf {
		return errors.New("URI without EXTINF (4.4.4.1)")
	}
	if strings.TrimSpace(line) != line {
		return errors.New("space around a URI")
	}
	r.next.URI = line
	r.p.Segments = append(r.p.Segments, r.next)
	r.next, r.hasInf, r.pending = Segment{}, false, false
	return nil
}

func (r *reader) tag(line string) error {
	name, value, hasValue := strings.Cut(line, ":")
	switch name {
	case "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE",
		"#EXT-X-PLAYLIST-TYPE", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-START", "#EXT-X-ENDLIST":
		if r.seen[name] {
			return fmt.Errorf("%s appears twice", name)
		}
		r.seen[name] = true
	case "#EXTM3U":
		return errors.New("#EXTM3U again")
	case "#EXT-X-STREAM-INF", "#EXT-X-MEDIA", "#EXT-X-I-FRAME-STREAM-INF":
		return fmt.Errorf("%s belongs to a multivariant playlist", name)
	}
	if name == "#EXT-X-MEDIA-SEQUENCE" || name == "#EXT-X-DISCONTINUITY-SEQUENCE" {
		if len(r.p.Segments) > 0 || r.hasInf || r.next.Discontinuity {
			return fmt.Errorf("%s after the first segment or discontinuity (4.4.3)", name)
		}
	}
	var err error
	var n int64
	switch name {
	case "#EXT-X-VERSION":
		n, err = parseInt(value)
		r.p.Version = int(min(n, 1<<30))
	case "#EXT-X-TARGETDURATION":
		n, err = parseInt(value)
		r.p.TargetDuration = int(min(n, 1<<30))
	case "#EXT-X-MEDIA-SEQUENCE":
		r.p.MediaSequence, err = parseInt(value)
	case "#EXT-X-DISCONTINUITY-SEQUENCE":
		r.p.DiscontinuitySequence, err = parseInt(value)
	case "#EXT-X-PLAYLIST-TYPE":
		switch value {
		case "EVENT":
			r.p.Type = Event
		case "VOD":
			r.p.Type = VOD
		default:
			err = fmt.Errorf("playlist type %q", value)
		}
	case "#EXT-X-INDEPENDENT-SEGMENTS":
		r.p.Independent = true
	case "#EXT-X-START":
		err = r.start(value)
	case "#EXT-X-DISCONTINUITY":
		if r.next.Discontinuity {
			err = errors.New("two discontinuities before one segment")
		}
		r.next.Discontinuity, r.pending = true, true
	case "#EXT-X-PROGRAM-DATE-TIME":
		if !r.next.ProgramDateTime.IsZero() {
			err = errors.New("two dates before one segment")
		} else if r.next.ProgramDateTime, err = time.Parse(time.RFC3339Nano, value); err == nil {
			r.next.ProgramDateTime = r.next.ProgramDateTime.UTC()
		}
		r.pending = true
	case "#EXTINF":
		if r.hasInf {
			err = errors.New("two EXTINF before one URI")
		}
		seconds, _, comma := strings.Cut(value, ",")
		if err == nil && !comma {
			err = errors.New("EXTINF without a comma (4.4.4.1)")
		}
		if err == nil {
			r.next.Duration, err = ParseSeconds(seconds)
		}
		if err == nil && r.next.Duration < 0 {
			err = errors.New("negative EXTINF")
		}
		r.decimal = r.decimal || strings.Contains(seconds, ".")
		r.hasInf = true
	case "#EXT-X-ENDLIST":
		if hasValue {
			err = errors.New("EXT-X-ENDLIST with a value")
		} else if r.hasInf || r.pending {
			err = errors.New("EXT-X-ENDLIST between a segment's tags and its URI")
		}
		r.p.Ended = true
	}
	return err
}

func (r *reader) start(attributes string) (err error) {
	for attributes != "" {
		var attribute string
		attribute, attributes, _ = strings.Cut(attributes, ",")
		name, value, ok := strings.Cut(attribute, "=")
		switch {
		case !ok:
			return fmt.Errorf("attribute %q without a value", attribute)
		case name == "TIME-OFFSET":
			if r.p.StartOffset, err = ParseSeconds(value); err != nil {
				return err
			}
			r.p.HasStart = true
		case name == "PRECISE" && value != "YES" && value != "NO":
			return fmt.Errorf("PRECISE=%s", value)
		}
	}
	if !r.p.HasStart {
		return errors.New("EXT-X-START without TIME-OFFSET (4.4.2.2)")
	}
	return nil
}

func (r *reader) end() error {
	switch {
	case r.line == 0:
		return errors.New("empty")
	case r.hasInf || r.pending:
		return errors.New("it ends between a segment's tags and its URI")
	case !r.seen["#EXT-X-TARGETDURATION"]:
		return errors.New("no EXT-X-TARGETDURATION (4.4.3.1)")
	case r.decimal && r.p.Version < 3:
		return errors.New("decimal durations need EXT-X-VERSION 3 (section 8)")
	case r.p.Type == VOD && !r.p.Ended:
		return errors.New("VOD without ENDLIST (6.2.1)")
	}
	return nil
}

// parseInt reads a decimal-integer (4.2), here at most 2^62.
func parseInt(s string) (int64, error) {
	if s == "" {
		return 0, errors.New("empty number")
	}
	var n int64
	for i := 0; i < len(s); i++ {
		d := int64(s[i]) - '0'
		if d < 0 || d > 9 || n > 1<<58 {
			return 0, fmt.Errorf("number %q", clip(s))
		}
		n = n*10 + d
	}
	return n, nil
}

// ParseSeconds reads a signed decimal number of seconds as playlists write it (RFC 8216bis 4.2): no exponent, at most
// nine digits after the point and nine before it. It is the inverse of [AppendSeconds].
func ParseSeconds(s string) (time.Duration, error) {
	number, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(number, ".")
	if whole == "" || len(whole) > 9 || len(fraction) > 9 || (point && fraction == "") {
		return 0, fmt.Errorf("seconds %q", clip(s))
	}
	var ns int64
	for i := 0; i < len(whole)+9; i++ {
		c := byte('0')
		if i < len(whole) {
			c = whole[i]
		} else if j := i - len(whole); j < len(fraction) {
			c = fraction[j]
		}
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("seconds %q", clip(s))
		}
		ns = ns*10 + int64(c-'0')
	}
	if negative {
		ns = -ns
	}
	return time.Duration(ns), nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
