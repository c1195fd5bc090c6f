// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"errors"
	"fmt"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/mpegts"
)

// AccessUnit is one coded picture: all its NAL units, in decoding order.
type AccessUnit struct {
	// Data is in Annex B form, with start codes of 3 or 4 bytes, with or without delimiter and parameter sets. Tail is its second
	// part where the encoder's buffer wraps, else nil; the split may be anywhere. Neither is kept or changed.
	Data, Tail []byte
	// PTS and DTS are presentation and decoding time since Config.Epoch. They are equal without B-frames; both must be set.
	PTS, DTS time.Duration
}

// AudioFrame is one ADTS frame of AAC; several in a row are taken too.
type AudioFrame struct {
	Data []byte        // not kept
	PTS  time.Duration // of the first frame, since Config.Epoch, on the same clock as the video
}

const (
	// headBytes is how much of an access unit in two parts is joined to look at it: more than its parameter sets and SEI take.
	headBytes = 64 << 10

	// maxReorder is the longest time between decoding and presentation that is believed.
	maxReorder = 10 * time.Second
)

// WriteVideo takes the next access unit, in decoding order. It copies it into the ring before it returns and never waits for the
// network. It may be called at the same time as WriteAudio, but not as itself (the order of pictures would be random).
//
// Pictures before the first IDR with parameter sets are dropped and counted without an error. Parameter sets in a call of their
// own are remembered and written before the next picture. An error means that this picture was not taken: ErrAccessUnit,
// ErrTooLarge (it and the segment it belongs to were dropped; it comes again for each picture until the next IDR), ErrTime,
// ErrClosed. That older segments had to make room is not an error of the call: see Config.OnDrop and Stats.
func (u *Uploader) WriteVideo(au AccessUnit) error {
	u.mu.Lock()
	err := u.writeVideo(au)
	u.unlock()
	return err
}

func (u *Uploader) writeVideo(au AccessUnit) error {
	if u.closing {
		return ErrClosed
	}
	head := u.headOf(au)
	info, err := h264.Inspect(head)
	setsChanged := false
	if info.HasSPS || info.HasPPS {
		setsChanged = u.learnSets(head[:info.SliceOffset])
	}
	if errors.Is(err, h264.ErrNoSlice) {
		u.stats.UnitsWithoutPicture++
		u.setsPending = u.setsPending || setsChanged
		return nil
	}
	if err != nil {
		u.stats.InvalidFrames++
		return fmt.Errorf("%w: %w", ErrAccessUnit, err)
	}
	u.stats.VideoFrames++
	u.stats.VideoBytes += int64(len(au.Data) + len(au.Tail))
	if au.PTS < au.DTS || au.PTS-au.DTS > maxReorder {
		au.DTS = au.PTS
	}

	now := u.clock.read()
	if hole := u.time.observe(au.PTS, au.DTS, now); hole && u.isOpen {
		u.seal()
	}
	starts := false
	if info.IDR {
		u.sawIDR, u.gap = true, false
		if starts, err = u.startSegment(au, now); err != nil {
			return err
		}
	}
	if !u.isOpen {
		u.stats.DroppedBeforeIDR++
		return u.lost
	}
	if !starts {
		u.releaseAudio(au.DTS + 1)
	}
	if !u.isOpen || u.gap { // the audio was too much for the ring, or its reference is missing
		u.stats.DroppedBeforeIDR++
		return u.lost
	}
	return u.appendVideo(au, info, head, starts)
}

// headOf returns the beginning of an access unit in one piece, long enough to Inspect.
func (u *Uploader) headOf(au AccessUnit) []byte {
	if len(au.Tail) == 0 || len(au.Data) >= headBytes {
		return au.Data
	}
	u.headBuf = append(append(u.headBuf[:0], au.Data...), au.Tail[:min(len(au.Tail), headBytes-len(au.Data))]...)
	return u.headBuf
}

// learnSets remembers the parameter sets in front of a picture.
func (u *Uploader) learnSets(nals []byte) (changed bool) {
	changed, err := u.params.Update(nals)
	if err != nil && !u.badSets { // the picture is written all the same: a decoder may know better
		u.badSets = true
		u.fail(fmt.Errorf("uploader: parameter sets that cannot be read: %w", err))
	}
	if changed {
		u.sets = u.params.Append(u.sets[:0])
	}
	return changed
}

// missesSets tells whether the NAL units in front of a picture lack parameter sets that are known.
func (u *Uploader) missesSets(nals []byte) bool {
	have := 0
	for nal := range h264.NALUnits(nals) {
		if typ := h264.NALType(nal); typ == h264.TypeSPS || typ == h264.TypePPS {
			have += 4 + len(nal)
		}
	}
	return have < len(u.sets)
}

// appendVideo writes one picture into the open segment; starts says that it is its first, so the tables come before it.
func (u *Uploader) appendVideo(au AccessUnit, info h264.Info, head []byte, starts bool) error {
	parts, rest := u.parts[:0], au
	if (info.IDR || u.setsPending) && u.missesSets(head[:info.SliceOffset]) {
		parts, rest = takeParts(parts, au, info.AUDBytes)
		parts = append(parts, u.sets)
	}
	u.setsPending = false
	parts, _ = takeParts(parts, rest, len(rest.Data)+len(rest.Tail))
	pts, dts := u.time.place(au.PTS, au.DTS)
	f := mpegts.VideoFrame{Parts: parts, PTS: pts, DTS: dts, HasAUD: info.AUDBytes > 0, RandomAccess: info.IDR}

	u.open.frames++
	var tables []byte
	if starts {
		tables = u.mux.AppendTables(u.scratch[:0])
	}
	if !u.makeRoom(len(tables) + u.mux.VideoBytes(&f) + u.mux.AudioBytes(0)) {
		return u.lost
	}
	u.copyIn(tables)
	if u.mux.AudioDue(dts) {
		u.copyIn(u.mux.FlushAudio(u.scratch[:0]))
	}
	for u.mux.BeginVideo(&f); ; {
		room := u.ring.room()
		n := u.mux.Fill(room)
		if n == 0 {
			break
		}
		u.took(room[:n])
	}
	clear(parts) // keep nothing of the caller's
	u.time.placed(pts, dts)
	u.open.end = u.time.end()
	u.lastWrite = time.Now()
	return nil
}

// takeParts appends the first n bytes of an access unit to parts and returns the rest.
func takeParts(parts [][]byte, au AccessUnit, n int) ([][]byte, AccessUnit) {
	k := min(n, len(au.Data))
	if k > 0 {
		parts = append(parts, au.Data[:k])
	}
	au.Data = au.Data[k:]
	if n -= k; n > 0 {
		parts = append(parts, au.Tail[:n])
		au.Tail = au.Tail[n:]
	}
	return parts, au
}
