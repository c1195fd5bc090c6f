// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"context"
	"crypto/tls"
	"net"
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

// Client sends requests to one server over one connection at a time. Do runs one request at a time, further calls wait; it may be used from
// several goroutines, but a Response belongs to the goroutine only until the next Do.
type Client struct {
	cfg Config
}

// New returns a Client. It does not connect.
func New(cfg Config) *Client { return &Client{cfg: cfg} }

// Field is one header field.
type Field struct{ Name, Value string }

// Request is one request. Host, Content-Length and Connection are written by the Client and must not be among Header.
type Request struct {
	Method string
	Target string // origin form as sent: path and query, escaped
	Host   string // default: the host of Config.Address, with its port unless that is the scheme's own
	Header []Field
	// Body is sent as one, without being copied or kept. Nothing may write to it before Sent allows that.
	Body [2][]byte
	// Sent is called, from the goroutine of Do, when the first n bytes of the body (over both parts) are copied out: the client needs them
	// again only if Again says that it may have them. n grows; after Again it begins anew.
	Sent func(n int)
	// Again is asked before the body is read from the start once more; false: part of it is gone, Do fails with the first try's error.
	// nil: all of it stays.
	Again func() bool
}

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

	head []byte
}

// Get returns the value of the first header field of this name (in any case), "" without one.
func (r *Response) Get(name string) string { return "" }

// Has reports whether there is a header field of this name with a value.
func (r *Response) Has(name string) bool { return false }

// Do sends r and returns the answer, whatever its status. Errors are *Error; one for which errors.Is(err, ErrNotSent) holds means that nothing
// of the request can have reached the server. Ending ctx ends Do at once.
func (c *Client) Do(ctx context.Context, r *Request) (*Response, error) { return nil, ErrNotSent }

// Close closes the connection. A Do under way fails; later ones connect anew.
func (c *Client) Close() {}

// Stats are counters of a Client since New.
type Stats struct {
	Requests int
	Dials    int // connections made or tried
	Resumed  int // of these, TLS sessions taken up again
	Resends  int // requests sent again because the kept connection was dead
	Cipher   uint16
}

// Stats returns the counters. Cipher is the TLS cipher suite of the last connection, 0 without TLS.
func (c *Client) Stats() Stats { return Stats{} }
