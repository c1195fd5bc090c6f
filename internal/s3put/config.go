// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// DefaultRegion is signed for an Endpoint when none is given.
const DefaultRegion = "us-east-1"

// Config describes the bucket and how to reach it. Zero values mean the defaults.
type Config struct {
	// Endpoint is an S3-compatible server: https://host[:port], http://host[:port], or host[:port] for https. Empty means AWS in Region.
	Endpoint string
	Region   string // signed; on AWS it chooses the host. Required without Endpoint, else DefaultRegion
	Bucket   string
	// PathStyle puts the bucket into the path instead of the host name. It is taken by itself for a bucket with dots over TLS, which
	// certificates do not cover.
	PathStyle bool
	// BucketInHost: the host of Endpoint holds the bucket already, as the original SDK's endpoint argument does; Bucket is not used.
	BucketInHost bool

	// Credentials is asked for each request; what it returns is used for that one as a whole.
	Credentials func(ctx context.Context) (sigv4.Credentials, error)

	// RootCAs verifies the server's certificate; nil: PinnedRoots. Several clients should share one pool.
	RootCAs *x509.CertPool
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)

	ConnectTimeout, IdleTimeout, StallTimeout time.Duration // as http1.Config
	SendBuffer                                int           // as http1.Config
	AnyCipher                                 bool          // as http1.Config

	// NoCondition leaves out If-None-Match, for servers that do not know it: an object of the same name is then overwritten.
	NoCondition bool
	// NoChecksum leaves out x-amz-checksum-crc32c, for servers that refuse it. Over TLS nothing then tells the server that a body arrived
	// damaged.
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

// Client stores objects in one bucket. Put may be called from one goroutine at a time, Close and Stats from any.
type Client struct {
	cfg   Config
	place endpoint

	signer sigv4.Signer
	at     *address
	time   time.Time // of the Put under way

	// Used again for each request.
	signed  [maxHeaders]sigv4.Header
	fields  [maxHeaders + 2]http1.Field
	scratch []byte
	sha     hash.Hash
	request http1.Request

	mu    sync.Mutex
	http  *http1.Client
	stats Stats // of clients before http, and our own counts
}

// Stats are counters of a Client since New.
type Stats struct {
	http1.Stats
	Redirects   int // to another region
	ServerTimes int // times learned by Config.ServerTime
}

// New returns a Client, or an error that names everything wrong with cfg. It does not contact the server.
func New(cfg Config) (*Client, error) {
	place, err := newEndpoint(&cfg)
	errs := []error{err}
	if cfg.Credentials == nil {
		errs = append(errs, errors.New("no credentials"))
	}
	for _, v := range [...]struct {
		name string
		d    time.Duration
	}{{"ConnectTimeout", cfg.ConnectTimeout}, {"IdleTimeout", cfg.IdleTimeout}, {"StallTimeout", cfg.StallTimeout}} {
		if v.d < 0 {
			errs = append(errs, fmt.Errorf("%s is negative", v.name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("s3put: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{cfg: cfg, place: place, at: place.in(cfg.Region)}
	if c.at.tls && cfg.RootCAs == nil {
		c.cfg.RootCAs = PinnedRoots()
	}
	if !c.at.tls {
		c.sha = sha256.New()
	}
	c.http = c.newHTTP(c.at)
	return c, nil
}

// newHTTP returns the client of one address.
func (c *Client) newHTTP(at *address) *http1.Client {
	cfg := c.httpConfig(at)
	if at.tls {
		cfg.TLS = c.tlsConfig()
	}
	return http1.New(cfg)
}

func (c *Client) httpConfig(at *address) http1.Config {
	return http1.Config{
		Address: at.dial, Dial: c.cfg.Dial, ConnectTimeout: c.cfg.ConnectTimeout, IdleTimeout: c.cfg.IdleTimeout, StallTimeout: c.cfg.StallTimeout,
		SendBuffer: c.cfg.SendBuffer, AnyCipher: c.cfg.AnyCipher, MaxBody: maxDocument,
	}
}

// moveTo makes at the address of the bucket.
func (c *Client) moveTo(at *address) {
	c.mu.Lock()
	old := c.http
	c.mu.Unlock()
	old.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.add(old.Stats())
	c.stats.Redirects++
	c.at, c.http = at, c.newHTTP(at)
}

func (s *Stats) add(h http1.Stats) {
	s.Requests += h.Requests
	s.Dials += h.Dials
	s.Resumed += h.Resumed
	s.Resends += h.Resends
	s.Cipher = h.Cipher
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.add(c.http.Stats())
	return s
}

// Close closes the connection, after a Put under way has ended (end its context to hasten that). The Client stays usable.
func (c *Client) Close() {
	c.mu.Lock()
	h := c.http
	c.mu.Unlock()
	h.Close()
}
