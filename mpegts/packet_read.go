// SPDX-License-Identifier: Apache-2.0

package mpegts

import "encoding/binary"

// packet is one transport packet taken apart (§2.4.3.2, §2.4.3.4).
type packet struct {
	pid           uint16
	cc            byte
	scrambling    byte
	transportErr  bool
	unitStart     bool
	hasPayload    bool
	hasAdaptation bool
	discontinuity bool
	randomAccess  bool
	hasPCR        bool
	badPCR        bool   // its extension is above 299
	pcr           uint64 // 27 MHz: 300 times the base plus the extension
	payload       []byte // part of the buffer that was read
}

// packetFault is what is wrong with the form of a packet.
type packetFault uint8

const (
	faultNone             packetFault = iota
	faultControl                      // adaptation_field_control is 00, which is reserved
	faultAdaptationLength             // the adaptation field does not end where it must
	faultPCRLength                    // the adaptation field is too short for the PCR it announces
)

// read takes the 188 bytes of b apart; b[0] is the sync byte. After a fault the header is still right and payload holds what
// can be told from the adaptation field.
func (p *packet) read(b []byte) packetFault {
	b = b[:PacketSize]
	h := binary.BigEndian.Uint32(b)
	*p = packet{
		pid:           uint16(h>>headerPIDShift) & 0x1FFF,
		cc:            byte(h) & 15,
		scrambling:    byte(h>>6) & 3,
		transportErr:  h&(1<<23) != 0,
		unitStart:     h&headerUnitStart != 0,
		hasAdaptation: h&headerAdaptation != 0,
		hasPayload:    h&headerPayload != 0,
	}
	if !p.hasAdaptation {
		if !p.hasPayload {
			return faultControl
		}
		p.payload = b[headerBytes:]
		return faultNone
	}
	return p.readAdaptation(b)
}

func (p *packet) readAdaptation(b []byte) packetFault {
	n := int(b[4])
	if n > payloadBytes-1 {
		p.hasPayload = false
		return faultAdaptationLength
	}
	fault := faultNone
	if n > 0 {
		flags := b[5]
		p.discontinuity = flags&flagDiscontinuity != 0
		p.randomAccess = flags&flagRandomAccess != 0
		if flags&flagPCR != 0 {
			if n < pcrFieldBytes-1 {
				fault = faultPCRLength
			} else {
				base, extension := getPCR(b[6:])
				p.hasPCR, p.badPCR, p.pcr = true, extension > 299, base*300+uint64(extension)
			}
		}
	}
	if p.hasPayload {
		p.payload = b[5+n:]
		if n == payloadBytes-1 { // §2.4.3.5: 0 to 182 before a payload
			p.hasPayload = false
			fault = faultAdaptationLength
		}
	} else if n != payloadBytes-1 { // 183 without payload
		fault = faultAdaptationLength
	}
	return fault
}

// syncRun is how many packet starts in a row, one packet apart, make us believe that there are packets. Random bytes look like
// one (sync byte, adaptation_field_control not 00) about once in 340 places.
const syncRun = 5

// syncReach is how far findSync looks ahead at most. Unless it has the end of the data, it judges only places with that much behind them.
const syncReach = (syncRun - 1) * 204

// findSync looks for the first place in b at which packets begin, and for their distance: plain packets, those with a time stamp
// of 4 bytes in front (M2TS), those with 16 bytes of error correction behind. It wants syncRun starts; two are enough where
// a packet is to be expected, that is with fresh set at the start of b and one packet on (when only one sync byte is broken); at the
// end of the data, as many as fit, of at least one whole packet.
func findSync(b []byte, fresh, atEnd bool) (offset, stride int, ok bool) {
	starts := func(at int) bool {
		return b[at] == syncByte && (at+3 >= len(b) || b[at+3]&(headerPayload|headerAdaptation) != 0)
	}
	last := len(b) - PacketSize
	if !atEnd {
		last = len(b) - syncReach - 1
	}
	for o := 0; o <= last; o++ {
		if !starts(o) {
			continue
		}
		need := syncRun
		if fresh && (o == 0 || o == PacketSize) {
			need = 2
		}
		for _, s := range [...]int{PacketSize, 192, 204} {
			run := 1
			for run < need && o+run*s < len(b) && starts(o+run*s) {
				run++
			}
			if run == need || atEnd && o+run*s >= len(b) {
				return o, s, true
			}
		}
	}
	return 0, 0, false
}
