// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

const (
	// DefaultMaxHeldBytes is ReorderConfig.MaxBytes for 0.
	DefaultMaxHeldBytes = 64 << 20

	// maxProbe is how many frames are looked at to learn whether and how far the stream reorders, and how many access units wait for
	// the first parameter sets.
	maxProbe = 16

	// maxHeldFrames bounds how long a picture waits for pictures that are shown before it. Sixteen B pictures in a row, the most
	// that x264 makes, take 17.
	maxHeldFrames = maxProbe + maxReorder
)

// ReorderConfig configures a Reorderer.
type ReorderConfig struct {
	FrameRate     Rate   // frames per second; zero takes it from the first sequence parameter set in use
	ParameterSets []byte // known from elsewhere, Annex B; optional
	MaxBytes      int    // limit of all access units held; 0 = DefaultMaxHeldBytes
}

// Frame is an access unit with its times in 90 kHz ticks.
type Frame struct {
	Data []byte // the caller's to keep

	// PTS of the picture shown as number k is k/rate, so the picture shown first has 0: anchor that to the wall clock. DTS of the n-th
	// picture decoded is (n-d)/rate with a constant d, the number of frames by which the stream reorders: DTS begins at
	// -d/rate and never exceeds PTS.
	PTS, DTS int64
}

// Reorderer gives access units in decoding order the times at which their pictures are decoded and shown, from the picture order
// counts in their slice headers (8.2.1) and a constant frame rate. The order of output is that of a decoder's picture buffer: pictures
// wait until more of them wait than the stream reorders at most (SPS.MaxNumReorder, C.4.5.3), then the one with the lowest
// count goes; an IDR picture or memory_management_control_operation 5 sends all out. A picture whose count directly follows the last
// one goes at once.
//
// The delay d is 0 without B pictures, so PTS equals DTS. It is looked for in the first 16 frames: when they are reordered d is what the VUI
// says or else what was seen. When reordering begins or deepens later, d grows once and the few DTS around that place lie
// closer together; they always rise and never exceed PTS.
//
// A frame coded as two fields is two access units: the second one is half a frame later. A field without its second counts as a whole frame.
//
// What is held: nothing when the stream cannot reorder (picture order count type 2, max_num_reorder_frames 0), else the pictures from the
// first one in decoding order whose turn is not known, 32 frames at most: after that it is shown whatever comes. Access units
// at the start that come before the parameter sets they need are held too, 16 at most.
type Reorderer struct {
	rate     Rate
	maxBytes int
	sets     ParameterSets
	setsErr  error // what was wrong with the last broken set
	poc      pocDecoder

	early [][]byte // access units before the first complete parameter sets
	queue []access // in decoding order
	bytes int      // data in early and queue

	waiting []group // decoded, not put out
	step    pocStep
	open    bool // the last one of waiting is a field that may get its second
	last    sliceHeader
	decoded int64 // groups so far
	shown   int64 // groups put out so far

	started  bool
	depth    int64 // the largest SPS.MaxNumReorder so far
	vuiDepth int64 // likewise, of those that say so themselves
	late     int64 // by how many frames a picture was shown before its turn, so far
	delay    int64 // d
	settled  bool  // d is known
	flushed  bool
	lastDTS  int64
	emitted  bool
}

// access is an access unit on its way.
type access struct {
	data   []byte
	number int64 // of its group in decoding order
	second bool  // it is the second field
	shown  int64 // number of its group in output order, -1 as long as it waits
}

// group is a frame, a field or two fields of a frame.
type group struct {
	poc    int64
	number int64
	first  bool // an IDR picture with count 0: by 8.2.1 all pictures behind it are shown later, and most encoders keep to that
	fresh  bool // its count does not go on from the one shown before
}

// NewReorderer returns a Reorderer. The error says what is wrong with the configuration.
func NewReorderer(cfg ReorderConfig) (*Reorderer, error) {
	if cfg.FrameRate != (Rate{}) && !cfg.FrameRate.Valid() {
		return nil, fmt.Errorf("frame rate %d/%d: must be between %d and %d", cfg.FrameRate.Num, cfg.FrameRate.Den, MinFrameRate, MaxFrameRate)
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxHeldBytes
	}
	r := &Reorderer{rate: cfg.FrameRate, maxBytes: cfg.MaxBytes}
	if _, err := r.sets.Update(cfg.ParameterSets); err != nil {
		return nil, err
	}
	return r, nil
}

// ParameterSets returns the parameter sets known so far. They belong to the Reorderer.
func (r *Reorderer) ParameterSets() *ParameterSets { return &r.sets }

// FrameRate returns the rate in use, zero before the first picture.
func (r *Reorderer) FrameRate() Rate { return r.rate }

