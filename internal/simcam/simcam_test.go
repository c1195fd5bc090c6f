// SPDX-License-Identifier: Apache-2.0

package simcam

import (
	"fmt"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
)

// The clips are what doc.go says, so that a loop joins itself and any second can begin a segment.
func TestClips(t *testing.T) {
	for name, clip := range map[string]Clip{"front door": FrontDoor(), "workshop": Workshop()} {
		t.Run(name, func(t *testing.T) {
			if n := len(clip.Video) + len(clip.Audio); n > 400<<10 {
				t.Errorf("the clip has %d bytes; it is linked into every program, keep it below 400 kB", n)
			}
			video, audio, err := clip.units()
			if err != nil {
				t.Fatal(err)
			}
			for i, au := range video {
				info, err := h264.Inspect(au)
				if err != nil {
					t.Fatalf("picture %d: %v", i, err)
				}
				if gop := i%GOPFrames == 0; info.IDR != gop || info.HasSPS != gop || info.HasPPS != gop {
					t.Fatalf("picture %d: IDR %v, SPS %v, PPS %v; want an IDR with both each %d pictures", i, info.IDR, info.HasSPS, info.HasPPS, GOPFrames)
				}
			}
			var sets h264.ParameterSets
			if _, err := sets.Update(video[0]); err != nil {
				t.Fatal(err)
			}
			sps, _ := sets.First()
			if sps.Width != Width || sps.Height != Height || sps.FrameRate != (h264.Rate{Num: FrameRate, Den: 1}) || sps.MaxNumReorder != 0 {
				t.Errorf("SPS says %dx%d, %v fps, reordering %d; want %dx%d, %d, 0", sps.Width, sps.Height, sps.FrameRate, sps.MaxNumReorder, Width, Height, FrameRate)
			}
			for i, frame := range audio {
				h, err := aac.ParseHeader(frame)
				if err != nil || h.SampleRate != AudioRate || h.Channels != 1 || h.Samples != 1024 {
					t.Fatalf("audio frame %d: %+v, %v; want 1024 samples of %d Hz mono", i, h, err, AudioRate)
				}
			}
			if Loop*AudioRate%(1024*time.Second) != 0 {
				t.Errorf("a loop of %v is no whole number of audio frames at %d Hz", Loop, AudioRate)
			}
		})
	}
}

func TestBlocksReadBack(t *testing.T) {
	for _, index := range []int{0, 1, 2, 15, 16, 187, Frames - 1, 0xa5a5, 0xffff} {
		if got, ok := Index(Blocks(index)); !ok || got != index {
			t.Errorf("Index(Blocks(%d)) = %d, %v", index, got, ok)
		}
	}
	if _, ok := Index([BlockCount]bool{}); ok {
		t.Error("a black picture was taken for one of ours")
	}
	white := [BlockCount]bool{}
	for i := range white {
		white[i] = true
	}
	if _, ok := Index(white); ok {
		t.Error("a white picture was taken for one of ours")
	}
}

func TestFrameTime(t *testing.T) {
	loop := time.Unix(1763000000, 0).UTC() // a multiple of 20 s
	tests := []struct {
		name  string
		index int
		now   time.Time
		want  time.Time
	}{
		{"a frame of this round", 15, loop.Add(3 * time.Second), loop.Add(time.Second)},
		{"a frame that is captured just now", 45, loop.Add(3 * time.Second), loop.Add(3 * time.Second)},
		{"a frame still to come was last seen a round ago", 46, loop.Add(3 * time.Second), loop.Add(3*time.Second + 66666666 - Loop)},
		{"the last frame, seen at the start of the next round", Frames - 1, loop, loop.Add(-66666667)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := FrameTime(tt.index, tt.now); got.Sub(tt.want).Abs() > time.Microsecond {
				t.Errorf("FrameTime(%d, %v) = %v, want %v", tt.index, tt.now, got, tt.want)
			}
		})
	}
}

func TestReelOrdersByTime(t *testing.T) {
	video, audio, err := FrontDoor().units()
	if err != nil {
		t.Fatal(err)
	}
	r := Reel{video: video, audio: audio}
	r.seek(17*time.Second + 300*time.Millisecond)
	var last time.Duration
	var pictures, sounds int
	for i := range 3000 {
		u := r.next()
		if i == 0 && (!u.Video || u.At != 18*time.Second) {
			t.Fatalf("the first unit is %v at %v, want the IDR of second 18", u.Video, u.At)
		}
		if u.At < last {
			t.Fatalf("unit %d at %v comes after %v", i, u.At, last)
		}
		last = u.At
		if u.Video {
			if want := &video[(18*FrameRate+pictures)%Frames][0]; &u.Data[0] != want {
				t.Fatalf("picture %d at %v is not the one of that time", pictures, u.At)
			}
			pictures++
		} else {
			sounds++
		}
	}
	got := fmt.Sprintf("%.2f", float64(sounds)/float64(pictures))
	if want := fmt.Sprintf("%.2f", float64(AudioFrames)/Frames); got != want {
		t.Errorf("%s audio frames per picture, want %s", got, want)
	}
	if far := videoAt(1 << 50); far <= 0 {
		t.Errorf("the time of a far picture overflows: %v", far)
	}
}
