// SPDX-License-Identifier: Apache-2.0

package awslambda

import "time"

// CustomResource is what New returns for the demosite function, around any handler.
var CustomResource = customResource

// Idle tells what is done about connections that lay idle from rested to woken.
func Idle(after time.Duration, rested, woken time.Time) (closed bool) {
	i := &idle{after: after, close: func() { closed = true }}
	i.wake(rested) // the first use closes nothing
	i.rest(rested)
	i.wake(woken)
	return closed
}
