// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// Defaults of Config.
const (
	DefaultConnectTimeout = 10 * time.Second
	DefaultIdleTimeout    = 4 * time.Second // S3 drops idle connections after 5 to 20 s
	DefaultStallTimeout   = 10 * time.Second
	DefaultMaxBody        = 16 << 10
	// DefaultSendBuffer lets 5 Mbit/s flow over a round trip of 300 ms (Linux doubles it) and bounds what a camera's kernel holds.
	DefaultSendBuffer = 128 << 10
)

// Config says where to connect and how. Zero values mean the defaults; Address has none.
type Config struct {
	Address string // host:port. The name is looked up again for every connection
	// TLS makes the connection a TLS one; nil is plain TCP. It is cloned. ServerName defaults to the host of Address, MinVersion to TLS
	// 1.2, ClientSessionCache to a small one of this client.
	TLS  *tls.Config
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) // default a net.Dialer's

	ConnectTimeout time.Duration // for name and TCP together; once more for TLS
	IdleTimeout    time.Duration // a connection that was idle for longer is not used again
	StallTimeout   time.Duration // no byte moved for so long: the connection is dead
	MaxBody        int           // kept of an answer's body
	SendBuffer     int           // SO_SNDBUF; negative leaves the system's

	// AnyCipher offers AES in TLS 1.3 at once on machines without AES instructions. By default such a machine offers ChaCha20 alone,
	// since many servers take AES when they may, which costs it twice the instructions; a server that refuses is offered both.
	AnyCipher bool
}

// Field is one header field.
type Field struct{ Name, Value string }

// Request is one request. The Client writes Host and Content-Length; fields that frame the message or rule the connection must not be
// among Header.
type Request struct {
	Method string
	Target string // origin form as sent: path and query, escaped
	Host   string // default: the host of Config.Address, with its port unless that is the scheme's own
	Header []Field
	// Body is sent as one, without being kept. Nothing may write to it before Sent allows that.
	Body [2][]byte
	// Sent is called, from the goroutine of Do, when the first n bytes of the body (over both parts) are copied out: the client needs them
	// again only if Again says that it may have them. n grows; after Again it begins anew.
	Sent func(n int)
	// Again is asked before the body is read from the start once more; false: part of it is gone, Do fails with the first try's error.
	// nil: all of it stays.
	Again func() bool
}

// Client sends requests to one server over one connection at a time. Do runs one request at a time, further calls wait for their turn; but
// a Response is valid only until the next Do, whoever calls it.
type Client struct {
	cfg  Config
	host string

	turn      chan struct{} // cap 1; held by Do and Close, for all below
	conn      *conn         // kept; nil without one
	parser    *parser       // of the one connection
	out       []byte        // the head of the request
	timer     *time.Timer
	resp      Response
	anyCipher bool // the server has refused ChaCha20 alone

	mu    sync.Mutex
	stats Stats
}

// Stats are counters of a Client since New.
type Stats struct {
	Requests int
	Dials    int    // connections made or tried
	Resumed  int    // of these, TLS sessions taken up again
	Resends  int    // requests sent again because the kept connection was dead
	Cipher   uint16 // TLS cipher suite of the last connection, 0 without TLS
}

// New returns a Client. It does not connect.
func New(cfg Config) *Client {
	c := &Client{cfg: cfg, host: hostOf(cfg.Address, cfg.TLS != nil), turn: make(chan struct{}, 1), timer: newTimer()}
	c.cfg.prepare()
	return c
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

func (c *Client) count(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.stats)
}

// Close closes the connection, after a Do under way has ended (end its context to hasten that). The Client stays usable.
func (c *Client) Close() {
	c.turn <- struct{}{}
	c.drop(true)
	<-c.turn
}

// drop ends the kept connection.
func (c *Client) drop(politely bool) {
	if c.conn != nil {
		c.conn.close(politely)
		c.conn = nil
	}
}

// Do sends r and returns the answer, whatever its status. Errors are *Error; one for which errors.Is(err, ErrNotSent) holds means that nothing
// of the request can have reached the server. Ending ctx ends Do at once.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, c.notSent("request", context.Cause(ctx))
	}
	if ctx.Err() != nil {
		return nil, c.notSent("request", context.Cause(ctx))
	}
	head, err := appendHead(c.out[:0], r, c.host)
	if err != nil {
		return nil, c.notSent("request", err)
	}
	c.out = head
	c.count(func(s *Stats) { s.Requests++ })
	return c.do(ctx, r)
}

func (c *Client) notSent(op string, err error) *Error {
	return &Error{Op: op, Addr: c.cfg.Address, NotSent: true, Err: err}
}

// do sends r on the kept connection or a new one, and once more if the kept one turns out to be dead.
func (c *Client) do(ctx context.Context, r *Request) (*Response, error) {
	size := len(r.Body[0]) + len(r.Body[1])
	var first *Error
	whole := false // the first try may have delivered everything
	for {
		if err := c.connect(ctx); err != nil {
			var e *Error
			if first == nil || !errors.As(err, &e) {
				return nil, err
			}
			e.Sent, e.NotSent = first.Sent, first.NotSent
			return nil, e
		}
		cn := c.conn
		o := c.try(ctx, cn, r)
		if o.err == nil {
			c.resp = c.parser.resp
			c.resp.Early, c.resp.Repeated = o.sent < size, whole
			cn.kept, cn.used = true, time.Now()
			switch {
			case c.resp.Early, o.gone:
				c.drop(false)
			case cn.closes:
				c.drop(true)
			default:
				cn.link.resume()
			}
			return &c.resp, nil
		}
		kept := cn.kept
		c.drop(false)
		failure := &Error{Op: o.op, Addr: c.cfg.Address, Sent: o.sent, NotSent: !o.reached, Err: o.err}
		if first != nil {
			failure.Sent, failure.NotSent = max(failure.Sent, first.Sent), failure.NotSent && first.NotSent
			return nil, failure
		}
		if !kept || !o.stale || (o.reached && r.Again != nil && !r.Again()) {
			return nil, failure
		}
		first, whole = failure, o.reached && o.sent == size
		c.count(func(s *Stats) { s.Resends++ })
	}
}

// connect makes sure that there is a connection.
func (c *Client) connect(ctx context.Context) error {
	if cn := c.conn; cn != nil {
		if !cn.dead() && time.Since(cn.used) <= c.cfg.IdleTimeout {
			return nil
		}
		c.drop(true)
	}
	cn, err := c.dial(ctx)
	c.conn = cn
	return err
}
