// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"time"
)

// HostOf is hostOf.
func HostOf(address string, tls bool) string { return hostOf(address, tls) }

// ParseAnswer reads one answer from r.
func ParseAnswer(r io.Reader, noBody bool, maxBody int) (resp Response, reuse bool, rest *bufio.Reader, err error) {
	p := parser{br: bufio.NewReaderSize(r, readBuffer)}
	reuse, err = p.answer(noBody, maxBody, func() {})
	return p.resp, reuse, p.br, err
}

// AppendHead is appendHead.
func AppendHead(r *Request) ([]byte, error) { return appendHead(nil, r, "host") }

// OffersOnlyChaCha is offersOnlyChaCha.
func OffersOnlyChaCha(b []byte) bool { return offersOnlyChaCha(b) }

// ParseDate is parseDate.
func ParseDate(s string) time.Time { return parseDate([]byte(s)) }

// Unacked returns the length of a connection's send queue.
func Unacked(c net.Conn) int {
	var q sendQueue
	q.init(c, time.Second)
	return q.unacked()
}

// Dead waits until the kept connection is known to be dead.
func Dead(c *Client) { <-c.conn.done }

// Fields returns the lines of the head, for comparisons.
func (r *Response) Fields() [][]byte { return bytes.Split(bytes.TrimRight(r.head, "\r\n"), newline) }
