// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/versity/versitygw/s3api/utils"
)

// Defaults of Config.
const (
	DefaultAddr           = "127.0.0.1:9000"
	DefaultRegion         = "us-east-1"
	DefaultBucket         = "video"
	DefaultVirtualDomain  = "localhost"      // SDKs turn http://localhost:9000 into http://video.localhost:9000 by themselves
	DefaultMaxConnections = 4096             // a connection costs about 20 KiB
	DefaultMaxRequests    = 1024             // beyond: 503 SlowDown, which clients retry
	DefaultDrainTimeout   = 10 * time.Second // a 2 MB segment over a 2 Mbit/s uplink takes 8 s
	DefaultStallTimeout   = time.Minute      // a peer that takes nothing this long is gone, and one that sends less than 128 bytes per second of it
)

// Durability says what is on disk when a PUT is answered.
type Durability string

// The durabilities, safest first. Measured on one ext4 disk with four writers of 1.9 MB objects: 60, 142 and 143 PUT/s.
const (
	DurabilityFull Durability = "full" // data and every directory entry on the way to it; the default
	DurabilityData Durability = "data" // data before the name: after a power cut an object is whole or absent, and may be absent
	DurabilityNone Durability = "none" // whatever the kernel has written by itself: an object may be short after a power cut
)

// Config configures New. The zero value of a field means its default; Dir, AccessKey and SecretKey have none.
type Config struct {
	Dir    string // root of the buckets; created when missing. Made absolute by New
	Addr   string // host:port to listen on; port 0 picks a free one (see Server.URL). Default DefaultAddr
	Region string // region that clients sign for. Default DefaultRegion
	Bucket string // created when missing; Server's own read methods work on it. Default DefaultBucket

	AccessKey string // root key pair: may do everything this engine can
	SecretKey Secret
	Accounts  Accounts // further key pairs, each limited by its own rule; nil = none

	VirtualDomain string // besides path style, <bucket>.<VirtualDomain> is understood. Default DefaultVirtualDomain; "-" = off

	// CORSOrigins lists the origins ("https://host[:port]") whose pages may GET and HEAD objects; "*" allows any, since access
	// is in the signed URL anyway. Answers of every status carry the headers, so a page can read an error. Empty: none.
	CORSOrigins []string

	CertFile, KeyFile string // PEM files; both set = https. Read by New and by Server.ReloadCertificate

	// TLS, when set, makes the port https by certificates of the caller's (GetCertificate); not together with CertFile. The
	// protocols (HTTP/1.1) and a floor of TLS 1.2 are set here.
	TLS *tls.Config

	Durability     Durability    // default DurabilityFull
	MaxConnections int           // default DefaultMaxConnections
	MaxRequests    int           // requests at a time, default DefaultMaxRequests; at most MaxConnections
	DrainTimeout   time.Duration // how long Run waits for requests under way. Default DefaultDrainTimeout
	StallTimeout   time.Duration // default DefaultStallTimeout

	// OnStored, when set, is called after an object was published and before its request is answered, on the request's
	// goroutine; several calls may run at once. key is the key as stored (slashes folded). It must not block for long.
	OnStored func(bucket, key string, size int64)

	// Listener, when set, is what the port is served on in place of Addr, as one that systemd keeps open over a restart. It is
	// the Server's from then on.
	Listener net.Listener

	// OnRequest, when set, is called after each request, on its goroutine: method as sent, status, and the time from its head
	// to its answer. It must not block.
	OnRequest func(method string, status int, took time.Duration)

	Logger *slog.Logger // nil discards
}

// CheckBucket says what is wrong with the name of a bucket, which is also that of a directory.
func CheckBucket(name string) error {
	if !bucketName(name) {
		return fmt.Errorf("%q is not a bucket name (3 to 63 of a-z, 0-9, '.', '-')", name)
	}
	return nil
}

// bucketName tells whether a name can be a bucket's here. The directory of the buckets is also that of the server's state:
// what is kept there, by whoever, is no bucket.
func bucketName(name string) bool {
	switch name {
	case CredentialsFile, "tls", "access.json", "sessions.json", "cameras.json", "holds.json", "retention.json", "retention-seen.json", "server.json":
		return false
	}
	return utils.IsValidBucketName(name)
}

// withDefaults fills in defaults, makes paths absolute and reports every problem at once.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	def := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	abs := func(name string, p *string) {
		if *p == "" {
			return
		}
		a, err := filepath.Abs(*p)
		if err != nil {
			bad("%s: %w", name, err)
			return
		}
		*p = a
	}
	def(&c.Addr, DefaultAddr)
	def(&c.Region, DefaultRegion)
	def(&c.Bucket, DefaultBucket)
	def(&c.VirtualDomain, DefaultVirtualDomain)
	def((*string)(&c.Durability), string(DurabilityFull))
	if c.VirtualDomain == "-" {
		c.VirtualDomain = ""
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = DefaultMaxConnections
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = min(DefaultMaxRequests, c.MaxConnections)
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = DefaultStallTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.CORSOrigins = append([]string(nil), c.CORSOrigins...)

	if c.Dir == "" {
		bad("Dir is empty")
	}
	abs("Dir", &c.Dir)
	abs("CertFile", &c.CertFile)
	abs("KeyFile", &c.KeyFile)
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		bad("Addr %q is not host:port", c.Addr)
	}
	if err := CheckBucket(c.Bucket); err != nil {
		bad("Bucket: %w", err)
	}
	if err := checkAccessKey(c.AccessKey); err != nil {
		bad("AccessKey: %w", err)
	}
	if c.SecretKey == "" {
		bad("SecretKey is empty")
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		bad("CertFile and KeyFile belong together")
	}
	if c.TLS != nil && c.CertFile != "" {
		bad("TLS and CertFile exclude each other")
	}
	switch c.Durability {
	case DurabilityFull, DurabilityData, DurabilityNone:
	default:
		bad("Durability %q is none of full, data, none", c.Durability)
	}
	if c.MaxConnections < 0 || c.MaxRequests < 0 || c.MaxRequests > c.MaxConnections {
		bad("MaxRequests %d must be positive and at most MaxConnections %d", c.MaxRequests, c.MaxConnections)
	}
	if c.DrainTimeout < 0 || c.StallTimeout < 0 {
		bad("DrainTimeout and StallTimeout must not be negative")
	}
	for _, o := range c.CORSOrigins {
		if o != "*" && !strings.Contains(o, "://") || strings.HasSuffix(o, "/") {
			bad("CORSOrigins: %q is neither \"*\" nor scheme://host[:port]", o)
		}
	}
	return c, errors.Join(errs...)
}
