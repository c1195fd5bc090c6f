// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/mpegts"
)

func analyze(t testing.TB, ts []byte, opts mpegts.AnalyzerOptions) mpegts.Report {
	t.Helper()
	a := mpegts.NewAnalyzer(opts)
	if n, err := a.Write(ts); n != len(ts) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	return a.Report()
}

// cleanSegment is one segment of 20 pictures at 25 per second and sound, without anything to find.
func cleanSegment(t testing.TB) []byte {
	t.Helper()
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	ts := m.AppendTables(nil)
	sound := int64(0)
	for i := range int64(20) {
		pts := 900000 + i*3600
		for ; sound <= pts-900000; sound += 5760 {
			var err error
			ts, err = m.AppendAudio(ts, adts(150, byte(i)), 900000+sound)
			ts = must(t, ts, err)
		}
		f := mpegts.VideoFrame{Parts: one(au(700+int(i)*31, i%10 == 0, byte(i))), PTS: pts + 3600, DTS: pts, RandomAccess: i%10 == 0}
		ts = m.AppendVideo(ts, &f)
	}
	return m.FlushAudio(ts)
}

func packetAt(ts []byte, n int) []byte { return ts[n*188 : n*188+188] }

// onPES changes the packet in which the nth PES packet of a PID begins; at is where that PES begins in it.
func onPES(pid, nth int, f func(p []byte, at int)) func([]byte) []byte {
	return func(ts []byte) []byte {
		seen := 0
		return edit(ts, func(n int, p []byte) []byte {
			if pidOf(p) == pid && p[1]&0x40 != 0 {
				if seen == nth {
					at := 4
					if p[3]&0x20 != 0 {
						at = 5 + int(p[4])
					}
					f(p, at)
				}
				seen++
			}
			return p
		})
	}
}

// onPacket changes, repeats or removes the nth packet of a PID.
func onPacket(pid, nth int, f func(p []byte) []byte) func([]byte) []byte {
	return func(ts []byte) []byte {
		seen := -1
		return edit(ts, func(n int, p []byte) []byte {
			if pidOf(p) != pid {
				return p
			}
			if seen++; seen != nth {
				return p
			}
			return f(p)
		})
	}
}

func setStamp(b []byte, t uint64) {
	b[0] = b[0]&0xF1 | byte(t>>29)&0x0E
	b[1], b[2], b[3], b[4] = byte(t>>22), byte(t>>14)|1, byte(t>>7), byte(t<<1)|1
}

func setPCR(p []byte, base uint64) {
	p[6], p[7], p[8], p[9], p[10] = byte(base>>25), byte(base>>17), byte(base>>9), byte(base>>1), byte(base<<7)|p[10]&0x7F
}

func renumber(ts []byte) []byte {
	next := map[int]byte{}
	return edit(ts, func(n int, p []byte) []byte {
		pid := pidOf(p)
		if p[3]&0x10 != 0 {
			p[3] = p[3]&0xF0 | next[pid]
			next[pid] = (next[pid] + 1) & 15
		} else {
			p[3] = p[3]&0xF0 | (next[pid]-1)&15
		}
		return p
	})
}

// shift moves all times of both streams from packet n on by d ticks.
func shift(ts []byte, from int, d int64, mark bool) []byte {
	return edit(ts, func(n int, p []byte) []byte {
		if n < from || pidOf(p) != 0x100 && pidOf(p) != 0x101 || p[1]&0x40 == 0 {
			return p
		}
		at := 4
		if p[3]&0x20 != 0 {
			if pidOf(p) == 0x100 {
				var pcr uint64
				for _, x := range p[6:10] {
					pcr = pcr<<8 | uint64(x)
				}
				setPCR(p, uint64(int64(pcr<<1|uint64(p[10]>>7))+d))
				if mark {
					p[5] |= 0x80
					mark = false
				}
			}
			at = 5 + int(p[4])
		}
		setStamp(p[at+9:], uint64(int64(stamp(p[at+9:], p[at+9]>>4))+d))
		if p[at+7]&0x40 != 0 {
			setStamp(p[at+14:], uint64(int64(stamp(p[at+14:], 1))+d))
		}
		return p
	})
}

