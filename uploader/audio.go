// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"fmt"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
)

const (
	maxADTSBytes = aac.MaxFrameBytes

	// Audio that is ahead of the video waits for it, so that it gets into the segment it belongs to: this much at most.
	holdBytes  = 64 << 10 // 8 s of 64 kbit/s
	holdFrames = 512

	// maxAudioSkew is how far audio and video may be apart. More means that they do not have the same clock, or no longer.
	maxAudioSkew = 10 * time.Second
)

// heldAudio is a queue of audio frames.
type heldAudio struct {
	frames []heldFrame
	buf    []byte // their data, in a row
}

type heldFrame struct {
	pts time.Duration
	n   int
}

// WriteAudio takes the next audio frame. Audio that is ahead of the video is held, up to 64 KiB, until the video comes; audio that is
// late goes into the open segment. It is dropped and counted (Stats.DroppedAudio) before the first picture of the first
// segment and of one after a gap, in segments that began before the camera was known to have audio, when its time does not rise, and
// when it is more than 10 s away from the video.
//
// It may be called at the same time as WriteVideo, but not as itself. Errors: ErrAudioFrame, ErrClosed.
func (u *Uploader) WriteAudio(f AudioFrame) error {
	u.mu.Lock()
	err := u.writeAudio(f)
	u.unlock()
	return err
}

func (u *Uploader) writeAudio(f AudioFrame) error {
	if u.closing {
		return ErrClosed
	}
	for at := 0; at < len(f.Data) || at == 0; {
		h, err := aac.ParseHeader(f.Data[at:])
		if err != nil {
			u.stats.InvalidFrames++
			return fmt.Errorf("%w: %w", ErrAudioFrame, err)
		}
		if at += h.FrameBytes; at > len(f.Data) {
			u.stats.InvalidFrames++
			return fmt.Errorf("%w: %d bytes, the header says %d", ErrAudioFrame, len(f.Data), at)
		}
	}
	for rest := f.Data; len(rest) > 0; {
		h, _ := aac.ParseHeader(rest)
		u.stats.AudioFrames++
		u.stats.AudioBytes += int64(h.FrameBytes)
		u.holdAudio(f.PTS, rest[:h.FrameBytes])
		rest = rest[h.FrameBytes:]
		f.PTS += time.Duration(h.Samples) * time.Second / time.Duration(h.SampleRate)
	}
	u.hasAudio = true
	if u.isOpen {
		u.releaseAudio(u.time.lastRaw + 1)
	}
	return nil
}

func (u *Uploader) holdAudio(pts time.Duration, frame []byte) {
	if skew := pts - u.time.lastRaw; u.time.seen && (skew > maxAudioSkew || skew < -maxAudioSkew) {
		u.stats.DroppedAudio++
		return
	}
	h := &u.hold
	for len(h.buf)+len(frame) > holdBytes || len(h.frames) == holdFrames {
		u.popAudio(1)
	}
	h.frames = append(h.frames, heldFrame{pts, len(frame)})
	h.buf = append(h.buf, frame...)
}

// releaseAudio writes the held frames whose time is before t into the open segment.
func (u *Uploader) releaseAudio(t time.Duration) {
	n := 0
	for n < len(u.hold.frames) && u.hold.frames[n].pts < t {
		n++
	}
	u.popAudio(n)
}

// popAudio takes the n oldest frames out of the queue and writes them if there is a segment for them.
func (u *Uploader) popAudio(n int) {
	h := &u.hold
	at := 0
	for _, f := range h.frames[:n] {
		u.appendAudio(f.pts, h.buf[at:at+f.n])
		at += f.n
	}
	h.frames = h.frames[:copy(h.frames, h.frames[n:])]
	h.buf = h.buf[:copy(h.buf, h.buf[at:])]
}

// appendAudio writes one frame into the open segment, or drops and counts it.
func (u *Uploader) appendAudio(pts time.Duration, frame []byte) {
	at := u.time.at(pts)
	if !u.isOpen || !u.open.audio || !u.open.follows && pts < u.open.rawStart || u.wroteAudio && at <= u.lastAudio ||
		!u.makeRoom(u.mux.AudioBytes(len(frame))) {
		u.stats.DroppedAudio++
		return
	}
	packets, err := u.mux.AppendAudio(u.scratch[:0], frame, at)
	if err != nil {
		u.stats.DroppedAudio++ // cannot be: the header was checked, the tables announce audio
		return
	}
	u.copyIn(packets)
	u.wroteAudio, u.lastAudio, u.open.hasSound = true, at, true
}
