// SPDX-License-Identifier: Apache-2.0

package mp4

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
)

// Bounds of one fragment.
const (
	// FragmentLength is what a fragment lasts at least, in ticks: a picture is found by reading the heads of all fragments
	// before it, so one for each GOP of a tenth of a second would be slow and large.
	FragmentLength = Timescale
	// MaxFragmentBytes is where a fragment ends though no IDR is in sight. A GOP of 4 s at 8 Mbit/s is below.
	MaxFragmentBytes = 4 << 20
	// MaxFragmentSamples bounds the records of a fragment in the same way.
	MaxFragmentSamples = 1024

	lengthBytes  = 4 // NALU length in samples
	frameSamples = aac.SamplesPerBlock
)

// sample is one picture or one frame of sound in the fragment that is being put together.
type sample struct {
	duration uint32
	size     uint32
	offset   int32 // composition time - decoding time
	idr      bool
}

// track collects the samples of one track.
type track struct {
	data    []byte
	samples []sample
	start   int64 // decoding time of the first of samples
	next    int64 // the time at which the last of samples ends, as it is known so far
	begun   bool
}

// Writer writes one file. See the package comment.
type Writer struct {
	w       io.Writer
	err     error // of w, or of misuse: nothing is written any more
	header  Header
	sets    sets
	foreign bool // other sets than those of the header have come, so all are kept in the samples

	video, audio track
	last         int64 // decoding time of the last picture
	usual        int64 // its distance from the one before
	key          bool  // the fragment begins with an IDR

	sequence uint32
	written  int64
	box      builder
	index    index
}

// NewWriter returns a Writer to w, which is given whole boxes in a few calls for each fragment.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, usual: Timescale / 25}
}

// Written returns how many bytes have been given to the writer below.
func (w *Writer) Written() int64 { return w.written }

// WriteHeader begins the file. An error about h is final.
func (w *Writer) WriteHeader(h Header) error {
	if w.err != nil {
		return w.err
	}
	if w.sets.sps != nil {
		return w.fail(ErrHeader)
	}
	s, err := readSets(h.ParameterSets)
	if err != nil {
		return w.fail(err)
	}
	var sound [2]byte
	if h.Audio != nil {
		if sound, err = h.Audio.config(); err != nil {
			return w.fail(err)
		}
	}
	if h.VideoDelay < 0 || h.VideoDelay > 1<<31 || h.AudioSkip < 0 || h.AudioSkip > 1<<31 {
		return w.fail(fmt.Errorf("mp4: delay of video %d, skip of audio %d: out of range", h.VideoDelay, h.AudioSkip))
	}
	w.header, w.sets, w.foreign = h, s, h.InBand
	w.box.b = w.box.b[:0]
	w.box.appendHeader(&h, &s, sound)
	return w.write(w.box.b)
}

func (w *Writer) fail(err error) error {
	w.err = err
	return err
}

func (w *Writer) write(b []byte) error {
	if w.err != nil || len(b) == 0 {
		return w.err
	}
	n, err := w.w.Write(b)
	w.written += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("mp4: write: %w", err)
	}
	return w.err
}

