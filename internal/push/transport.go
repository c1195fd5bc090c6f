// SPDX-License-Identifier: Apache-2.0

package push

import (
	"errors"
	"io"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/mpegts"
)

const (
	// maxQueuedAudio bounds the audio that waits for the next picture.
	maxQueuedAudio = 16 << 20
	// assumedInterval is the distance of pictures that have no timestamp, until two have shown theirs.
	assumedInterval = ticksPerSecond / 25
)

// transport reads MPEG-TS. The payloads of all video PES packets are one byte stream: an access unit takes its time from
// the packet in which it begins (ISO/IEC 13818-1 2.4.3.7), whether a packet holds one access unit, several or a part.
type transport struct {
	demux *mpegts.Demuxer
	video *h264.Scanner
	audio adtsJoiner
	notes *notes
	clock timeline

	unit    []byte // not yet read by video
	written int64  // bytes of video given to the scanner or in unit
	marks   []mark // of the packets that hold bytes not yet scanned
	ready   []Frame
	queued  int // bytes in ready

	head     Frame // the next picture
	haveHead bool
	ended    bool

	based    bool
	base     int64 // the first picture's PTS
	interval int64 // between the last two pictures
	lastDTS  int64
	pictures int64
	refused  error // the video stream is of another codec
}

// mark is where a PES packet begins in the video byte stream, with its times on the timeline.
type mark struct {
	at       int64
	pts, dts int64
	timed    bool
	used     bool // an access unit has taken them
}

func newTransport(r io.Reader, n *notes) *transport {
	t := &transport{demux: mpegts.NewDemuxer(r), notes: n, interval: assumedInterval}
	t.video = h264.NewScanner((*videoBytes)(t), MaxAccessUnitBytes)
	return t
}

// prime reads up to the first picture, so that what cannot work is known at once, and the streams are.
func (t *transport) prime() (audio bool, err error) {
	if err := t.picture(); err != nil {
		return false, err
	}
	for _, s := range t.demux.Streams() {
		audio = audio || s.Kind == mpegts.Audio && s.StreamType == mpegts.StreamTypeAAC
	}
	return audio, nil
}

// next gives audio that is due before the next picture, then the picture.
func (t *transport) next() (Frame, error) {
	for {
		if !t.haveHead && !t.ended {
			if err := t.picture(); err != nil {
				return Frame{}, err
			}
			continue
		}
		if len(t.ready) > 0 && (!t.haveHead || t.ready[0].PTS < t.head.DTS) {
			f := t.ready[0]
			t.ready[0] = Frame{}
			t.ready = t.ready[1:]
			t.queued -= len(f.Data)
			if t.based { // what came before the first picture has no place on its time
				return t.relative(f), nil
			}
			continue
		}
		if !t.haveHead {
			return Frame{}, io.EOF
		}
		t.haveHead = false
		return t.relative(t.head), nil
	}
}

// relative turns ticks, which a Frame holds in here, into times since the first picture.
func (t *transport) relative(f Frame) Frame {
	f.PTS, f.DTS = ticks(int64(f.PTS)-t.base), ticks(int64(f.DTS)-t.base)
	return f
}

// picture scans the next access unit.
func (t *transport) picture() error {
	au, err := t.video.Next()
	switch {
	case errors.Is(err, io.EOF):
		t.ended = true
		if t.pictures > 0 {
			return nil
		}
		if t.refused != nil {
			return badInput("set the camera's encoder to H.264", "the transport stream has no H.264 video: %v", t.refused)
		}
		return badInput("", "the transport stream has no video")
	case errors.Is(err, mpegts.ErrNoProgram):
		return badInput("", "the transport stream has no program (PAT and PMT) to tell its streams apart")
	case err != nil:
		return videoError(err)
	}
	m := t.markOf(t.video.Offset())
	pts, dts := m.pts, m.dts
	if !m.timed || m.used {
		dts = t.lastDTS + t.interval
		pts = dts
	}
	m.used = true
	if d := dts - t.lastDTS; t.pictures > 0 && d > 0 && d < ticksPerSecond {
		t.interval = d
	} else if sps, ok := t.video.ParameterSets().First(); ok && t.pictures == 0 && sps.FrameRate.Valid() {
		t.interval = sps.FrameRate.Ticks(1)
	}
	if !t.based {
		t.base, t.based = pts, true
	}
	t.lastDTS = dts
	t.pictures++
	t.head, t.haveHead = Frame{Video: true, Data: au, PTS: time.Duration(pts), DTS: time.Duration(dts)}, true
	return nil
}

// markOf returns the mark of the packet that holds the byte at offset and forgets those before it.
func (t *transport) markOf(offset int64) *mark {
	for len(t.marks) > 1 && t.marks[1].at <= offset {
		t.marks = t.marks[1:]
	}
	return &t.marks[0]
}

// videoBytes is the video byte stream as the scanner reads it.
type videoBytes transport

func (v *videoBytes) Read(b []byte) (int, error) {
	t := (*transport)(v)
	for len(t.unit) == 0 {
		if err := t.pull(); err != nil {
			return 0, err
		}
	}
	n := copy(b, t.unit)
	t.unit = t.unit[n:]
	return n, nil
}

