// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/mpegts"
)

// flight is one try to upload a segment, as its [Putter] reports on it. Those who write to the ring hold mu, the uploader's lock.
type flight struct {
	mu     *sync.Mutex
	size   int
	began  time.Time
	sent   atomic.Int64 // bytes that are copied out
	moved  atomic.Int64 // when that last changed: nanoseconds after began
	live   bool         // the bytes lie in the ring
	tapped int          // of them, given to newer footage; whole packets. Guarded by mu
	over   bool         // Put has returned: no more is given. Guarded by mu
}

func (f *flight) progress(n int) {
	if s := int64(min(max(n, 0), f.size)); s > f.sent.Load() {
		f.moved.Store(int64(time.Since(f.began)))
		f.sent.Store(s)
	}
}

// again tells whether all bytes are still there, and if so keeps them from now on until they are sent once more.
func (f *flight) again() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tapped > 0 {
		return false
	}
	f.sent.Store(0)
	return true
}

// spare is how many bytes could be given to newer footage now.
func (f *flight) spare() int {
	if f == nil || !f.live || f.over {
		return 0
	}
	return int(f.sent.Load())/mpegts.PacketSize*mpegts.PacketSize - f.tapped
}