func TestAnalyzerFindsEachDamage(t *testing.T) {
	clean := cleanSegment(t)
	twice := func(p []byte) []byte { return append(p, p...) }
	tests := []struct {
		name string
		edit func(ts []byte) []byte
		want string // codes with their severity
		text string // part of the first finding
	}{
		{"nothing", func(ts []byte) []byte { return ts }, "", ""},
		{"no input", func([]byte) []byte { return nil }, "error empty", ""},
		{"text", func([]byte) []byte { return []byte("<html>") }, "error empty, error sync", ""},
		{"a broken sync byte", onPacket(0x100, 2, func(p []byte) []byte { p[0] = 0x46; return p }), "error sync", "0x46"},
		{"garbage between packets", onPacket(0x100, 2, func(p []byte) []byte { return append(p, 1, 2, 3) }), "error sync", "0x01"},
		{"192 byte packets", func(ts []byte) []byte {
			return edit(ts, func(n int, p []byte) []byte { return append([]byte{0, 1, 2, 3}, p...) })
		}, "error sync, error sync", "0x00"},
		{"cut at the end", func(ts []byte) []byte { return append(bytes.Clone(ts), ts[:99]...) }, "error partial_packet", "99 bytes"},
		{"21 bytes", func(ts []byte) []byte { return ts[:21] }, "error empty, error partial_packet", ""},
		{"transport_error_indicator", onPacket(0x100, 2, func(p []byte) []byte { p[1] |= 0x80; return p }), "error transport_error", "damaged"},
		{"encrypted packet", onPacket(0x100, 2, func(p []byte) []byte { p[3] |= 0x80; return p }), "error scrambled", "encrypted"},
		{"encrypted PES", onPES(0x101, 1, func(p []byte, at int) { p[at+6] |= 0x20 }), "error scrambled", "PES"},
		{"adaptation_field_control 0", onPacket(0x100, 2, func(p []byte) []byte { p[3] &^= 0x30; return p }), "error adaptation_field", "reserved"},
		{"adaptation field too long", onPacket(0x100, 5, func(p []byte) []byte { p[3] |= 0x20; p[4] = 200; return p }), "error adaptation_field", "200 bytes"},
		{"adaptation field too short for its PCR", func(ts []byte) []byte {
			return append(bytes.Clone(ts), append([]byte{0x47, 0x1F, 0xF0, 0x30, 3, 0x10, 0, 0}, make([]byte, 180)...)...)
		}, "error adaptation_field, warning unknown_pid", "too short"},
		{"a packet is missing", onPacket(0x100, 2, func(p []byte) []byte { return nil }), "error continuity", "at least 1 packet is missing"},
		{"a packet comes twice", onPacket(0x100, 2, twice), "", ""},
		{"a packet comes three times", onPacket(0x100, 2, func(p []byte) []byte { return append(twice(bytes.Clone(p)), p...) }), "error continuity", "again"},
		{"a packet comes twice, with a new PCR", onPacket(0x100, 0, func(p []byte) []byte {
			q := bytes.Clone(p)
			setPCR(q, 900000-63000+1)
			return append(p, q...)
		}), "", ""},
		{"a packet comes twice, but different", onPacket(0x100, 2, func(p []byte) []byte {
			q := bytes.Clone(p)
			q[100] ^= 2
			return append(p, q...)
		}), "error continuity", "changed"},
		{"counter moves without payload", onPacket(0x100, 2, func(p []byte) []byte {
			q := append([]byte{0x47, 1, 0, 0x20 | (p[3]+1)&15, 183, 0}, bytes.Repeat([]byte{0xFF}, 182)...)
			return append(p, q...)
		}), "error continuity, error continuity", "without payload"},
		{"counter jumps with discontinuity_indicator", func(ts []byte) []byte {
			seen := 0
			return edit(ts, func(n int, p []byte) []byte {
				if pidOf(p) != 0x100 {
					return p
				}
				if p[1]&0x40 != 0 {
					if seen++; seen == 5 {
						p[5] |= 0x80
					}
				}
				if seen >= 5 {
					p[3] = p[3]&0xF0 | (p[3]+7)&15
				}
				return p
			})
		}, "", ""},
		{"an unknown PID", onPacket(0x100, 2, func(p []byte) []byte { return append(p, setPID(bytes.Clone(p), 0x50)...) }), "warning unknown_pid", "0x0050"},
		{"null packets", onPacket(0x100, 2, func(p []byte) []byte { return append(p, setPID(bytes.Clone(p), 0x1FFF)...) }), "", ""},
		{"70 more PIDs", func(ts []byte) []byte {
			ts = bytes.Clone(ts)
			for i := range 70 {
				ts = append(ts, setPID(bytes.Clone(packetAt(ts, 3)), 0x500+i)...)
			}
			return ts
		}, "warning too_many_pids x10, warning unknown_pid x10", ""},

		{"no PAT", onPacket(0, 0, func([]byte) []byte { return nil }), "error pat_missing, warning tables_position", ""},
		{"no PMT", onPacket(0x1000, 0, func([]byte) []byte { return nil }), "error pmt_missing, warning tables_position", ""},
		{"something before the PAT", func(ts []byte) []byte { return append(setPID(bytes.Clone(packetAt(ts, 3)), 0x1FFF), ts...) }, "warning tables_position", "0x1fff"},
		{"something between PAT and PMT", onPacket(0, 0, func(p []byte) []byte { return append(p, setPID(bytes.Clone(p), 0x11)...) }), "warning tables_position", "second"},
		{"tables behind the first picture", func(ts []byte) []byte {
			return append(bytes.Clone(ts[376:376+188]), append(bytes.Clone(ts[:376]), ts[376+188:]...)...)
		}, "error before_tables, warning tables_position", ""},
		{"PAT with a wrong checksum", onPacket(0, 0, func(p []byte) []byte { p[9] ^= 1; return p }), "error crc", "PAT"},
		{"PMT with a wrong checksum", onPacket(0x1000, 0, func(p []byte) []byte { p[20] ^= 1; return p }), "error crc", "PMT"},
		{"PAT longer than it may be", onPacket(0, 0, func(p []byte) []byte { p[6], p[7] = 0xBF, 0xFF; return p }), "error section", "section_length"},
		{"pointer_field beyond the packet", onPacket(0x1000, 0, func(p []byte) []byte { p[4] = 200; return p }), "error section", "pointer_field"},
		{"PMT with inner lengths that do not fit", onPacket(0x1000, 0, func(p []byte) []byte {
			return psi(0x1000, 0, 2, 1, 1, []byte{0xE1, 0, 0xF0, 9, 0x1B, 0xE1, 0, 0xF0, 0})
		}), "error section", "inner lengths"},
		{"two programs", onPacket(0, 0, func(p []byte) []byte { return pat(0, 1, 0x1000, 2, 0x1001) }), "error programs", "2 programs"},
		{"no program", onPacket(0, 0, func(p []byte) []byte { return pat(0, 0, 0x10) }), "error programs", "0 programs"},
		{"the PMT changes", func(ts []byte) []byte {
			return append(bytes.Clone(ts), pmt(0x1000, 1, 2, 0x100, 0x1B, 0x100, 0x0F, 0x101, 0x06, 0x102)...)
		}, "info pmt_changed", "3 streams"},
		{"the PMT changes under one version", func(ts []byte) []byte {
			return append(bytes.Clone(ts), pmt(0x1000, 1, 1, 0x100, 0x1B, 0x100, 0x0F, 0x101, 0x06, 0x102)...)
		}, "warning pmt_version", "version_number is 1"},
		{"no video announced", onPacket(0x1000, 0, func(p []byte) []byte { return pmt(0x1000, 0, 1, 0x100, 0x0F, 0x101) }), "error no_video", ""},
		{"AAC in LATM", onPacket(0x1000, 0, func(p []byte) []byte { return pmt(0x1000, 0, 1, 0x100, 0x1B, 0x100, 0x11, 0x101) }), "warning unsupported", "LATM"},
		{"announced audio is absent", func(ts []byte) []byte {
			return edit(ts, func(n int, p []byte) []byte {
				if pidOf(p) == 0x101 {
					return nil
				}
				return p
			})
		}, "warning stream_absent", "AAC"},
		{"audio comes without being announced", onPacket(0x1000, 0, func(p []byte) []byte { return pmt(0x1000, 0, 1, 0x100, 0x1B, 0x100) }), "warning stream_unlisted", "0x0101"},

		{"no PCR", func(ts []byte) []byte {
			return edit(ts, func(n int, p []byte) []byte {
				if pidOf(p) == 0x100 && p[1]&0x40 != 0 {
					p[5] &^= 0x10
				}
				return p
			})
		}, "error pcr_missing", "0x0100"},
		{"one PCR only, as the original SDK", func(ts []byte) []byte {
			seen := 0
			return edit(ts, func(n int, p []byte) []byte {
				if pidOf(p) == 0x100 && p[1]&0x40 != 0 {
					if seen++; seen > 1 {
						p[5] &^= 0x10
					}
				}
				return p
			})
		}, "error pcr_interval", "no PCR comes in the last 0.8 s"},
		{"no PID for the PCR", onPacket(0x1000, 0, func(p []byte) []byte { return pmt(0x1000, 0, 1, 0x1FFF, 0x1B, 0x100, 0x0F, 0x101) }),
			"error pcr_missing, warning pcr_pid, warning pcr_pid", ""},
		{"three PCRs missing", func(ts []byte) []byte {
			for n := 6; n < 9; n++ {
				ts = onPES(0x100, n, func(p []byte, at int) { p[5] &^= 0x10 })(ts)
			}
			return ts
		}, "error pcr_interval", "160.0 ms"},
		{"a PCR out of order", onPES(0x100, 6, func(p []byte, at int) { setPCR(p, 900000-63000) }), "error pcr_interval, error pcr_order", ""},
		{"a PCR extension above 299", onPES(0x100, 6, func(p []byte, at int) { p[10], p[11] = p[10]|1, 0xFF }), "error pcr_value", "299"},
		{"PCRs that come too late", func(ts []byte) []byte {
			return edit(ts, func(n int, p []byte) []byte {
				if pidOf(p) == 0x100 && p[1]&0x40 != 0 {
					setPCR(p, pcrAt(p)+63001)
				}
				return p
			})
		}, "error pcr_late x10", "after its decoding time"},
		{"PCRs that run 11 s ahead", func(ts []byte) []byte {
			return edit(ts, func(n int, p []byte) []byte {
				if pidOf(p) == 0x100 && p[1]&0x40 != 0 {
					setPCR(p, pcrAt(p)-11*90000)
				}
				return p
			})
		}, "warning pcr_early x10", "before its decoding time"},

		{"a PES without start code", onPES(0x101, 1, func(p []byte, at int) { p[at+2] = 2 }), "error pes_start", "00 00 01"},
		{"a PES header without '10'", onPES(0x101, 1, func(p []byte, at int) { p[at+6] = 0 }), "error pes_header", "'10'"},
		{"a PES header longer than its packet", onPES(0x101, 1, func(p []byte, at int) { p[at+4], p[at+5] = 0, 7 }), "error pes_header", "length"},
		{"a DTS without PTS", onPES(0x101, 1, func(p []byte, at int) { p[at+7] = 0x40 }), "error pes_header", "forbidden"},
		{"wrong marker bits in a PTS", onPES(0x101, 1, func(p []byte, at int) { p[at+9] &^= 1 }), "error pes_header", "marker"},
		{"a PES shorter than it says", onPES(0x101, 1, func(p []byte, at int) { p[at+5]++ }), "error pes_length", "came"},
		{"a PES longer than it says", onPES(0x101, 1, func(p []byte, at int) { p[at+5]-- }), "error pes_length", "came"},
		{"audio of open length", onPES(0x101, 1, func(p []byte, at int) { p[at+4], p[at+5] = 0, 0 }), "error pes_unbounded", "video only"},
		{"a stream that begins inside a PES", onPacket(0x101, 0, func(p []byte) []byte { p[1] &^= 0x40; return p }), "error pes_continuation", "middle"},
		{"audio under a video stream id, as the original SDK", onPES(0x101, 1, func(p []byte, at int) { p[at+3] = 0xE0 }), "error stream_id", "0xe0"},
		{"video under an audio stream id", onPES(0x100, 1, func(p []byte, at int) { p[at+3] = 0xC0 }), "error stream_id", "0xc0"},
		{"a PES without PTS", onPES(0x101, 1, func(p []byte, at int) {
			p[at+7] = 0
			p[at+8] = 5 // its bytes stay as stuffing
		}), "error pts_missing", "no PTS"},
		{"a DTS that stands still", onPES(0x100, 5, func(p []byte, at int) { setStamp(p[at+14:], 900000+4*3600) }), "error dts_order", "must rise"},
		{"a step back in time", func(ts []byte) []byte { return shift(ts, 40, -90000, false) }, "error dts_order, error dts_order, error pcr_order, warning audio_gap", ""},
		{"a jump of 20 s", func(ts []byte) []byte { return shift(ts, 40, 20*90000, false) }, "error pcr_interval, warning audio_gap, warning dts_gap, warning dts_gap", ""},
		{"a marked step back in time", func(ts []byte) []byte { return shift(ts, 40, -90000, true) }, "", ""},
		{"a marked jump of 20 s", func(ts []byte) []byte { return shift(ts, 40, 20*90000, true) }, "", ""},
		{"PTS before DTS", onPES(0x100, 5, func(p []byte, at int) { setStamp(p[at+9:], 900000) }), "error pts_before_dts", "before DTS"},
		{"PTS long after DTS", onPES(0x100, 5, func(p []byte, at int) { setStamp(p[at+9:], 900000+4*90000) }), "warning pts_distance", "3.8 s"},
		{"a PTS that comes twice", onPES(0x100, 5, func(p []byte, at int) { setStamp(p[at+9:], 900000+5*3600) }), "error pts_repeated", "came already"},

		{"no AUD at the start", onPES(0x100, 0, func(p []byte, at int) { p[at+19+4] = 12 }), "error start_no_aud", ""},
		{"no SPS at the start", onPES(0x100, 0, func(p []byte, at int) { p[at+19+6+4] = 12 }), "error start_no_parameter_sets", "alone"},
		{"no IDR at the start", onPES(0x100, 0, func(p []byte, at int) { p[at+19+6+23] = 0x41; p[5] &^= 0x40 }), "error start_no_idr", "no IDR"},
		{"no AUD later", onPES(0x100, 5, func(p []byte, at int) { p[at+19+4] = 12 }), "error aud_missing", "delimiter"},
		{"a broken SPS", onPES(0x100, 0, func(p []byte, at int) { p[at+19+6+8], p[at+19+6+9] = 0x01, 0x81 }), "error sps", "sequence parameter set"},
		{"a PES without picture", onPES(0x100, 5, func(p []byte, at int) { p[at+19+6+4] = 12 }), "warning pes_no_picture", "no picture"},
		{"an IDR without random_access_indicator", onPES(0x100, 10, func(p []byte, at int) { p[5] &^= 0x40 }), "warning random_access_unset", "IDR"},
		{"random_access_indicator on a P picture", onPES(0x100, 5, func(p []byte, at int) { p[5] |= 0x40 }), "warning random_access_false", "neither"},
		{"a frame that is not ADTS", onPES(0x101, 1, func(p []byte, at int) { p[at+14] = 0 }), "error adts", "syncword"},
		{"another sample rate", onPES(0x101, 5, func(p []byte, at int) { p[at+14+2] = 0x58 }), "warning audio_changed, warning audio_changed", "24000"},
		{"sound that jumps", onPES(0x101, 5, func(p []byte, at int) { setStamp(p[at+9:], stamp(p[at+9:], 2)+9100) }), "warning audio_gap", "101.1 ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.edit(bytes.Clone(clean))
			r := analyze(t, in, mpegts.AnalyzerOptions{})
			if got := codes(r); got != tt.want {
				t.Errorf("found %q, want %q\n%s", got, tt.want, r.AppendText(nil))
			}
			if tt.text != "" && (len(r.Findings) == 0 || !strings.Contains(r.Findings[0].Message, tt.text)) {
				t.Errorf("the first finding does not say %q\n%s", tt.text, r.AppendText(nil))
			}
			for _, f := range r.Findings {
				if f.Packet >= r.Packets+1 || f.Message == "" || strings.Contains(f.Message, "%!") {
					t.Errorf("finding %+v", f)
				}
			}
			// However the bytes are cut, the report is the same.
			a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
			rnd := rand.New(rand.NewPCG(1, 1))
			for rest := in; len(rest) > 0; {
				n := min(len(rest), 1+rnd.IntN(300))
				if _, err := a.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if got, want := fmt.Sprintf("%+v", a.Report()), fmt.Sprintf("%+v", r); got != want {
				t.Errorf("in pieces:\n%s\nat once:\n%s", got, want)
			}
		})
	}
}

