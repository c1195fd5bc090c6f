// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// AppendText appends the report in words, a few aligned lines for the stream and one for each finding, and a line end.
func (r *Report) AppendText(dst []byte) []byte {
	line := func(head, format string, args ...any) {
		dst = fmt.Appendf(dst, "%-11s"+format+"\n", append([]any{head}, args...)...)
	}
	line("stream", "%s packets, %s bytes, %.3f s, %s", group(r.Packets), group(r.Bytes), r.DurationS, rate(r.BitsPerSecond)+overhead(r))
	if r.PMTPID >= 0 {
		clock := "no PCR PID"
		if r.PCRPID >= 0 {
			clock = fmt.Sprintf("PCR on PID 0x%04x", r.PCRPID)
		}
		line("program", "%d, PMT on PID 0x%04x, %s", r.Program, r.PMTPID, clock)
	}
	if r.PATs+r.PMTs > 0 {
		more := ""
		if r.TableIntervalMaxMS > 0 {
			more = fmt.Sprintf(", at most %.0f ms apart", r.TableIntervalMaxMS)
		}
		line("tables", "%d PAT, %d PMT%s", r.PATs, r.PMTs, more)
	}
	if r.PCRs > 0 {
		mode := "variable rate"
		if r.ConstantRate {
			mode = fmt.Sprintf("constant rate, jitter at most %.1f µs", r.PCRJitterMaxUS)
		}
		line("clock", "%d PCR, at most %.1f ms apart, %.0f to %.0f ms ahead of decoding, %s", r.PCRs, r.PCRIntervalMaxMS, r.PCRLeadMinMS,
			r.PCRLeadMaxMS, mode)
	}
	for i := range r.Streams {
		s := &r.Streams[i]
		line(s.Kind.String(), "PID 0x%04x, %s", s.PID, s.describe())
	}
	if r.NullPackets+r.DuplicatePackets+r.SkippedBytes > 0 {
		line("besides", "%d null packets, %d duplicate packets, %d bytes outside packets", r.NullPackets, r.DuplicatePackets, r.SkippedBytes)
	}
	line("findings", "%s", r.summary())
	for _, f := range r.Findings {
		where := "whole stream"
		if f.Packet >= 0 {
			where = "packet " + strconv.FormatInt(f.Packet, 10)
		}
		pid := ""
		if f.PID >= 0 {
			pid = fmt.Sprintf("0x%04x", f.PID)
		}
		dst = fmt.Appendf(dst, "  %-7s  %-13s  %-6s  %-23s  %s\n", f.Severity, where, pid, f.Code, f.Message)
	}
	for _, code := range sortedCodes(r.Omitted) {
		dst = fmt.Appendf(dst, "  and %d more of %s\n", r.Omitted[code], code)
	}
	return dst
}

// summary counts the findings in words.
func (r *Report) summary() string {
	var parts []string
	for _, c := range []struct {
		n    int64
		name string
	}{{r.Errors, "error"}, {r.Warnings, "warning"}, {r.Infos, "info"}} {
		if c.n > 0 {
			parts = append(parts, count(int(c.n), c.name, c.name+"s"))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (s *StreamReport) describe() string {
	parts := []string{s.Codec}
	if s.Profile != "" {
		parts[0] += " " + s.Profile
	}
	if s.Level != "" {
		parts[0] += " level " + s.Level
	}
	if s.Width > 0 {
		parts = append(parts, fmt.Sprintf("%dx%d", s.Width, s.Height))
	}
	if s.FPS > 0 {
		parts = append(parts, trim(s.FPS)+" frames/s")
	}
	if s.SampleRate > 0 {
		parts = append(parts, fmt.Sprintf("%d Hz", s.SampleRate), channels(s.Channels))
	}
	if s.Kind != Other {
		frames := count(int(s.Frames), "frame", "frames")
		if s.Kind == Video {
			frames += fmt.Sprintf(" (%d IDR)", s.IDRs)
		}
		parts = append(parts, frames+fmt.Sprintf(" in %d PES", s.PESPackets))
	}
	if s.DurationS > 0 {
		parts = append(parts, fmt.Sprintf("%.3f s", s.DurationS), rate(s.BitsPerSecond))
	}
	if s.FirstPTS >= 0 {
		parts = append(parts, fmt.Sprintf("PTS %d to %d", s.FirstPTS, s.LastPTS))
	}
	if s.Packets == 0 {
		parts = append(parts, "no packets")
	}
	return strings.Join(parts, ", ")
}

func overhead(r *Report) string {
	if r.OverheadPercent <= 0 {
		return ""
	}
	return fmt.Sprintf(", overhead %.2f %%", r.OverheadPercent)
}

func channels(n int) string {
	switch n {
	case 1:
		return "mono"
	case 2:
		return "stereo"
	}
	return strconv.Itoa(n) + " channels"
}

func rate(bitsPerSecond int64) string {
	switch {
	case bitsPerSecond >= 1_000_000:
		return fmt.Sprintf("%.2f Mbit/s", float64(bitsPerSecond)/1e6)
	case bitsPerSecond >= 1000:
		return fmt.Sprintf("%.1f kbit/s", float64(bitsPerSecond)/1e3)
	}
	return fmt.Sprintf("%d bit/s", bitsPerSecond)
}

// trim writes a rate with as many decimals as it needs, at most 3.
func trim(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(x, 'f', 3, 64), "0"), ".")
}

// group writes a number with a comma between thousands.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func sortedCodes(m map[Code]int64) []Code {
	codes := make([]Code, 0, len(m))
	for c := range m {
		codes = append(codes, c)
	}
	slices.Sort(codes)
	return codes
}
