// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"fmt"
	"time"
)

// ClockFile is the name of the file in the data or state directory that remembers the clock between two processes (package state).
const ClockFile = "retention-clock.json"

// Clock is what is remembered of the clock. Footage alone cannot tell that a clock is wrong: cameras that take their time from the
// server follow it within a segment.
type Clock struct {
	Seen  time.Time `json:"seen"`            // by the last round
	Doubt time.Time `json:"doubt,omitzero"`  // when it jumped ahead, by the clock after the jump; zero: it did not, or that is over
	From  time.Time `json:"before,omitzero"` // what the clock was before that
}

// ClockStore keeps the Clock. *state.File[Clock] is one.
type ClockStore interface {
	Get() (Clock, error)
	Update(func(*Clock) error) error
}

const (
	// maxStep is how far the clock of a running process may step ahead without a doubt. A machine that slept overnight does.
	maxStep = day
	// clockSaved is how old the file may be.
	clockSaved = time.Hour
)

// watchClock takes note of the time and returns an error that wraps ErrClock while a jump ahead is in doubt: for Config.Doubt
// after it, or until the clock is back where it was.
func (k *Keeper) watchClock(now time.Time, save bool) error {
	c, err := k.clock, error(nil)
	if !k.clockRead && k.cfg.Clock != nil {
		if c, err = k.cfg.Clock.Get(); err != nil {
			return fmt.Errorf("%w: what it was before is not known: %w", ErrClock, err)
		}
	}
	was := c
	jump := time.Duration(0)
	if !c.Seen.IsZero() {
		jump = now.Sub(c.Seen) - k.cfg.MaxSilence
	}
	if !k.lastNow.IsZero() { // both with the reading of a clock that does not step, where Now has one
		steady := now.Sub(k.lastNow)
		jump = max(jump, now.Round(0).Sub(k.lastNow.Round(0))-steady-maxStep)
	}
	switch {
	case jump > 0:
		if c.Doubt.IsZero() {
			c.From = c.Seen
		}
		c.Doubt = now
		k.cfg.Logger.Warn("the clock of this machine has jumped ahead, or retention did not run for long: limits by days rest, so that somebody can look at it",
			"before", c.From.UTC().Format(time.DateTime), "now", now.UTC().Format(time.DateTime), "rest", k.cfg.Doubt)
	case !c.Doubt.IsZero() && (now.Sub(c.Doubt) >= k.cfg.Doubt || now.Before(c.Doubt.Add(-clockSaved))):
		c.Doubt, c.From = time.Time{}, time.Time{} // nobody has objected, or it is back
	}
	c.Seen = now.UTC().Round(0)
	c.Doubt = c.Doubt.Round(0)
	k.clock, k.clockRead, k.lastNow = c, true, now
	if save && k.cfg.Clock != nil && (c.Doubt != was.Doubt || c.Seen.Sub(k.clockWritten).Abs() >= clockSaved) {
		if err := k.cfg.Clock.Update(func(old *Clock) error { *old = c; return nil }); err != nil {
			k.complain("clock", err) // a full disk, say, on which nothing can be written before something was deleted
		} else {
			k.clockWritten = c.Seen
		}
	}
	if c.Doubt.IsZero() {
		return nil
	}
	return fmt.Errorf("%w: it jumped from %s to %s, or retention did not run in between; limits by days are not applied before %s", ErrClock,
		c.From.UTC().Format(time.DateTime), c.Doubt.UTC().Format(time.DateTime), c.Doubt.Add(k.cfg.Doubt).UTC().Format(time.DateTime))
}

// checkClock tells whether limits by days may be applied.
func (p *pass) checkClock(ctx context.Context, cameras []camera) error {
	if err := p.k.watchClock(p.started, !p.opt.DryRun); err != nil {
		return err
	}
	return p.agrees(ctx, cameras)
}

// agrees looks for one segment whose time shows that the clock of this machine can be right.
func (p *pass) agrees(ctx context.Context, cameras []camera) error {
	k, now := p.k, p.started
	oldest, latest := now.Add(-k.cfg.MaxSilence).Unix(), now.Add(aheadMost).Unix()
	k.mu.Lock()
	seen := k.seen
	k.mu.Unlock()
	if seen >= oldest && seen <= latest {
		return nil
	}
	for _, c := range cameras {
		found := false
		err := k.list(ctx, c, oldest, 1, func(s seg) bool {
			if found = s.at <= latest; found {
				seen = s.at
			}
			return false
		})
		if err != nil {
			return fmt.Errorf("retention: %w", err)
		}
		if found {
			k.mu.Lock()
			k.seen = seen
			k.mu.Unlock()
			return nil
		}
	}
	var newest seg
	any := false
	for _, c := range cameras {
		s, ok, err := k.newest(ctx, c)
		if err != nil {
			return fmt.Errorf("retention: %w", err)
		}
		if ok && (!any || s.at > newest.at) {
			newest, any = s, true
		}
	}
	if !any {
		return nil
	}
	return fmt.Errorf("%w: it says %s, the newest footage of all cameras is from %s; limits by days are not applied until a camera records again or the clock is right",
		ErrClock, now.UTC().Format(time.DateTime), time.Unix(newest.at, 0).UTC().Format(time.DateTime))
}
