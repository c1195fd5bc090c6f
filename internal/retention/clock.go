// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"fmt"
	"time"
)

// SeenFile is the name of the file in the data or state directory that remembers what retention has seen (package state).
const SeenFile = "retention-seen.json"

// Seen is what one process leaves to the next. Footage alone cannot tell that a clock is wrong: cameras that take their time from the
// server follow it within a segment. And a file of holds that is missing looks like one that was never made.
type Seen struct {
	Clock  time.Time `json:"clock,omitzero"`  // at the last round
	Doubt  time.Time `json:"doubt,omitzero"`  // when it jumped ahead, by the clock after the jump; zero: it did not, or that is over
	Before time.Time `json:"before,omitzero"` // what the clock was before that
	Holds  int       `json:"holds,omitempty"` // Holds.Last
}

// SeenStore keeps what was seen. *state.File[Seen] is one.
type SeenStore interface {
	Get() (Seen, error)
	Update(func(*Seen) error) error
}

const (
	// maxStep is how far the clock of a running process may step ahead without a doubt. A machine that slept overnight does.
	maxStep = day
	// clockSaved is how old the file may be.
	clockSaved = time.Hour
)

// watchClock takes note of the time and returns an error that wraps ErrClock while a jump ahead is in doubt: for Config.Doubt
// after it, or until the clock is back where it was. passed tells whether something was recorded between two times.
func (k *Keeper) watchClock(now time.Time, save bool, passed func(from, to time.Time) (bool, error)) error {
	c, err := k.seenBefore, error(nil)
	if !k.seenRead && k.cfg.Seen != nil {
		if c, err = k.cfg.Seen.Get(); err != nil {
			return fmt.Errorf("%w: what it was before is not known: %w", ErrClock, err)
		}
	}
	was := c
	jump := time.Duration(0)
	if off := now.Sub(c.Clock); !c.Clock.IsZero() && off > k.cfg.MaxSilence {
		// Where retention is run by hand now and then, footage of the time in between shows that it has passed. What was recorded
		// lately does not: by then the clock may have been wrong.
		ok, err := passed(c.Clock.Add(off/4), now.Add(-off/2))
		if err != nil {
			return err
		}
		if !ok {
			jump = off
		}
	}
	if !k.lastNow.IsZero() { // both with the reading of a clock that does not step, where Now has one
		steady := now.Sub(k.lastNow)
		jump = max(jump, now.Round(0).Sub(k.lastNow.Round(0))-steady-maxStep)
	}
	switch {
	case jump > 0:
		if c.Doubt.IsZero() {
			c.Before = c.Clock
		}
		c.Doubt = now
		k.cfg.Logger.Warn("the clock of this machine has jumped ahead, or retention did not run for long: limits by days rest, so that somebody can look at it",
			"before", c.Before.UTC().Format(time.DateTime), "now", now.UTC().Format(time.DateTime), "rest", k.cfg.Doubt)
	case !c.Doubt.IsZero() && (now.Sub(c.Doubt) >= k.cfg.Doubt || now.Before(c.Doubt.Add(-clockSaved))):
		c.Doubt, c.Before = time.Time{}, time.Time{} // nobody has objected, or it is back
	}
	c.Clock = now.UTC().Round(0)
	c.Doubt = c.Doubt.Round(0)
	k.seenBefore, k.seenRead, k.lastNow = c, true, now
	if save && k.cfg.Seen != nil && (c.Doubt != was.Doubt || c.Clock.Sub(k.seenWritten).Abs() >= clockSaved) {
		err := k.cfg.Seen.Update(func(old *Seen) error {
			c.Holds = old.Holds
			*old = c
			return nil
		})
		if err != nil {
			k.complain("clock", err) // a full disk, say, on which nothing can be written before something was deleted
		} else {
			k.seenWritten = c.Clock
		}
	}
	if c.Doubt.IsZero() {
		return nil
	}
	return fmt.Errorf("%w: it jumped from %s to %s, or retention did not run in between; limits by days are not applied before %s", ErrClock,
		c.Before.UTC().Format(time.DateTime), c.Doubt.UTC().Format(time.DateTime), c.Doubt.Add(k.cfg.Doubt).UTC().Format(time.DateTime))
}

// checkClock tells whether limits by days may be applied.
func (p *pass) checkClock(ctx context.Context, cameras []camera) error {
	err := p.k.watchClock(p.started, !p.opt.DryRun, func(from, to time.Time) (bool, error) {
		for _, c := range cameras {
			found := false
			err := p.k.list(ctx, c, from.Unix(), 1, func(s seg) bool {
				found = s.at < to.Unix()
				return false
			})
			if err != nil {
				return false, fmt.Errorf("retention: %w", err)
			}
			if found {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
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
