// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// errUnsolicited is an answer to nothing.
var errUnsolicited = errors.New("the server sent bytes without a request")

// What the reader of a connection expects next.
const (
	nothing    = iota
	anAnswer   // to a request under way
	headAnswer // to HEAD: without a body
)

// conn is one connection. A goroutine reads it all its life: so an answer is seen while the request is still being written, and the end of
// an idle connection at once. It ends when the connection does; close waits for it.
type conn struct {
	rw     net.Conn // link, or TLS over it
	link   *link
	parser *parser
	stall  time.Duration

	expect  atomic.Int32
	answers chan struct{} // cap 1: parser.resp is the answer to the request under way
	done    chan struct{} // closed when the reader has ended
	// Of the reader, valid after answers or done:
	err    error       // why there is no (further) answer
	closes bool        // the connection is of no use after this answer
	begun  atomic.Bool // some of an answer has come, but not all

	kept  bool // a request was answered on it
	used  time.Time
	abort func() // link.abort, as a value made once
}

func newConn(rw net.Conn, l *link, c *Client) *conn {
	if c.parser == nil {
		c.parser = &parser{br: bufio.NewReaderSize(nil, readBuffer)}
	}
	c.parser.br.Reset(rw)
	cn := &conn{
		rw: rw, link: l, parser: c.parser, stall: c.cfg.StallTimeout,
		answers: make(chan struct{}, 1), done: make(chan struct{}), abort: l.abort,
	}
	go cn.read(c.cfg.MaxBody)
	return cn
}

// read is the reader.
func (cn *conn) read(maxBody int) {
	defer close(cn.done)
	defer cn.link.stop() // what is still being written has no reader
	for {
		_, err := cn.parser.br.Peek(1)
		expect := cn.expect.Load()
		switch {
		case err != nil:
			cn.err = err
			return
		case expect == nothing:
			cn.err = errUnsolicited
			return
		}
		cn.begun.Store(true)
		_ = cn.rw.SetReadDeadline(time.Now().Add(cn.stall)) // for the whole answer: one byte now and then is no progress
		reuse, err := cn.parser.answer(expect == headAnswer, maxBody, cn.link.stop)
		if err != nil {
			cn.err = readError(err)
			return
		}
		_ = cn.rw.SetReadDeadline(time.Time{})
		cn.closes = !reuse
		cn.begun.Store(false)
		cn.expect.Store(nothing)
		cn.answers <- struct{}{}
		if !reuse {
			return
		}
	}
}

func readError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrStalled
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// dead tells, without waiting, that the connection cannot carry another request.
func (cn *conn) dead() bool {
	select {
	case <-cn.done:
		return true
	default:
		return false
	}
}

// close ends the connection and waits for the reader, after which its buffers are free. politely says goodbye first;
// it is for connections that are idle, where this cannot block.
func (cn *conn) close(politely bool) {
	if politely {
		_ = cn.rw.Close()
	} else {
		cn.abort()
	}
	<-cn.done
}