func pcrAt(p []byte) uint64 {
	var pcr uint64
	for _, x := range p[6:10] {
		pcr = pcr<<8 | uint64(x)
	}
	return pcr<<1 | uint64(p[10]>>7)
}

// codes lists what was found, sorted; more than two of a kind are counted.
func codes(r mpegts.Report) string {
	var list []string
	for _, f := range r.Findings {
		list = append(list, string(f.Severity)+" "+string(f.Code))
	}
	slices.Sort(list)
	var out []string
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && list[i+n] == list[i] {
			n++
		}
		switch {
		case n <= 2 && !strings.Contains(list[i], "pcr_late"):
			out = append(out, slices.Repeat(list[i:i+1], n)...)
		default:
			out = append(out, fmt.Sprintf("%s x%d", list[i], n))
		}
		i += n
	}
	return strings.Join(out, ", ")
}

func TestAnalyzerReportsFacts(t *testing.T) {
	r := analyze(t, cleanSegment(t), mpegts.AnalyzerOptions{})
	if len(r.Streams) != 2 {
		t.Fatalf("%d streams", len(r.Streams))
	}
	v, s := r.Streams[0], r.Streams[1]
	if v.Codec != "H.264" || v.Width != 128 || v.Height != 96 || v.Frames != 20 || v.IDRs != 2 || v.FPS != 25 || v.FirstPTS != 903600 ||
		v.LastPTS != 903600+19*3600 || v.FirstDTS != 900000 || v.DurationS != 0.8 || v.PID != 0x100 || v.PESPackets != 20 {
		t.Errorf("video %+v", v)
	}
	if s.Codec != "AAC" || s.SampleRate != 16000 || s.Channels != 1 || s.Frames != 12 || s.FirstPTS != 900000 || s.Profile != "LC" || s.Bytes != 12*150 {
		t.Errorf("audio %+v", s)
	}
	if r.Program != 1 || r.PMTPID != 0x1000 || r.PCRPID != 0x100 || r.PATs != 1 || r.PMTs != 1 || r.PCRs != 20 || r.PCRIntervalMaxMS != 40 ||
		r.PCRLeadMaxMS != 700 || r.ConstantRate || r.DurationS != 0.8 || r.Bytes != r.Packets*188 {
		t.Errorf("report %+v", r)
	}
	content := float64(v.Bytes + s.Bytes)
	if want := (float64(r.Bytes) - content) / content * 100; math.Abs(r.OverheadPercent-want) > 0.001 {
		t.Errorf("overhead %v, want %v", r.OverheadPercent, want)
	}
}

