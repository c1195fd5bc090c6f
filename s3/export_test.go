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

// DeleteAnswer reads an answer to a DeleteObjects of keys: what is refused for good, and how many are to be tried again.
func DeleteAnswer(keys []string, text []byte) (refused []KeyError, left int, err error) {
	d := deletion{keys: keys}
	for i := range keys {
		d.left = append(d.left, i)
	}
	err = d.answered(text)
	return d.sorted(), len(d.left), err
}
