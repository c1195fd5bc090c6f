// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/wire"
)

const (
	ringBytes = 4 << 20
	segment   = 3 * time.Second
)

// camera is firmware as the agent sees it: one connection with the messages that the C library sends.
type camera struct {
	conn     net.Conn
	done     chan struct{} // the reader of replies has ended
	counters atomic.Pointer[wire.Counters]
	err      error // why, valid after done
}

// dial connects to the agent, which may still be starting, and hands over settings and credentials.
func dial(socket, endpoint, prefix string, deadline time.Time) (*camera, error) {
	var conn net.Conn
	var err error
	for {
		if conn, err = net.Dial("unix", socket); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	hello, err1 := wire.AppendHello(nil, wire.Hello{Client: "bench/device"})
	config, err2 := wire.AppendConfig(hello, wire.Config{Region: "us-east-1", Bucket: "bench", Prefix: prefix, Endpoint: endpoint,
		RingBytes: ringBytes, Segment: segment, BucketInHost: true})
	all, err3 := wire.AppendCredentials(config, wire.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "example"})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	if _, err := conn.Write(wire.AppendStart(all)); err != nil {
		return nil, err
	}
	c := &camera{conn: conn, done: make(chan struct{})}
	ready := make(chan struct{})
	go c.replies(ready)
	select {
	case <-ready:
		return c, nil
	case <-c.done:
		return nil, fmt.Errorf("the agent refused: %w", c.err)
	case <-time.After(time.Until(deadline)):
		return nil, errors.New("the agent did not say READY")
	}
}

func (c *camera) replies(ready chan struct{}) {
	defer close(c.done)
	for r := wire.NewReplyReader(c.conn); ; {
		m, err := r.Next()
		if err != nil {
			c.err = err
			return
		}
		switch m.Type {
		case wire.TypeReady:
			close(ready)
		case wire.TypeError:
			_, text, _ := wire.ParseError(m.Payload)
			c.err = errors.New(text)
		case wire.TypeCounters, wire.TypeClosed:
			if n, err := wire.ParseCounters(m.Payload); err == nil {
				c.counters.Store(&n)
			}
			if m.Type == wire.TypeClosed {
				return
			}
		}
	}
}

// feed sends frames for a time, each when it is due.
func (c *camera) feed(frames []frame, length time.Duration) error {
	begin := time.Now()
	var buf []byte
	var err error
	for offset := time.Duration(0); ; offset += clipSeconds * time.Second {
		for i := range frames {
			f := &frames[i]
			due := offset + f.pts
			if due >= length {
				return nil
			}
			time.Sleep(time.Until(begin.Add(due)))
			kind := wire.TypeVideo
			if !f.video {
				kind = wire.TypeAudio
			}
			if buf, err = wire.AppendMedia(buf[:0], kind, due, 0, f.data); err != nil {
				return err
			}
			if _, err := c.conn.Write(buf); err != nil {
				return fmt.Errorf("after %v: %w", due, err)
			}
		}
	}
}

// close ends the stream and waits until the agent has drained it.
func (c *camera) close(drain time.Duration) error {
	defer c.conn.Close()
	if _, err := c.conn.Write(wire.AppendClose(nil, drain)); err != nil {
		return err
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(drain + 10*time.Second):
		return errors.New("the agent did not say CLOSED")
	}
}
