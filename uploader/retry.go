// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"math/rand/v2"
	"time"
)

// retryState is what the worker learned about the uplink.
type retryState struct {
	notBefore  time.Time // the next try of anything
	failures   int       // since the last success
	timeouts   int       // of these, by timeout
	throughput int64     // bytes per second
	reports    bool      // the Putter calls Sent
	reported   bool      // a failure of this series that somebody has to act on
	lastErr    error
	lastErrAt  time.Time
}

// succeeded takes an upload of n bytes that took took into account.
func (r *retryState) succeeded(n int, took time.Duration) {
	r.notBefore, r.failures, r.timeouts, r.reported = time.Time{}, 0, 0, false
	rate := int64(n) * int64(time.Second) / max(int64(took), int64(time.Microsecond))
	if r.throughput == 0 {
		r.throughput = rate
	} else {
		r.throughput += (rate - r.throughput) / 2
	}
}

// timeout is how long what should take expected may take: MinTimeout, and four times that. Each timeout in a row halves the belief in the
// known rate, three times at most: a segment gets through an uplink that became slow, and a hanging server does not cost
// much more than MinTimeout.
func (r *retryState) timeout(c *Config, expected time.Duration) time.Duration {
	return min(c.MinTimeout+4*expected<<min(r.timeouts, 3), c.MaxTimeout)
}

// expected is how long an upload of n bytes, that hold footage of length, should take: at the stream's own rate before another is known.
func (r *retryState) expected(n int, length time.Duration) time.Duration {
	if r.throughput <= 0 {
		return max(length, time.Second)
	}
	return time.Duration(int64(n)*1000/r.throughput) * time.Millisecond
}

// backoff is the time before the next try after n failures in a row, with full jitter.
func backoff(n int, first, most time.Duration) time.Duration {
	d := first
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	return rand.N(min(d, most)) + 1
}
