// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// readBuffer takes the header and trailer of most messages, and whole audio frames, in one read. Larger payloads go past it.
const readBuffer = 4 << 10

// Reader reads messages. It is not for concurrent use.
type Reader struct {
	r       *bufio.Reader
	reply   bool
	left    int    // bytes of the present media message that were not read, trailer included
	payload []byte // of control messages; grows to what is needed, within the limits
	head    [HeaderSize]byte
	voided  uint64
}

// Message is what [Reader.Next] returns.
type Message struct {
	Header
	// Payload of a control message or reply, without trailer. Valid until the next call of Next. For media it is nil, see [Reader.Media].
	Payload []byte
	// Size of the data of a media message, without trailer. At most MaxMedia.
	Size int
}

// NewReader reads what a shim sends.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, readBuffer)} }

// NewReplyReader reads what an agent sends.
func NewReplyReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, readBuffer), reply: true}
}

// Next returns the next message. What was not taken of a media message before is skipped, and so are control messages that were
// broken off and unknown messages that may be ignored. io.EOF means that the connection ended between two messages,
// io.ErrUnexpectedEOF within one; errors that match ErrProtocol that the peer does not speak this format.
func (r *Reader) Next() (Message, error) {
	for {
		if err := r.skip(); err != nil {
			return Message{}, err
		}
		if _, err := io.ReadFull(r.r, r.head[:]); err != nil {
			return Message{}, err // io.EOF only before the first byte
		}
		h := ParseHeader(r.head[:])
		if err := h.check(r.reply); err != nil {
			return Message{}, err
		}
		if h.Type.media() {
			r.left = int(h.Length)
			return Message{Header: h, Size: r.left - 1}, nil
		}
		if !h.Type.known(r.reply) {
			r.left = int(h.Length)
			continue
		}
		if int(h.Length) > cap(r.payload) {
			r.payload = make([]byte, h.Length)
		}
		p := r.payload[:h.Length]
		if err := r.full(p); err != nil {
			return Message{}, err
		}
		if !r.reply {
			whole, err := trailer(h.Type, p[len(p)-1])
			if err != nil {
				return Message{}, err
			}
			if !whole {
				r.voided++
				continue
			}
			p = p[:len(p)-1]
		}
		return Message{Header: h, Payload: p}, nil
	}
}

// Media reads the data of the media message that Next returned last into dst, which must have room for its Size. It returns ErrVoid
// when the shim broke the message off: dst is then of no use, the header neither, and the next message follows as usual. It may be
// called once per message.
func (r *Reader) Media(dst []byte) error {
	n := r.left - 1
	if n < 0 || len(dst) < n {
		return errors.New("wire: no media message, or too little room for it")
	}
	if err := r.full(dst[:n]); err != nil {
		return err
	}
	r.left = 1
	b, err := r.r.ReadByte()
	if err != nil {
		return unexpected(err)
	}
	r.left = 0
	whole, err := trailer(TypeVideo, b)
	if err != nil {
		return err
	}
	if !whole {
		r.voided++
		return ErrVoid
	}
	return nil
}

// Voided is the number of messages that were broken off.
func (r *Reader) Voided() uint64 { return r.voided }

func (r *Reader) skip() error {
	n, err := r.r.Discard(r.left)
	r.left -= n
	if err != nil {
		return unexpected(err)
	}
	return nil
}

func (r *Reader) full(p []byte) error {
	if _, err := io.ReadFull(r.r, p); err != nil {
		return unexpected(err)
	}
	return nil
}

func trailer(t Type, b byte) (whole bool, err error) {
	if b != Whole && b != Void {
		return false, fmt.Errorf("%w: trailer of %v is 0x%02x", ErrProtocol, t, b)
	}
	return b == Whole, nil
}

// unexpected makes the end of the connection within a message recognisable.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
