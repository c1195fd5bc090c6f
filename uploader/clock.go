// SPDX-License-Identifier: Apache-2.0

package uploader

import "time"

// clockTolerance is by how much the device clock may be off before it is corrected. The Date header has a resolution of 1 s; within this
// the device's own time, kept by NTP, is the better one. S3 allows 15 min.
const clockTolerance = 2 * time.Second

// firstServerTime is older than any answer; a time before it is garbage.
var firstServerTime = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// wallClock is the device clock and what servers said about it.
type wallClock struct {
	now    func() time.Time
	offset time.Duration // to be added to now
	known  bool          // a server has told the time
	last   time.Time     // the last reading
}

// read returns the present corrected time.
func (c *wallClock) read() time.Time {
	t := c.now()
	if c.known && !c.last.IsZero() {
		// Once a server has told the time, a step of the device clock (NTP, an operator) is taken out until the next answer decides.
		// t.Sub uses the monotonic reading where t has one.
		if s := stepOf(t.Round(0).Sub(c.last.Round(0)), t.Sub(c.last)); s != 0 {
			c.offset -= s
		}
	}
	c.last = t
	return t.Add(c.offset)
}

// stepOf returns the part of a wall clock's advance that is a step, given the true advance; 0 when small.
func stepOf(wall, monotonic time.Duration) time.Duration {
	if s := wall - monotonic; s > clockTolerance || s < -clockTolerance {
		return s
	}
	return 0
}

// learn takes over the time in a server's answer that came at received (a reading of now), to a request that took took. The answer
// may have been dated at any moment in between, and the header cuts it to a second. changed tells whether the offset is another now.
func (c *wallClock) learn(server, received time.Time, took time.Duration) (changed bool) {
	if server.Before(firstServerTime) {
		return false
	}
	c.known = true
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
