// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

// TestPresignStaysNearItsFloor defends the goal of BenchmarkPresign. Both sides run in turns, and the fastest round of each
// counts: other load on the machine only ever adds time.
func TestPresignStaysNearItsFloor(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("a measurement; not with -short or the race detector")
	}
	const goal, rounds, urls = 1.3, 400, 50
	for _, token := range []int{0, 900} {
		p := benchPresigner(t, token)
		canonical := make([]byte, len(p.head)+len(benchKey)+len(p.tail))
		toSign := make([]byte, 64+len("AWS4-HMAC-SHA256\n20260309T040506Z\n20260309/us-east-1/s3/aws4_request\n")+64)
		outer := make([]byte, 64+32)
		buf := p.Append(nil, benchKey)
		ours, floor := time.Hour, time.Hour
		for range rounds {
			start := time.Now()
			for range urls {
				sha256.Sum256(canonical)
				sha256.Sum256(toSign)
				sha256.Sum256(outer)
			}
			floor = min(floor, time.Since(start))
			start = time.Now()
			for range urls {
				buf = p.Append(buf[:0], benchKey)
			}
			ours = min(ours, time.Since(start))
		}
		ratio := float64(ours) / float64(floor)
		t.Logf("token of %d bytes: %v per URL of %d bytes, floor %v, ratio %.2f", token, ours/urls, len(buf), floor/urls, ratio)
		if ratio > goal {
			t.Errorf("token of %d bytes: %.2f times the SHA-256 floor, want at most %v", token, ratio, fmt.Sprint(goal))
		}
	}
}
