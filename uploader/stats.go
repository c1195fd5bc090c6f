// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"strings"
	"time"

	"github.com/s3cam/s3cam/segment"
)

// Counts is an amount of footage.
type Counts struct {
	Segments int64
	Frames   int64 // pictures
	Bytes    int64 // of transport stream
	Duration time.Duration
}

func (c *Counts) add(d Counts) {
	c.Segments += d.Segments
	c.Frames += d.Frames
	c.Bytes += d.Bytes
	c.Duration += d.Duration
}

// Stats says what an [Uploader] did since New. At any time, in each of the four fields of Counts and exactly:
//
//	Sealed      == Stored + Pending + DroppedFull + DroppedCollision + DroppedClosed + Spooled
//	Begun       == Sealed.Segments + DroppedTooLarge.Segments + (1 while a segment is open)
//	VideoFrames == Sealed.Frames + Open.Frames + DroppedTooLarge.Frames + DroppedBeforeIDR
//
// and for Segments and Bytes of what is in the spool
//
//	SpoolFound + Spooled == Backfilled + DroppedSpool + SpoolPending
type Stats struct {
	VideoFrames, AudioFrames int64 // taken, wherever they went
	VideoBytes, AudioBytes   int64
	InvalidFrames            int64 // refused with ErrAccessUnit, ErrAudioFrame or ErrTime
	UnitsWithoutPicture      int64 // calls of WriteVideo with parameter sets, SEI or the like alone
	DroppedBeforeIDR         int64 // pictures before the first IDR, or between a gap (also one of Skip) and the next IDR
	Skipped                  int64 // pictures that never came, see Uploader.Skip; not in VideoFrames
	DroppedAudio             int64 // audio frames, see WriteAudio

	Begun            int64  // segments started
	Open             Counts // the one being written
	Sealed           Counts // complete
	Stored           Counts
	Pending          Counts // complete and not stored yet, the one being uploaded included
	DroppedFull      Counts // DropRingFull
	DroppedTooLarge  Counts // DropTooLarge
	DroppedCollision Counts // DropCollision
	DroppedClosed    Counts // DropClosed

	Spooled      Counts // put into the spool instead
	SpoolFound   Counts // that were in the spool when it was opened (Segments and Bytes only)
	SpoolPending Counts // in the spool now (Segments and Bytes only)
	Backfilled   Counts // stored out of the spool
	DroppedSpool Counts // lost in the spool: DropSpoolFull, DropSpoolCorrupt, DropRejected, DropCollision
	SpoolErrors  int64  // calls of the spool that failed
	UnsureStored int64  // segments of earlier runs stored under a time that no server has confirmed

	Attempts   int64 // Puts
	Retries    int64 // of them, second and further tries of a segment
	Rejected   int64 // of them, answered with ErrRejected
	Timeouts   int64 // of them, ended by their timeout
	MovedKeys  int64 // segments stored under a later second because theirs was taken
	Uploading  bool
	Throughput int64 // bytes per second of the last uploads, smoothed; 0 = not known

	RingBytes, RingUsed, RingHighWater int

	LastKey     string    // of the segment stored last
	LastStored  time.Time // when that was, by the corrected clock
	LastError   string    // of the last failed upload; it stays after a success
	LastErrorAt time.Time
	Failures    int // uploads failed since the last success

	ClockOffset    time.Duration // see Uploader.ClockOffset
	ClockKnown     bool          // a server has told the time
	Drift          time.Duration // live: wall clock minus the time of the pictures, at the last segment start
	TimestampJumps int64         // of the encoder's clock
	Reanchors      int64         // jumps of the pictures' time to the wall clock
}

// Dropped is everything lost after it was put into a segment, also by earlier runs into the spool.
func (s *Stats) Dropped() Counts {
	var c Counts
	for _, d := range []Counts{s.DroppedFull, s.DroppedTooLarge, s.DroppedCollision, s.DroppedClosed, s.DroppedSpool} {
		c.add(d)
	}
	return c
}

// Stats returns the present state. It may be called at any time, also after Close.
func (u *Uploader) Stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.stats
	for i := range u.queue {
		s.Pending.add(u.queue[i].counts())
	}
	if u.isOpen {
		s.Open = u.open.counts()
	}
	s.SpoolPending = u.spoolPending()
	s.Uploading = u.flight != nil
	s.RingBytes, s.RingUsed = len(u.ring.buf), u.ring.used
	s.Throughput, s.Failures = u.retry.throughput, u.retry.failures
	if u.retry.lastErr != nil {
		s.LastError, s.LastErrorAt = u.retry.lastErr.Error(), u.retry.lastErrAt
	}
	s.ClockOffset, s.ClockKnown = u.clock.offset, u.clock.known
	s.Drift = durationOf(u.time.drift)
	s.TimestampJumps, s.Reanchors = u.time.jumps, u.time.reanchors
	return s
}

// event is something to report once the lock is free.
type event struct {
	stored *Stored
	drop   *Drop
	err    error
	unsure bool // what was stored is of an earlier run without a server's time

	offset   time.Duration
	clockSet bool
}

func (u *Uploader) dropped(e *entry, reason DropReason) {
	u.events = append(u.events, event{drop: &Drop{Key: u.keyOf(e.key), Start: segment.TimeOfTicks(e.start), Duration: e.duration(),
		Bytes: e.n, Frames: e.frames, Reason: reason}})
}

// fail reports an error that somebody has to act on.
func (u *Uploader) fail(err error) { u.events = append(u.events, event{err: err}) }

func (u *Uploader) keyOf(second int64) string {
	return strings.TrimPrefix(segment.Key(u.cfg.Prefix, time.Unix(second, 0)), "/") // without a prefix there is no slash
}

// unlock unlocks mu and then logs and reports what happened under it.
func (u *Uploader) unlock() {
	events := u.events
	u.events = nil
	u.mu.Unlock()
	for _, e := range events {
		switch {
		case e.stored != nil:
			s := e.stored
			u.log.Debug("segment stored", "key", s.Key, "bytes", s.Bytes, "attempts", s.Attempts, "took", s.Took, "waited", s.Waited)
			if e.unsure {
				u.log.Warn("footage of an earlier run has the time of a clock that no server had confirmed", "key", s.Key)
			}
			if u.cfg.OnStored != nil {
				u.cfg.OnStored(*s)
			}
		case e.drop != nil:
			d := e.drop
			u.log.Warn("segment dropped", "key", d.Key, "reason", string(d.Reason), "bytes", d.Bytes, "duration", d.Duration)
			if u.cfg.OnDrop != nil {
				u.cfg.OnDrop(*d)
			}
		case e.clockSet:
			u.log.Warn("clock offset learned from the server", "camera", u.cfg.Prefix, "offset", e.offset)
		case e.err != nil:
			u.log.Error("camera needs attention", "camera", u.cfg.Prefix, "error", e.err)
			if u.cfg.OnError != nil {
				u.cfg.OnError(e.err)
			}
		}
	}
}
