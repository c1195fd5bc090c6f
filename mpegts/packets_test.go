// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// The reader below is written from the standard and shares no code with the package, so that it can judge the Muxer.

type packet struct {
	pid                   int
	unitStart, tei        bool
	cc                    int
	hasPayload, hasAdapt  bool
	discontinuity, random bool
	hasPCR                bool
	pcr                   uint64
	stuffing              int
	payload               []byte
}

func parsePackets(t testing.TB, ts []byte) []packet {
	t.Helper()
	if len(ts)%188 != 0 {
		t.Fatalf("stream has %d bytes, not a multiple of 188", len(ts))
	}
	var out []packet
	for i := 0; i < len(ts); i += 188 {
		b := ts[i : i+188]
		if b[0] != 0x47 {
			t.Fatalf("packet %d: sync byte is %#x", i/188, b[0])
		}
		p := packet{
			pid: int(b[1]&0x1F)<<8 | int(b[2]), unitStart: b[1]&0x40 != 0, tei: b[1]&0x80 != 0,
			cc: int(b[3] & 15), hasAdapt: b[3]&0x20 != 0, hasPayload: b[3]&0x10 != 0,
		}
		if b[1]&0x20 != 0 || b[3]&0xC0 != 0 {
			t.Fatalf("packet %d: priority or scrambling set: % x", i/188, b[:4])
		}
		at := 4
		if p.hasAdapt {
			n := int(b[4])
			if n > 183 || (p.hasPayload && n > 182) || (!p.hasPayload && n != 183) {
				t.Fatalf("packet %d: adaptation field of %d bytes", i/188, n)
			}
			at = 5 + n
			if n > 0 {
				flags, body := b[5], b[6:at]
				p.discontinuity, p.random = flags&0x80 != 0, flags&0x40 != 0
				if flags&0x2F != 0 {
					t.Fatalf("packet %d: unexpected adaptation flags %#x", i/188, flags)
				}
				if flags&0x10 != 0 {
					p.hasPCR = true
					for _, x := range body[:4] {
						p.pcr = p.pcr<<8 | uint64(x)
					}
					p.pcr = p.pcr<<1 | uint64(body[4]>>7)
					if body[4]&0x7E != 0x7E || body[4]&1 != 0 || body[5] != 0 {
						t.Fatalf("packet %d: PCR reserved bits or extension: % x", i/188, body[:6])
					}
					body = body[6:]
				}
				p.stuffing = len(body)
				if n := bytes.Count(body, []byte{0xFF}); n != len(body) {
					t.Fatalf("packet %d: stuffing is not all FF", i/188)
				}
			}
		}
		if p.hasPayload {
			p.payload = b[at:]
		}
		out = append(out, p)
	}
	return out
}

type pes struct {
	pid, packet int
	id          byte
	length      int
	aligned     bool
	pts, dts    uint64
	hasDTS      bool
	random      bool
	discont     bool
	pcr         uint64
	data        []byte
}

func stamp(b []byte, marker byte) uint64 {
	if b[0]>>4 != marker || b[0]&b[2]&b[4]&1 != 1 {
		panic(fmt.Sprintf("time stamp % x: marker bits", b[:5]))
	}
	return uint64(b[0]>>1&7)<<30 | uint64(b[1])<<22 | uint64(b[2]>>1)<<15 | uint64(b[3])<<7 | uint64(b[4]>>1)
}

