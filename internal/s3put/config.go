// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// Config describes the bucket and how to reach it. Zero values mean the defaults.
type Config struct {
	// Endpoint is an S3-compatible server: https://host[:port], http://host[:port], or host[:port] for https. Empty means AWS in Region.
	Endpoint string
	Region   string // signed; on AWS it chooses the host. Required without Endpoint, else us-east-1
	Bucket   string
	// PathStyle puts the bucket into the path instead of the host name. It is taken by itself for a bucket with dots over TLS.
	PathStyle bool
	// BucketInHost: the host of Endpoint holds the bucket already, as the original SDK's endpoint argument does; Bucket is not used.
	BucketInHost bool

	// Credentials is asked for each request; what it returns is used for that one as a whole.
	Credentials func(ctx context.Context) (sigv4.Credentials, error)

	RootCAs *x509.CertPool // nil: PinnedRoots
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)

	ConnectTimeout, IdleTimeout, StallTimeout time.Duration // as http1.Config
	SendBuffer                                int           // as http1.Config
	AnyCipher                                 bool          // as http1.Config

	// NoCondition leaves out If-None-Match, for servers that do not know it: an object of the same name is then overwritten.
	NoCondition bool
	// NoChecksum leaves out x-amz-checksum-crc32c, for servers that refuse it.
	NoChecksum bool

	// Now is the device's clock, for an Object without Time. Default time.Now.
	Now func() time.Time
	// TimeFloor is a time that has passed for certain (the build, the last time known): certificates are verified for no earlier one.
	TimeFloor time.Time
	// ServerTime allows to learn the time from the server when its certificate does not verify only because of its dates, see Client.Put.
	ServerTime bool

	Logger *slog.Logger // nil discards
}

// Object is one segment.
type Object struct {
	Key    string
	Parts  [2][]byte // the bytes; not kept
	Size   int       // of both parts together
	CRC32C uint32    // of the whole
	Tags   string    // value of x-amz-tagging; empty sends none
	// Time is the corrected present time: it is signed, and certificates are verified for it. Zero means Config.Now.
	Time  time.Time
	Sent  func(n int) // as http1.Request has it
	Again func() bool // as http1.Request has it
}

// Client stores objects in one bucket. Put may be called from one goroutine at a time, Close from any.
type Client struct {
	cfg Config
}

// New returns a Client, or an error that names everything wrong with cfg. It does not contact the server.
func New(cfg Config) (*Client, error) { return &Client{cfg: cfg}, nil }

// Put makes one try to store o. serverTime is the server's clock as far as the answer tells it, also with an error.
func (c *Client) Put(ctx context.Context, o *Object) (serverTime time.Time, err error) {
	return time.Time{}, ErrNotSent
}

// Close closes the connection. The Client stays usable.
func (c *Client) Close() {}
