// SPDX-License-Identifier: Apache-2.0

package clip

import (
	"context"
	"sync"
)

// fetched is one segment that was read.
type fetched struct {
	data []byte
	err  error
}

// each reads the segments in order, one ahead of the one that visit is given, until visit fails. data is valid during the call.
func (c *Clip) each(ctx context.Context, visit func(i int, data []byte, err error) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	// The one that is visited, which is the first at first, and the one that waits.
	free := make(chan []byte, 2)
	free <- nil
	ready := make(chan fetched)
	wg.Go(func() {
		for i := range c.segments {
			var f fetched
			switch {
			case i == 0:
				f.data = c.first
			case i == len(c.segments)-1 && c.last != nil:
				f.data = c.last
			default:
				var buf []byte
				select {
				case buf = <-free:
				case <-ctx.Done():
					return
				}
				f.data, f.err = c.fetch(ctx, &c.segments[i], buf[:0])
			}
			select {
			case ready <- f:
			case <-ctx.Done():
				return
			}
			if f.err != nil && !c.passOver(f.err) {
				return // visit fails, too
			}
		}
	})
	for i := range c.segments {
		var f fetched
		select {
		case f = <-ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := visit(i, f.data, f.err); err != nil {
			return err
		}
		c.first = nil
		if i < len(c.segments)-1 {
			free <- f.data // no longer needed, so its memory is used again
		}
	}
	return nil
}
