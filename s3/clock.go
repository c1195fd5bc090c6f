// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"sync/atomic"
	"time"
)

// clock is the difference server clock - own clock in nanoseconds. It is learned only from an answer that refuses the time
// of a request, so a server with a wrong Date header cannot disturb a client that works.
type clock struct{ offset atomic.Int64 }

// now returns the corrected time.
func (c *Client) now() time.Time { return c.cfg.Now().Add(c.ClockOffset()) }

// ClockOffset returns what is added to Config.Now for signing: the server's clock minus the own one, 0 unless the server
// refused a request because of the time.
func (c *Client) ClockOffset() time.Duration { return time.Duration(c.skew.offset.Load()) }

// learnClock takes the offset from a refused request. It reports whether signing again makes sense.
func (c *Client) learnClock(e *Error) bool {
	if e.Date.IsZero() {
		return false
	}
	offset := e.Date.Add(time.Second / 2).Sub(c.cfg.Now()) // Date is cut to the second
	if offset.Abs() <= maxQuietSkew {
		offset = 0 // the own clock has been set right since
	}
	if e.Date.Sub(e.signed).Abs() <= maxQuietSkew {
		return false // the request bore the right time already
	}
	c.skew.offset.Store(int64(offset))
	c.stats.skews.Add(1)
	c.cfg.Logger.Warn("s3: own clock is off, corrected by the server's", "offset", offset)
	return true
}
