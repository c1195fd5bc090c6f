// SPDX-License-Identifier: Apache-2.0

package access

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// limiterSlots is the size of a table: 128 kB.
const limiterSlots = 1 << 14

// limiter counts events by key: burst at once, then one in each period (the generic cell rate algorithm). Keys are hashed with a
// secret into a table of a fixed size: two may share a slot by chance, nobody can choose that, and nothing an attacker does
// makes it forget.
type limiter struct {
	every time.Duration
	burst int64
	seed  maphash.Seed
	slots []atomic.Int64 // Unix nanoseconds at which the bucket is full again
}

func newLimiter(burst int, every time.Duration) *limiter {
	return &limiter{every: every, burst: int64(burst), seed: maphash.MakeSeed(), slots: make([]atomic.Int64, limiterSlots)}
}

func (l *limiter) slot(key string) *atomic.Int64 {
	return &l.slots[maphash.String(l.seed, key)%limiterSlots]
}

// take counts one event, or returns how long to wait for it to be allowed.
func (l *limiter) take(key string, now time.Time) (wait time.Duration) {
	s, t := l.slot(key), now.UnixNano()
	for {
		old := s.Load()
		full := t + l.burst*int64(l.every)
		next := min(max(old, t), full) + int64(l.every) // it is beyond full only when the clock was set back since
		if over := next - full; over > 0 {
			if old > full {
				s.CompareAndSwap(old, full)
			}
			return time.Duration(over)
		}
		if s.CompareAndSwap(old, next) {
			return 0
		}
	}
}

// refund takes back one event.
func (l *limiter) refund(key string) { l.slot(key).Add(-int64(l.every)) }
