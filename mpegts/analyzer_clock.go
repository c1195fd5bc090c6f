// SPDX-License-Identifier: Apache-2.0

package mpegts

const (
	pcrPerMS    = 27000 // the PCR counts 27 MHz
	pcrModulus  = (1 << timestampBits) * 300
	jitterLimit = 27 // 1 µs: twice the tolerance of ±500 ns (§2.4.2.2), as two PCRs make the line
)

// pcrState follows the program clock.
type pcrState struct {
	count     int64
	value     uint64 // of the last PCR
	at        int64  // byte position behind its packet's PCR field
	packet    int64
	maxGap    int64 // 27 MHz
	leadMin   int64 // 27 MHz, DTS less PCR
	leadMax   int64
	hasLead   bool
	elsewhere bool // a PCR on another PID was reported

	// Rates of the last interval and the extremes of all, for ConstantRate.
	lastGap, lastBytes int64
	intervals          int64
	minRate, maxRate   float64 // bytes per 27 MHz tick
	maxJitter          int64   // 27 MHz

	dts    uint64 // of the first PES packet that began with or after the last PCR
	hasDTS bool
}

// pcrDiff gives a-b the shorter way round.
func pcrDiff(a, b uint64) int64 {
	d := int64((a + pcrModulus - b%pcrModulus) % pcrModulus)
	if d >= pcrModulus/2 {
		d -= pcrModulus
	}
	return d
}

// clock checks a PCR.
func (a *Analyzer) clock(s *pidState, p *packet) {
	if p.badPCR {
		a.found.add(CodePCRValue, a.packet, int(s.pid), "the PCR's extension is above 299")
		return
	}
	if !a.prog.hasPMT {
		return // whose clock it is cannot be told yet
	}
	if s.pid != a.prog.pmt.pcrPID {
		if !a.pcr.elsewhere {
			a.pcr.elsewhere = true
			a.found.add(CodePCRPID, a.packet, int(s.pid), "a PCR on PID %#04x; the PMT names PID %#04x for it", s.pid, a.prog.pmt.pcrPID)
		}
		return
	}
	if p.discontinuity { // a new clock is that of the whole program
		for _, e := range a.prog.streams {
			e.moved = true
		}
	}
	a.prog.timePAT(p.pcr)
	c := &a.pcr
	at := a.packet*PacketSize + 11 // §2.4.2.2: the time is that of the base's last bit
	if c.count > 0 && !p.discontinuity {
		gap, bytes := pcrDiff(p.pcr, c.value), at-c.at
		switch {
		case gap <= 0:
			a.found.add(CodePCROrder, a.packet, int(s.pid), "the PCR goes from %d to %d (90 kHz) since packet %d without a discontinuity_indicator",
				c.value/300, p.pcr/300, c.packet)
			c.lastGap = 0
		default:
			c.maxGap = max(c.maxGap, gap)
			if gap > MaxPCRInterval*300 {
				a.found.add(CodePCRInterval, a.packet, int(s.pid), "the PCR comes %.1f ms after the one in packet %d; 100 ms are allowed",
					float64(gap)/pcrPerMS, c.packet)
			}
			c.rate(gap, bytes)
		}
	} else {
		c.lastGap = 0
	}
	c.count++
	c.value, c.at, c.packet, c.hasDTS = p.pcr, at, a.packet, false
}

// rate compares an interval with the one before it.
func (c *pcrState) rate(gap, bytes int64) {
	r := float64(bytes) / float64(gap)
	if c.intervals == 0 {
		c.minRate, c.maxRate = r, r
	}
	c.minRate, c.maxRate = min(c.minRate, r), max(c.maxRate, r)
	c.intervals++
	if c.lastGap > 0 && c.lastBytes > 0 {
		expected := float64(c.lastGap) / float64(c.lastBytes) * float64(bytes)
		c.maxJitter = max(c.maxJitter, int64(abs(float64(gap)-expected)))
	}
	c.lastGap, c.lastBytes = gap, bytes
}

// constantRate applies the definition in Report.ConstantRate.
func (c *pcrState) constantRate() bool {
	return c.intervals >= 10 && c.maxRate <= c.minRate*1.05
}

// lead compares a PES packet's decoding time with the clock.
func (a *Analyzer) lead(e *esState, dts uint64) {
	c := &a.pcr
	if c.count == 0 {
		return
	}
	if !c.hasDTS && e.kind == Video {
		c.dts, c.hasDTS = dts, true
	}
	lead := pcrDiff(dts*300, c.value)
	if !c.hasLead {
		c.leadMin, c.leadMax, c.hasLead = lead, lead, true
	}
	c.leadMin, c.leadMax = min(c.leadMin, lead), max(c.leadMax, lead)
	switch {
	case lead < 0:
		a.found.add(CodePCRLate, a.packet, int(e.pid), "the PES packet begins %.1f ms after its decoding time, by the PCR in packet %d",
			-float64(lead)/pcrPerMS, c.packet)
	case lead > 10*Timescale*300: // §2.4.2.6: 10 s for ISO/IEC 14496 streams
		a.found.add(CodePCREarly, a.packet, int(e.pid), "the PES packet comes %.1f s before its decoding time, by the PCR in packet %d",
			float64(lead)/pcrPerMS/1000, c.packet)
	}
}

// finishClock judges what can be said only at the end.
func (a *Analyzer) finishClock() {
	c, r := &a.pcr, &a.report
	r.PCRs = c.count
	if a.prog.hasPMT && c.count == 0 {
		a.found.add(CodePCRMissing, wholeStream, int(a.prog.pmt.pcrPID), "there is no PCR on PID %#04x", a.prog.pmt.pcrPID)
		return
	}
	if v := a.video(); v != nil && v.hasDTS && c.hasDTS {
		if rest := timestampDiff(v.dts, c.dts); rest > MaxPCRInterval {
			a.found.add(CodePCRInterval, wholeStream, int(a.prog.pmt.pcrPID), "no PCR comes in the last %.1f s of the stream, after packet %d",
				float64(rest)/Timescale, c.packet)
			c.maxGap = max(c.maxGap, rest*300)
		}
	}
	r.PCRIntervalMaxMS = float64(c.maxGap) / pcrPerMS
	r.PCRLeadMinMS, r.PCRLeadMaxMS = float64(c.leadMin)/pcrPerMS, float64(c.leadMax)/pcrPerMS
	if r.ConstantRate = c.constantRate(); r.ConstantRate {
		r.PCRJitterMaxUS = float64(c.maxJitter) / pcrPerMS * 1000
		if c.maxJitter > jitterLimit {
			a.found.add(CodePCRJitter, wholeStream, int(a.prog.pmt.pcrPID), "PCRs are up to %.1f µs off their byte position in a stream of constant rate",
				r.PCRJitterMaxUS)
		}
	}
}

func abs(x float64) float64 {
	if x < 0 {
		return -x
	}
	return x
}