// Push takes the next access unit in decoding order; it is copied. Afterwards call Next until it has no more.
//
// An error means that this access unit (or one of those that waited for parameter sets) was left out: ErrNoSlice, ErrNoParameterSets,
// ErrNoFrameRate, ErrTooLarge or a broken slice header. Push may go on with the next one.
func (r *Reorderer) Push(au []byte) error {
	if _, err := r.sets.Update(au); err != nil {
		r.setsErr = err
	}
	slice := firstSlice(au)
	if slice == nil {
		return ErrNoSlice
	}
	if r.bytes+len(au) > r.maxBytes {
		return fmt.Errorf("%d access units of %d bytes held, limit %d: %w",
			len(r.early)+len(r.queue)+1, r.bytes+len(au), r.maxBytes, ErrTooLarge)
	}
	if !r.started {
		if !r.knows(slice) && len(r.early) < maxProbe {
			r.early = append(r.early, bytes.Clone(au))
			r.bytes += len(au)
			return nil
		}
		r.early = append(r.early, bytes.Clone(au))
		r.bytes += len(au)
		return r.pushEarly()
	}
	return r.push(bytes.Clone(au), slice)
}

// firstSlice returns the first slice NAL unit of an access unit to the end of the access unit, nil without one.
func firstSlice(au []byte) []byte {
	for pos := indexStartCode(au); pos >= 0 && pos+3 < len(au); {
		pos += 3
		if t := au[pos] & 0x1f; t == TypeSlice || t == TypeIDR || t == TypePartitionA {
			return au[pos:]
		}
		next := indexStartCode(au[pos:])
		if next < 0 {
			return nil
		}
		pos += next
	}
	return nil
}

// knows reports whether the parameter sets of a slice are there.
func (r *Reorderer) knows(slice []byte) bool {
	var h sliceHeader
	var br bitReader
	return r.sets.parseSlice(slice, &h, &br) == nil && h.complete
}

// pushEarly pushes the access units that waited for parameter sets.
func (r *Reorderer) pushEarly() error {
	var first error
	failed := 0
	early := r.early
	r.early = nil
	r.started = true
	for _, au := range early {
		r.bytes -= len(au)
		if err := r.push(au, firstSlice(au)); err != nil {
			failed++
			if first == nil {
				first = err
			}
		}
	}
	if failed > 1 {
		return fmt.Errorf("%d access units, the first: %w", failed, first)
	}
	return first
}

// push decodes the order of one picture. data belongs to the Reorderer.
func (r *Reorderer) push(data, slice []byte) error {
	var h sliceHeader
	var br bitReader
	err := r.sets.parseSlice(slice, &h, &br)
	if err == nil && !h.complete {
		err = fmt.Errorf("slice with picture parameter set %d: %w", h.ppsID, ErrNoParameterSets)
		if r.setsErr != nil {
			err = fmt.Errorf("%w (%w)", err, r.setsErr)
		}
	}
	if err == nil {
		err = r.sets.parseMarking(&h, &br)
	}
	if err != nil {
		return err
	}
	sps, _ := r.sets.forPPS(int(h.ppsID))
	if !r.rate.Valid() {
		if r.rate = sps.FrameRate; !r.rate.Valid() {
			return ErrNoFrameRate
		}
	}
	poc := r.poc.next(sps, &h)
	r.bytes += len(data)
	if r.open && h.isSecondField(&r.last) {
		g := &r.waiting[len(r.waiting)-1]
		g.poc = min(g.poc, poc)
		r.queue = append(r.queue, access{data, g.number, true, -1})
		r.open = false
		r.bump(int64(sps.MaxNumReorder))
		return nil
	}
	if r.open {
		r.open = false
		r.bump(r.depth)
	}
	if h.idr || h.mmco5 {
		r.bump(0)
	}
	r.depth = max(r.depth, int64(sps.MaxNumReorder))
	if sps.BitstreamRestriction {
		r.vuiDepth = max(r.vuiDepth, int64(sps.MaxNumReorder))
	}
	r.waiting = append(r.waiting, group{poc, r.decoded, h.idr && poc == 0, h.idr || h.mmco5 || r.decoded == 0})
	r.queue = append(r.queue, access{data, r.decoded, false, -1})
	r.decoded++
	r.last, r.open = h, h.field
	if !h.field {
		r.bump(int64(sps.MaxNumReorder))
	}
	return nil
}

// isSecondField reports whether h is the other field of the frame whose first field is first (3.30, 7.4.1.2.4).
func (h *sliceHeader) isSecondField(first *sliceHeader) bool {
	return h.field && h.bottom != first.bottom && h.frameNum == first.frameNum && (!h.idr || first.idr) && !h.mmco5
}

