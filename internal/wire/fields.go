// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// Fields fill the payload of CONFIG, CREDENTIALS, TAGS, START, FLUSH, CLOSE and STATUS up to the trailer:
//
//	┌─────┬────────┬──────────────┐
//	│ tag │ length │ value        │
//	└─────┴────────┴──────────────┘
//	 0     1        3
//
// A field that is not there has its default. Tags from 0x80 on may be ignored by who does not know them, others may not.
const fieldHead = 3

// optionalTag is the first tag that may be ignored.
const optionalTag = 0x80

// builder makes one message of the shim.
type builder struct {
	dst   []byte
	start int
	long  bool // a value was longer than its length field can say
}

func begin(dst []byte, t Type) *builder {
	return &builder{dst: Header{Type: t}.Append(dst), start: len(dst)}
}

// text adds a string, unless it is empty.
func (b *builder) text(tag uint8, s string) {
	if s == "" {
		return
	}
	if len(s) > math.MaxUint16 {
		b.long = true
		return
	}
	b.dst = append(b.dst, tag)
	b.dst = binary.LittleEndian.AppendUint16(b.dst, uint16(len(s)))
	b.dst = append(b.dst, s...)
}

// number adds four bytes, unless v is 0.
func (b *builder) number(tag uint8, v uint32) {
	if v == 0 {
		return
	}
	b.dst = append(b.dst, tag, 4, 0)
	b.dst = binary.LittleEndian.AppendUint32(b.dst, v)
}

// end adds the trailer and sets the length. On error dst is returned as begin got it.
func (b *builder) end() ([]byte, error) {
	b.dst = append(b.dst, Whole)
	n := len(b.dst) - b.start - HeaderSize
	if n > MaxControl || b.long {
		return b.dst[:b.start], fmt.Errorf("%w: %v", ErrTooLong, Type(b.dst[b.start]))
	}
	binary.LittleEndian.PutUint32(b.dst[b.start+4:], uint32(n))
	return b.dst, nil
}

// parser says where the value of each known tag goes: *string or *uint32.
type parser map[uint8]any

// parse reads fields. p is a payload without its trailer.
func (ps parser) parse(t Type, p []byte) error {
	var seen [optionalTag]bool
	for len(p) > 0 {
		if len(p) < fieldHead {
			return fmt.Errorf("%w: %v ends within a field", ErrProtocol, t)
		}
		tag, n := p[0], int(binary.LittleEndian.Uint16(p[1:]))
		if n > len(p)-fieldHead {
			return fmt.Errorf("%w: %v ends within field %d", ErrProtocol, t, tag)
		}
		v := p[fieldHead : fieldHead+n]
		p = p[fieldHead+n:]
		if tag >= optionalTag {
			continue
		}
		if seen[tag] {
			return fmt.Errorf("%w: %v has field %d twice", ErrProtocol, t, tag)
		}
		seen[tag] = true
		switch dst := ps[tag].(type) {
		case *string:
			if bytes.IndexByte(v, 0) >= 0 {
				return fmt.Errorf("%w: %v field %d has a NUL byte", ErrProtocol, t, tag)
			}
			*dst = string(v)
		case *uint32:
			if n != 4 {
				return fmt.Errorf("%w: %v field %d has %d bytes, not 4", ErrProtocol, t, tag, n)
			}
			*dst = binary.LittleEndian.Uint32(v)
		default:
			return fmt.Errorf("%w: %v field %d", ErrUnknownField, t, tag)
		}
	}
	return nil
}
