// SPDX-License-Identifier: Apache-2.0

package mpegts

import "slices"

const (
	// endPictures is how many of the last pictures EndPTS looks at: a picture is shown at most 16 places after its place in
	// decoding order (H.264 A.3.1), so the one shown last is among them.
	endPictures = 32
	// endReach is how far from the last picture in the stream another may be shown. What is further off is not of this run.
	endReach = 10 * Timescale
	// oneInterval stands for the frame interval where the tail holds the beginning of one picture only: that of 25 a second.
	oneInterval = Timescale / 25
)

// EndPTS gives the time at which the last picture of a segment ends, in 90 kHz ticks, 0 to 2^33-1: the highest PTS of its video
// plus one frame interval, which is the smallest distance between the PTS in tail. tail is the end of the segment; its
// beginning may be cut anywhere. Since the tables are at the front of a segment, the video is known by its stream id (E0h to EFh,
// ISO/IEC 13818-1 Table 2-22).
//
// Large pictures may leave room for the beginning of just one in tail; if the rest of another one is in front of it the interval
// is taken to be 40 ms. ok is false when tail holds no video PES header with a PTS, or nothing but a single picture: how long
// that is shown nobody knows. A header that is spread over packets is passed over. Nothing is allocated and tail is not kept.
func EndPTS(tail []byte) (end90k int64, ok bool) {
	var f tailFinder
	for len(tail) > 0 {
		at, stride, found := findSync(tail, false, true)
		if !found {
			break
		}
		tail = tail[at:]
		if stride != PacketSize {
			return 0, false
		}
		for len(tail) >= PacketSize && tail[0] == syncByte {
			f.read(tail)
			tail = tail[PacketSize:]
		}
		if len(tail) < PacketSize {
			break // the end of a segment has no part of a packet
		}
	}
	return f.end()
}

// tailFinder collects the PTS of the last pictures.
type tailFinder struct {
	pid   uint16 // of the video, 0 = not known yet
	seen  [endPictures]uint64
	n     int        // pictures seen, of which the last endPictures are kept
	first [32]uint16 // PIDs of packets without a beginning, before the video was known
	loose int        // how many of first are used
	rest  bool       // the rest of a picture was seen before the first beginning
}

func (f *tailFinder) read(b []byte) {
	var p packet
	p.read(b)
	if !p.hasPayload || p.transportErr || p.scrambling != 0 {
		return
	}
	if !p.unitStart {
		if f.pid == 0 && f.loose < len(f.first) && !slices.Contains(f.first[:f.loose], p.pid) {
			f.first[f.loose] = p.pid
			f.loose++
		}
		return
	}
	if f.pid != 0 && p.pid != f.pid {
		return
	}
	var header pesHeader
	if fault := header.read(p.payload); fault != pesOK || header.streamID>>4 != StreamIDVideo>>4 || !header.hasPTS {
		return
	}
	if f.pid == 0 {
		f.pid = p.pid
		f.rest = slices.Contains(f.first[:f.loose], p.pid)
	}
	f.seen[f.n%endPictures] = header.pts
	f.n++
}

func (f *tailFinder) end() (end90k int64, ok bool) {
	if f.n == 0 {
		return 0, false
	}
	last := f.seen[(f.n-1)%endPictures]
	var offsets [endPictures]int64 // from the last one in the stream
	times := offsets[:0]
	for _, pts := range f.seen[:min(f.n, endPictures)] {
		if off := timestampDiff(pts, last); off >= -endReach && off <= endReach {
			times = append(times, off)
		}
	}
	slices.Sort(times)
	interval := int64(0)
	for i := 1; i < len(times); i++ {
		if d := times[i] - times[i-1]; d > 0 && (interval == 0 || d < interval) {
			interval = d
		}
	}
	if interval == 0 {
		if !f.rest {
			return 0, false
		}
		interval = oneInterval
	}
	return int64(wrapTimestamp(int64(last) + times[len(times)-1] + interval)), true
}
