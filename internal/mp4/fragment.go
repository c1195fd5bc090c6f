// SPDX-License-Identifier: Apache-2.0

package mp4

import "encoding/binary"

// Flags of tfhd and trun (14496-12 8.8.7, 8.8.8).
const (
	tfhdBaseIsMoof = 0x020000

	trunDataOffset = 0x001
	trunFirstFlags = 0x004
	trunDuration   = 0x100
	trunSize       = 0x200
	trunFlags      = 0x400
	trunOffset     = 0x800
)

// flush writes the samples as a fragment, except the last frame of sound, whose duration the next one decides.
func (w *Writer) flush() error {
	return w.fragment(max(0, len(w.audio.samples)-1))
}

func (w *Writer) flushAll() error { return w.fragment(len(w.audio.samples)) }

// fragment writes a moof and an mdat of all pictures and the first sounds frames of sound.
func (w *Writer) fragment(sounds int) error {
	v, a := &w.video, &w.audio
	if len(v.samples) == 0 && sounds == 0 {
		return nil
	}
	soundBytes, soundTime := 0, a.start
	for _, s := range a.samples[:sounds] {
		soundBytes += int(s.size)
		soundTime += int64(s.duration)
	}
	b := &w.box
	b.b = b.b[:0]
	w.sequence++
	moof := b.begin("moof")
	at := b.beginFull("mfhd", 0, 0)
	b.u32(w.sequence)
	b.end(at)
	var videoAt, audioAt int // where the data offsets stand
	if len(v.samples) > 0 {
		videoAt = b.videoRun(v)
	}
	if sounds > 0 {
		audioAt = b.audioRun(a, sounds)
	}
	b.end(moof)
	data := len(b.b) + 8
	if videoAt > 0 {
		binary.BigEndian.PutUint32(b.b[videoAt:], uint32(data))
	}
	if audioAt > 0 {
		binary.BigEndian.PutUint32(b.b[audioAt:], uint32(data+len(v.data)))
	}
	b.u32(uint32(8 + len(v.data) + soundBytes))
	b.str("mdat")
	if len(v.samples) > 0 && w.key {
		w.index.add(point{time: v.start, offset: w.written})
	}
	w.write(b.b)
	w.write(v.data)
	if err := w.write(a.data[:soundBytes]); err != nil {
		return err
	}
	v.data, v.samples = v.data[:0], v.samples[:0]
	a.data = a.data[:copy(a.data, a.data[soundBytes:])]
	a.samples = a.samples[:copy(a.samples, a.samples[sounds:])]
	a.start = soundTime
	return nil
}

// videoRun appends the traf of the pictures and gives the place of its data offset. Times that differ from the sum of the
// durations before, after a gap too long for one duration, are said by tfdt.
func (w *builder) videoRun(t *track) (dataOffset int) {
	flags := uint32(trunDataOffset | trunDuration | trunSize)
	for i := range t.samples {
		if t.samples[i].offset != 0 {
			flags |= trunOffset
		}
		if i > 0 && t.samples[i].idr {
			flags |= trunFlags
		}
	}
	if flags&trunFlags == 0 {
		flags |= trunFirstFlags
	}
	traf := w.begin("traf")
	at := w.beginFull("tfhd", 0, tfhdBaseIsMoof)
	w.u32(videoTrack)
	w.end(at)
	w.tfdt(t.start)
	trun := w.beginFull("trun", 1, flags)
	w.u32(uint32(len(t.samples)))
	dataOffset = len(w.b)
	w.u32(0)
	if flags&trunFirstFlags != 0 {
		w.u32(sampleFlags(t.samples[0].idr))
	}
	for i := range t.samples {
		s := &t.samples[i]
		w.u32(s.duration)
		w.u32(s.size)
		if flags&trunFlags != 0 {
			w.u32(sampleFlags(s.idr))
		}
		if flags&trunOffset != 0 {
			w.u32(uint32(s.offset))
		}
	}
	w.end(trun)
	w.end(traf)
	return dataOffset
}

func sampleFlags(idr bool) uint32 {
	if idr {
		return flagsIDR
	}
	return flagsOther
}

// audioRun does that for the first n frames of sound, which nearly always last what trex says.
func (w *builder) audioRun(t *track, n int) (dataOffset int) {
	flags := uint32(trunDataOffset | trunSize)
	for i := range t.samples[:n] {
		if t.samples[i].duration != frameSamples {
			flags |= trunDuration
		}
	}
	traf := w.begin("traf")
	at := w.beginFull("tfhd", 0, tfhdBaseIsMoof)
	w.u32(audioTrack)
	w.end(at)
	w.tfdt(t.start)
	trun := w.beginFull("trun", 1, flags)
	w.u32(uint32(n))
	dataOffset = len(w.b)
	w.u32(0)
	for i := range t.samples[:n] {
		if flags&trunDuration != 0 {
			w.u32(t.samples[i].duration)
		}
		w.u32(t.samples[i].size)
	}
	w.end(trun)
	w.end(traf)
	return dataOffset
}

// tfdt appends the decoding time at which a run begins.
func (w *builder) tfdt(t int64) {
	at := w.beginFull("tfdt", 1, 0)
	w.u64(uint64(t))
	w.end(at)
}

// maxPoints bounds the index. A day of fragments of 2 s has 43,200; when it is full every second point is dropped, and from
// then on every second one that comes.
const maxPoints = 4096

// point is a place where decoding may begin.
type point struct {
	time   int64 // decoding time in the video track
	offset int64 // of moof in the file
}

// index is what mfra at the end of the file says, for players that seek by it.
type index struct {
	points []point
	every  int // only each so many-th is taken
	skip   int
}

func (x *index) add(p point) {
	if x.skip > 0 {
		x.skip--
		return
	}
	if x.every == 0 {
		x.every = 1
	}
	if len(x.points) == maxPoints {
		for i := 0; i < maxPoints/2; i++ {
			x.points[i] = x.points[2*i]
		}
		x.points = x.points[:maxPoints/2]
		x.every *= 2
	}
	x.points = append(x.points, p)
	x.skip = x.every - 1
}

// append appends mfra (14496-12 8.8.9).
func (x *index) append(w *builder) {
	mfra := w.begin("mfra")
	at := w.beginFull("tfra", 1, 0)
	w.u32(videoTrack)
	w.u32(0) // traf, trun and sample number in one byte each
	w.u32(uint32(len(x.points)))
	for _, p := range x.points {
		w.u64(uint64(p.time))
		w.u64(uint64(p.offset))
		w.b = append(w.b, 1, 1, 1)
	}
	w.end(at)
	at = w.beginFull("mfro", 0, 0)
	size := len(w.b)
	w.u32(0)
	w.end(at)
	w.end(mfra)
	binary.BigEndian.PutUint32(w.b[size:], uint32(len(w.b)-mfra))
}
