// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/s3cam/s3cam/mpegts"
)

// longPMT is a PMT of three packets: one stream has two descriptors of 200 bytes each. before is put in front of it, as the rest of
// a section that began in an earlier packet.
func longPMT(cc int, before []byte) [][]byte {
	descriptor := append([]byte{0x05, 198}, bytes.Repeat([]byte{'x'}, 198)...)
	body := []byte{0xE1, 0, 0xF0, 0, 0x1B, 0xE1, 0, 0xF1, 0x90}
	body = append(append(body, descriptor...), descriptor...)
	body = append(body, 0x0F, 0xE1, 1, 0xF0, 0)
	n := len(body) + 9
	s := append([]byte{2, 0xB0 | byte(n>>8), byte(n), 0, 1, 0xC3, 0, 0}, body...)
	s = append(s, crc(s)...)
	s = append(append([]byte{byte(len(before))}, before...), s...)
	var out [][]byte
	for first := true; len(s) > 0; first = false {
		p := []byte{0x47, 0x10, 0, 0x10 | byte(cc+len(out))&15}
		if first {
			p[1] |= 0x40
		}
		k := min(len(s), 184)
		p = append(p, s[:k]...)
		s = s[k:]
		out = append(out, append(p, bytes.Repeat([]byte{0xFF}, 188-len(p))...))
	}
	return out
}

func TestTablesOverSeveralPackets(t *testing.T) {
	clean := cleanSegment(t)
	units, _, _ := demux(t, bytes.NewReader(clean))
	video, audio := join(units, mpegts.Video), join(units, mpegts.Audio)
	private := append([]byte{0xC0, 0, 20}, bytes.Repeat([]byte{1}, 20)...)
	tests := []struct {
		name    string
		pmt     [][]byte
		readers bool   // the program can be read
		codes   string // of the Analyzer
	}{
		{"three packets", longPMT(0, nil), true, ""},
		{"behind the rest of another section", longPMT(0, private[10:]), true, ""},
		{"a packet comes twice", func() [][]byte { p := longPMT(0, nil); return [][]byte{p[0], p[1], p[1], p[2]} }(), true, ""},
		{"a packet is missing", func() [][]byte { p := longPMT(0, nil); return [][]byte{p[0], p[2]} }(), false, "error continuity"},
		{"the last packet is missing, then it comes again", func() [][]byte {
			return append(longPMT(0, nil)[:2], longPMT(2, nil)...)
		}(), true, ""},
		{"private section in the same packet", func() [][]byte {
			p := pmt(0x1000, 0, 1, 0x100, 0x1B, 0x100, 0x0F, 0x101)
			end := 5 + 3 + int(p[7])
			copy(p[end:], private)
			return [][]byte{p}
		}(), true, ""},
		{"a PAT section on the PMT's PID", [][]byte{pmt(0x1000, 0, 1, 0x100, 0x1B, 0x100, 0x0F, 0x101), psi(0x1000, 1, 0, 1, 0, []byte{0, 1, 0xF0, 0})}, true, "error section"},
		{"one that is valid only later", func() [][]byte {
			p := pmt(0x1000, 1, 7, 0x100, 0x02, 0x100)
			s := p[5 : 5+3+int(p[7])]
			s[5] &^= 1
			copy(s[len(s)-4:], crc(s[:len(s)-4]))
			return [][]byte{pmt(0x1000, 0, 1, 0x100, 0x1B, 0x100, 0x0F, 0x101), p}
		}(), true, ""},
		{"a packet without payload", [][]byte{
			append([]byte{0x47, 0x10, 0, 0x2F, 183, 0}, bytes.Repeat([]byte{0xFF}, 182)...),
			pmt(0x1000, 0, 1, 0x100, 0x1B, 0x100, 0x0F, 0x101),
		}, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ts := append(bytes.Clone(clean[:188]), bytes.Join(tt.pmt, nil)...)
			ts = append(ts, clean[376:]...)
			wantEnd := io.EOF
			if !tt.readers {
				wantEnd = mpegts.ErrNoProgram
			}
			units, _, err := demux(t, bytes.NewReader(ts))
			if err != wantEnd {
				t.Errorf("demux ended with %v, want %v", err, wantEnd)
			}
			same := bytes.Equal(join(units, mpegts.Video), video) && bytes.Equal(join(units, mpegts.Audio), audio)
			if same != tt.readers {
				t.Errorf("the Demuxer gave %d units", len(units))
			}
			if pts, ok := mpegts.FirstPTS(ts); ok != tt.readers || ok && pts != 903600 {
				t.Errorf("FirstPTS %d, %v", pts, ok)
			}
			r := analyze(t, ts, mpegts.AnalyzerOptions{})
			if got := codes(r); got != tt.codes {
				t.Errorf("found %q, want %q\n%s", got, tt.codes, r.AppendText(nil))
			}
		})
	}
}

func TestReportNamesWhatItFound(t *testing.T) {
	ts := append(pat(0, 3, 0x100), pmtOf(3, 0x100, 0x1F0, 0x01, 0x111, 0x02, 0x112, 0x03, 0x113, 0x06, 0x114, 0x10, 0x115, 0x11, 0x116, 0x15, 0x117,
		0x24, 0x118, 0x33, 0x119, 0x81, 0x11A, 0x86, 0x11B, 0x87, 0x11C, 0xEE, 0x11D)...)
	r := analyze(t, append(ts, 0x47), mpegts.AnalyzerOptions{})
	golden(t, "unsupported.txt", r.AppendText(nil))
}

// pmtOf is pmt for another program number.
func pmtOf(program, pid, pcrPID int, streams ...int) []byte {
	p := pmt(pid, 0, 0, pcrPID, streams...)
	s := p[5 : 5+3+int(p[7])]
	s[4] = byte(program)
	copy(s[len(s)-4:], crc(s[:len(s)-4]))
	return p
}
