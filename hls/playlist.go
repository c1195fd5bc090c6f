// SPDX-License-Identifier: Apache-2.0

package hls

import "time"

// DefaultVersion is the protocol version that is announced when none is set: 3, the lowest that knows decimal EXTINF
// durations (RFC 8216bis section 8). Nothing that this package writes needs a higher one.
const DefaultVersion = 3

// Type is EXT-X-PLAYLIST-TYPE (RFC 8216bis 4.4.3.5).
type Type uint8

const (
	Live  Type = iota // no tag: segments may leave at the front
	Event             // segments are only appended
	VOD               // nothing changes any more
)

// String returns the value of the tag, or "" for Live, which must not carry it.
func (t Type) String() string {
	switch t {
	case Event:
		return "EVENT"
	case VOD:
		return "VOD"
	}
	return ""
}

// Segment is one media segment of a playlist.
type Segment struct {
	// Key names the segment for whoever renders its URI; package playback puts the Unix second of the object key here.
	Key int64
	// URI is written when AppendM3U8 gets no function for it. It must not contain control characters.
	URI string
	// Duration is EXTINF (4.4.4.1), written as an exact decimal without trailing zeros.
	Duration time.Duration
	// ProgramDateTime is the wall clock of the first frame (4.4.4.6), written in UTC with milliseconds (the rest is cut
	// off); zero writes no tag.
	ProgramDateTime time.Time
	// Discontinuity puts EXT-X-DISCONTINUITY (4.4.4.3) before the segment.
	Discontinuity bool
}

// Playlist is one media playlist. The zero value is an empty live playlist, which Validate refuses.
type Playlist struct {
	Version               int   // EXT-X-VERSION (4.4.1.2); 0 means DefaultVersion
	TargetDuration        int   // EXT-X-TARGETDURATION in seconds (4.4.3.1), required
	MediaSequence         int64 // EXT-X-MEDIA-SEQUENCE: number of the first segment (4.4.3.2); always written
	DiscontinuitySequence int64 // EXT-X-DISCONTINUITY-SEQUENCE before the first segment (4.4.3.3); always written in live
	Type                  Type
	Independent           bool // EXT-X-INDEPENDENT-SEGMENTS: every segment starts with a key frame (4.4.2.1)
	// HasStart writes EXT-X-START (4.4.2.2) with StartOffset from the beginning and PRECISE=YES: play from the middle of
	// a segment.
	HasStart    bool
	StartOffset time.Duration
	Segments    []Segment
	Ended       bool // EXT-X-ENDLIST (4.4.3.4)
}

// Duration is the sum of all EXTINF.
func (p *Playlist) Duration() (sum time.Duration) {
	for i := range p.Segments {
		sum += p.Segments[i].Duration
	}
	return sum
}

// RoundedSeconds rounds a duration to the nearest whole second, halves up: what EXT-X-TARGETDURATION is compared with
// (RFC 8216bis 4.4.3.1).
func RoundedSeconds(d time.Duration) int { return int((d + time.Second/2) / time.Second) }
