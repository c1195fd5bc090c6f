// SPDX-License-Identifier: Apache-2.0

package polltest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
)

func TestWithin(t *testing.T) {
	tests := []struct {
		name  string
		after time.Duration // it comes true
		limit time.Duration
		want  bool
		most  time.Duration // that it may take
	}{
		{"what is true already is asked once", 0, time.Minute, true, 0},
		{"what comes true is seen soon", 10 * time.Second, time.Minute, true, 10*time.Second + 50*time.Millisecond},
		{"what comes too late is given up", time.Hour, time.Minute, false, time.Minute + 50*time.Millisecond},
		{"without a limit it is looked at twice", time.Hour, 0, false, time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if got := polltest.Within(tt.limit, func() bool { return time.Since(began) >= tt.after }); got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				if took := time.Since(began); took > tt.most {
					t.Errorf("it took %v, want %v at most", took, tt.most)
				}
			})
		})
	}
}