// pull takes the next PES packet.
func (t *transport) pull() error {
	u, err := t.demux.Next()
	var other *mpegts.UnsupportedError
	if errors.As(err, &other) {
		if isVideo(other) {
			t.refused = err
		} else {
			t.notes.add("left out: " + err.Error())
		}
		return nil
	}
	if err != nil {
		return err
	}
	if u.Damaged {
		t.notes.damaged++
	}
	var pts, dts int64
	if u.HasPTS {
		dts = t.clock.place(u.DTS)
		pts = dts + signed33(u.PTS-u.DTS)
	}
	if u.Kind == mpegts.Audio {
		return t.sound(u.Data, pts, u.HasPTS)
	}
	t.marks = append(t.marks, mark{at: t.written, pts: pts, dts: dts, timed: u.HasPTS})
	t.unit = u.Data
	t.written += int64(len(u.Data))
	return nil
}

func isVideo(e *mpegts.UnsupportedError) bool {
	switch e.StreamType {
	case 0x01, 0x02, 0x10, 0x1b, 0x24, 0x33: // MPEG-1, MPEG-2, MPEG-4 part 2, H.264, H.265, H.266
		return true
	}
	return false
}

// sound queues the audio frames that end in a PES packet.
func (t *transport) sound(data []byte, pts int64, timed bool) error {
	t.audio.write(data, pts, timed)
	for {
		frame, at, ok := t.audio.next()
		if !ok {
			return nil
		}
		if t.queued += len(frame); t.queued > maxQueuedAudio {
			return badInput("", "the transport stream has more than %d MiB of audio without a picture between", maxQueuedAudio>>20)
		}
		t.ready = append(t.ready, Frame{Data: frame, PTS: time.Duration(at), DTS: time.Duration(at)})
	}
}

// timeline turns 33-bit timestamps into rising ones. A step of more than maxStep is a new clock: its first timestamp is
// put right behind the last one. The streams of a program may not change over at the same moment, so the clock before the
// present one is remembered.
type timeline struct {
	now, before clock33
}

// clock33 is one clock of the stream: a timestamp and where it was put.
type clock33 struct {
	raw, placed int64
	valid       bool
}

const maxStep = 10 * ticksPerSecond

func (t *timeline) place(raw int64) int64 {
	for _, c := range []*clock33{&t.now, &t.before} {
		if d := signed33(raw - c.raw); c.valid && d > -maxStep && d < maxStep {
			c.raw, c.placed = raw, c.placed+d
			return c.placed
		}
	}
	placed := raw
	if t.now.valid {
		placed = t.now.placed + assumedInterval
	}
	t.before, t.now = t.now, clock33{raw, placed, true}
	return placed
}

// signed33 reads a difference of 33-bit timestamps as one between -2^32 and 2^32.
func signed33(d int64) int64 { return d << 31 >> 31 }

// adtsJoiner puts ADTS frames together that cross from one PES packet into the next, and gives each its time.
type adtsJoiner struct {
	buf   []byte
	start int64 // offset in the stream of buf[0]
	size  int64 // bytes written so far
	mark  mark  // of the newest packet with a time
	at    int64 // time of the next frame, in ticks
	known bool
	rest  int64 // of a tick, in units of 1/rate
	rate  int
	lost  int64 // bytes that were no frames
}

func (a *adtsJoiner) write(data []byte, pts int64, timed bool) {
	if timed {
		a.mark = mark{at: a.size, pts: pts, timed: true}
	}
	a.buf = append(a.buf, data...)
	a.size += int64(len(data))
}

// next returns a copy of the next whole frame.
func (a *adtsJoiner) next() (frame []byte, at int64, ok bool) {
	for {
		h, err := aac.ParseHeader(a.buf)
		if errors.Is(err, aac.ErrShort) {
			return nil, 0, false
		}
		if err != nil {
			a.drop(1)
			a.lost++
			continue
		}
		if h.FrameBytes > len(a.buf) {
			return nil, 0, false
		}
		if a.mark.timed && !a.mark.used && a.start >= a.mark.at {
			a.mark.used = true
			// A time in the header is rounded to a tick. The sum of samples is better, unless they disagree.
			if !a.known || a.at-a.mark.pts > 1 || a.mark.pts-a.at > 1 {
				a.at, a.rest, a.known = a.mark.pts, 0, true
			}
		}
		frame = append(make([]byte, 0, h.FrameBytes), a.buf[:h.FrameBytes]...)
		at, ok = a.at, a.known
		if h.SampleRate != a.rate {
			a.rate, a.rest = h.SampleRate, 0
		}
		step := int64(h.Samples)*ticksPerSecond + a.rest
		a.at += step / int64(a.rate)
		a.rest = step % int64(a.rate)
		a.drop(h.FrameBytes)
		if ok {
			return frame, at, true
		}
	}
}

func (a *adtsJoiner) drop(n int) {
	a.buf = a.buf[:copy(a.buf, a.buf[n:])]
	a.start += int64(n)
}
