// SPDX-License-Identifier: Apache-2.0

package mp4

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/internal/h264"
)

// Timescale is the clock of the movie and of the video track: 90 kHz, as the PTS of MPEG-TS, so that no time is rounded.
const Timescale = 90000

// Header is what has to be known before the first sample.
type Header struct {
	// ParameterSets are the SPS and PPS of the first picture in Annex B form; other NAL units among them are ignored. They go
	// into the sample entry (avcC). Where the same bytes come again in an access unit they are left out there.
	ParameterSets []byte
	// InBand says that other parameter sets will come later, so that the sample entry is avc3, which allows them in samples,
	// and not avc1, which does not but is known to more players. Sets that come unannounced are kept in the samples all the
	// same, since a picture cannot be decoded without them.
	InBand bool

	// Audio is nil for a file without sound.
	Audio *Audio

	// VideoDelay is PTS - DTS of the first picture. The first DTS is then at 0 in the track, and an edit list takes the delay off
	// again. AudioSkip is how many samples of sound there are before the start, which another edit list takes off.
	VideoDelay int64
	AudioSkip  int64

	Duration int64     // in ticks of 90 kHz, for players that show it; 0 when it is not known
	Created  time.Time // of the footage; zero for none
}

// Audio describes the sound as ADTS does.
type Audio struct {
	Profile    int // audio object type, such as aac.ProfileLC
	SampleRate int // Hz
	Channels   int // 1..6 or 8
}

// AudioOf gives the Audio of an ADTS header. ok is false for what MP4 cannot say in two bytes: channels that only a program
// config element names.
func AudioOf(h aac.Header) (a Audio, ok bool) {
	return Audio{h.Profile, h.SampleRate, h.Channels}, h.Channels != 0
}

// Errors that a caller may test with errors.Is.
var (
	// ErrNoParameterSets: Header.ParameterSets has no SPS with a PPS.
	ErrNoParameterSets = errors.New("mp4: no parameter sets")
	// ErrOrder: a sample is not later than the one before it in decoding order.
	ErrOrder = errors.New("mp4: decoding time does not rise")
	// ErrHeader: WriteHeader was not called first, or twice.
	ErrHeader = errors.New("mp4: the header comes first, once")
)

// setLimit is how many sets of a kind avcC counts (5 bits of SPS).
const setLimit = 31

// sets are the parameter sets in the sample entry.
type sets struct {
	sps, pps [][]byte
	first    h264.SPS
}

// CheckParameterSets tells whether these could be Header.ParameterSets: it is nil or ErrNoParameterSets.
func CheckParameterSets(annexB []byte) error {
	_, err := readSets(annexB)
	return err
}

func readSets(annexB []byte) (s sets, err error) {
	var parsed []h264.SPS
	for nal := range h264.NALUnits(annexB) {
		switch h264.NALType(nal) {
		case h264.TypeSPS:
			sps, err := h264.ParseSPS(nal)
			if err != nil || len(nal) < 4 || len(nal) > h264.MaxSetBytes || len(s.sps) == setLimit || contains(s.sps, nal) {
				continue // some cameras send a set that no picture uses and no decoder takes
			}
			parsed = append(parsed, sps)
			s.sps = append(s.sps, bytes.Clone(nal))
		case h264.TypePPS:
			if len(nal) > h264.MaxSetBytes || len(s.pps) == 255 || contains(s.pps, nal) {
				continue
			}
			s.pps = append(s.pps, bytes.Clone(nal))
		}
	}
	if len(s.sps) == 0 || len(s.pps) == 0 {
		return s, ErrNoParameterSets
	}
	// The picture's size is in the sequence parameter set that the first picture parameter set belongs to.
	if pps, err := h264.ParsePPS(s.pps[0]); err == nil {
		for i := range parsed {
			if parsed[i].ID == pps.SPSID {
				s.sps[0], s.sps[i] = s.sps[i], s.sps[0]
				parsed[0], parsed[i] = parsed[i], parsed[0]
				break
			}
		}
	}
	s.first = parsed[0]
	return s, nil
}

func contains(list [][]byte, b []byte) bool {
	for _, x := range list {
		if bytes.Equal(x, b) {
			return true
		}
	}
	return false
}

// has tells whether nal is one of the sets.
func (s *sets) has(nal []byte, typ int) bool {
	if typ == h264.TypeSPS {
		return contains(s.sps, nal)
	}
	return contains(s.pps, nal)
}

// audioConfig is an AudioSpecificConfig of two bytes (ISO/IEC 14496-3 1.6.2.1).
//
//	audioObjectType 5 | samplingFrequencyIndex 4 | channelConfiguration 4 | GASpecificConfig 3 = 0
func (a *Audio) config() (b [2]byte, err error) {
	// The index and the channel code are those of ADTS; AppendHeader knows them.
	head, err := aac.AppendHeader(nil, a.Profile, a.SampleRate, a.Channels, 1)
	if err != nil {
		return b, fmt.Errorf("mp4: audio: %w", err)
	}
	index := head[2] >> 2 & 15
	channels := head[2]&1<<2 | head[3]>>6
	if channels == 0 {
		return b, errors.New("mp4: audio: no channel configuration")
	}
	b[0] = byte(a.Profile)<<3 | index>>1
	b[1] = index<<7 | channels<<3
	return b, nil
}
