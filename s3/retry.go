// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// The budget keeps many failing requests from doubling the load on a server in trouble: a repetition costs retryCost, a
// success pays one back (and returns the cost of the repetition that led to it). The numbers are those of the AWS SDKs.
const (
	budgetSize = 500
	retryCost  = 5
)

type budget struct{ tokens atomic.Int32 }

func (b *budget) fill() { b.tokens.Store(budgetSize) }

func (b *budget) take() bool {
	for {
		n := b.tokens.Load()
		if n < retryCost {
			return false
		}
		if b.tokens.CompareAndSwap(n, n-retryCost) {
			return true
		}
	}
}

func (b *budget) give(k int32) {
	for {
		n := b.tokens.Load()
		if n >= budgetSize || b.tokens.CompareAndSwap(n, min(n+k, budgetSize)) {
			return
		}
	}
}

// slowDownFactor widens the wait when the server asks for it: 2 s and 4 s with the default Backoff, as AWS advises.
const slowDownFactor = 20

// backoff returns the wait before repetition n = 1, 2, ... ("full jitter": uniform between 0 and the bound).
func (c *Client) backoff(n int, err error) time.Duration {
	bound := c.cfg.Backoff
	var answer *Error
	if errors.As(err, &answer) && answer.slowDown() || errors.Is(err, ErrThrottled) {
		bound *= slowDownFactor
	}
	for ; n > 1 && bound < c.cfg.MaxBackoff; n-- {
		bound *= 2
	}
	d := time.Duration(c.rand() * float64(min(bound, c.cfg.MaxBackoff)))
	if answer != nil {
		d = max(d, min(answer.RetryAfter, c.cfg.MaxBackoff))
	}
	return d
}

// retry calls try until it succeeds, its error is final, the attempts or the budget are used up, or ctx ends.
func (c *Client) retry(ctx context.Context, q *call, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if err == nil {
			if n == 1 {
				c.budget.give(1)
			} else {
				c.budget.give(1 + retryCost)
			}
			return nil
		}
		limit := c.cfg.MaxAttempts
		var answer *Error
		if errors.As(err, &answer) && answer.onceMore() {
			limit = min(limit, 2)
		}
		if n >= limit || !retryableSoon(err) || !c.budget.take() {
			return err
		}
		wait := c.backoff(n, err)
		c.stats.retries.Add(1)
		c.cfg.Logger.Debug("s3: trying again", "op", q.op, "key", q.key, "attempt", n, "wait", wait, "error", err)
		if c.sleep(ctx, wait) != nil {
			return err // why it was wanted says more than that time ran out
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Stats are counters of a Client since New.
type Stats struct {
	Requests       int64 // sent, repetitions and corrections included
	Retries        int64 // repetitions after a wait
	ClockSkews     int64 // corrections of the clock
	Redirects      int64 // corrections of the region
	Refreshes      int64 // credentials renewed because the server said so
	ScannerDetours int64 // list pages that needed encoding/xml
}

type counters struct {
	requests, retries, skews, redirects, refreshes, detours atomic.Int64
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	s := &c.stats
	return Stats{s.requests.Load(), s.retries.Load(), s.skews.Load(), s.redirects.Load(), s.refreshes.Load(), s.detours.Load()}
}
