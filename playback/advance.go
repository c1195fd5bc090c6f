// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"slices"
	"time"
)

// numberEpoch is where first numbers are counted from: 2020-01-01 00:00:00 UTC.
const numberEpoch = 1577836800

// firstNumber is the media sequence number that a new window starts with: the seconds in the key of its first segment
// since 2020. Keys of a camera differ by at least a second and numbers rise by at most one per segment, so a window that is
// lost with its cache and made anew jumps forward. It can still go back, by a few, when it begins earlier than the lost one: segments have
// become longer, so that more of them are shown, or late ones have filled a gap (docs/design/faults.md).
func firstNumber(key int64) int64 { return max(0, key-numberEpoch) }

// breaksEpoch is where first discontinuity sequence numbers are counted from: 2026-01-01 00:00:00 UTC.
const breaksEpoch = 1767225600

// firstBreaks is the discontinuity sequence number that a new window starts with: the ten-minute steps since 2026. It has
// to be small, because hls.js (1.7.4, seen 2026-11-25) walks an array from 0 to this number after every reload: counted in
// seconds since 2020 that is 1.8 s of CPU each time, and playback stalls; like this it is 0.4 ms per year. A window that is
// made anew without its cache therefore goes back if its camera had more than one discontinuity per ten minutes.
func firstBreaks(key int64) int64 { return max(0, (key-breaksEpoch)/600) }

// newWindow makes the first state of a window out of what was listed (marks, in order, at least one). old is what was
// stored before, unusable: its numbers are not undercut. For an EVENT playlist all entries from w.From on are kept, else
// as many as a live window needs.
func (cfg *Config) newWindow(old *Window, marks []mark, event bool, from int64, now time.Time) *Window {
	ceiling := time.Duration(cfg.M3U8TargetDuration) * time.Second
	entries, at := layout(marks, cfg.TSClipDuration, ceiling)
	last := &marks[len(marks)-1]
	w := &Window{ID: old.ID, Version: old.Version, Event: event, From: from, Last: at, Bytes: last.size, Exact: last.exact}
	for i := max(1, len(marks)-recentLen); i < len(marks); i++ {
		w.Recent = append(w.Recent, distance(&marks[i-1], &marks[i]))
	}
	if event {
		w.Entries = cutFront(entries, from)
		w.TargetDuration = targetDuration(w.Entries)
		return w
	}
	w.TargetDuration = targetDuration(entries)
	w.Entries = entries
	w.slide(cfg.ItemInPlaylist, now)
	w.Entries = slices.Clone(w.Entries)
	w.Entries[0].Discontinuity = false

	oldBreaks := old.DiscontinuitySequence
	for i := range old.Entries {
		if old.Entries[i].Discontinuity {
			oldBreaks++
		}
	}
	w.MediaSequence = max(firstNumber(w.Entries[0].Key), old.MediaSequence+int64(len(old.Entries)))
	w.DiscontinuitySequence = max(firstBreaks(w.Entries[0].Key), oldBreaks)
	return w
}

// cutFront drops the entries that end at or before from (microseconds). What then comes first needs no discontinuity.
func cutFront(entries []Entry, from int64) []Entry {
	i := 0
	for i < len(entries) && entries[i].end() <= from {
		i++
	}
	entries = entries[i:]
	if len(entries) > 0 {
		entries[0].Discontinuity = false
	}
	return entries
}

// last is the newest entry of w, for the segments that come next.
func (w *Window) last() mark {
	return mark{key: w.newest().Key, at: w.Last, size: w.Bytes, exact: w.Exact}
}

// advance returns w with the segments of marks appended, which must be newer than its newest entry, before, and in order. w
// itself is left as it is. Nothing that w published changes.
func (cfg *Config) advance(w *Window, before mark, marks []mark, now time.Time) *Window {
	next := *w
	next.Entries = make([]Entry, len(w.Entries), len(w.Entries)+len(marks))
	copy(next.Entries, w.Entries)
	limit := durationLimit(w.TargetDuration)
	for i := range marks {
		m := &marks[i]
		next.Recent = remember(next.Recent, distance(&before, m))
		st := step{before: &before, beat: cfg.beat(&next), limit: limit}
		if i+1 < len(marks) {
			st.next = &marks[i+1]
		}
		next.Entries, next.Last = place(next.Entries, m, st)
		next.Exact, next.Bytes = m.exact, m.size
		before = *m
	}
	if !next.Event {
		for i := len(w.Entries); i < len(next.Entries); i++ {
			next.Entries[i].Added = now.Unix()
		}
		next.slide(cfg.ItemInPlaylist, now)
	}
	return &next
}

// beat is what is usual for the camera at the end of w.
func (cfg *Config) beat(w *Window) beat {
	return beatOf(w.Recent, cfg.TSClipDuration, time.Duration(cfg.M3U8TargetDuration)*time.Second)
}

// Limits of a live window beyond ItemInPlaylist.
const (
	burst = 3 // times as long as usual at most, after many segments came at once
	// A player that reloads once per target duration (RFC 8216bis 6.3.4) and is a little late still sees every segment.
	minListed = 2 * time.Second // and two target durations
)

// slide removes segments from the front as long as at least items of them and three target durations remain (RFC 8216bis
// 6.2.2), and counts what leaves. After an outage a camera stores many segments at once: what was published a moment ago
// stays long enough to be seen by everybody.
func (w *Window) slide(items int, now time.Time) {
	var total int64
	for i := range w.Entries {
		total += w.Entries[i].Duration
	}
	least := int64(3*w.TargetDuration) * usPerSecond
	before := now.Add(-minListed - time.Duration(2*w.TargetDuration)*time.Second).Unix()
	usual := items // segments in the window when none came in a burst
	if total > 0 {
		usual = max(items, int(least*int64(len(w.Entries))/total)+1)
	}
	n := 0
	for len(w.Entries)-n > items && total-w.Entries[n].Duration >= least {
		e := &w.Entries[n]
		if e.Added >= before && len(w.Entries)-n <= burst*usual {
			break
		}
		total -= e.Duration
		w.MediaSequence++
		if e.Discontinuity {
			w.DiscontinuitySequence++
		}
		n++
	}
	w.Entries = w.Entries[n:]
}

// due is the earliest moment at which a segment that w does not have can be in the bucket: the end of the next one by the
// camera's clock, and the time that the camera's clock and its upload usually add. A camera without a steady beat may be
// half a segment early.
func (cfg *Config) due(w *Window) time.Time {
	b := cfg.beat(w)
	margin := min(max(b.usual/8, 100_000), 500_000)
	if !b.steady {
		margin = b.usual / 2
	}
	return timeOf(w.Last + 2*b.usual + w.Lag - margin)
}

// observe notes that the newest segment of w was seen at now, and that it was not there yet at lacking (zero: not looked).
// The lag follows only what that proves: a segment that was seen late may have been there for long.
func (cfg *Config) observe(w *Window, now, lacking time.Time) {
	end := w.Last + cfg.beat(w).usual
	if most := now.UnixMicro() - end; most < w.Lag {
		w.Lag = most
	} else if least := lacking.UnixMicro() - end; !lacking.IsZero() && least > w.Lag {
		w.Lag += (least - w.Lag) / 2
	}
}
