// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"
	"time"
)

// The Append functions of this file append one message of the agent to dst. Text that is too long for its message is cut.
// The Parse functions take a payload and keep nothing of it.

func appendReply(dst []byte, t Type, fixed []byte, text string) []byte {
	limit := MaxReply
	if t == TypeStatusText {
		limit = MaxStatus
	}
	text = text[:min(len(text), limit-len(fixed))]
	dst = Header{Type: t, Length: uint32(len(fixed) + len(text))}.Append(dst)
	return append(append(dst, fixed...), text...)
}

// HelloReply answers a HELLO.
type HelloReply struct {
	Version uint16 // that both speak from now on
	Agent   string // name and version for the log
}

// AppendHelloReply appends the answer to a HELLO.
func AppendHelloReply(dst []byte, h HelloReply) []byte {
	return appendReply(dst, TypeHelloReply, binary.LittleEndian.AppendUint16(nil, h.Version), h.Agent)
}

// ParseHelloReply reads the answer to a HELLO.
func ParseHelloReply(p []byte) (HelloReply, error) {
	if len(p) < 2 {
		return HelloReply{}, short(TypeHelloReply, p)
	}
	return HelloReply{Version: binary.LittleEndian.Uint16(p), Agent: string(p[2:])}, nil
}

// AppendReady appends a READY: CONFIG is accepted.
func AppendReady(dst []byte) []byte { return appendReply(dst, TypeReady, nil, "") }

// Code says what kind of thing went wrong, in ERROR and in Counters.LastError.
type Code uint16

// The codes. New ones may be added at the end.
const (
	CodeNone        Code = 0
	CodeProtocol    Code = 1  // a message that is none, too long, or out of order
	CodeVersion     Code = 2  // no common version
	CodeConfig      Code = 3  // a setting is missing, wrong or not known
	CodeBusy        Code = 4  // the camera is connected already, or there are too many
	CodeCredentials Code = 5  // there are none, or they are expired or refused
	CodeRejected    Code = 6  // the bucket's server said no: permission, bucket name, region
	CodeNetwork     Code = 7  // the server cannot be reached, or its certificate is not valid
	CodeClock       Code = 8  // the device's clock is too wrong to sign or to verify
	CodeSpool       Code = 9  // flash: folder, space or damaged file
	CodeStream      Code = 10 // frames that are no H.264 or ADTS, or have impossible timestamps
	CodeInternal    Code = 11
)

// AppendError appends an ERROR. Before READY it is final and the agent closes the connection after it; later it only tells.
func AppendError(dst []byte, code Code, text string) []byte {
	return appendReply(dst, TypeError, binary.LittleEndian.AppendUint16(nil, uint16(code)), text)
}

// ParseError reads an ERROR.
func ParseError(p []byte) (code Code, text string, err error) {
	if len(p) < 2 {
		return 0, "", short(TypeError, p)
	}
	return Code(binary.LittleEndian.Uint16(p)), string(p[2:]), nil
}

// Counters is the state of the agent's side, since the connection was accepted. VideoFrames >= Settled; what is between them is
// what is lost if the agent dies now.
type Counters struct {
	VideoFrames     uint64 // pictures received
	Settled         uint64 // of them: stored, spooled, or lost and counted as such
	AudioFrames     uint64 // frames received
	StoredSegments  uint64
	StoredFrames    uint64 // pictures
	StoredBytes     uint64
	DroppedSegments uint64
	DroppedFrames   uint64 // pictures: of dropped segments, and those between a gap and the next IDR
	PendingSegments uint64 // complete and neither stored nor spooled; after CLOSED: what was not drained in time
	PendingBytes    uint64
	RingBytes       uint64
	RingUsed        uint64
	UploadsFailed   uint64
	ClockOffset     time.Duration // what the device's clock is behind, whole milliseconds
	SpooledSegments uint64        // on flash, waiting
	SpoolBytes      uint64
	LastError       Code
}

// CounterWords is the number of 64-bit words this version sends. Later ones only append.
const CounterWords = 17

