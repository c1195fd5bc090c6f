// SPDX-License-Identifier: Apache-2.0

package uploader

import "time"

const (
	// clockTolerance is by how much the device clock may be off before it is corrected. The Date header has a resolution of 1 s; within this
	// the device's own time, kept by NTP, is the better one. S3 allows 15 min.
	clockTolerance = 2 * time.Second

	// skewRefused is an error of the clock with which a server cannot have taken a signature.
	skewRefused = 16 * time.Minute
)

// firstServerTime is older than any answer; a time before it is garbage.
var firstServerTime = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// wallClock is the device clock and what servers said about it.
type wallClock struct {
	now     func() time.Time
	steady  func() time.Duration // a clock that does not step
	offset  time.Duration        // to be added to now
	known   bool                 // a server has told the time
	movable bool                 // all footage so far can be moved in time: it is live and none is stored
	owed    time.Duration        // steps taken out before known, which the footage has to follow
	last    time.Time            // the last reading
	lastAt  time.Duration        // when that was
}

// steady returns a clock that counts from now on and does not step.
func steady() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// read returns the present corrected time, without a monotonic reading.
//
// A step of the device clock (NTP, an operator) is taken out at first. Once a server has told the time, the next answer decides about
// it. Before, it is owed: the device was set after boot, and then the footage made so far moves along (Uploader.payClock).
func (c *wallClock) read() time.Time {
	t, at := c.now().Round(0), c.steady()
	if (c.known || c.movable) && !c.last.IsZero() {
		if s := stepOf(t.Sub(c.last), at-c.lastAt); s != 0 {
			c.offset -= s
			if !c.known {
				c.owed += s
			}
		}
	}
	c.last, c.lastAt = t, at
	return t.Add(c.offset)
}

// stepOf returns the part of a wall clock's advance that is a step, given the true advance; 0 when small.
func stepOf(wall, steady time.Duration) time.Duration {
	if s := wall - steady; s > clockTolerance || s < -clockTolerance {
		return s
	}
	return 0
}

// settle says that something is stored: from now on time only goes forward.
func (c *wallClock) settle() {
	c.offset += c.owed
	c.owed = 0
	c.movable = false
}

// learn takes over the time in a server's answer that came at received (a reading of now), to a request that took took. The answer
// may have been dated at any moment in between, and the header cuts it to a second. changed tells whether the offset is another now.
func (c *wallClock) learn(server, received time.Time, took time.Duration) (changed bool) {
	if server.Before(firstServerTime) {
		return false
	}
	c.known, c.owed = true, 0
	low := server.Sub(received.Round(0))
	high := low + time.Second + took
	fits := func(o time.Duration) bool { return o >= low-clockTolerance && o <= high+clockTolerance }
	if fits(c.offset) {
		return false
	}
	if c.offset = 0; !fits(0) {
		c.offset = low + time.Second/2
	}
	return true
}

// learnClock takes over the time in an answer, which stored says has stored a live segment. When nothing is stored yet the
// footage in the ring moves along, and so does what this run has spooled. See lockToShift.
func (u *Uploader) learnClock(server, received time.Time, took time.Duration, stored bool) (renamed bool) {
	u.clock.read() // the last step before the answer
	old := u.clock.offset
	if !u.clock.learn(server, received, took) {
		return false
	}
	u.events = append(u.events, event{offset: u.clock.offset, clockSet: true})
	return u.clock.movable && !stored && u.follow(u.clock.offset-old)
}

// payClock moves the footage by the steps of the device clock that came before any answer, when nobody reads the ring.
func (u *Uploader) payClock() {
	u.mu.Lock()
	owes := u.clock.owed != 0
	u.mu.Unlock()
	if !owes {
		return
	}
	spool := u.lockToShift()
	if d := u.clock.owed; d != 0 {
		u.clock.owed = 0
		u.clock.offset += d
		u.follow(d)
	}
	u.unlock()
	if spool {
		u.spoolGate.leave()
	}
}

// follow moves all footage by a correction of the clock. Back only if nothing can have been stored or has been spooled under its
// final name, since keys never go back.
func (u *Uploader) follow(d time.Duration) (moved bool) {
	seconds := int64(d.Round(time.Second) / time.Second)
	if seconds == 0 {
		return false
	}
	if seconds < 0 && (u.spool.sure || u.maybeStored && d > -skewRefused) {
		return false
	}
	return u.shift(seconds)
}
