// SPDX-License-Identifier: Apache-2.0

package aac

import (
	"errors"
	"fmt"
	"time"
)

// Errors that a caller may test with errors.Is.
var (
	// ErrShort: more bytes are needed.
	ErrShort = errors.New("ADTS header is not complete")
	// ErrSync: the data does not begin with the ADTS syncword.
	ErrSync = errors.New("no ADTS syncword")
	// ErrHeader: there is a syncword but a field behind it holds an illegal value, which the text names.
	ErrHeader = errors.New("illegal ADTS header")
)

// Audio object types that ADTS can carry: profile_ObjectType + 1. HE-AAC is written as LC with half the output rate; the
// decoder finds the rest in the payload.
const (
	ProfileMain = 1
	ProfileLC   = 2
	ProfileSSR  = 3
	ProfileLTP  = 4
)

const (
	// MinHeaderBytes is the length of a header without CRC, and how much ParseHeader needs.
	MinHeaderBytes = 7
	// MaxFrameBytes is the largest value of the 13 bit aac_frame_length.
	MaxFrameBytes = 1<<13 - 1
	// SamplesPerBlock is the number of samples per channel in one raw data block, at the rate that the header gives.
	SamplesPerBlock = 1024
)

// Header is an ADTS header.
type Header struct {
	Profile     int  // audio object type: ProfileMain, ProfileLC, ProfileSSR, ProfileLTP
	SampleRate  int  // Hz; for HE-AAC that of the core, half the output rate
	Channels    int  // 1..6 and 8; 0 when the payload says it in a program config element
	HeaderBytes int  // before the first raw data block; 7, or with CRC 9 and 2 more for every further block
	FrameBytes  int  // the whole frame, header included
	Blocks      int  // raw data blocks in the frame, 1..4
	Samples     int  // per channel, Blocks * SamplesPerBlock
	CRC         bool // protection_absent is 0
	MPEG2       bool // ID is 1: ISO/IEC 13818-7, else 14496-3
}

// sampleRates is indexed by sampling_frequency_index, ISO/IEC 14496-3 table 1.18.
var sampleRates = [13]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// ParseHeader reads the ADTS header at the start of b, which need not hold the whole frame. It does not keep b or allocate
// unless there is an error.
//
//	syncword 12 = FFF | ID 1 | layer 2 = 0 | protection_absent 1
//	profile 2 | sampling_frequency_index 4 | private 1 | channel_configuration 3 | original 1 | home 1
//	copyright_id 1 | copyright_id_start 1 | aac_frame_length 13 | buffer_fullness 11 | blocks - 1: 2
func ParseHeader(b []byte) (Header, error) {
	if len(b) >= 2 && (b[0] != 0xff || b[1]&0xf0 != 0xf0) || len(b) == 1 && b[0] != 0xff {
		return Header{}, ErrSync
	}
	if len(b) < MinHeaderBytes {
		return Header{}, ErrShort
	}
	if layer := b[1] >> 1 & 3; layer != 0 {
		return Header{}, fmt.Errorf("%w: layer is %d, must be 0 (MP3?)", ErrHeader, layer)
	}
	h := Header{
		Profile:     1 + int(b[2]>>6),
		Channels:    int(b[2]&1)<<2 | int(b[3]>>6),
		FrameBytes:  int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5),
		Blocks:      1 + int(b[6]&3),
		HeaderBytes: MinHeaderBytes,
		CRC:         b[1]&1 == 0,
		MPEG2:       b[1]&8 != 0,
	}
	rate := int(b[2] >> 2 & 15)
	if rate >= len(sampleRates) {
		return Header{}, fmt.Errorf("%w: sampling_frequency_index is %d, at most 12 is legal", ErrHeader, rate)
	}
	h.SampleRate = sampleRates[rate]
	if h.Channels == 7 {
		h.Channels = 8
	}
	if h.CRC {
		h.HeaderBytes += 2 * h.Blocks // raw_data_block_position of all but the first, and the CRC
	}
	if h.FrameBytes <= h.HeaderBytes {
		return Header{}, fmt.Errorf("%w: aac_frame_length is %d, the header alone takes %d", ErrHeader, h.FrameBytes, h.HeaderBytes)
	}
	h.Samples = h.Blocks * SamplesPerBlock
	return h, nil
}

// AppendHeader appends the 7 byte ADTS header of a raw AAC access unit of payloadBytes to dst. channels is 1..6 or 8, or 0 when
// the access unit has a program config element.
func AppendHeader(dst []byte, profile, sampleRate, channels, payloadBytes int) ([]byte, error) {
	if profile < ProfileMain || profile > ProfileLTP {
		return dst, fmt.Errorf("ADTS cannot carry audio object type %d, only 1 to 4", profile)
	}
	rate := -1
	for i, hz := range sampleRates {
		if hz == sampleRate {
			rate = i
		}
	}
	if rate < 0 {
		return dst, fmt.Errorf("ADTS has no sample rate of %d Hz", sampleRate)
	}
	if channels < 0 || channels == 7 || channels > 8 {
		return dst, fmt.Errorf("ADTS has no configuration of %d channels", channels)
	}
	if channels == 8 {
		channels = 7
	}
	n := MinHeaderBytes + payloadBytes
	if payloadBytes <= 0 || n > MaxFrameBytes {
		return dst, fmt.Errorf("an ADTS frame holds 1 to %d bytes of payload, not %d", MaxFrameBytes-MinHeaderBytes, payloadBytes)
	}
	const fullness = 0x7ff // variable bit rate
	return append(dst, 0xff, 0xf1,
		byte(profile-1)<<6|byte(rate)<<2|byte(channels>>2),
		byte(channels&3)<<6|byte(n>>11),
		byte(n>>3),
		byte(n&7)<<5|fullness>>6,
		fullness&0x3f<<2,
	), nil
}

// Ticks returns the time that samples last in 90 kHz ticks, rounded to the nearest tick. Add up samples, not ticks: one
// frame at 44.1 kHz lasts 2089.8 ticks. A rate of 0 or less gives 0.
func Ticks(samples int64, sampleRate int) int64 {
	if sampleRate <= 0 {
		return 0
	}
	rate := int64(sampleRate)
	sec, rest := samples/rate, samples%rate
	half := rate / 2
	if rest < 0 {
		half = -half
	}
	return sec*90000 + (rest*90000+half)/rate
}

// Duration returns how long the frame lasts.
func (h Header) Duration() time.Duration {
	if h.SampleRate <= 0 {
		return 0
	}
	return time.Duration(h.Samples) * time.Second / time.Duration(h.SampleRate)
}
