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

// unit is one access unit or audio frame with its capture time, counted from the loop's start.
type unit struct {
	data  []byte
	at    time.Duration
	video bool
}

// reel gives out the units of endless rounds in the order of capture.
type reel struct {
	video, audio [][]byte
	nextVideo    int64 // number of the next access unit since the start of the first round
	nextAudio    int64
}

// seek makes the first IDR at or after at the next access unit, and the first audio frame not before it the next of its
// kind.
func (r *reel) seek(at time.Duration) {
	second := int64((at + time.Second - 1) / time.Second)
	r.nextVideo = second * FrameRate
	r.nextAudio = (second*AudioRate + 1023) / 1024
}

func (r *reel) next() unit {
	v := videoAt(r.nextVideo)
	if len(r.audio) > 0 {
		if a := audioAt(r.nextAudio); a < v {
			u := unit{data: r.audio[r.nextAudio%AudioFrames], at: a}
			r.nextAudio++
			return u
		}
	}
	u := unit{data: r.video[r.nextVideo%Frames], at: v, video: true}
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
