// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"time"
)

// SetWaiting replaces the pause between attempts (unless nil) and the source of jitter.
func SetWaiting(c *Client, sleep func(context.Context, time.Duration) error, rand func() float64) {
	if sleep != nil {
		c.sleep = sleep
	}
	c.rand = rand
}
