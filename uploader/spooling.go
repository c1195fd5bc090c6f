// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/s3cam/s3cam/segment"
)

const (
	spoolRetryMin = 5 * time.Second // after a failure of the spool
	spoolRetryMax = 5 * time.Minute
)

// spoolState is what the uploader knows about its spool. Guarded by the uploader's lock.
type spoolState struct {
	notBefore time.Time // the next write
	fails     int       // writes in a row
	reported  bool      // an error, since the last write that went well
	sure      bool      // a segment of this run is there under its final name
	rate      int64     // bytes per second of the last complete live segment

	run   uint64           // number of what is spooled unsure now
	runs  map[uint64]int64 // by how much the footage had moved when items of that number were made
	moved int64            // by how many seconds the footage of this run was moved
	stop  chan struct{}
	ended chan struct{}
}

func (s *spoolState) broken() bool { return s.fails > 0 }

// gate is a lock that is held for long: while an item is written to flash.
type gate chan struct{}

func (g gate) enter() { g <- struct{}{} }
func (g gate) leave() { <-g }

// openSpool counts what an earlier run left, and starts the goroutine that puts segments into the spool.
func (u *Uploader) openSpool() {
	if u.cfg.Spool == nil {
		return
	}
	_ = u.OpenSpool(func() error { return nil })
	u.spool.stop, u.spool.ended = make(chan struct{}), make(chan struct{})
	go u.runSpool(u.spool.stop, u.spool.ended)
}

// OpenSpool is for a Spool that was of no use yet, because its flash was not there: open makes it usable, and what an earlier run has left in it is
// uploaded. Until then it holds nothing and its Put fails. open is called while the uploader makes no other call of the spool; its
// error is returned.
func (u *Uploader) OpenSpool(open func() error) error {
	u.spoolGate.enter()
	defer u.spoolGate.leave()
	if err := open(); err != nil {
		return err
	}
	items, bytes := u.cfg.Spool.Usage()
	u.mu.Lock()
	u.stats.SpoolFound.add(Counts{Segments: int64(items), Bytes: bytes})
	u.back.first = items > 0
	u.spool.notBefore, u.spool.fails, u.spool.reported = time.Time{}, 0, false
	u.mu.Unlock()
	u.signal()
	return nil
}

// closeSpool ends that goroutine and puts what is left in the ring into the spool.
func (u *Uploader) closeSpool() {
	if u.cfg.Spool == nil {
		return
	}
	close(u.spool.stop)
	<-u.spool.ended
	u.mu.Lock()
	u.closing = true // nothing comes in any more
	u.mu.Unlock()
	for u.spoolOne(func() int {
		return min(len(u.queue), 1) - 1
	}) {
	}
}

// runSpool puts segments into the spool when that is due.
func (u *Uploader) runSpool(stop, ended chan struct{}) {
	defer close(ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-u.spoolWake:
		case <-timer.C:
		}
		for u.spoolOne(u.toSpool) {
			select {
			case <-stop:
				return
			default:
			}
		}
		u.mu.Lock()
		if wait := time.Until(u.spool.notBefore); wait > 0 {
			timer.Reset(wait)
		}
		u.mu.Unlock()
	}
}

// toSpool chooses the segment to spool now, the oldest that waits; -1 for none. It is due when uploads fail and more than one
// waits, or when the uplink is behind and what is not sent fills half of the ring.
func (u *Uploader) toSpool() int {
	i, waiting := u.oldestLoose()
	if i < 0 || time.Now().Before(u.spool.notBefore) {
		return -1
	}
	half := len(u.ring.buf) / 2
	unsent := u.ring.used - u.flight.spare()
	switch {
	case u.retry.failures > 0 && (waiting > 1 || unsent > half):
	case u.inflight != 0 && unsent > half:
	case u.flight != nil && !u.flight.live && unsent > half+half/2: // back-filling
	default:
		return -1
	}
	return i
}

// spoolOne puts the segment that choose gives (with the lock held) into the spool and takes it out of the ring. Until then it is held.
func (u *Uploader) spoolOne(choose func() int) (done bool) {
	u.spoolGate.enter()
	defer u.spoolGate.leave()
	u.mu.Lock()
	i := choose()
	if i < 0 {
		u.unlock()
		return false
	}
	e := &u.queue[i]
	seq := e.seq
	u.spooling = seq
	it := SpoolItem{Key: u.keyOf(e.key), Start: segment.TimeOfTicks(e.start), Duration: e.duration(), Frames: e.frames, Size: e.n, CRC32C: e.crc,
		Tags: e.tags, Maybe: e.maybe, UnsureRun: u.unsure()}
	parts := u.ring.parts(e.pos, e.n)
	u.unlock()

	out, err := u.cfg.Spool.Put(it, parts)

	u.mu.Lock()
	for i := range out {
		u.evicted(&out[i])
	}
	s := &u.spool
	if err == nil {
		u.giveBack(seq)
		i := u.index(seq)
		u.stats.Spooled.add(u.queue[i].counts())
		u.remove(i)
		s.sure = s.sure || it.UnsureRun == 0
		s.fails, s.reported, s.notBefore = 0, false, time.Time{}
	} else {
		u.spoolFailed(fmt.Errorf("putting %s: %w", it.Key, err))
		s.fails++
		s.notBefore = time.Now().Add(min(spoolRetryMin<<min(s.fails-1, 10), spoolRetryMax))
	}
	u.spooling = 0
	u.unlock()
	u.signal()
	return err == nil
}

// unsure gives the number under which segments are spooled whose time no server has confirmed and that can still move, else 0.
func (u *Uploader) unsure() uint64 {
	if u.clock.known || !u.clock.movable {
		return 0
	}
	s := &u.spool
	if s.run == 0 {
		s.run = rand.Uint64() | 1
		if s.runs == nil {
			s.runs = map[uint64]int64{}
		}
		s.runs[s.run] = s.moved
	}
	return s.run
}

func (u *Uploader) lostInSpool(it *SpoolItem, reason DropReason) {
	u.stats.DroppedSpool.add(it.counts())
	u.events = append(u.events, event{drop: &Drop{Key: it.Key, Start: it.Start, Duration: it.Duration, Bytes: it.Size, Frames: it.Frames, Reason: reason}})
}

func (it *SpoolItem) counts() Counts {
	return Counts{Segments: 1, Frames: int64(it.Frames), Bytes: int64(it.Size), Duration: it.Duration}
}

// spoolFailed counts and, once until the next success, reports that the spool failed.
func (u *Uploader) spoolFailed(err error) {
	u.stats.SpoolErrors++
	if !u.spool.reported {
		u.spool.reported = true
		u.fail(fmt.Errorf("uploader: spool: %w", err))
	}
}

// signalSpool tells the goroutine of the spool to look again.
func (u *Uploader) signalSpool() {
	select {
	case u.spoolWake <- struct{}{}:
	default:
	}
}
