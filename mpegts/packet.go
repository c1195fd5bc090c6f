// SPDX-License-Identifier: Apache-2.0

package mpegts

// PacketSize is the length of a transport packet in bytes (ISO/IEC 13818-1 §2.4.3.2).
const PacketSize = 188

// The PIDs, stream types and stream ids that the Muxer uses. They are those of the original camera SDK, so its segments and ours
// can follow each other in one bucket. The Demuxer takes PIDs and types from the stream's own tables.
const (
	PIDPAT   = 0x0000 // program association table, fixed by §2.4.4.4
	PIDVideo = 0x0100 // H.264 and the PCR
	PIDAudio = 0x0101 // AAC
	PIDPMT   = 0x1000 // program map table
	PIDNull  = 0x1FFF // stuffing packets, §2.4.3.3

	StreamTypeAAC  = 0x0F // AAC in ADTS, Table 2-34
	StreamTypeH264 = 0x1B // H.264 byte stream, Table 2-34

	StreamIDAudio = 0xC0 // first audio stream, Table 2-22
	StreamIDVideo = 0xE0 // first video stream, Table 2-22
)

const (
	syncByte      = 0x47
	headerBytes   = 4
	payloadBytes  = PacketSize - headerBytes // 184
	pcrFieldBytes = 8                        // adaptation_field_length, flags, PCR
)

// Transport packet header, 32 bits, most significant first (§2.4.3.2):
//
//	 31      24 23 22 21 20           8 7     6 5     4 3       0
//	+----------+--+--+--+--------------+-------+-------+---------+
//	| sync 47h |TE|US|TP|     PID      |  TSC  |  AFC  |   CC    |
//	+----------+--+--+--+--------------+-------+-------+---------+
//
// TE transport_error_indicator, US payload_unit_start_indicator, TP transport_priority, TSC transport_scrambling_control,
// AFC adaptation_field_control (01 payload, 10 adaptation field, 11 both), CC continuity_counter.
const (
	headerSync       = syncByte << 24
	headerUnitStart  = 1 << 22
	headerPayload    = 1 << 4
	headerAdaptation = 1 << 5
	headerPIDShift   = 8
)

// Flags in the second byte of the adaptation field (§2.4.3.4).
const (
	flagDiscontinuity = 0x80
	flagRandomAccess  = 0x40
	flagPCR           = 0x10
)

// stuffing is as many stuffing bytes as a packet can hold.
const stuffing = stuffing46 + stuffing46 + stuffing46 + stuffing46

const stuffing46 = "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF" +
	"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"

// fill writes stuffing bytes all over b, which is at most the payload of a packet.
func fill(b []byte) { copy(b, stuffing) }
