// SPDX-License-Identifier: Apache-2.0

package simcam

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
)

//go:embed front-door.h264
var frontDoorVideo []byte

//go:embed front-door.aac
var frontDoorAudio []byte

//go:embed workshop.h264
var workshopVideo []byte

// Clip is one of the embedded recordings, as the elementary streams of a camera. Its slices are shared and must not be
// written to.
type Clip struct {
	Video []byte // H.264, Annex B, [Frames] access units
	Audio []byte // AAC in ADTS, [AudioFrames] frames; nil for a camera without a microphone
}

// FrontDoor is the clip with sound.
func FrontDoor() Clip { return Clip{Video: frontDoorVideo, Audio: frontDoorAudio} }

// Workshop is the clip without sound.
func Workshop() Clip { return Clip{Video: workshopVideo} }

// maxUnitBytes is far above the largest picture of the clips.
const maxUnitBytes = 1 << 20

// units cuts a clip into its access units and audio frames.
func (c Clip) units() (video, audio [][]byte, err error) {
	s := h264.NewScanner(bytes.NewReader(c.Video), maxUnitBytes)
	for {
		au, err := s.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, nil, fmt.Errorf("simulated camera: video: %w", err)
		}
		video = append(video, bytes.Clone(au))
	}
	if len(video) != Frames {
		return nil, nil, fmt.Errorf("simulated camera: the clip has %d pictures, want %d", len(video), Frames)
	}
	if c.Audio == nil {
		return video, nil, nil
	}
	a := aac.NewScanner(bytes.NewReader(c.Audio))
	for {
		frame, _, err := a.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, fmt.Errorf("simulated camera: audio: %w", err)
		}
		audio = append(audio, bytes.Clone(frame))
	}
	if len(audio) != AudioFrames {
		return nil, nil, fmt.Errorf("simulated camera: the clip has %d audio frames, want %d", len(audio), AudioFrames)
	}
	return video, audio, nil
}

// Unit is one access unit or audio frame. Its data is shared and must not be written to.
type Unit struct {
	Data  []byte
	At    time.Duration // of its capture, from the start of the loop that the reel began in
	Video bool
}

// Reel gives out the units of endless rounds of a clip in the order of capture.
type Reel struct {
	video, audio [][]byte
	nextVideo    int64 // number of the next access unit since the start of the first round
	nextAudio    int64
	end          time.Duration // zero: endless
}

// Recording returns the units of the clip's rounds from the start of one on, up to d.
func (c Clip) Recording(d time.Duration) (*Reel, error) {
	video, audio, err := c.units()
	if err != nil {
		return nil, err
	}
	return &Reel{video: video, audio: audio, end: d}, nil
}

// seek makes the first IDR at or after at the next access unit, and the first audio frame not before it the next of its
// kind.
func (r *Reel) seek(at time.Duration) {
	second := int64((at + time.Second - 1) / time.Second)
	r.nextVideo = second * FrameRate
	r.nextAudio = (second*AudioRate + 1023) / 1024
}

// Next returns the next unit, or io.EOF at the end of a recording.
func (r *Reel) Next() (Unit, error) {
	u := r.next()
	if r.end > 0 && u.At >= r.end {
		return Unit{}, io.EOF
	}
	return u, nil
}

func (r *Reel) next() Unit {
	v := videoAt(r.nextVideo)
	if len(r.audio) > 0 {
		if a := audioAt(r.nextAudio); a < v {
			u := Unit{Data: r.audio[r.nextAudio%AudioFrames], At: a}
			r.nextAudio++
			return u
		}
	}
	u := Unit{Data: r.video[r.nextVideo%Frames], At: v, Video: true}
	r.nextVideo++
	return u
}

// Whole loops are split off first, so that no product overflows however long a camera runs.
func videoAt(n int64) time.Duration {
	return time.Duration(n/Frames)*Loop + time.Duration(n%Frames)*time.Second/FrameRate
}

func audioAt(n int64) time.Duration {
	return time.Duration(n/AudioFrames)*Loop + time.Duration(n%AudioFrames)*1024*time.Second/AudioRate
}
