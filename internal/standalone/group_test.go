// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// All members of a group end by stop, also those that were started after the first, and none by the caller's context: otherwise
// a part that breaks leaves the second camera running, and Run never returns.
func TestGroupEndsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var g group
		var ended atomic.Int32
		for range 3 {
			g.run(ctx, nil, func(ctx context.Context) error {
				<-ctx.Done()
				ended.Add(1)
				return nil
			})
		}
		cancel()
		synctest.Wait()
		if n := ended.Load(); n != 0 {
			t.Errorf("%d of 3 ended with the caller's context, want none before stop", n)
		}
		g.stop()
		if n := ended.Load(); n != 3 {
			t.Errorf("%d of 3 ended by stop", n)
		}
	})
}
