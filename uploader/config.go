// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/segment"
)

// Defaults and limits of [Config].
const (
	DefaultSegmentDuration = 3 * time.Second
	MinSegmentDuration     = time.Second // keys have a resolution of one second
	MaxSegmentDuration     = time.Minute

	DefaultRingBytes = 4 << 20 // 6 s of 5 Mbit/s
	MinRingBytes     = 64 << 10
	MaxRingBytes     = 1 << 30 // addressable on 32-bit systems

	DefaultRetryMin    = 250 * time.Millisecond
	DefaultRetryMax    = 4 * time.Second // about the pace of segments, so retries do not load a server more
	DefaultRejectedMax = 45 * time.Second
	DefaultMinTimeout  = 5 * time.Second
	DefaultMaxTimeout  = time.Minute // or four segments, if that is more

	maxJitter = 500 * time.Millisecond // default: a tenth of the segment duration, at most this
)

// Config configures an [Uploader]. Prefix and Putter are required; a zero in any other field means its default.
type Config struct {
	Prefix string // the camera: segment.CleanPrefix is applied
	// BucketRoot goes with an empty Prefix: keys begin with the year. The original SDK does so for a prefix of NULL. The
	// playback side knows no camera without a name, so this is for those who read the bucket themselves.
	BucketRoot bool

	SegmentDuration time.Duration // target, see the package comment; DefaultSegmentDuration
	RingBytes       int           // RAM for segments that are not stored yet; DefaultRingBytes. At least two segments should fit
	Putter          Putter

	// Epoch is the UTC of PTS 0, for a source that knows the time of its frames. Zero: live, see the package comment.
	Epoch time.Time
	// ParameterSets are SPS and PPS in Annex B form that came out of band, as in RTSP's sprop-parameter-sets. Not kept.
	ParameterSets []byte
	// Audio says that the camera has audio, so that the first segment announces it. Otherwise it is learned from the first
	// audio frame, and unlearned after three segments without any.
	Audio bool
	// Tags is the x-amz-tagging value of all segments, see [Uploader.SetTags].
	Tags string

	// Spool takes the segments for which the ring has no room during an outage or on a slow uplink, and those that are left when Close
	// ends; they are uploaded later, behind live ones. Nil: none.
	Spool Spool

	// ClockOffset is what to add to Now until a server has told better, for example the last [Uploader.ClockOffset] of the run before.
	ClockOffset time.Duration
	// UploadJitter bounds the delay of each upload after its segment is complete. It is drawn once, so that a fleet that was switched on
	// together spreads over it, while each camera stays regular. Default a tenth of SegmentDuration, at most 500 ms; negative is off.
	UploadJitter time.Duration

	// A failed upload is tried again after a random time of 0 to RetryMin, which doubles with each failure up to RetryMax (1 s for the first
	// 120 times with ErrNotSent). What was rejected waits for RejectedMax at most.
	RetryMin, RetryMax, RejectedMax time.Duration
	// A try ends when nothing moved (see Object.Sent) for MinTimeout plus four times what is in the kernel should take, 256 KiB at most; after 3 s
	// when its segment has to make room and is still whole; and after four times MaxTimeout at the latest. Without calls of Sent it may
	// last MinTimeout plus four times what the segment takes at the throughput seen so far, MaxTimeout at most.
	MinTimeout, MaxTimeout time.Duration

	Now    func() time.Time // the device's wall clock, called from several goroutines; time.Now
	Logger *slog.Logger     // nil discards

	// The callbacks run without any lock held, on the goroutine that caused the event: that of a Write or Flush, or the
	// worker. They must return quickly, may call Stats and the Set methods, and must not call Close.

	OnStored func(Stored) // a segment was stored
	OnDrop   func(Drop)   // a segment was lost
	OnError  func(error)  // an upload failed in a way that somebody has to act on: ErrRejected, ErrExpiredCredentials, parameter sets that are broken
	// RefreshCredentials is called on the worker when a Put gives ErrExpiredCredentials, before it is tried again at once.
	RefreshCredentials func(context.Context) error
}

// Stored describes a segment that was stored.
type Stored struct {
	Key      string
	Start    time.Time     // of the first picture, UTC
	Duration time.Duration // up to the start of the next segment, when that one follows
	Bytes    int
	Frames   int
	Attempts int           // 1: at the first try
	Took     time.Duration // the last try
	Waited   time.Duration // from the completion of the segment until it was stored; not known (0) when Spooled
	Spooled  bool          // it came from Config.Spool
}

