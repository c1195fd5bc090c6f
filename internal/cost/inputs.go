// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Month is the month of all figures.
const Month = 30 * 24 * time.Hour

// Delivery is how a player gets the segments of a playlist.
type Delivery string

// The deliveries of the AWS deployment.
const (
	Presign  Delivery = "presign"  // the playlist lists signed URLs
	Redirect Delivery = "redirect" // each segment is asked for at the API, which answers 302 to a signed URL
)

// Inputs says what is recorded and watched. Start from [DefaultInputs]: a zero is a zero here, not a default. Hours are
// those of one camera in one month.
type Inputs struct {
	BitsPerSecond float64       // video and audio, without the container
	TSOverhead    float64       // what MPEG-TS adds, as a fraction: 0.03 is 3 %
	Segment       time.Duration // length of a segment
	Duty          float64       // the fraction of the time in which the camera records: 1 is always
	Retention     time.Duration // segments are deleted at this age; 0 = never: then NthMonth counts
	NthMonth      int           // without retention: the month after the start whose end is looked at
	Cameras       int

	ViewingHours float64 // live, summed over all viewers of the camera
	Viewers      float64 // how many watch the same camera at the same time, when anybody does
	ReplayHours  float64 // footage replayed, summed over all viewers
	Live, Replay Delivery
	Poll         time.Duration // how often a live player asks; 0 = each target duration, which is the segment's length in whole seconds

	TagsPerSegment int // S3 object tags

	// What was measured or is assumed.
	ListsPerPoll      float64       // LIST requests of a poll that finds the shared window stale (1; 2 around midnight)
	WriteUnits        float64       // DynamoDB write units of one saved window: its size in KiB, rounded up
	ReadUnits         float64       // DynamoDB read units of one loaded window: its size in 4 KiB, rounded up
	MemoryMB          int           // of the playlist function
	ReplayMemoryMB    int           // of the replay function, which also answers the redirects
	LiveTime          time.Duration // billed time of a live poll
	ReplayTime        time.Duration // billed time of a replay playlist of one hour
	RedirectTime      time.Duration // billed time of one 302
	LivePlaylistBytes float64       // one live playlist as it leaves API Gateway (gzip)
	ReplayEntryBytes  float64       // one entry of a replay playlist, likewise
	RedirectBytes     float64       // one 302
	LogBytes          float64       // log lines of one call of a function, as CloudWatch counts them
}

// DefaultInputs is one camera of 5 Mbit/s with 3 s segments, kept for 7 days: the example of the deployment manual, watched
// for ten hours live and two hours in replay.
//
// Assumed, not measured on AWS: the three billed times and LogBytes. Measured elsewhere: a window item stays below 1 KiB with
// six entries, a replay entry is some 50 bytes in gzip, a 302 with a session token 1.8 kB.
func DefaultInputs() Inputs {
	return Inputs{
		BitsPerSecond: 5e6, TSOverhead: 0.03, Segment: 3 * time.Second, Duty: 1, Retention: 7 * 24 * time.Hour, NthMonth: 12, Cameras: 1,
		ViewingHours: 10, Viewers: 1, ReplayHours: 2, Live: Presign, Replay: Redirect,
		ListsPerPoll: 1, WriteUnits: 1, ReadUnits: 1, MemoryMB: 512, ReplayMemoryMB: 1024,
		LiveTime: 50 * time.Millisecond, ReplayTime: 500 * time.Millisecond, RedirectTime: 5 * time.Millisecond,
		LivePlaylistBytes: 1500, ReplayEntryBytes: 50, RedirectBytes: 1820, LogBytes: 1000,
	}
}

// Check reports every input that is out of bounds, all of them at once.
func (in Inputs) Check() error {
	var all []error
	number := func(name string, v, least, most float64, unit string) {
		if math.IsNaN(v) || v < least || v > most {
			all = append(all, fmt.Errorf("%s is %v; it must be from %v to %v%s", name, v, least, most, unit))
		}
	}
	span := func(name string, v, least, most time.Duration) {
		if v < least || v > most {
			all = append(all, fmt.Errorf("%s is %v; it must be from %v to %v", name, v, least, most))
		}
	}
	delivery := func(name string, d Delivery) {
		if d != Presign && d != Redirect {
			all = append(all, fmt.Errorf("%s is %q; it must be %s or %s", name, string(d), Presign, Redirect))
		}
	}
	const day = 24 * time.Hour
	number("bitrate", in.BitsPerSecond, 1e3, 1e9, " bit/s")
	number("ts overhead", in.TSOverhead, 0, 1, " (a fraction: 0.03 is 3 %)")
	span("segment", in.Segment, time.Second, time.Minute)
	number("duty", in.Duty, 0, 1, " (1 is always)")
	if in.Retention != 0 {
		span("retention", in.Retention, time.Hour, 3650*day)
	}
	number("month", float64(in.NthMonth), 1, 600, "")
	number("cameras", float64(in.Cameras), 1, 1e7, "")
	number("viewing hours", in.ViewingHours, 0, 1e6, "")
	number("viewers", in.Viewers, 1, 1e5, "")
	number("replay hours", in.ReplayHours, 0, 1e6, "")
	delivery("delivery", in.Live)
	delivery("replay delivery", in.Replay)
	if in.Poll != 0 {
		span("poll", in.Poll, time.Second/2, 5*time.Minute)
	}
	number("tags per segment", float64(in.TagsPerSegment), 0, 10, " (as many as S3 takes)")
	number("lists per poll", in.ListsPerPoll, 0, 100, "")
	number("write units", in.WriteUnits, 0, 400, " (an item has at most 400 KiB)")
	number("read units", in.ReadUnits, 0, 100, " (an item has at most 400 KiB)")
	number("memory", float64(in.MemoryMB), 128, 10240, " MB")
	number("replay memory", float64(in.ReplayMemoryMB), 128, 10240, " MB")
	span("time of a live poll", in.LiveTime, 0, 30*time.Second)
	span("time of a replay playlist", in.ReplayTime, 0, 30*time.Second)
	span("time of a redirect", in.RedirectTime, 0, 30*time.Second)
	number("bytes of a live playlist", in.LivePlaylistBytes, 0, 1e7, "")
	number("bytes of a replay entry", in.ReplayEntryBytes, 0, 1e5, "")
	number("bytes of a redirect", in.RedirectBytes, 0, 1e5, "")
	number("log bytes", in.LogBytes, 0, 1e6, "")
	return errors.Join(all...)
}

// PollInterval is how often a live player asks: Poll, or without it each target duration.
func (in Inputs) PollInterval() time.Duration {
	if in.Poll != 0 {
		return in.Poll
	}
	return max(time.Second, in.Segment.Round(time.Second))
}

// kept is how long footage has been there at the moment that is looked at.
func (in Inputs) kept() time.Duration {
	if in.Retention == 0 {
		return time.Duration(in.NthMonth) * Month
	}
	return in.Retention
}