// WriteVideo adds a picture: an access unit in Annex B form, with its times in ticks from the start of the movie. dts has to
// rise from picture to picture and may begin at -Header.VideoDelay; idr says that decoding may begin here. au is not kept.
// The picture is shown until the next one, so over a gap it stands still. An access unit without a slice adds nothing and is no error.
func (w *Writer) WriteVideo(au []byte, pts, dts int64, idr bool) error {
	if w.err != nil {
		return w.err
	}
	if w.sets.sps == nil {
		return w.fail(ErrHeader)
	}
	t := &w.video
	at := dts + w.header.VideoDelay
	if at < 0 || t.begun && dts <= w.last {
		return fmt.Errorf("%w: %d after %d", ErrOrder, dts, w.last)
	}
	if t.begun {
		w.reach(at)
		n := len(t.samples)
		if dts-w.last > math.MaxUint32 || n >= MaxFragmentSamples || len(t.data)+len(w.audio.data) >= MaxFragmentBytes || idr && at-t.start >= FragmentLength {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	size := len(t.data)
	if !w.appendUnit(au) {
		return nil
	}
	if len(t.samples) == 0 {
		t.start, w.key = at, idr
	}
	if t.begun {
		w.usual = dts - w.last
	}
	t.begun, w.last, t.next = true, dts, at+w.usual
	offset := min(max(pts-dts, math.MinInt32), math.MaxInt32)
	t.samples = append(t.samples, sample{duration: duration32(w.usual), size: uint32(len(t.data) - size), offset: int32(offset), idr: idr})
	return nil
}

// AppendVideo adds NAL units to the picture that was written last: cameras of the original SDK put each slice into a PES packet of
// its own. It tells whether that was possible; it is not when the picture is in the file already.
func (w *Writer) AppendVideo(au []byte) bool {
	t := &w.video
	n := len(t.samples)
	if w.err != nil || n == 0 {
		return false
	}
	size := len(t.data)
	w.appendUnit(au)
	t.samples[n-1].size += uint32(len(t.data) - size)
	return true
}

// reach makes the last picture last until at.
func (w *Writer) reach(at int64) {
	if n := len(w.video.samples); n > 0 {
		w.video.samples[n-1].duration = duration32(at - w.header.VideoDelay - w.last)
		w.video.next = at
	}
}

// duration32 is a duration as trun has it. A gap of more than 13 hours does not fit; the time of the next fragment tells it.
func duration32(d int64) uint32 { return uint32(min(max(d, 1), math.MaxUint32)) }

// appendUnit appends the NAL units of an access unit, each behind its length. It tells whether there is a slice among them;
// if not nothing is appended.
func (w *Writer) appendUnit(au []byte) (slice bool) {
	t := &w.video
	before, dropped := len(t.data), false
	for nal := range h264.NALUnits(au) {
		switch typ := h264.NALType(nal); typ {
		case h264.TypeAUD, h264.TypeFiller:
			continue
		case h264.TypeSPS, h264.TypePPS:
			if known := w.sets.has(nal, typ); known && !w.foreign {
				dropped = true
				continue
			} else if !known && !w.foreign {
				w.foreign = true
				if dropped { // with a new SPS the PPS in front of it counts again, too
					t.data = t.data[:before]
					return w.appendUnit(au)
				}
			}
		case h264.TypeSlice, h264.TypeIDR, h264.TypePartitionA:
			slice = true
		}
		if more := len(nal) + lengthBytes; cap(t.data)-len(t.data) < more {
			t.data = slices.Grow(t.data, max(more, cap(t.data), 256<<10)) // a few times per file, not per picture
		}
		t.data = binary.BigEndian.AppendUint32(t.data, uint32(len(nal)))
		t.data = append(t.data, nal...)
	}
	if !slice {
		t.data = t.data[:before]
	}
	return slice
}

// WriteAudio adds one AAC frame, without ADTS header, that begins pts ticks after the start of the movie, or before it
// (Header.AudioSkip). Frames that follow each other closely, as their times say, are laid side by side without rounding; one
// that is late by more than a frame begins where it says, and the one before lasts until then. Frames that begin much before
// the end of the one before, as after a clock that went back, are left out, and false is returned. frame is not kept.
func (w *Writer) WriteAudio(frame []byte, pts int64) (taken bool, err error) {
	if w.err != nil {
		return false, w.err
	}
	if w.sets.sps == nil {
		return false, w.fail(ErrHeader)
	}
	if w.header.Audio == nil || len(frame) == 0 {
		return false, nil
	}
	t := &w.audio
	at := Samples(pts, w.header.Audio.SampleRate) + w.header.AudioSkip
	switch {
	case !t.begun:
		if at < 0 {
			if at < -1 { // more than what rounding does
				return false, nil
			}
			at = 0
		}
		t.start, t.next = at, at
	case at < t.next-overlapFrames*frameSamples:
		return false, nil
	case at > t.next+frameSamples:
		if n := len(t.samples); n > 0 && at-t.next < math.MaxUint32-frameSamples {
			t.samples[n-1].duration += uint32(at - t.next)
		} else if err := w.flushAll(); err != nil {
			return false, err
		} else {
			t.start = at
		}
		t.next = at
	}
	t.begun = true
	t.data = append(t.data, frame...)
	t.samples = append(t.samples, sample{duration: frameSamples, size: uint32(len(frame))})
	t.next += frameSamples
	if len(t.samples) >= MaxFragmentSamples || len(t.data) >= MaxFragmentBytes {
		return true, w.flush()
	}
	return true, nil
}

// overlapFrames is how far the clock of the sound may be ahead of the time stamps before frames are left out: some 100 ms.
const overlapFrames = 5

// Samples converts ticks of 90 kHz to samples, to the nearest one.
func Samples(ticks int64, rate int) int64 {
	v := ticks*int64(rate) + Timescale/2
	if v < 0 {
		v -= Timescale - 1
	}
	return v / Timescale
}

// Close writes what is left and the index at the end. It does not close the writer below.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	if w.sets.sps == nil {
		return w.fail(ErrHeader)
	}
	if err := w.flushAll(); err != nil {
		return err
	}
	w.box.b = w.box.b[:0]
	w.index.append(&w.box)
	if err := w.write(w.box.b); err != nil {
		return err
	}
	w.err = fmt.Errorf("mp4: the file is closed")
	return nil
}
