// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Limits of an answer.
const (
	maxHead     = 16 << 10
	maxInterim  = 8        // 1xx answers before the real one
	maxRead     = 64 << 10 // of a body, kept or not; beyond that a new connection is cheaper
	maxTrailers = 4 << 10
)

// Response is an answer, valid until the next Do or Close of its Client.
type Response struct {
	Status int
	// Date is the server's clock, zero without a Date field or when the answer has an Age and so comes from a cache.
	Date time.Time
	Body []byte // its first Config.MaxBody bytes
	// Truncated: Body is not the whole body, since that is longer than Config.MaxBody or was cut off.
	Truncated bool
	// Early: the answer came before all of the request's body was handed over, and the rest was not sent.
	Early bool
	// Repeated: the server may have seen the whole request twice, since a kept connection broke before it answered the first one.
	Repeated bool

	head []byte // the lines of the fields, each with its line end
}

// field returns the value of the first field of this name.
func (r *Response) field(name string) (value []byte, ok bool) {
	for head := r.head; len(head) > 0; {
		var line []byte
		line, head, _ = bytes.Cut(head, newline)
		if i := bytes.IndexByte(line, ':'); i == len(name) && equalFold(line[:i], name) {
			return bytes.Trim(line[i+1:], " \t\r"), true
		}
	}
	return nil, false
}

var newline = []byte("\n")

// Get returns the value of the first header field of this name (in any case), "" without one.
func (r *Response) Get(name string) string {
	v, _ := r.field(name)
	return string(v)
}

// Has reports whether there is a header field of this name that is not empty.
func (r *Response) Has(name string) bool {
	v, _ := r.field(name)
	return len(v) > 0
}

// parser reads answers. Its buffers are used again for the next one.
type parser struct {
	br   *bufio.Reader
	head []byte
	body []byte
	resp Response
}

// framing is what a head says about where its message ends.
type framing struct {
	length  int64 // -1 = not given
	chunked bool
	close   bool
	old     bool // HTTP/1.0
	age     bool
}

func invalid(what string) error { return fmt.Errorf("%w: %s", ErrAnswer, what) }

// answer reads one final answer into p.resp. onHead is called when its head has been read. reuse tells whether the connection may carry
// another request. Where the body is cut off the answer is Truncated; errors are those of the head and of a broken framing.
func (p *parser) answer(noBody bool, maxBody int, onHead func()) (reuse bool, err error) {
	for interim := 0; ; interim++ {
		f, err := p.readHead()
		if err != nil {
			return false, err
		}
		switch s := p.resp.Status; {
		case s == 101:
			return false, invalid("it switches protocols")
		case s >= 200:
			onHead()
			return p.readBody(f, noBody || s == 204 || s == 304, maxBody)
		case interim == maxInterim:
			return false, invalid("too many interim answers")
		}
	}
}

// line reads a line of at most limit bytes into p.head and returns it with its line end.
func (p *parser) line(limit int) ([]byte, error) {
	start := len(p.head)
	for {
		part, err := p.br.ReadSlice('\n')
		if len(part) > limit-(len(p.head)-start) {
			return nil, invalid("its head is too long")
		}
		p.head = append(p.head, part...)
		if err == nil {
			return p.head[start:], nil
		}
		if err != bufio.ErrBufferFull {
			return nil, err
		}
	}
}

// trimEnd takes off CRLF, or the bare LF that RFC 9112, 2.2 allows to accept.
func trimEnd(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// readHead reads a status line and the fields, RFC 9112, 4 and 5.
func (p *parser) readHead() (f framing, err error) {
	p.head = p.head[:0]
	p.resp = Response{}
	f.length = -1
	line, err := p.line(maxHead)
	if err != nil {
		return f, err
	}
	if err := p.statusLine(trimEnd(line), &f); err != nil {
		return f, err
	}
	left := maxHead - len(p.head)
	p.head = p.head[:0]
	for {
		line, err := p.line(left)
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return f, err
		}
		left -= len(line)
		text := trimEnd(line)
		if len(text) == 0 {
			p.resp.head = p.head
			if f.age {
				p.resp.Date = time.Time{}
			}
			return f, nil
		}
		if err := p.field(text, &f); err != nil {
			return f, err
		}
	}
}

// statusLine reads "HTTP/1.1 200 OK".
func (p *parser) statusLine(s []byte, f *framing) error {
	const version = "HTTP/1."
	if len(s) < len(version)+len("1 200") || string(s[:len(version)]) != version || s[8] != ' ' || (len(s) > 12 && s[12] != ' ') || !validValue(s) {
		return invalid("it does not begin with a status line")
	}
	switch s[7] {
	case '1':
	case '0':
		f.close, f.old = true, true
	default:
		return invalid("unknown version of HTTP")
	}
	for _, c := range s[9:12] {
		if c -= '0'; c > 9 {
			return invalid("bad status")
		}
		p.resp.Status = p.resp.Status*10 + int(c)
	}
	if p.resp.Status < 100 {
		return invalid("bad status")
	}
	return nil
}

