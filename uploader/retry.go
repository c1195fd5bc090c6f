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
	lastErr    error
	lastErrAt  time.Time
}

// succeeded takes an upload of n bytes that took took into account.
func (r *retryState) succeeded(n int, took time.Duration) {
	r.notBefore, r.failures, r.timeouts = time.Time{}, 0, 0
	rate := int64(n) * int64(time.Second) / max(int64(took), int64(time.Microsecond))
	if r.throughput == 0 {
		r.throughput = rate
	} else {
		r.throughput += (rate - r.throughput) / 4
	}
}

// timeout is how long an upload of n bytes, that hold footage of length, may take. Before the throughput is known the uplink is given a
// quarter of the stream's own rate. Two timeouts in a row double it each, so a segment gets through a slow uplink in the end.
func (r *retryState) timeout(c *Config, n int, length time.Duration) time.Duration {
	t := 4 * max(length, c.SegmentDuration)
	if r.throughput > 0 {
		t = time.Duration(4*int64(n)/r.throughput*int64(time.Second)) + time.Second
	}
	return min((c.MinTimeout+t)<<min(r.timeouts, 2), c.MaxTimeout)
}

// backoff is the time before the next try after n failures in a row, with full jitter.
func backoff(n int, first, most time.Duration) time.Duration {
	d := first
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	return rand.N(min(d, most)) + 1
}