func TestAnalyzerJSONAndText(t *testing.T) {
	ts := onPacket(0x100, 2, func([]byte) []byte { return nil })(cleanSegment(t))
	r := analyze(t, ts, mpegts.AnalyzerOptions{})
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", append(b, '\n'))
	golden(t, "report.txt", r.AppendText(nil))
	var back mpegts.Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", back) != fmt.Sprintf("%+v", r) {
		t.Errorf("through JSON: %+v\nwant %+v", back, r)
	}
}

func TestAnalyzerOfAStreamSaysNothingAboutItsStart(t *testing.T) {
	ts := cleanSegment(t)
	middle := append(bytes.Clone(ts[188*30:]), renumberFrom(ts, 188*30)...)
	r := analyze(t, middle, mpegts.AnalyzerOptions{Stream: true})
	for _, f := range r.Findings {
		if strings.HasPrefix(string(f.Code), "start_") || f.Code == mpegts.CodePosition || f.Code == mpegts.CodeBeforeTables || f.Code == mpegts.CodePESRest {
			t.Errorf("%+v", f)
		}
	}
}

// renumberFrom gives ts with counters and times that follow its own end, as a second segment.
func renumberFrom(ts []byte, _ int) []byte {
	both := renumber(append(bytes.Clone(ts), shift(ts, 0, 72000, false)...))
	return both[len(ts):]
}

