// SPDX-License-Identifier: Apache-2.0

package push

import (
	"errors"
	"io"
	"time"
)

// Frame is one access unit or ADTS frame. Data is valid until the next call of Next.
type Frame struct {
	Video    bool
	Data     []byte
	PTS, DTS time.Duration // since the first picture shown; DTS may be negative, audio has DTS == PTS
}

// frames gives frames in the order of DTS, at the end io.EOF. Errors are final.
type frames interface {
	next() (Frame, error)
}

// merged joins two streams by time. The end of one does not end the other.
type merged struct {
	streams [2]frames
	heads   [2]Frame
	have    [2]bool
	ended   [2]bool
}

func (m *merged) next() (Frame, error) {
	for i, s := range m.streams {
		if m.have[i] || m.ended[i] {
			continue
		}
		f, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			m.ended[i] = true
		case err != nil:
			return Frame{}, err
		default:
			m.heads[i], m.have[i] = f, true
		}
	}
	first := -1
	for i := range m.streams {
		if m.have[i] && (first < 0 || m.heads[i].DTS < m.heads[first].DTS) {
			first = i
		}
	}
	if first < 0 {
		return Frame{}, io.EOF
	}
	m.have[first] = false
	return m.heads[first], nil
}

const ticksPerSecond = 90000

// ticks converts 90 kHz ticks, rounded to the nearest nanosecond, without overflow.
func ticks(t int64) time.Duration {
	seconds, rest := t/ticksPerSecond, t%ticksPerSecond
	half := int64(ticksPerSecond / 2)
	if rest < 0 {
		half = -half
	}
	return time.Duration(seconds)*time.Second + time.Duration((rest*int64(time.Second)+half)/ticksPerSecond)
}
