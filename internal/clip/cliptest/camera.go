// SPDX-License-Identifier: Apache-2.0

// Package cliptest makes segments that need no encoder: their pictures have the head of a slice and a body of their own bytes.
// What reads containers takes them for video; a decoder does not. Only tests import this package.
package cliptest

import (
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
)

// ParameterSets gives SPS and PPS of 640x360, main profile, in Annex B form; other gives those of 1920x1080 under the same ids.
func ParameterSets(other bool) []byte {
	text := "00000001674d4016da0280bfe5c04400000300040000030078" + "3c58ba80" + "0000000168ef3c80"
	if other {
		text = "00000001674d4028da01e0089f97011000000300100000030320f1832a0000000168ef3c80"
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// Camera makes segments of a camera. Zero values stand for defaults.
type Camera struct {
	Interval int64 // ticks between pictures; 3600
	GOP      int   // pictures; 25
	Bytes    int   // of a picture; 400
	Reorder  bool  // every second picture is shown before the one in front of it
	Slices   int   // of a picture; 1
	Silent   bool
	Rate     int  // of the sound; 48000
	Apart    bool // each NAL unit is in a PES packet of its own, as firmware of the original SDK may do
	Other    bool // other parameter sets
	Foreign  bool // time stamps that are not UTC
	mux      *mpegts.Muxer
	number   uint32
	sounds   int64 // samples since the epoch, so that sound runs on from segment to segment
}

// Picture gives access unit n, an IDR with parameter sets or not.
func (c *Camera) Picture(n uint32, idr bool) []byte {
	au := []byte{0, 0, 0, 1, 9, 0xF0}
	head := []byte{0x41, 0x9A}
	if idr {
		au = append(au, ParameterSets(c.Other)...)
		head = []byte{0x65, 0x88}
	}
	au = append(au, 0, 0, 0, 1, 6, 5, 4, 1, 2, 3, 4, 0x80) // SEI
	slices := max(1, c.Slices)
	for i := range slices {
		if i > 0 {
			head = []byte{head[0], 0x42, 0x9A} // first_mb_in_slice is not 0
		}
		au = append(append(au, 0, 0, 0, 1), head...)
		body := max(8, c.Bytes/slices)
		at := len(au)
		for len(au) < at+body {
			au = append(au, byte(len(au))|0x10) // no zeros, so no start code
		}
		binary.BigEndian.PutUint32(au[at:], n|0x80808080)
	}
	return au
}

// Segment gives the segment that begins at start with so many pictures.
func (c *Camera) Segment(start time.Time, pictures int) []byte {
	if c.mux == nil {
		c.mux = mpegts.NewMuxer()
		c.mux.SetAudio(!c.Silent)
	}
	interval, gop, rate := c.Interval, c.GOP, c.Rate
	if interval == 0 {
		interval = 3600
	}
	if gop == 0 {
		gop = 25
	}
	if c.Bytes == 0 {
		c.Bytes = 400
	}
	if rate == 0 {
		rate = 48000
	}
	base := segment.Ticks(start)
	if c.Foreign {
		base %= 1 << 30
	}
	out := c.mux.AppendTables(nil)
	if played := aac.Ticks(c.sounds, rate); !c.Silent && (c.sounds == 0 || played < base-9000 || played > base+9000) {
		c.sounds = base * int64(rate) / mpegts.Timescale
	}
	for i := range pictures {
		dts := base + int64(i)*interval
		pts := dts
		if c.Reorder {
			pts += [...]int64{1, 2, 0}[(i+2)%3] * interval // IDR late by one; the pairs behind it change places
			if i%gop == 0 {
				pts = dts + interval
			}
		}
		idr := i%gop == 0
		au := c.Picture(c.number, idr)
		if c.Apart {
			for nal := range h264.NALUnits(au) {
				if h264.NALType(nal) != h264.TypeAUD {
					out = c.mux.AppendVideo(out, &mpegts.VideoFrame{Parts: [][]byte{{0, 0, 0, 1}, nal}, PTS: pts, DTS: dts})
				}
			}
		} else {
			out = c.mux.AppendVideo(out, &mpegts.VideoFrame{Parts: [][]byte{au}, PTS: pts, DTS: dts, RandomAccess: idr, HasAUD: true})
		}
		c.number++
		for !c.Silent && aac.Ticks(c.sounds, rate) < dts+interval {
			frame, err := aac.AppendHeader(nil, aac.ProfileLC, rate, 1, 60)
			if err == nil {
				frame = append(frame, make([]byte, 60)...)
				out, err = c.mux.AppendAudio(out, frame, aac.Ticks(c.sounds, rate))
			}
			if err != nil {
				panic(err)
			}
			c.sounds += aac.SamplesPerBlock
		}
	}
	return c.mux.FlushAudio(out)
}

// Reset begins anew, as a camera that was switched off.
func (c *Camera) Reset() { c.mux, c.number, c.sounds = nil, 0, 0 }
