// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math"
	"time"

	"github.com/s3cam/s3cam/playback"
)

// What the stores outside of this process have in common (packages dynamostore and redisstore).

// RetainLive and RetainEvent are how long an expired window stays. The numbers of a live window that was deleted jump forward
// (playback counts them from the key's time), so nothing breaks when it goes; but its discontinuity sequence may go back, and a
// player that was paused over the weekend should not see that. An EVENT playlist has no numbers to remember.
const (
	RetainLive  = 30 * 24 * time.Hour
	RetainEvent = time.Hour
)

// ErrUnreadable is wrapped by the errors about what a store has and cannot be a window: it is replaced.
var ErrUnreadable = errors.New("unreadable item")

func retain(w *playback.Window) time.Duration {
	if w.Event {
		return RetainEvent
	}
	return RetainLive
}

// ExpiresAt is when a window may be deleted, Unix seconds.
func ExpiresAt(w *playback.Window) int64 { return w.Expires.Add(retain(w)).Unix() + 1 }

// NextNumbers are the numbers that a window after w may not undercut.
func NextNumbers(w *playback.Window) (msn, dsn int64) {
	msn, dsn = w.MediaSequence+int64(len(w.Entries)), w.DiscontinuitySequence
	for i := range w.Entries {
		if w.Entries[i].Discontinuity {
			dsn++
		}
	}
	return msn, dsn
}

// MaxVersion is far beyond what a window can reach: a number above it was not written by Save.
const MaxVersion = math.MaxInt64 / 2

// Pauses between attempts: full jitter up to these, doubled each time.
const (
	FirstPause = 50 * time.Millisecond
	MaxPause   = time.Second
)

// Nonce is a random name of one Save.
func Nonce() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