func TestAnalyzerTakesSegmentsInARow(t *testing.T) {
	ts := cleanSegment(t)
	r := analyze(t, append(bytes.Clone(ts), renumberFrom(ts, 0)...), mpegts.AnalyzerOptions{})
	if got := codes(r); got != "" {
		t.Errorf("found %s\n%s", got, r.AppendText(nil))
	}
	if r.Streams[0].Frames != 40 || r.PATs != 2 || r.TableIntervalMaxMS != 800 {
		t.Errorf("%+v", r)
	}
}

func TestAnalyzerBoundsItsFindings(t *testing.T) {
	var ts []byte
	for i := range 5000 {
		p := setPID(bytes.Clone(packetAt(cleanSegmentCache, 2)), 0x100)
		p[3] = p[3]&0xF0 | byte(i*3)&15
		ts = append(ts, p...)
	}
	r := analyze(t, ts, mpegts.AnalyzerOptions{MaxFindings: 3})
	n := 0
	for _, f := range r.Findings {
		if f.Code == mpegts.CodeContinuity {
			n++
		}
	}
	if n != 3 || r.Omitted[mpegts.CodeContinuity] != 4996 || r.Errors < 4999 {
		t.Errorf("%d continuity findings kept, %d omitted, %d errors", n, r.Omitted[mpegts.CodeContinuity], r.Errors)
	}
}

