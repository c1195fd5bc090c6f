// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

// reports is what waits to be written to a peer. Putting something in never waits: a peer that does not read loses the details
// of drops (COUNTERS has the sums), not its frames.
type reports struct {
	mu      sync.Mutex
	replies [][]byte // must be written, in order
	asked   []byte   // STATUS, as many as asking says
	asking  int
	texts   [][]byte // ERROR and DROP, maxReports at most
	ended   bool
	ready   chan struct{} // something has changed; holds one
}

func (r *reports) init() { r.ready = make(chan struct{}, 1) }

func (r *reports) signal() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// reply queues an answer of which a connection gets only one, or the last COUNTERS.
func (r *reports) reply(b []byte) {
	r.mu.Lock()
	r.replies = append(r.replies, b)
	r.mu.Unlock()
	r.signal()
}

func (r *reports) text(b []byte) {
	r.mu.Lock()
	if len(r.texts) < maxReports {
		r.texts = append(r.texts, b)
	}
	r.mu.Unlock()
	r.signal()
}

func (r *reports) fail(code wire.Code, text string) { r.text(wire.AppendError(nil, code, text)) }

func (r *reports) drop(d wire.Drop) { r.text(wire.AppendDrop(nil, &d)) }

// status queues an answer to STATUS, unless many wait: who asks and does not read gets fewer.
func (r *reports) status(text string) {
	r.mu.Lock()
	if r.asking < maxAsking {
		r.asking++
		r.asked = wire.AppendStatusText(r.asked, text)
	}
	r.mu.Unlock()
	r.signal()
}

func (r *reports) close() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.signal()
}

// take returns what is to be written now. Answers come first, except CLOSED, which is the last thing a peer hears.
func (r *reports) take() (b []byte, drops, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var last []byte
	for _, m := range r.replies {
		if wire.Type(m[0]) == wire.TypeClosed {
			last = m
			continue
		}
		b = append(b, m...)
	}
	b = append(b, r.asked...)
	for _, m := range r.texts {
		drops = drops || wire.Type(m[0]) == wire.TypeDrop
		b = append(b, m...)
	}
	b = append(b, last...)
	r.ended = r.ended || last != nil
	r.replies, r.asked, r.asking, r.texts = r.replies[:0], nil, 0, r.texts[:0]
	return b, drops && last == nil, r.ended
}

// write is the connection's second goroutine: it writes reports, and COUNTERS about once a second when something has changed.
func (c *connection) write() {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var last wire.Counters
	told, broken := time.Time{}, false
	var buf []byte
	for {
		select {
		case <-c.out.ready:
		case <-tick.C:
			c.idle()
		}
		b, drops, ended := c.out.take()
		if c.cam() != nil && !ended && (drops || time.Since(told) >= reportEvery*9/10) {
			told = time.Now()
			if n := c.counters(); n != last {
				last = n
				buf = wire.AppendCounters(buf[:0], wire.TypeCounters, &n)
				b = append(b, buf...)
			}
		}
		if len(b) > 0 && !broken {
			if _, err := c.nc.Write(b); err != nil {
				broken = true // the reader finds out by itself
			}
		}
		if ended {
			return
		}
	}
}