// parsePES checks the continuity counters and gives the PES packets of both elementary streams, in the order of their starts.
func parsePES(t testing.TB, packets []packet) []*pes {
	t.Helper()
	next := map[int]int{}
	open := map[int]*pes{}
	var all []*pes
	for i, p := range packets {
		if want, seen := next[p.pid]; seen {
			if !p.hasPayload {
				want = (want + 15) & 15
			}
			if p.cc != want {
				t.Fatalf("packet %d PID %#x: continuity counter %d, want %d", i, p.pid, p.cc, want)
			}
		}
		if p.hasPayload {
			next[p.pid] = (p.cc + 1) & 15
		}
		if p.pid != 0x100 && p.pid != 0x101 || !p.hasPayload {
			continue
		}
		b := p.payload
		if p.unitStart {
			if !bytes.HasPrefix(b, []byte{0, 0, 1}) {
				t.Fatalf("packet %d: no PES start code: % x", i, b[:4])
			}
			e := &pes{pid: p.pid, packet: i, id: b[3], length: int(b[4])<<8 | int(b[5]), aligned: b[6]&4 != 0,
				random: p.random, discont: p.discontinuity, pcr: p.pcr}
			switch {
			case b[6] != 0x84:
				t.Fatalf("packet %d: PES flags %#x", i, b[6])
			case b[7] == 0x80 && b[8] == 5:
				e.pts = stamp(b[9:], 2)
				e.dts = e.pts
			case b[7] == 0xC0 && b[8] == 10:
				e.pts, e.dts, e.hasDTS = stamp(b[9:], 3), stamp(b[14:], 1), true
			default:
				t.Fatalf("packet %d: PES flags %#x, header length %d", i, b[7], b[8])
			}
			b = b[9+int(b[8]):]
			open[p.pid] = e
			all = append(all, e)
		}
		if open[p.pid] == nil {
			t.Fatalf("packet %d PID %#x: payload before the first PES", i, p.pid)
		}
		open[p.pid].data = append(open[p.pid].data, b...)
	}
	for _, e := range all {
		want := 0
		if e.pid == 0x101 {
			want = 3 + 5 + len(e.data)
		}
		if e.length != want {
			t.Fatalf("PES at packet %d: length %d, want %d", e.packet, e.length, want)
		}
	}
	return all
}

// dump renders packets for people, one line each.
func dump(t testing.TB, ts []byte) string {
	var s strings.Builder
	for i, p := range parsePackets(t, ts) {
		fmt.Fprintf(&s, "%4d  pid %04x  cc %2d", i, p.pid, p.cc)
		if p.unitStart {
			s.WriteString("  start")
		}
		if p.discontinuity {
			s.WriteString("  discontinuity")
		}
		if p.random {
			s.WriteString("  random-access")
		}
		if p.hasPCR {
			fmt.Fprintf(&s, "  pcr %d", p.pcr)
		}
		if p.hasAdapt {
			fmt.Fprintf(&s, "  stuffing %d", p.stuffing)
		}
		fmt.Fprintf(&s, "  payload %d", len(p.payload))
		switch b := p.payload; {
		case p.pid == 0 && p.unitStart:
			fmt.Fprintf(&s, "  PAT version %d, program %d on pid %04x", b[6]>>1&31, int(b[9])<<8|int(b[10]), int(b[11]&0x1F)<<8|int(b[12]))
		case p.pid == 0x1000 && p.unitStart:
			n := int(b[2]&15)<<8 | int(b[3])
			fmt.Fprintf(&s, "  PMT version %d, pcr pid %04x", b[6]>>1&31, int(b[9]&0x1F)<<8|int(b[10]))
			for es := b[13 : 4+n-4]; len(es) > 0; es = es[5:] {
				fmt.Fprintf(&s, ", type %02x on pid %04x", es[0], int(es[1]&0x1F)<<8|int(es[2]))
			}
		case p.unitStart:
			fmt.Fprintf(&s, "  PES id %02x length %d", b[3], int(b[4])<<8|int(b[5]))
			if b[7]&0xC0 == 0xC0 {
				fmt.Fprintf(&s, "  pts %d dts %d", stamp(b[9:], 3), stamp(b[14:], 1))
			} else {
				fmt.Fprintf(&s, "  pts %d", stamp(b[9:], 2))
			}
			data := b[9+int(b[8]):]
			fmt.Fprintf(&s, "  data % x", data[:min(len(data), 12)])
		}
		s.WriteByte('\n')
	}
	return s.String()
}
