// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/s3cam/s3cam/internal/s3rule"
)

// address is where requests go and what they are signed for.
type address struct {
	scheme string // "http" or "https"
	host   string // with a port unless it is the scheme's own
	prefix string // escaped path before the key: "/" or "/bucket/"
	region string
}

func (a *address) baseURL() string {
	return a.scheme + "://" + a.host + strings.TrimSuffix(a.prefix, "/")
}

// target is the current address; it changes when AWS says that the bucket lives in another region.
type target = atomic.Pointer[address]

// endpoint builds addresses for one bucket.
type endpoint struct {
	custom    *address // nil on AWS
	bucket    string
	pathStyle bool
	dualStack bool
}

// newEndpoint checks the address part of cfg and fills in its defaults.
func newEndpoint(cfg *Config) (endpoint, error) {
	var errs []error
	e := endpoint{bucket: cfg.Bucket, pathStyle: cfg.PathStyle, dualStack: cfg.DualStack}
	if cfg.Endpoint == "" {
		if cfg.Region == "" {
			errs = append(errs, errors.New("no region; name the region of the bucket, such as eu-central-1"))
		}
	} else {
		def(&cfg.Region, DefaultRegion)
		a, err := parseEndpoint(cfg.Endpoint)
		if err != nil {
			errs = append(errs, err)
		} else if s3rule.IsIP(a.host) && !cfg.PathStyle {
			errs = append(errs, fmt.Errorf("endpoint %s is an IP address, so the bucket cannot be part of the host name; set PathStyle", cfg.Endpoint))
		}
		e.custom = a
		if cfg.DualStack {
			errs = append(errs, errors.New("DualStack is for AWS; it cannot be combined with an endpoint"))
		}
	}
	if cfg.Region != "" && !s3rule.ValidRegion(cfg.Region) {
		errs = append(errs, fmt.Errorf("region %q is not a region name, such as eu-central-1", cfg.Region))
	}
	if err := s3rule.CheckBucket(cfg.Bucket, cfg.Endpoint == ""); err != nil {
		errs = append(errs, err)
	}
	if strings.Contains(e.bucket, ".") && (e.custom == nil || e.custom.scheme == "https") {
		e.pathStyle = true
	}
	return e, errors.Join(errs...)
}

// parseEndpoint reads scheme://host[:port]. The port is dropped where it is the scheme's own: browsers do not send it in
// the Host header, which presigned URLs sign.
func parseEndpoint(s string) (*address, error) {
	bad := func(why string) (*address, error) {
		return nil, fmt.Errorf("endpoint %q: %s; want http://host[:port] or https://host[:port]", s, why)
	}
	u, err := url.Parse(s)
	if err != nil {
		return bad("not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("no http or https scheme")
	case u.Hostname() == "":
		return bad("no host")
	case u.User != nil:
		return nil, errors.New("endpoint: must not hold a user or password; use credentials") // do not repeat the password
	case u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/"):
		return bad("has a path or query")
	}
	host := strings.ToLower(u.Host)
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>"%\^|{}`+"`", r) }) {
		return bad("bad character in the host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return bad("a port is a number from 1 to 65535")
		}
	}
	if port := u.Port(); port == "" || (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return &address{scheme: u.Scheme, host: host}, nil
}

// in returns the address of the bucket when it lives in region.
func (e *endpoint) in(region string) *address {
	a := address{scheme: "https", region: region}
	if e.custom != nil {
		a.scheme, a.host = e.custom.scheme, e.custom.host
	} else {
		a.host = "s3." + region + "." + s3rule.DNSSuffix(region)
		if e.dualStack {
			a.host = "s3.dualstack." + region + "." + s3rule.DNSSuffix(region)
		}
	}
	if e.pathStyle {
		a.prefix = "/" + e.bucket + "/"
	} else {
		a.host, a.prefix = e.bucket+"."+a.host, "/"
	}
	return &a
}

// moved returns the address for the region that a redirect names, nil when it must not be followed. A host is never taken
// from the answer: it is built here from the region's name and stays in the partition, so credentials go to AWS only.
func (e *endpoint) moved(from *address, region string) *address {
	if region == from.region || !s3rule.ValidRegion(region) || (e.custom == nil && s3rule.DNSSuffix(region) != s3rule.DNSSuffix(from.region)) {
		return nil
	}
	return e.in(region)
}
