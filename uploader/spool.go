// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"errors"
	"time"
)

// ErrSpoolCorrupt is what [Spool.Read] wraps when an item cannot be what was put: too short, another checksum, gone. The
// uploader counts it as lost and deletes it.
var ErrSpoolCorrupt = errors.New("spooled segment is corrupt")

// SpoolItem describes one segment in a [Spool].
type SpoolItem struct {
	Key          string // under which it is to be stored; of the camera that the spool belongs to
	Start        time.Time
	Duration     time.Duration
	Frames, Size int    // Size in bytes
	CRC32C       uint32 // of the whole: Castagnoli
	Tags         string // value of x-amz-tagging

	// UnsureRun is not 0 when Key and Start come from the device clock alone, before a server had told the time: then it is the number
	// of the run (of the [Uploader]) that made the segment. That run knows later by how much they are wrong.
	UnsureRun uint64
	// Maybe says that an upload of it ended without a clear answer, so that the object may be stored already. A spool
	// should keep it; one that does not may cause a segment to be stored twice, under the next second.
	Maybe bool
}

// Spool holds segments that have to leave the ring before they can be uploaded, on flash for example. One spool belongs to one camera.
// The uploader calls it from its own goroutines, one call at a time, never under its lock; calls may take as long as they need.
// Items that are there when the uploader starts are uploaded too.
//
// Two items may have the same Key: two runs that both began in 1970. They are two items all the same.
type Spool interface {
	// Put keeps the segment in parts, durably when it returns nil. out are the oldest items that had to leave for it,
	// never it itself; they count even with an error. The parts are valid during the call.
	Put(it SpoolItem, parts [2][]byte) (out []SpoolItem, err error)
	// Oldest returns the item that was put first of those that are there.
	Oldest() (SpoolItem, bool)
	// Read copies the whole item, it.Size bytes, to dst and checks it: ErrSpoolCorrupt.
	Read(it SpoolItem, dst []byte) (int, error)
	// Delete removes the item for good.
	Delete(it SpoolItem) error
	// Usage returns how much there is.
	Usage() (items int, bytes int64)
}
