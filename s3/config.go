// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// Secret is a string that prints as "[redacted]" in every format; its value is string(s).
type Secret = sigv4.Secret

// Credentials are one AWS key pair:
//
//	AccessKeyID     string
//	SecretAccessKey Secret
//	SessionToken    Secret    // of temporary credentials; always signed when present
//	Expires         time.Time // zero when unknown or never
type Credentials = sigv4.Credentials

// Provider supplies the credentials of a request. Retrieve is called for each one, possibly from several goroutines, so it
// must be fast: it caches.
type Provider interface {
	Retrieve(ctx context.Context) (Credentials, error)
}

// Refresher is an optional ability of a [Provider]: it is called when the server says that old has expired and returns
// newer credentials. Without it Retrieve is asked once more.
type Refresher interface {
	Refresh(ctx context.Context, old Credentials) (Credentials, error)
}

type static struct{ c Credentials }

func (s static) Retrieve(context.Context) (Credentials, error) { return s.c, nil }

// Static returns a Provider of fixed credentials. sessionToken is empty for permanent keys.
func Static(accessKeyID string, secretAccessKey, sessionToken Secret) Provider {
	return static{Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, SessionToken: sessionToken}}
}

// Defaults of Config.
const (
	DefaultRegion      = "us-east-1" // with an Endpoint only
	DefaultTryTimeout  = 10 * time.Second
	DefaultMinRate     = 32 << 10 // bytes per second
	DefaultMaxAttempts = 4
	DefaultBackoff     = 100 * time.Millisecond
	DefaultMaxBackoff  = 20 * time.Second
)

// Config describes the bucket and how to reach it. Zero values mean the defaults.
type Config struct {
	// Endpoint is the address of an S3-compatible server, scheme://host[:port]. Empty means AWS in Region.
	Endpoint string
	// Region is signed and, on AWS, chooses the host. Required without Endpoint, else us-east-1.
	Region string
	Bucket string
	// PathStyle puts the bucket into the path (https://host/bucket/key) instead of the host name. Servers addressed by IP
	// need it. On AWS it is used by itself for a bucket with dots, which certificates do not cover.
	PathStyle bool
	// DualStack uses AWS's IPv4 and IPv6 host names. Not with Endpoint.
	DualStack bool

	Credentials Provider

	// Transport replaces the built-in one (HTTP/1.1, idle connections for 4 s, bodies written without a copy buffer).
	Transport http.RoundTripper
	// RootCAs verifies the server's certificate in place of the system's pool. Built-in transport only.
	RootCAs *x509.CertPool

	// TryTimeout bounds the waiting of one try: for the answer of a request, for the next bytes of a body. A Put gets the
	// time for its body at MinRate on top. MinRate is the slowest useful uplink in bytes per second.
	TryTimeout time.Duration
	MinRate    int64

	// MaxAttempts counts tries including the first. Before the n-th repetition the client waits a random time between 0
	// and Backoff*2^(n-1), at most MaxBackoff; when the server asks to slow down, twenty times Backoff.
	MaxAttempts int
	Backoff     time.Duration
	MaxBackoff  time.Duration

	// OmitChecksum leaves out x-amz-checksum-crc32c, for servers that refuse it. Over TLS nothing then tells the server
	// that a body arrived damaged or cut.
	OmitChecksum bool

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // nil discards
}

// Client accesses one bucket. It is safe for use by several goroutines.
type Client struct {
	cfg    Config
	place  endpoint
	signer sigv4.Signer

	target  target
	pages   pagePool
	skew    clock
	budget  budget
	stats   counters
	singles atomic.Int64 // Unix ns until which DeleteObjects sends single DELETEs

	sleep func(context.Context, time.Duration) error // tests replace it
	rand  func() float64                             // in [0, 1)
}

// New returns a Client, or an error that names everything wrong with cfg. It does not contact the server.
func New(cfg Config) (*Client, error) {
	place, err := newEndpoint(&cfg)
	errs := []error{err}
	if cfg.Credentials == nil {
		errs = append(errs, errors.New("no credentials"))
	}
	for _, v := range []struct {
		name string
		n    int64
	}{{"TryTimeout", int64(cfg.TryTimeout)}, {"MinRate", cfg.MinRate}, {"MaxAttempts", int64(cfg.MaxAttempts)}, {"Backoff", int64(cfg.Backoff)}, {"MaxBackoff", int64(cfg.MaxBackoff)}} {
		if v.n < 0 {
			errs = append(errs, fmt.Errorf("%s is negative", v.name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	def(&cfg.TryTimeout, DefaultTryTimeout)
	def(&cfg.MinRate, DefaultMinRate)
	def(&cfg.MaxAttempts, DefaultMaxAttempts)
	def(&cfg.Backoff, DefaultBackoff)
	def(&cfg.MaxBackoff, DefaultMaxBackoff)
	if cfg.Transport == nil {
		cfg.Transport = newTransport(cfg.RootCAs)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{cfg: cfg, place: place, sleep: sleep, rand: rand.Float64}
	c.target.Store(place.in(cfg.Region))
	c.budget.fill()
	return c, nil
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Close closes idle connections. Requests under way are not disturbed, and the Client stays usable.
func (c *Client) Close() error {
	if t, ok := c.cfg.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// Bucket returns the name of the bucket.
func (c *Client) Bucket() string { return c.cfg.Bucket }
