// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"errors"
	"fmt"
)

// Refused is the error of a Deleter about single keys: those are still there, the others of keys[:done] are gone. They are counted,
// logged and tried again by the next round.
type Refused struct {
	Keys map[int]error // by index in the keys
	Err  error         // one of them
}

// Error says how many, and of one why.
func (r *Refused) Error() string {
	return fmt.Sprintf("%d segments were refused: %v", len(r.Keys), r.Err)
}

// Unwrap returns the error of one.
func (r *Refused) Unwrap() error { return r.Err }

// ErrBusy is wrapped by the error of a Deleter whose store asks for a pause: it ends the round.
var ErrBusy = errors.New("the store asks for a pause")

// refuse notes what the store has refused of a batch, and returns the rest of what is done. An error says that it refuses everything,
// which ends the camera's turn.
func (p *pass) refuse(items []item, keys []string, done int, refused *Refused) ([]item, []string, error) {
	var left []item
	var names []string
	for i := range done {
		if refused.Keys[i] == nil {
			left, names = append(left, items[i]), append(names, keys[i])
			continue
		}
		p.refused[items[i].camera] = true
	}
	p.k.mu.Lock()
	p.k.stats.Refused += int64(len(refused.Keys))
	p.k.mu.Unlock()
	if len(left) == 0 {
		return nil, nil, refused
	}
	if p.failed++; len(p.errs) < 3 {
		p.errs = append(p.errs, fmt.Errorf("retention of %s: %w", items[0].camera, refused))
	}
	return left, names, nil
}
