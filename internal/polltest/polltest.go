// SPDX-License-Identifier: Apache-2.0

package polltest

import (
	"testing"
	"time"
)

// The pause between two looks begins short, as most things have happened by then, and grows so that waiting costs no processor.
const (
	firstPause = time.Millisecond
	lastPause  = 50 * time.Millisecond
)

// Until asks ok, at once and then again after pauses of at most 50 ms, until it is true. When it is not after limit, the test ends with
// the words "waited in vain: " and what. ok runs on the caller's goroutine, which is that of the test.
func Until(tb testing.TB, limit time.Duration, what string, ok func() bool) {
	tb.Helper()
	if !Within(limit, ok) {
		tb.Fatalf("waited %v in vain: %s", limit, what)
	}
}

// Within is Until for those who have more to say, or can go on: it tells whether ok became true.
func Within(limit time.Duration, ok func() bool) bool {
	pause := firstPause
	for end := time.Now().Add(limit); !ok(); pause = min(2*pause, lastPause) {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(pause)
	}
	return true
}
