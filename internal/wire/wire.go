// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Version is the version of the format that this package speaks, see HELLO in docs/ref/wire.md.
const Version = 1

// Sizes in bytes.
const (
	HeaderSize = 16
	MaxMedia   = 4 << 20   // data of one VIDEO or AUDIO message, without trailer
	MaxControl = 16 << 10  // payload of any other message of the shim, with trailer
	MaxReply   = 1 << 10   // payload of a message of the agent, except StatusText: the shim has a fixed buffer
	MaxStatus  = 256 << 10 // payload of StatusText
)

// Type is the kind of a message, the first byte of its header.
type Type uint8

// Messages of the shim. They end in a trailer byte.
const (
	TypeHello       Type = 0x01 // first message of a connection
	TypeConfig      Type = 0x02 // second, unless the connection only asks for the status
	TypeCredentials Type = 0x03
	TypeTags        Type = 0x04
	TypeStart       Type = 0x05 // uploads may begin
	TypeFlush       Type = 0x06 // close the open segment
	TypeClose       Type = 0x07 // last message: drain, then answer CLOSED
	TypeStatus      Type = 0x08 // asks for a StatusText
	TypeVideo       Type = 0x10
	TypeAudio       Type = 0x11
)

// Messages of the agent. They have no trailer.
const (
	TypeHelloReply Type = 0x81 // answers HELLO
	TypeReady      Type = 0x82 // CONFIG is accepted, frames may come
	TypeError      Type = 0x83
	TypeCounters   Type = 0x84
	TypeDrop       Type = 0x85
	TypeClosed     Type = 0x86 // answers CLOSE; the agent closes the connection after it
	TypeStatusText Type = 0x88
)

// Values of the trailer byte.
const (
	Void  = 0x00 // broken off: to be ignored, header included
	Whole = 0x01
)

func (t Type) media() bool { return t == TypeVideo || t == TypeAudio }

// optional tells whether a reader that does not know the type skips the message instead of giving up: 0x40 to 0x7f and 0xc0 to 0xff.
func (t Type) optional() bool { return t&0x40 != 0 }

func (t Type) known(reply bool) bool {
	if reply {
		return t >= TypeHelloReply && t <= TypeClosed || t == TypeStatusText
	}
	return t >= TypeHello && t <= TypeStatus || t.media()
}

// String returns the name that docs/ref/wire.md uses.
func (t Type) String() string {
	switch t {
	case TypeHello, TypeHelloReply:
		return "HELLO"
	case TypeConfig:
		return "CONFIG"
	case TypeCredentials:
		return "CREDENTIALS"
	case TypeTags:
		return "TAGS"
	case TypeStart:
		return "START"
	case TypeFlush:
		return "FLUSH"
	case TypeClose:
		return "CLOSE"
	case TypeStatus, TypeStatusText:
		return "STATUS"
	case TypeVideo:
		return "VIDEO"
	case TypeAudio:
		return "AUDIO"
	case TypeReady:
		return "READY"
	case TypeError:
		return "ERROR"
	case TypeCounters:
		return "COUNTERS"
	case TypeDrop:
		return "DROP"
	case TypeClosed:
		return "CLOSED"
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

// Header is the start of every message.
type Header struct {
	Type   Type
	Flags  uint8  // 0; readers ignore it
	Lost   uint16 // VIDEO: pictures, AUDIO: frames that are missing since the last one that arrived whole; 65535 = that many or more
	Length uint32 // of the payload, trailer included
	Time   uint64 // VIDEO, AUDIO: timestamp in microseconds of the encoder's clock
}

// Append appends the 16 bytes of the header.
//
//	 0      1       2        4                 8                                  16
//	┌──────┬───────┬────────┬─────────────────┬────────────────────────────────────┐
//	│ type │ flags │ lost   │ length          │ timestamp in us                    │
//	└──────┴───────┴────────┴─────────────────┴────────────────────────────────────┘
func (h Header) Append(dst []byte) []byte {
	dst = append(dst, byte(h.Type), h.Flags)
	dst = binary.LittleEndian.AppendUint16(dst, h.Lost)
	dst = binary.LittleEndian.AppendUint32(dst, h.Length)
	return binary.LittleEndian.AppendUint64(dst, h.Time)
}

// ParseHeader reads a header from the first HeaderSize bytes of b, which must be there. It checks nothing.
func ParseHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	return Header{
		Type: Type(b[0]), Flags: b[1],
		Lost:   binary.LittleEndian.Uint16(b[2:]),
		Length: binary.LittleEndian.Uint32(b[4:]),
		Time:   binary.LittleEndian.Uint64(b[8:]),
	}
}

// PTS is the timestamp of a media message as a duration. Values beyond 292 years are given as the greatest one.
func (h Header) PTS() time.Duration {
	if h.Time > math.MaxInt64/uint64(time.Microsecond) {
		return math.MaxInt64
	}
	return time.Duration(h.Time) * time.Microsecond
}

// check finds what a header must not say. reply tells the direction.
func (h Header) check(reply bool) error {
	limit := uint32(MaxControl)
	switch {
	case !h.Type.known(reply) && (!h.Type.optional() || reply != (h.Type&0x80 != 0)):
		return fmt.Errorf("%w: unknown %v", ErrProtocol, h.Type)
	case h.Type.media():
		limit = MaxMedia + 1
	case h.Type == TypeStatusText:
		limit = MaxStatus
	case reply:
		limit = MaxReply
	}
	if h.Length > limit {
		return fmt.Errorf("%w: %v of %d bytes, the limit is %d", ErrProtocol, h.Type, h.Length, limit)
	}
	if !reply && h.Length == 0 {
		return fmt.Errorf("%w: %v without its trailer", ErrProtocol, h.Type)
	}
	return nil
}

var (
	// ErrProtocol matches every error about bytes that are no message: after it the connection cannot be used any more.
	ErrProtocol = errors.New("wire: protocol error")
	// ErrVoid is returned by [Reader.Media] for a message that the shim broke off. The next message follows as usual.
	ErrVoid = errors.New("wire: message was broken off by its sender")
	// ErrUnknownField matches a setting that this version does not know. The message is well formed otherwise.
	ErrUnknownField = errors.New("wire: unknown field")
	// ErrVersion is returned by [Negotiate] when there is no common version.
	ErrVersion = errors.New("wire: no common version")
	// ErrTooLong is returned by Append functions when a message would be beyond its limit.
	ErrTooLong = errors.New("wire: message is too long")
	// ErrOrder is returned by [Order.Next] for a message that may not come here.
	ErrOrder = errors.New("wire: message out of order")
)
