// SPDX-License-Identifier: Apache-2.0

package mpegts

import (
	"fmt"
	"strconv"
)

// Severity ranks a finding.
type Severity string

// The severities: an error breaks a rule of ISO/IEC 13818-1 or RFC 8216, or makes a segment useless on its own; a warning is legal
// or nearly so but troubles players; an info is only unusual.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Code names a kind of finding. Codes are stable: programs may compare them.
type Code string

// The codes. Those without a word on it are errors.
const (
	CodeEmpty         Code = "empty"            // not one packet
	CodeSync          Code = "sync"             // bytes that are no packet where one should begin
	CodePartialPacket Code = "partial_packet"   // the input ends inside a packet
	CodeTransport     Code = "transport_error"  // transport_error_indicator is set
	CodeScrambled     Code = "scrambled"        // encrypted packets or PES packets
	CodeAdaptation    Code = "adaptation_field" // the adaptation field does not fit, or its control bits are reserved
	CodeContinuity    Code = "continuity"       // the continuity counter jumps: packets are missing, repeated or swapped
	CodeUnknownPID    Code = "unknown_pid"      // warning: packets on a PID that no table names
	CodeTooManyPIDs   Code = "too_many_pids"    // warning: more PIDs than are looked at

	CodePATMissing   Code = "pat_missing"
	CodePMTMissing   Code = "pmt_missing"
	CodePosition     Code = "tables_position"  // warning: PAT and PMT are not the first two packets (RFC 8216 §3)
	CodeBeforeTables Code = "before_tables"    // packets of a stream come before the tables that announce it
	CodeSection      Code = "section"          // a table's lengths or fixed bits are wrong
	CodeCRC          Code = "crc"              // a table's checksum is wrong
	CodePrograms     Code = "programs"         // not exactly one program
	CodePMTChanged   Code = "pmt_changed"      // info: the PMT changed on the way
	CodePMTVersion   Code = "pmt_version"      // warning: it changed without a new version_number
	CodeNoVideo      Code = "no_video"         // the program has no H.264 stream
	CodeUnsupported  Code = "unsupported"      // warning: a stream that s3cam does not play
	CodeAbsent       Code = "stream_absent"    // warning: a stream is announced and does not come. Error for video
	CodeUnannounced  Code = "stream_unlisted"  // warning: audio or video comes on a PID that the PMT does not name
	CodePCRMissing   Code = "pcr_missing"      // no PCR on the PCR PID
	CodePCRPID       Code = "pcr_pid"          // warning: a PCR on another PID, or the PMT names no PID for it
	CodePCRInterval  Code = "pcr_interval"     // PCRs more than 100 ms apart
	CodePCROrder     Code = "pcr_order"        // the PCR does not rise
	CodePCRValue     Code = "pcr_value"        // the extension is above 299
	CodePCRJitter    Code = "pcr_jitter"       // warning: the PCR is off its byte position; only in streams of constant rate
	CodePCRLate      Code = "pcr_late"         // data comes after its decoding time
	CodePCREarly     Code = "pcr_early"        // warning: data comes more than 10 s before its decoding time
	CodePESStart     Code = "pes_start"        // a PES packet does not begin with 00 00 01
	CodePESHeader    Code = "pes_header"       // a PES header's bits or lengths are wrong
	CodePESLength    Code = "pes_length"       // a PES packet is shorter or longer than it says
	CodePESUnbounded Code = "pes_unbounded"    // PES_packet_length 0 on a stream that is not video
	CodePESRest      Code = "pes_continuation" // a stream begins in the middle of a PES packet
	CodeStreamID     Code = "stream_id"        // the stream id does not fit the stream type
	CodePTSMissing   Code = "pts_missing"      // a PES packet without PTS
	CodeDTSOrder     Code = "dts_order"        // the decoding time does not rise
	CodeDTSGap       Code = "dts_gap"          // warning: the decoding time jumps ahead by more than 10 s
	CodePTSOrder     Code = "pts_before_dts"   // a picture is shown before it is decoded
	CodePTSDistance  Code = "pts_distance"     // warning: a picture is shown more than 3 s after it is decoded
	CodePTSRepeated  Code = "pts_repeated"     // two pictures have one PTS

	CodeStartAUD    Code = "start_no_aud"            // the segment's first picture has no access unit delimiter
	CodeStartSets   Code = "start_no_parameter_sets" // it has no SPS and PPS in front
	CodeStartIDR    Code = "start_no_idr"            // it is not an IDR picture
	CodeAUD         Code = "aud_missing"             // a picture without access unit delimiter (§2.14.1)
	CodeSPS         Code = "sps"                     // a sequence parameter set cannot be read
	CodeNoPicture   Code = "pes_no_picture"          // warning: a video PES in which no picture begins
	CodeRandomUnset Code = "random_access_unset"     // warning: an IDR picture without random_access_indicator
	CodeRandomFalse Code = "random_access_false"     // warning: random_access_indicator on a picture where decoding cannot start
	CodeADTS        Code = "adts"                    // an ADTS frame does not begin where it should
	CodeAudioChange Code = "audio_changed"           // warning: sample rate or channels change
	CodeAudioGap    Code = "audio_gap"               // warning: audio times are off the number of samples by more than 100 ms
)

// severity gives the usual rank of a code.
func (c Code) severity() Severity {
	switch c {
	case CodeUnknownPID, CodeTooManyPIDs, CodePosition, CodePMTVersion, CodeUnsupported, CodeAbsent, CodeUnannounced, CodePCRPID,
		CodePCRJitter, CodePCREarly, CodeDTSGap, CodePTSDistance, CodeNoPicture, CodeRandomUnset, CodeRandomFalse, CodeAudioChange,
		CodeAudioGap:
		return Warning
	case CodePMTChanged:
		return Info
	}
	return Error
}

// Finding is one thing that is wrong or unusual.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Packet   int64    `json:"packet"` // number of the packet it was seen in, from 0; -1 when it is about the whole
	PID      int      `json:"pid"`    // -1 when it is about no single one
	Message  string   `json:"message"`
}

const (
	wholeStream = -1
	noPID       = -1
)

// findings collects findings: limit of each code, and the number of all.
type findings struct {
	limit  int64
	list   []Finding
	counts map[Code]int64
	ranks  map[Severity]int64
}

func (f *findings) add(code Code, packet int64, pid int, format string, args ...any) {
	f.addAs(code.severity(), code, packet, pid, format, args...)
}

func (f *findings) addAs(rank Severity, code Code, packet int64, pid int, format string, args ...any) {
	if f.counts == nil {
		f.counts, f.ranks = map[Code]int64{}, map[Severity]int64{}
	}
	f.counts[code]++
	f.ranks[rank]++
	if f.counts[code] <= f.limit {
		f.list = append(f.list, Finding{code, rank, packet, pid, fmt.Sprintf(format, args...)})
	}
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// omitted gives how many findings of each code were counted only; nil when none.
func (f *findings) omitted() map[Code]int64 {
	var m map[Code]int64
	for code, n := range f.counts {
		if n > f.limit {
			if m == nil {
				m = map[Code]int64{}
			}
			m[code] = n - f.limit
		}
	}
	return m
}