var cleanSegmentCache = func() []byte {
	m := mpegts.NewMuxer()
	return m.AppendVideo(m.AppendTables(nil), &mpegts.VideoFrame{Parts: one(au(1000, true, 1))})
}()

func TestAnalyzerRefusesBytesAfterTheReport(t *testing.T) {
	a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
	a.Report()
	if _, err := a.Write([]byte{1}); !errors.Is(err, mpegts.ErrReported) {
		t.Errorf("Write after Report: %v", err)
	}
}

func TestAnalyzerJudgesJitterOnlyAtAConstantRate(t *testing.T) {
	// A stream of one packet per millisecond, every 20th with a PCR.
	make := func(jitter func(n int) int) []byte {
		ts := append(pat(0, 1, 0x1000), pmt(0x1000, 0, 0, 0x100, 0x1B, 0x100)...)
		for n := range 400 {
			p := append([]byte{0x47, 0x1F, 0xFF, 0x10}, bytes.Repeat([]byte{0}, 184)...)
			if n%20 == 0 {
				p = append([]byte{0x47, 1, 0, 0x20, 183, 0x10, 0, 0, 0, 0, 0x7E, 0}, bytes.Repeat([]byte{0xFF}, 176)...)
				pcr := 27000*n + jitter(n)
				setPCR(p, uint64(pcr/300))
				p[10] |= byte(pcr % 300 >> 8)
				p[11] = byte(pcr % 300)
			}
			ts = append(ts, p...)
		}
		return ts
	}
	r := analyze(t, make(func(int) int { return 0 }), mpegts.AnalyzerOptions{})
	if !r.ConstantRate || r.PCRJitterMaxUS != 0 || strings.Contains(codes(r), "pcr_jitter") {
		t.Errorf("steady: %+v", r)
	}
	r = analyze(t, make(func(n int) int { return n / 20 % 2 * 270 }), mpegts.AnalyzerOptions{}) // 10 µs to and fro
	if !r.ConstantRate || r.PCRJitterMaxUS < 19 || r.PCRJitterMaxUS > 21 || !strings.Contains(codes(r), "warning pcr_jitter") {
		t.Errorf("10 µs: %+v", r)
	}
	r = analyze(t, make(func(n int) int { return n / 40 % 3 * 100000 }), mpegts.AnalyzerOptions{})
	if r.ConstantRate || strings.Contains(codes(r), "pcr_jitter") {
		t.Errorf("variable: %+v", r)
	}
}