// field takes in one field line. What decides where the message ends is read strictly: an answer that two readers could understand
// differently is an error (RFC 9112, 6.3).
func (p *parser) field(line []byte, f *framing) error {
	i := bytes.IndexByte(line, ':')
	if i < 0 || !isToken(line[:i]) { // no folded lines, no space before the colon
		return invalid("bad header field")
	}
	name, value := line[:i], bytes.Trim(line[i+1:], " \t")
	if !validValue(value) {
		return invalid("control character in a header field")
	}
	switch {
	case equalFold(name, "content-length"):
		n, ok := parseLength(value)
		if !ok || (f.length >= 0 && f.length != n) || f.chunked {
			return invalid("bad Content-Length")
		}
		f.length = n
	case equalFold(name, "transfer-encoding"):
		if !equalFold(value, "chunked") || f.chunked || f.length >= 0 || f.old {
			return invalid("bad Transfer-Encoding")
		}
		f.chunked = true
	case equalFold(name, "connection"):
		for rest := value; len(rest) > 0; {
			var token []byte
			token, rest, _ = bytes.Cut(rest, comma)
			f.close = f.close || equalFold(bytes.Trim(token, " \t"), "close")
		}
	case equalFold(name, "date"):
		if p.resp.Date.IsZero() {
			p.resp.Date = parseDate(value)
		}
	case equalFold(name, "age"):
		f.age = true
	}
	return nil
}

var comma = []byte(",")

// parseLength reads 1 to 18 digits.
func parseLength(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, true
}

// readBody reads what is wanted of the body, and the rest if it is short, RFC 9112, 6.
func (p *parser) readBody(f framing, none bool, maxBody int) (reuse bool, err error) {
	p.body = p.body[:0]
	cut := false
	switch {
	case none, f.length == 0:
		reuse = true
	case f.chunked:
		reuse, err = p.readChunks(maxBody)
	case f.length > 0:
		var n int64
		n, err = p.take(min(f.length, maxRead), maxBody)
		reuse = n == f.length
	default:
		var n int64
		n, err = p.take(maxRead, maxBody)
		cut = err == nil && n == maxRead
		if err == io.EOF {
			err = nil // that is its end
		}
	}
	p.resp.Body = p.body
	if err != nil && errors.Is(err, ErrAnswer) {
		return false, err
	}
	p.resp.Truncated = p.resp.Truncated || cut || err != nil || (f.length > 0 && !none && !reuse)
	return reuse && err == nil && !f.close && (none || f.chunked || f.length >= 0), nil
}

// take reads n bytes of a body and keeps as many of them as fit into maxBody.
func (p *parser) take(n int64, maxBody int) (read int64, err error) {
	for read < n {
		if p.br.Buffered() == 0 {
			if _, err := p.br.Peek(1); err != nil {
				return read, err
			}
		}
		part, _ := p.br.Peek(int(min(int64(p.br.Buffered()), n-read)))
		keep := part[:min(len(part), maxBody-len(p.body))]
		p.body = append(p.body, keep...)
		p.resp.Truncated = p.resp.Truncated || len(keep) < len(part)
		_, _ = p.br.Discard(len(part))
		read += int64(len(part))
	}
	return read, nil
}

// readChunks reads a chunked body, RFC 9112, 7.1:
//
//	(size in hex [;extension] CRLF data CRLF)* 0 [;extension] CRLF (trailer CRLF)* CRLF
//
// reuse is false when it is longer than maxRead.
func (p *parser) readChunks(maxBody int) (reuse bool, err error) {
	left := int64(maxRead)
	overhead := maxRead
	for {
		line, err := p.br.ReadSlice('\n')
		if err == bufio.ErrBufferFull || err == nil && len(line) > overhead {
			return false, invalid("long chunk header")
		}
		if err != nil {
			return false, err
		}
		overhead -= len(line)
		size, ok := parseChunkSize(trimEnd(line))
		switch {
		case !ok:
			return false, invalid("bad chunk size")
		case size == 0:
			return p.skipTrailers()
		}
		n, err := p.take(min(size, left), maxBody)
		if err != nil {
			return false, err
		}
		if left -= n; n < size {
			p.resp.Truncated = true
			return false, nil
		}
		end, err := p.br.ReadSlice('\n')
		if err == nil && len(trimEnd(end)) > 0 || err == bufio.ErrBufferFull {
			return false, invalid("bad end of a chunk")
		}
		if err != nil {
			return false, err
		}
	}
}

// parseChunkSize reads up to 7 hexadecimal digits and ignores an extension.
func parseChunkSize(b []byte) (n int64, ok bool) {
	if !validValue(b) {
		return 0, false
	}
	b, _, _ = bytes.Cut(b, []byte(";"))
	b = bytes.TrimRight(b, " \t")
	if len(b) == 0 || len(b) > 7 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c-'0' < 10:
			c -= '0'
		case c-'a' < 6:
			c -= 'a' - 10
		case c-'A' < 6:
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}

func (p *parser) skipTrailers() (reuse bool, err error) {
	for left := maxTrailers; ; {
		line, err := p.br.ReadSlice('\n')
		if err == bufio.ErrBufferFull || err == nil && len(line) > left {
			return false, invalid("long trailers")
		}
		if err != nil {
			return false, err
		}
		if left -= len(line); len(trimEnd(line)) == 0 {
			return true, nil
		}
	}
}
