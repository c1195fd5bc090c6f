// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/segment"
)

// Entry is one published segment. Nothing in it changes once it has been saved.
type Entry struct {
	Key           int64 // Unix second in the object key
	Start         int64 // published start, microseconds since the Unix epoch: the date it is shown with
	Duration      int64 // microseconds: EXTINF. Without a discontinuity the next Start is Start+Duration
	Discontinuity bool
	Added         int64 // live: Unix second in which it joined the window; 0 when it was there from the start
}

func (e *Entry) end() int64 { return e.Start + e.Duration }

// Window is everything that servers share about one rolling live playlist, or about one EVENT playlist, which is a window
// that removes nothing. It is a plain value; the slices are shared between copies and never written to.
type Window struct {
	ID      string    // the camera id, or for an EVENT playlist eventID
	Version int64     // 0 = not stored yet; see WindowStore.Save
	Expires time.Time // when nobody asked until then, the content is given up (but not the numbers, see firstNumber)

	TargetDuration        int // seconds, constant for the window's life
	MediaSequence         int64
	DiscontinuitySequence int64
	Entries               []Entry

	// What is known of the camera, to place its next segment.
	Recent  []int64 // microseconds between the starts of its latest segments, gaps included, newest last, at most recentLen
	Last    int64   // true start of the newest entry, microseconds: exact, or the best guess
	Bytes   int64   // size of the newest entry's object
	Exact   bool    // Last is exact: read from the segment, or on the beat since one that was
	Unsure  int     // how many of the next segments are to be read, because the camera keeps no steady beat
	Unread  int     // how many segments were placed by the beat since one was read
	Foreign bool    // its timestamps are not wall-clock (original SDK): keys are all there is
	Lag     int64   // microseconds from the end of a segment, by the camera's clock, until it is seen in the bucket

	// Of an EVENT playlist.
	Event bool
	From  int64 // microseconds: the start that was asked for
	Ended bool  // it has its ENDLIST
}

const usPerSecond = int64(time.Second / time.Microsecond)

func micros(d time.Duration) int64    { return int64(d / time.Microsecond) }
func duration(us int64) time.Duration { return time.Duration(us) * time.Microsecond }
func timeOf(us int64) time.Time       { return time.UnixMicro(us).UTC() }

func (w *Window) newest() *Entry { return &w.Entries[len(w.Entries)-1] }

// playlist renders the window. Dates stand on the first segment and after each discontinuity.
func (w *Window) playlist() hls.Playlist {
	p := hls.Playlist{
		TargetDuration:        w.TargetDuration,
		MediaSequence:         w.MediaSequence,
		DiscontinuitySequence: w.DiscontinuitySequence,
		Independent:           true,
		Segments:              segmentsOf(w.Entries),
	}
	if w.Event {
		p.Type, p.Ended = hls.Event, w.Ended
		p.HasStart, p.StartOffset = true, duration(max(0, w.From-w.Entries[0].Start))
	}
	return p
}

func segmentsOf(entries []Entry) []hls.Segment {
	out := make([]hls.Segment, len(entries))
	for i := range entries {
		e := &entries[i]
		out[i] = hls.Segment{Key: e.Key, Duration: duration(e.Duration), Discontinuity: e.Discontinuity}
		if i == 0 || e.Discontinuity {
			out[i].ProgramDateTime = timeOf(e.Start)
		}
	}
	return out
}

// AppendKey appends the object key of a segment of a playlist that this package made. camera may be percent-encoded
// (hls.AppendPath): the rest of a key needs no escaping.
func AppendKey(dst []byte, camera string, s *hls.Segment) []byte {
	return segment.AppendKey(dst, camera, time.Unix(s.Key, 0))
}
