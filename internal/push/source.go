// SPDX-License-Identifier: Apache-2.0

package push

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/s3cam/s3cam/internal/h264"
)

// Bounds of an input.
const (
	MaxLookAhead       = 16 << 20 // bytes kept in memory while looking for parameter sets
	MaxAccessUnitBytes = 8 << 20
)

// assumedRate is what a camera most likely runs at when neither it nor the user says so.
var assumedRate = h264.Rate{Num: 25, Den: 1}

// Input says what to read.
type Input struct {
	Video io.Reader
	Audio io.Reader // AAC in ADTS that belongs to raw H.264; nil when there is none or it is in the transport stream
	Rate  h264.Rate // of raw H.264; zero: what the stream says
}

// Info is what [Open] learned about an input.
type Info struct {
	Format        Format
	Width, Height int
	Rate          h264.Rate // zero when a transport stream's video does not say it
	Assumed       bool      // nobody knew the rate
	Audio         bool
}

// Source is an input that has been opened. It is for one goroutine.
type Source struct {
	Info Info

	frames frames
	sets   []byte // parameter sets that the stream has only after its first IDR
	notes  notes
}

// notes are things to tell the user at the end.
type notes struct {
	texts           []string
	skippedPictures int64
	damaged         int64
}

func (n *notes) add(text string) { n.texts = append(n.texts, text) }

// Notes returns what was odd about the input so far, in words.
func (s *Source) Notes() []string {
	texts := s.notes.texts
	if n := s.notes.skippedPictures; n > 0 {
		texts = append(texts[:len(texts):len(texts)], fmt.Sprintf("%d pictures could not be used (no parameter sets for them, or a broken slice)", n))
	}
	if n := s.notes.damaged; n > 0 {
		texts = append(texts[:len(texts):len(texts)], fmt.Sprintf("%d packets of the transport stream are damaged or incomplete", n))
	}
	return texts
}

// ParameterSets returns the parameter sets that the stream has only after its first key frame; nil normally.
func (s *Source) ParameterSets() []byte { return s.sets }

// Open looks at the beginning of the input. Errors about the input wrap [ErrInput] and have a Hint.
func Open(in Input) (*Source, error) {
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(in.Video, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	s := &Source{}
	if s.Info.Format, err = sniff(head); err != nil {
		return nil, err
	}
	video := io.MultiReader(bytes.NewReader(head), in.Video)
	if s.Info.Format == TS {
		if in.Audio != nil {
			return nil, badInput("leave --audio out: the sound of a transport stream is taken from it", "an audio file belongs to raw H.264, but the input is MPEG-TS")
		}
		if in.Rate != (h264.Rate{}) {
			s.notes.add("the frame rate was ignored: a transport stream has timestamps")
		}
		return s, s.openTransport(video)
	}
	return s, s.openRaw(video, in)
}

func (s *Source) openTransport(video io.Reader) (err error) {
	t := newTransport(video, &s.notes)
	if s.Info.Audio, err = t.prime(); err != nil {
		return err
	}
	if sps, ok := t.video.ParameterSets().First(); ok {
		s.Info.Width, s.Info.Height, s.Info.Rate = sps.Width, sps.Height, sps.FrameRate
	}
	s.frames = t
	return nil
}

func (s *Source) openRaw(video io.Reader, in Input) error {
	ahead, rest, err := lookAhead(video)
	if err != nil {
		return err
	}
	if !ahead.sets.Complete() {
		if ahead.wholeStream {
			return videoError(h264.ErrNoParameterSets)
		}
		return badInput("", "the video has no parameter sets (SPS and PPS) in its first %d MiB", MaxLookAhead>>20)
	}
	if ahead.late {
		s.sets = ahead.sets.Append(nil)
		s.notes.add("the first key frame comes before its parameter sets; those that follow were used for it")
	}
	sps, _ := ahead.sets.First()
	s.Info.Width, s.Info.Height = sps.Width, sps.Height
	switch {
	case in.Rate.Valid():
		s.Info.Rate = in.Rate
	case sps.FrameRate.Valid():
		s.Info.Rate = sps.FrameRate
	default:
		s.Info.Rate, s.Info.Assumed = assumedRate, true
	}
	raw, err := newRawVideo(rest, s.Info.Rate, s.sets, &s.notes)
	if err != nil {
		return err
	}
	s.frames = raw
	if in.Audio != nil {
		sound := newADTS(in.Audio, &s.notes)
		if err := sound.prime(); err != nil {
			return err
		}
		s.Info.Audio = true
		s.frames = &merged{streams: [2]frames{raw, sound}}
	}
	return nil
}

// ahead is what the beginning of an H.264 stream tells.
type ahead struct {
	sets        h264.ParameterSets
	late        bool // an IDR came before them
	wholeStream bool // the stream ended within what was looked at
}

// lookAhead reads until the parameter sets are complete, the stream ends or the limit is reached, and returns a reader
// that begins at the beginning again.
func lookAhead(r io.Reader) (*ahead, io.Reader, error) {
	var seen bytes.Buffer
	scan := h264.NewScanner(io.TeeReader(io.LimitReader(r, MaxLookAhead), &seen), MaxAccessUnitBytes)
	a := &ahead{}
	for !a.sets.Complete() {
		au, err := scan.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, nil, videoError(err)
			}
			a.wholeStream = seen.Len() < MaxLookAhead
			break
		}
		if _, err := a.sets.Update(au); err != nil {
			continue // a broken set; a better one may follow
		}
		if info, err := h264.Inspect(au); err == nil && info.IDR && !a.sets.Complete() {
			a.late = true
		}
	}
	return a, io.MultiReader(bytes.NewReader(seen.Bytes()), r), nil
}

// Next returns the next frame in the order of DTS, or io.EOF.
func (s *Source) Next() (Frame, error) { return s.frames.next() }
