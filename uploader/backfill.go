// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

const (
	// maxBackfillRejects is how often the server may reject an item, while it takes live segments, until it is dropped: it would hold
	// up all others.
	maxBackfillRejects = 10
	// maxReadErrors is how often an item may fail to be read until it counts as corrupt.
	maxReadErrors = 5
	// yieldPause is how long back-filling rests after it had to give way.
	yieldPause = 15 * time.Second
)

// backfillState is about the oldest item of the spool, while it is the oldest. Guarded by the uploader's lock.
type backfillState struct {
	item      SpoolItem
	first     bool // nothing was looked at yet, and there are items of an earlier run
	notBefore time.Time
	foreign   bool  // of an earlier run, whose clock no server had confirmed
	shift     int64 // seconds by which its clock was wrong
	moves     int64 // seconds that its name was moved, because its own is taken
	attempts  int
	rejects   int
	takenAt   int64 // live segments stored at the first rejection
	readErrs  int
	maybe     bool // it may be stored
	decided   bool // it is stored or lost, which is counted, and has to be deleted
	busy      bool // the worker is at it
	evicted   bool // it left the spool meanwhile
	skewed    bool // tried again at once after the clock was set
	renewed   bool // tried again at once after the credentials were renewed
}

func (b *backfillState) is(it *SpoolItem) bool {
	return b.item.Key == it.Key && b.item.Size == it.Size && b.item.CRC32C == it.CRC32C && b.item.UnsureRun == it.UnsureRun
}

// backfillIn tells how long to wait until an item of the spool may be uploaded: when no live segment waits, and the ring will hold what
// comes in meanwhile.
func (u *Uploader) backfillIn(now time.Time) time.Duration {
	if u.cfg.Spool == nil || u.closing || len(u.queue) > 0 || u.spoolPending().Segments <= 0 && !u.back.decided {
		return forever
	}
	if wait := max(u.back.notBefore.Sub(now), u.retry.notBefore.Sub(now)); wait > 0 {
		return wait
	}
	if !u.isOpen {
		return 0
	}
	size := max(int64(u.back.item.Size), u.spool.rate*int64(u.cfg.SegmentDuration)/int64(time.Second))
	takes := min(u.retry.expected(int(size), u.cfg.SegmentDuration)+time.Second/2, time.Minute)
	if int64(u.ring.used)+u.spool.rate*int64(takes/time.Millisecond)/1000 > int64(len(u.ring.buf))*9/10 {
		return forever // the next complete segment will wake us
	}
	return 0
}

// backfill makes one try with the oldest item of the spool. It is called with the lock held and gives it up.
func (u *Uploader) backfill() {
	u.unlock()
	if !u.takeOldest() {
		return
	}
	b := &u.back
	if !b.decided {
		buf, err := u.readItem(&b.item)
		if err != nil {
			u.mu.Lock()
			b.readErrs++
			b.notBefore = time.Now().Add(spoolRetryMin)
			u.spoolFailed(fmt.Errorf("reading %s: %w", b.item.Key, err))
			if errors.Is(err, ErrSpoolCorrupt) || b.readErrs >= maxReadErrors {
				u.decide(DropSpoolCorrupt)
			}
			u.unlock()
		} else {
			u.send(buf)
			release(buf)
		}
	}
	u.conclude()
	u.signalSpool()
}

// takeOldest makes the oldest item of the spool the one to work on, and tells whether there is one for now.
func (u *Uploader) takeOldest() bool {
	u.spoolGate.enter()
	defer u.spoolGate.leave() // it is not evicted before it is busy
	it, ok := u.cfg.Spool.Oldest()
	u.mu.Lock()
	defer u.mu.Unlock()
	b := &u.back
	if !ok { // somebody else emptied it
		b.notBefore = time.Now().Add(spoolRetryMax)
		return false
	}
	if !b.is(&it) {
		// The run before may have ended after the upload of its oldest item and before deleting it. A time of its own that no server
		// confirmed is no name to know it by: each boot without a network may begin in the same second of 1970.
		*b = backfillState{item: it, maybe: it.Maybe || b.first && it.UnsureRun == 0}
	}
	if it.UnsureRun != 0 {
		if at, own := u.spool.runs[it.UnsureRun]; !own {
			b.foreign = true
		} else if !u.clock.known && u.clock.movable { // the first answer to a live segment will tell its time
			b.notBefore = time.Now().Add(u.cfg.RetryMax)
			return false
		} else if shift := u.spool.moved - at; shift != b.shift {
			b.shift, b.maybe = shift, false // under its new name
		}
	}
	b.busy = true
	return true
}

// readItem reads an item into memory outside the Go heap.
func (u *Uploader) readItem(it *SpoolItem) ([]byte, error) {
	if _, second := splitKey(it.Key); second.IsZero() || it.Size <= 0 || it.Size > MaxRingBytes || it.Size%mpegts.PacketSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes as %q", ErrSpoolCorrupt, it.Size, it.Key)
	}
	buf, err := allocate(it.Size)
	if err != nil {
		return nil, err
	}
	u.spoolGate.enter()
	n, err := u.cfg.Spool.Read(*it, buf)
	u.spoolGate.leave()
	if err == nil && n != it.Size {
		err = fmt.Errorf("%w: %d of %d bytes", ErrSpoolCorrupt, n, it.Size)
	}
	if err != nil {
		release(buf)
		return nil, err
	}
	return buf, nil
}