// Drop describes a segment that was lost.
type Drop struct {
	Key      string // that it had or would have had
	Start    time.Time
	Duration time.Duration
	Bytes    int
	Frames   int
	Reason   DropReason
}

// DropReason says why a segment was lost.
type DropReason string

// The reasons of a [Drop].
const (
	DropRingFull  DropReason = "ring full"        // it was complete, and its room was needed by newer footage
	DropTooLarge  DropReason = "too large"        // it was still open, and the ring had no room for the rest of it
	DropCollision DropReason = "key exists"       // other footage has its key and the seconds up to the next segment
	DropClosed    DropReason = "closed undrained" // Close ended before it was stored

	DropSpoolFull    DropReason = "spool full"    // it was in the spool, and newer footage needed the room
	DropSpoolCorrupt DropReason = "spool corrupt" // it was in the spool and cannot be read any more
	DropRejected     DropReason = "rejected"      // it was in the spool, and the server takes others but not this one
)

// withDefaults returns the configuration with its defaults filled in, or all that is wrong with it.
func (c Config) withDefaults() (Config, h264.ParameterSets, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var err error
	switch {
	case c.BucketRoot && c.Prefix != "":
		bad("BucketRoot: there is a Prefix, %q", c.Prefix)
	case c.BucketRoot:
	default:
		if c.Prefix, err = segment.CleanPrefix(c.Prefix); err != nil {
			bad("Prefix: %w", err)
		}
	}
	if c.Putter == nil {
		bad("Putter: it is nil")
	}
	orDefault(&c.SegmentDuration, DefaultSegmentDuration)
	if c.SegmentDuration < MinSegmentDuration || c.SegmentDuration > MaxSegmentDuration {
		bad("SegmentDuration: %v is not within %v to %v", c.SegmentDuration, MinSegmentDuration, MaxSegmentDuration)
	}
	if c.RingBytes == 0 {
		c.RingBytes = DefaultRingBytes
	}
	if c.RingBytes < MinRingBytes || c.RingBytes > MaxRingBytes {
		bad("RingBytes: %d is not within %d to %d", c.RingBytes, MinRingBytes, MaxRingBytes)
	}
	if c.UploadJitter == 0 {
		c.UploadJitter = min(c.SegmentDuration/10, maxJitter)
	} else if c.UploadJitter > MaxSegmentDuration {
		bad("UploadJitter: %v is more than %v", c.UploadJitter, MaxSegmentDuration)
	}
	if c.MaxTimeout == 0 {
		c.MaxTimeout = max(DefaultMaxTimeout, 4*c.SegmentDuration)
	}
	for _, d := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"RetryMin", &c.RetryMin, DefaultRetryMin}, {"RetryMax", &c.RetryMax, DefaultRetryMax},
		{"RejectedMax", &c.RejectedMax, DefaultRejectedMax},
		{"MinTimeout", &c.MinTimeout, DefaultMinTimeout}, {"MaxTimeout", &c.MaxTimeout, DefaultMaxTimeout},
	} {
		orDefault(d.v, d.def)
		if *d.v < 0 {
			bad("%s: %v is negative", d.name, *d.v)
		}
	}
	if c.RetryMin > c.RetryMax {
		bad("RetryMin: %v is more than RetryMax %v", c.RetryMin, c.RetryMax)
	}
	if c.MinTimeout > c.MaxTimeout {
		bad("MinTimeout: %v is more than MaxTimeout %v", c.MinTimeout, c.MaxTimeout)
	}
	if !c.Epoch.IsZero() && !validSecond(c.Epoch.Unix()) {
		bad("Epoch: year %d is not within 1970 to 9999", c.Epoch.Year())
	}
	if err := checkTags(c.Tags); err != nil {
		bad("Tags: %w", err)
	}
	var sets h264.ParameterSets
	if len(c.ParameterSets) > 0 {
		if _, err := sets.Update(c.ParameterSets); err != nil {
			bad("ParameterSets: %w", err)
		} else if !sets.Complete() {
			bad("ParameterSets: there is no SPS with a PPS that refers to it (Annex B start codes needed)")
		}
		c.ParameterSets = nil
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if len(errs) > 0 {
		return c, sets, fmt.Errorf("uploader: bad configuration: %w", errors.Join(errs...))
	}
	return c, sets, nil
}

func orDefault(d *time.Duration, def time.Duration) {
	if *d == 0 {
		*d = def
	}
}

// validSecond tells whether a Unix time lies in the years 1970 to 9999, for which there are keys.
func validSecond(sec int64) bool { return sec >= 0 && sec < 253402300800 }
