// SPDX-License-Identifier: Apache-2.0

package hls

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Validate returns everything about p that breaks a rule of RFC 8216bis or one of ours (docs/design/live-window.md),
// joined, or nil. It looks at one playlist only; hlstest.Reloads compares successive ones.
func (p *Playlist) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	if p.Version != 0 && p.Version < DefaultVersion {
		bad("version %d: decimal durations need 3", p.Version)
	}
	if p.TargetDuration < 1 {
		bad("target duration %d: want at least 1 (4.4.3.1)", p.TargetDuration)
	}
	if p.MediaSequence < 0 || p.DiscontinuitySequence < 0 {
		bad("media sequence %d, discontinuity sequence %d: neither may be negative (4.2)", p.MediaSequence, p.DiscontinuitySequence)
	}
	if p.Type == VOD && !p.Ended {
		bad("VOD without ENDLIST (6.2.1)")
	}
	if p.Type == Live && p.Ended {
		bad("live window with ENDLIST: it ends playback for good")
	}
	if len(p.Segments) == 0 {
		bad("no segment")
	}
	if p.HasStart && (p.StartOffset < 0 || (len(p.Segments) > 0 && p.StartOffset > p.Duration())) {
		bad("EXT-X-START at %v lies outside of the playlist's %v (4.4.2.2)", p.StartOffset, p.Duration())
	}

	var clock time.Time // where the dates before say that this segment starts
	for i := range p.Segments {
		s := &p.Segments[i]
		if s.Duration <= 0 {
			bad("segment %d: duration %v", i, s.Duration)
		} else if RoundedSeconds(s.Duration) > p.TargetDuration {
			bad("segment %d: EXTINF %v rounds above the target duration %d (4.4.3.1)", i, s.Duration, p.TargetDuration)
		}
		if strings.ContainsFunc(s.URI, func(r rune) bool { return r < 0x20 || (r >= 0x7f && r <= 0x9f) }) {
			bad("segment %d: control character in its URI (section 4)", i)
		}
		dated := !s.ProgramDateTime.IsZero()
		if !dated && (i == 0 || s.Discontinuity) {
			bad("segment %d: no date, though it is the first or follows a discontinuity (6.2.1)", i)
		}
		if dated {
			// 6.2.1 lets the dates of neighbours overlap by less than a second. Without a discontinuity they agree, but
			// for the cut to whole milliseconds.
			off := s.ProgramDateTime.Sub(clock)
			if !clock.IsZero() && off <= -time.Second {
				bad("segment %d: dated %v before the end of the one before (6.2.1)", i, -off)
			}
			if !clock.IsZero() && !s.Discontinuity && off.Abs() > 2*time.Millisecond {
				bad("segment %d: its date is off by %v from the sum of durations", i, off)
			}
			clock = s.ProgramDateTime
		}
		if !clock.IsZero() {
			clock = clock.Add(s.Duration)
		}
	}
	return errors.Join(problems...)
}
