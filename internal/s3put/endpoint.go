// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/s3cam/s3cam/internal/s3rule"
)

// address is where requests go and what they are signed for.
type address struct {
	tls    bool
	host   string // Host, with a port unless it is the scheme's own
	dial   string // host:port
	prefix string // escaped path before the key: "/" or "/bucket/"
	region string
}

// endpoint builds addresses for one bucket.
type endpoint struct {
	custom    *address // nil on AWS
	bucket    string   // empty: it is in the host already
	pathStyle bool
}

// newEndpoint checks the address part of cfg and fills in its defaults.
func newEndpoint(cfg *Config) (endpoint, error) {
	var errs []error
	e := endpoint{bucket: cfg.Bucket, pathStyle: cfg.PathStyle}
	switch {
	case cfg.Endpoint != "":
		if cfg.Region == "" {
			cfg.Region = DefaultRegion
		}
		a, err := parseEndpoint(cfg.Endpoint)
		if err != nil {
			errs = append(errs, err)
		} else if s3rule.IsIP(a.host) && !cfg.PathStyle && !cfg.BucketInHost {
			errs = append(errs, fmt.Errorf("endpoint %s is an IP address, so the bucket cannot be part of the host name; use path style", cfg.Endpoint))
		}
		e.custom = a
	case cfg.BucketInHost:
		errs = append(errs, errors.New("BucketInHost needs an endpoint"))
	case cfg.Region == "":
		errs = append(errs, errors.New("no region; name the region of the bucket, such as eu-central-1"))
	}
	if cfg.Region != "" && !s3rule.ValidRegion(cfg.Region) {
		errs = append(errs, fmt.Errorf("region %q is not a region name, such as eu-central-1", cfg.Region))
	}
	if cfg.BucketInHost {
		e.bucket, e.pathStyle = "", false
	} else if err := s3rule.CheckBucket(cfg.Bucket, cfg.Endpoint == ""); err != nil {
		errs = append(errs, err)
	}
	if strings.Contains(e.bucket, ".") && (e.custom == nil || e.custom.tls) {
		e.pathStyle = true
	}
	return e, errors.Join(errs...)
}

// parseEndpoint reads [scheme://]host[:port].
func parseEndpoint(s string) (*address, error) {
	bad := func(why string) (*address, error) {
		return nil, fmt.Errorf("endpoint %q: %s; want host[:port], https://host[:port] or http://host[:port]", s, why)
	}
	full := s
	if !strings.Contains(s, "://") {
		full = "https://" + s
	}
	u, err := url.Parse(full)
	if err != nil {
		return nil, errors.New("endpoint: not a URL; want host[:port], https://host[:port] or http://host[:port]") // it may hold a password
	}
	a := &address{tls: u.Scheme == "https"}
	switch {
	case u.User != nil:
		return nil, errors.New("endpoint: must not hold a user or password; use credentials") // do not repeat the password
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("the scheme is neither http nor https")
	case u.Hostname() == "":
		return bad("no host")
	case u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		return bad("has a path or query")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	bare := host // as it stands in Host
	switch _, err := netip.ParseAddr(host); {
	case err == nil && strings.Contains(host, ":"):
		bare = "[" + host + "]"
	case err != nil && !validName(host):
		return bad("bad character in the host")
	}
	own := "80"
	if a.tls {
		own = "443"
	}
	a.host = bare
	if port == "" {
		port = own
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return bad("a port is a number from 1 to 65535")
	}
	if port != own {
		a.host = bare + ":" + port
	}
	a.dial = net.JoinHostPort(host, port)
	return a, nil
}

func validName(host string) bool {
	for _, c := range []byte(host) {
		if c-'a' >= 26 && c-'0' >= 10 && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return host != "" && host[0] != '.'
}

// in returns the address of the bucket when it lives in region.
func (e *endpoint) in(region string) *address {
	a := address{tls: true, region: region, prefix: "/"}
	if e.custom != nil {
		a.tls, a.host, a.dial = e.custom.tls, e.custom.host, e.custom.dial
	} else {
		a.host = "s3." + region + "." + s3rule.DNSSuffix(region)
		a.dial = a.host + ":443"
	}
	switch {
	case e.bucket == "":
	case e.pathStyle:
		a.prefix = "/" + e.bucket + "/"
	default:
		a.host, a.dial = e.bucket+"."+a.host, e.bucket+"."+a.dial
	}
	return &a
}

// moved returns the address for the region that a redirect names, nil when it must not be followed. A host is never taken from the
// answer: it is built here from the region's name and stays in the partition, so credentials go to AWS or to the configured host only,
// and never from TLS to plain.
func (e *endpoint) moved(from *address, region string) *address {
	if region == from.region || !s3rule.ValidRegion(region) || (e.custom == nil && s3rule.DNSSuffix(region) != s3rule.DNSSuffix(from.region)) {
		return nil
	}
	return e.in(region)
}

// regionOfHost reads the region out of the host of a redirect, as S3 names its own hosts: [bucket.]s3.REGION.SUFFIX or
// [bucket.]s3-REGION.SUFFIX. Everything else is "".
func (e *endpoint) regionOfHost(host string) string {
	if e.custom != nil || e.bucket == "" {
		return ""
	}
	host = strings.TrimPrefix(strings.ToLower(host), e.bucket+".")
	host, ok := strings.CutPrefix(host, "s3")
	if !ok || len(host) < 2 || (host[0] != '.' && host[0] != '-') {
		return ""
	}
	region, suffix, _ := strings.Cut(host[1:], ".")
	if !s3rule.ValidRegion(region) || suffix != s3rule.DNSSuffix(region) {
		return ""
	}
	return region
}

// regionOfLocation is regionOfHost of a Location field.
func (e *endpoint) regionOfLocation(location string) string {
	rest, ok := strings.CutPrefix(location, "https://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return e.regionOfHost(host)
}
