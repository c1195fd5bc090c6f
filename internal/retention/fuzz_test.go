// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/retention"
)

// FuzzRules: whatever an operator writes, a rule is within its bounds or refused with a short message.
func FuzzRules(f *testing.F) {
	for _, s := range []string{"7", "7d", "36h", "0", "-1", "1e300d", "500GB", "20GiB", "5%", "90%", "90.1%", "1e19", "NaN", "Inf", "0x1p70", " 3 TB ", "", "%", "9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := retention.ParseAge(s); err != nil && len(err.Error()) > 500 || d < 0 || d > 200*366*24*time.Hour {
			t.Errorf("age %q: %v %v", s, d, err)
		}
		if n, err := retention.ParseSize(s); err != nil && len(err.Error()) > 500 || n < 0 {
			t.Errorf("size %q: %v %v", s, n, err)
		}
		if r, err := retention.ParseReserve(s); err != nil && len(err.Error()) > 500 || r.Bytes < 0 || !(r.Share >= 0 && r.Share <= 0.9) {
			t.Errorf("reserve %q: %+v %v", s, r, err)
		}
	})
}