// AppendCounters appends a COUNTERS, or with t TypeClosed a CLOSED. t must be one of them.
func AppendCounters(dst []byte, t Type, c *Counters) []byte {
	dst = Header{Type: t, Length: 8 * CounterWords}.Append(dst)
	for _, v := range [CounterWords]uint64{
		c.VideoFrames, c.Settled, c.AudioFrames, c.StoredSegments, c.StoredFrames, c.StoredBytes, c.DroppedSegments, c.DroppedFrames,
		c.PendingSegments, c.PendingBytes, c.RingBytes, c.RingUsed, c.UploadsFailed, uint64(c.ClockOffset.Milliseconds()),
		c.SpooledSegments, c.SpoolBytes, uint64(c.LastError),
	} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

// ParseCounters reads a COUNTERS or CLOSED. Words that the sender did not know are 0, those that this package does not know are left out.
func ParseCounters(p []byte) (Counters, error) {
	if len(p)%8 != 0 {
		return Counters{}, short(TypeCounters, p)
	}
	var ms, code uint64
	var c Counters
	for i, dst := range [CounterWords]*uint64{
		&c.VideoFrames, &c.Settled, &c.AudioFrames, &c.StoredSegments, &c.StoredFrames, &c.StoredBytes, &c.DroppedSegments, &c.DroppedFrames,
		&c.PendingSegments, &c.PendingBytes, &c.RingBytes, &c.RingUsed, &c.UploadsFailed, &ms, &c.SpooledSegments, &c.SpoolBytes, &code,
	} {
		if len(p) < 8*(i+1) {
			break
		}
		*dst = binary.LittleEndian.Uint64(p[8*i:])
	}
	c.ClockOffset, c.LastError = time.Duration(int64(ms))*time.Millisecond, Code(code)
	return c, nil
}

// Reason says why footage was lost.
type Reason uint64

// The reasons. New ones may be added at the end. ReasonAgentLost is made by the shim and never sent.
const (
	ReasonUnknown     Reason = 0
	ReasonRingFull    Reason = 1 // newer footage needed its room
	ReasonTooLarge    Reason = 2 // one segment is larger than the ring
	ReasonKeyExists   Reason = 3 // other footage has its name
	ReasonClosed      Reason = 4 // the end came before it was stored
	ReasonSpoolFull   Reason = 5 // newer footage needed its flash
	ReasonSpoolFailed Reason = 6 // it could not be written to flash, or not be read back
	ReasonAgentLost   Reason = 7 // the agent died or was stopped; its ring is gone
)

// Drop tells that footage was lost.
type Drop struct {
	Reason   Reason
	Frames   uint64 // pictures
	Bytes    uint64
	Duration time.Duration // whole milliseconds
	Start    time.Time     // of the first picture, whole microseconds; zero = not known
	Key      string        // the name it had or would have had
}

const dropWords = 5

// AppendDrop appends a DROP.
func AppendDrop(dst []byte, d *Drop) []byte {
	fixed := make([]byte, 0, 8*dropWords)
	var start uint64
	if !d.Start.IsZero() {
		start = uint64(d.Start.UnixMicro())
	}
	for _, v := range [dropWords]uint64{uint64(d.Reason), d.Frames, d.Bytes, uint64(max(d.Duration.Milliseconds(), 0)), start} {
		fixed = binary.LittleEndian.AppendUint64(fixed, v)
	}
	return appendReply(dst, TypeDrop, fixed, d.Key)
}

// ParseDrop reads a DROP.
func ParseDrop(p []byte) (Drop, error) {
	if len(p) < 8*dropWords {
		return Drop{}, short(TypeDrop, p)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(p[8*i:]) }
	d := Drop{Reason: Reason(word(0)), Frames: word(1), Bytes: word(2), Duration: time.Duration(word(3)) * time.Millisecond, Key: string(p[8*dropWords:])}
	if us := word(4); us != 0 {
		d.Start = time.UnixMicro(int64(us)).UTC()
	}
	return d, nil
}

// AppendStatusText appends the answer to a STATUS.
func AppendStatusText(dst []byte, text string) []byte {
	return appendReply(dst, TypeStatusText, nil, text)
}

func short(t Type, p []byte) error {
	return fmt.Errorf("%w: %v of %d bytes", ErrProtocol, t, len(p))
}