// send uploads the item that was read.
func (u *Uploader) send(buf []byte) {
	b := &u.back
	it := &b.item
	key, crc := it.Key, it.CRC32C
	if b.shift != 0 {
		shiftPackets(buf, b.shift*segment.Timescale)
		crc = crc32.Checksum(buf, castagnoli())
	}
	if move := b.shift + b.moves; move != 0 {
		prefix, second := splitKey(key)
		key = prefix + segment.Key("x", second.Add(time.Duration(move)*time.Second))[len("x/"):]
	}
	start := it.Start.Add(time.Duration(b.shift) * time.Second)
	u.mu.Lock()
	maybe := b.maybe
	if b.attempts++; b.attempts > 1 {
		u.stats.Retries++
	}
	o := Object{Key: key, Parts: [2][]byte{buf}, Size: it.Size, CRC32C: crc, Tags: it.Tags, Time: u.clock.read()}
	u.launch(&o, it.Duration, false)
	u.unlock()

	server, received, took, err := u.try(&o)

	spool := u.lockToShift()
	u.flight = nil
	u.learnClock(server, received, took, false)
	if err == nil || maybe && errors.Is(err, ErrExists) {
		u.decide("")
		u.retry.succeeded(it.Size, took)
		if b.foreign {
			u.stats.UnsureStored++
		}
		u.events = append(u.events, event{unsure: b.foreign, stored: &Stored{Key: key, Start: start, Duration: it.Duration, Bytes: it.Size,
			Frames: it.Frames, Attempts: b.attempts, Took: took, Spooled: true}})
	} else {
		u.backfillFailed(err)
	}
	u.unlock()
	if spool {
		u.spoolGate.leave()
	}
}

// splitKey takes the second out of a key; what is before it ends with a slash, or is empty below the root of the bucket.
func splitKey(key string) (prefix string, second time.Time) {
	at := max(0, len(key)-len("2006/01/02/15/04/05.ts"))
	_, second, _ = segment.ParseKey("x/" + key[at:])
	return key[:at], second
}

// backfillFailed decides what becomes of the item after a try that gave err.
func (u *Uploader) backfillFailed(err error) {
	b := &u.back
	now := time.Now()
	if u.ctx.Err() != nil {
		return
	}
	if !errors.Is(err, errYield) {
		u.retry.lastErr, u.retry.lastErrAt = err, u.clock.read()
	}
	b.maybe = b.maybe || unclear(err)
	switch {
	case errors.Is(err, ErrExists):
		// The next second, before the end of the footage: what follows it is not named before that.
		b.moves++
		_, second := splitKey(b.item.Key)
		if second.Add(time.Duration(b.moves+1) * time.Second).After(b.item.Start.Add(b.item.Duration)) {
			u.decide(DropCollision)
			return
		}
		u.stats.MovedKeys++
	case errors.Is(err, ErrClockSkew) && !b.skewed:
		b.skewed = true
	case errors.Is(err, ErrExpiredCredentials) && !b.renewed && u.cfg.RefreshCredentials != nil:
		u.failOnce(err)
		b.renewed = true
	case errors.Is(err, ErrRejected): // live segments do not wait for it
		u.stats.Rejected++
		u.failOnce(err)
		if b.rejects == 0 {
			b.takenAt = u.stats.Stored.Segments
		}
		if b.rejects++; b.rejects >= maxBackfillRejects && u.stats.Stored.Segments > b.takenAt {
			u.decide(DropRejected)
			return
		}
		b.notBefore = now.Add(backoff(b.rejects, rejectedMin, u.cfg.RejectedMax))
	case errors.Is(err, errYield):
		b.notBefore = now.Add(yieldPause)
	default:
		if errors.Is(err, errTimeout) {
			u.stats.Timeouts++
			u.retry.timeouts++
		}
		u.retry.failures++
		u.retry.notBefore = now.Add(backoff(u.retry.failures, u.cfg.RetryMin, u.cfg.RetryMax))
	}
}

// decide counts what became of the item: it was stored, or lost for a reason. Then it has to be deleted.
func (u *Uploader) decide(lost DropReason) {
	u.back.decided = true
	if lost == "" {
		u.stats.Backfilled.add(u.back.item.counts())
	} else {
		u.lostInSpool(&u.back.item, lost)
	}
}

// conclude ends the work on the item for now. What was decided about is deleted; when that fails it is tried again later.
func (u *Uploader) conclude() {
	u.spoolGate.enter()
	defer u.spoolGate.leave()
	u.mu.Lock()
	b := &u.back
	b.busy = false
	if b.decided && !b.evicted {
		it := b.item
		u.unlock()
		err := u.cfg.Spool.Delete(it)
		u.mu.Lock()
		if err != nil {
			b.notBefore = time.Now().Add(spoolRetryMin)
			u.spoolFailed(fmt.Errorf("deleting %s: %w", it.Key, err))
			u.unlock()
			return
		}
	}
	if b.evicted && !b.decided {
		u.decide(DropSpoolFull)
	}
	if b.decided {
		*b = backfillState{}
	}
	u.unlock()
}

// evicted counts an item that had to leave the spool for newer ones.
func (u *Uploader) evicted(it *SpoolItem) {
	b := &u.back
	switch {
	case !b.is(it):
		u.lostInSpool(it, DropSpoolFull)
	case b.busy:
		b.evicted = true // its upload will tell what became of it
	default:
		if !b.decided {
			u.decide(DropSpoolFull)
		}
		*b = backfillState{}
	}
}

// spoolPending is what is in the spool by our books.
func (u *Uploader) spoolPending() (c Counts) {
	s := &u.stats
	c.Segments = s.SpoolFound.Segments + s.Spooled.Segments - s.Backfilled.Segments - s.DroppedSpool.Segments
	c.Bytes = s.SpoolFound.Bytes + s.Spooled.Bytes - s.Backfilled.Bytes - s.DroppedSpool.Bytes
	return c
}
