// SPDX-License-Identifier: Apache-2.0

package load

import (
	"slices"
	"sync"
	"time"
)

// Latency collects how long something took. Its methods may be called from several goroutines.
type Latency struct {
	mu     sync.Mutex
	took   []time.Duration
	sorted bool
}

func (l *Latency) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took, l.sorted = append(l.took, d), false
}

// Count returns how often it happened.
func (l *Latency) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.took)
}

// Quantile returns the time within which the fraction q of all was through: 0.5 the median, 1 the longest. 0 when nothing happened.
func (l *Latency) Quantile(q float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.took) == 0 {
		return 0
	}
	if !l.sorted {
		slices.Sort(l.took)
		l.sorted = true
	}
	return l.took[min(int(q*float64(len(l.took))), len(l.took)-1)]
}