// bump puts out pictures until no more than depth wait, and after that those which nothing can come before.
func (r *Reorderer) bump(depth int64) {
	for len(r.waiting) > 0 {
		low := 0
		for i, g := range r.waiting {
			if g.poc < r.waiting[low].poc {
				low = i
			}
		}
		g := r.waiting[low]
		if int64(len(r.waiting)) <= depth && !r.step.isNext(g) {
			break
		}
		r.show(low)
	}
	if len(r.queue) > 0 && r.decoded-r.queue[0].number > maxHeldFrames && r.queue[0].shown < 0 {
		for i := range r.waiting {
			if r.waiting[i].number == r.queue[0].number {
				r.show(i)
				break
			}
		}
	}
}

// show gives the i-th of the waiting pictures the next number in output order.
func (r *Reorderer) show(i int) {
	g := r.waiting[i]
	r.step.show(g)
	r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
	for i := range r.queue {
		if r.queue[i].number == g.number {
			r.queue[i].shown = r.shown
		}
	}
	if late := g.number - r.shown; late > r.late {
		r.late = late
		if r.settled {
			r.delay = max(late, r.vuiDepth)
		}
	}
	r.shown++
}

// pocStep learns by how much the picture order count rises from one picture shown to the next, 2 in most streams. Where
// the count has risen by exactly that there is nothing to wait for, so a stream that does not reorder is not held up even if it
// does not say so.
type pocStep struct {
	last  int64
	step  int64 // the smallest so far
	seen  int   // how often the count rose
	wrong bool  // it also fell: this stream does not keep to its rules
}

func (s *pocStep) isNext(g group) bool {
	return s.seen >= maxProbe && !s.wrong && (g.first || !g.fresh && g.poc-s.last == s.step)
}

func (s *pocStep) show(g group) {
	rise := g.poc - s.last
	s.last = g.poc
	switch {
	case g.fresh:
	case rise <= 0:
		s.wrong = true
	default:
		if s.seen == 0 || rise < s.step {
			s.step = rise
		}
		s.seen++
	}
}

// Flush says that the stream ends: Next then returns everything that is left. The error tells what never got a time, ErrNoParameterSets
// when the parameter sets of the first access units did not come. Nothing may be pushed afterwards.
func (r *Reorderer) Flush() error {
	var err error
	if !r.started {
		err = r.pushEarly()
	}
	r.open = false
	r.bump(0)
	r.flushed = true
	return err
}

// Next returns the next access unit in decoding order whose times are known, or false when more input is needed.
func (r *Reorderer) Next() (Frame, bool) {
	if len(r.queue) == 0 || r.queue[0].shown < 0 || !r.settle() {
		return Frame{}, false
	}
	a := r.queue[0]
	f := Frame{Data: a.data, PTS: r.rate.halfTicks(a.halves(a.shown)), DTS: r.dts()}
	r.lastDTS, r.emitted = f.DTS, true
	r.queue[0] = access{}
	if r.queue = r.queue[1:]; len(r.queue) == 0 {
		r.queue = nil
	}
	r.bytes -= len(a.data)
	return f, true
}

func (a *access) halves(frame int64) int64 {
	if a.second {
		return 2*frame + 1
	}
	return 2 * frame
}

// settle decides on the delay d and reports whether it is known.
func (r *Reorderer) settle() bool {
	switch {
	case r.settled:
		return true
	case r.late > 0 && r.vuiDepth > 0:
		r.delay = max(r.late, r.vuiDepth)
	case r.flushed, r.depth == 0, r.late == r.depth, r.shown >= maxProbe:
		r.delay = r.late
	default:
		return false
	}
	r.settled = true
	return true
}

// dts returns the DTS of the first access unit of the queue.
func (r *Reorderer) dts() int64 {
	a := r.queue[0]
	ideal := r.rate.halfTicks(a.halves(a.number - r.delay))
	if !r.emitted || ideal > r.lastDTS {
		return ideal
	}
	// The delay has just grown. Space the access units evenly up to the one that leaves least room.
	room := r.rate.halfTicks(2)
	for i := range r.queue {
		if b := &r.queue[i]; b.shown >= 0 {
			room = min(room, (r.rate.halfTicks(b.halves(b.shown))-r.lastDTS)/int64(i+1))
		}
	}
	return r.lastDTS + max(room, 1)
}

// Frames reads all access units of a Scanner and yields them with their times; those without a picture, such as parameter sets
// behind the last one, are left out. It ends with the first error of the scanner or of Push, which is yielded with an empty Frame;
// at the end of the stream it flushes.
func (r *Reorderer) Frames(s *Scanner) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		for {
			au, err := s.Next()
			switch {
			case err == nil:
				if err = r.Push(au); errors.Is(err, ErrNoSlice) {
					err = nil
				}
			case errors.Is(err, io.EOF):
				if err = r.Flush(); err == nil {
					err = io.EOF
				}
			}
			for {
				f, ok := r.Next()
				if !ok {
					break
				}
				if !yield(f, nil) {
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Frame{}, fmt.Errorf("access unit at byte %d: %w", s.Offset(), err))
				return
			}
		}
	}
}
