// SPDX-License-Identifier: Apache-2.0

package push

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
)

// rawVideo reads an H.264 byte stream; the times come from a Reorderer.
type rawVideo struct {
	scan    *h264.Scanner
	order   *h264.Reorderer
	notes   *notes
	ended   bool
	problem error // of the access units that were left out, the first
	given   int64
}

func newRawVideo(r io.Reader, rate h264.Rate, sets []byte, n *notes) (*rawVideo, error) {
	order, err := h264.NewReorderer(h264.ReorderConfig{FrameRate: rate, ParameterSets: sets})
	if err != nil {
		return nil, err
	}
	return &rawVideo{scan: h264.NewScanner(r, MaxAccessUnitBytes), order: order, notes: n}, nil
}

func (v *rawVideo) next() (Frame, error) {
	for {
		if f, ok := v.order.Next(); ok {
			v.given++
			return Frame{Video: true, Data: f.Data, PTS: ticks(f.PTS), DTS: ticks(f.DTS)}, nil
		}
		if v.ended {
			if v.given == 0 && v.problem != nil {
				return Frame{}, videoError(v.problem)
			}
			return Frame{}, io.EOF
		}
		au, err := v.scan.Next()
		switch {
		case err == nil:
			v.leftOut(v.order.Push(au))
		case errors.Is(err, io.EOF):
			v.ended = true
			v.leftOut(v.order.Flush())
		default:
			return Frame{}, videoError(fmt.Errorf("at byte %d: %w", v.scan.Offset(), err))
		}
	}
}

// leftOut notes a picture that cannot be used; a camera's stream has some when it was joined in its middle.
func (v *rawVideo) leftOut(err error) {
	if err == nil || errors.Is(err, h264.ErrNoSlice) { // parameter sets alone at the end lose nothing
		return
	}
	if v.problem == nil {
		v.problem = err
	}
	v.notes.skippedPictures++
}

func videoError(err error) error {
	switch {
	case errors.Is(err, h264.ErrNoParameterSets):
		return badInput("record with the camera's parameter sets (SPS and PPS) in the stream, as with ffmpeg's -bsf:v dump_extra",
			"the video has no parameter sets (SPS and PPS), so nothing can decode it")
	case errors.Is(err, h264.ErrTooLarge):
		return badInput("check that it is H.264 (Annex B) and not damaged", "the video has an access unit of more than %d MiB", MaxAccessUnitBytes>>20)
	case errors.Is(err, h264.ErrNoStartCode):
		return badInput("the input must be an H.264 byte stream (Annex B)", "the video is not H.264: %v", err)
	}
	return err
}

// adts reads AAC. The time of a frame is the number of samples before it.
type adts struct {
	scan    *aac.Scanner
	notes   *notes
	base    time.Duration // where the samples of the present rate begin
	samples int64
	rate    int
	copies  [2][]byte // a frame stays valid while the next one is looked at
	turn    int

	primed Frame // the first frame, when prime has read it
	ahead  bool
}

func newADTS(r io.Reader, n *notes) *adts { return &adts{scan: aac.NewScanner(r), notes: n} }

// prime reads the first frame, so that what is no AAC is known at once.
func (a *adts) prime() (err error) {
	switch a.primed, err = a.next(); {
	case errors.Is(err, io.EOF):
		return audioError{badInput("leave --audio out if there is no sound", "the audio input has no frame of AAC")}
	case err != nil:
		return err
	}
	a.ahead = true
	return nil
}

func (a *adts) next() (Frame, error) {
	if a.ahead {
		a.ahead = false
		return a.primed, nil
	}
	data, h, err := a.scan.Next()
	switch {
	case errors.Is(err, aac.ErrTruncated):
		a.notes.add("the last audio frame is cut off and was left out")
		return Frame{}, io.EOF
	case errors.Is(err, aac.ErrNoFrames):
		return Frame{}, audioError{badInput("the audio must be AAC in ADTS, as ffmpeg writes with -f adts", "the audio input is no AAC")}
	case err != nil:
		return Frame{}, err
	}
	if h.SampleRate != a.rate {
		a.base, a.samples, a.rate = a.at(), 0, h.SampleRate
	}
	at := a.at()
	a.samples += int64(h.Samples)
	a.copies[a.turn] = append(a.copies[a.turn][:0], data...)
	f := Frame{Data: a.copies[a.turn], PTS: at, DTS: at}
	a.turn ^= 1
	return f, nil
}

func (a *adts) at() time.Duration {
	if a.rate == 0 {
		return a.base
	}
	rate := int64(a.rate)
	return a.base + time.Duration(a.samples/rate)*time.Second + time.Duration(a.samples%rate*int64(time.Second)/rate)
}