func TestAnalyzerOfReferenceSegments(t *testing.T) {
	tests := []struct {
		name  string
		want  string
		fps   float64
		audio int64
	}{
		{"ts_reference/apple_bipbop0.ts", "warning random_access_unset x5", 15000. / 1001, 215},
		{"ts_reference/shaka_bframes_1.ts", "warning random_access_unset x6", 25, 0},
		{"ts_reference/shaka_h264_aac_0.ts", "", 24, 281},
		{"features/exo_iframes_only.ts", "warning tables_position", 30, 0}, // begins with ffmpeg's SDT
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := analyze(t, readMedia(t, tt.name), mpegts.AnalyzerOptions{})
			if got := codes(r); got != tt.want {
				t.Errorf("found %q, want %q\n%s", got, tt.want, r.AppendText(nil))
			}
			frames, _ := manifest(t, tt.name)
			for _, s := range r.Streams {
				if s.Kind == mpegts.Audio && s.Frames != tt.audio {
					t.Errorf("%d ADTS frames, want %d", s.Frames, tt.audio)
				}
				if s.Kind == mpegts.Video && (s.Frames != int64(frames) || s.FPS < tt.fps*0.999 || s.FPS > tt.fps*1.001) {
					t.Errorf("%d pictures at %v per second, want %d at %v", s.Frames, s.FPS, frames, tt.fps)
				}
			}
		})
	}
}

func BenchmarkAnalyzer(b *testing.B) {
	m := mpegts.NewMuxer()
	ts := m.AppendTables(nil)
	for i := range int64(75) {
		ts = m.AppendVideo(ts, &mpegts.VideoFrame{Parts: one(au(25000, i == 0, 1)), PTS: i * 3600, DTS: i * 3600, RandomAccess: i == 0})
	}
	b.SetBytes(int64(len(ts)))
	for b.Loop() {
		a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
		if _, err := a.Write(ts); err != nil {
			b.Fatal(err)
		}
		a.Report()
	}
}
