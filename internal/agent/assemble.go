// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

const (
	// MaxAccessUnit bounds one access unit, in bytes: two messages' worth. Real ones of cameras stay below 1 MiB.
	MaxAccessUnit = 2 * wire.MaxMedia

	idleBuffer = 512 << 10 // a larger buffer is given up after a while with small pictures
	shrinkRuns = 512       // pictures until then
)

// assembler puts the messages of one access unit together: firmware may hand over a whole one, or one NAL unit per call, and all parts of one have the same
// timestamp (docs/ref/wire.md). An access unit is complete when the next timestamp comes, or nothing for a while. It is not for
// concurrent use.
type assembler struct {
	buf   []byte
	pts   uint64 // microseconds
	since time.Time
	small int // pictures in a row that would have fitted into idleBuffer
}

// pending tells whether there is something to emit before a message of timestamp pts.
func (a *assembler) pending(pts uint64) bool { return len(a.buf) > 0 && pts != a.pts }

// room returns the place for n more bytes of timestamp pts, behind what there is, or nil when the access unit would become too large.
func (a *assembler) room(pts uint64, n int) []byte {
	at := len(a.buf)
	if at+n > MaxAccessUnit {
		return nil
	}
	if cap(a.buf) < at+n {
		size := max(64<<10, cap(a.buf))
		for size < at+n {
			size += size/2 + 1
		}
		grown := make([]byte, at, min(size, MaxAccessUnit))
		copy(grown, a.buf)
		a.buf = grown
	}
	a.pts = pts
	return a.buf[at : at+n]
}

// took says that the place that room gave is filled.
func (a *assembler) took(n int, now time.Time) {
	a.buf = a.buf[:len(a.buf)+n]
	a.since = now
}

// take returns the access unit and begins the next. The bytes are valid until room is called.
func (a *assembler) take() (data []byte, pts time.Duration) {
	data = a.buf
	a.buf = a.buf[:0]
	if len(data) > idleBuffer {
		a.small = 0
	} else if a.small++; a.small >= shrinkRuns && cap(a.buf) > idleBuffer {
		a.buf, a.small = nil, 0
	}
	return data, wire.Header{Time: a.pts}.PTS()
}
