// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxPresign is the longest life S3 grants a presigned URL.
const MaxPresign = 7 * 24 * time.Hour

// PresignOptions say what all URLs of one [Presigner] have in common.
type PresignOptions struct {
	Method  string // default "GET"
	BaseURL string // scheme, host and, for path style, the bucket: "https://host" or "https://host/bucket"
	Region  string
	Service string        // default "s3"
	Time    time.Time     // X-Amz-Date
	Expires time.Duration // from Time on; whole seconds, 1 s to MaxPresign
	Query   []Param       // further parameters, such as response-content-type; sorted in place
	Payload string        // default UnsignedPayload
}

// Presigner makes presigned URLs that differ only in the object key. Everything else is computed once: the query, the host,
// and the HMAC state up to the hash of the canonical request. It may be used from several goroutines.
type Presigner struct {
	base    string // "https://host/bucket/"
	head    string // canonical request before the key: "GET\n/bucket/"
	query   string // "?X-Amz-Algorithm=...&X-Amz-SignedHeaders=host&X-Amz-Signature="
	tail    []byte // canonical request after the key: "\n" query "\n" headers ...
	inner   []byte // SHA-256 state after the padded key and the head of the string to sign
	outer   []byte
	expires time.Time
	pool    sync.Pool // *hasher
}

// NewPresigner prepares a Presigner. The signing key comes from s's cache.
func (s *Signer) NewPresigner(c *Credentials, o PresignOptions) (*Presigner, error) {
	scheme, rest, ok := strings.Cut(o.BaseURL, "://")
	host, prefix, _ := strings.Cut(rest, "/")
	seconds := int64(o.Expires / time.Second)
	var errs []error
	if !ok || host == "" || scheme == "" || strings.HasSuffix(prefix, "/") {
		errs = append(errs, errors.New("base URL must be scheme://host or scheme://host/bucket"))
	}
	if seconds < 1 || o.Expires > MaxPresign {
		errs = append(errs, fmt.Errorf("expiry %v is not between 1s and %v", o.Expires, MaxPresign))
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		errs = append(errs, errors.New("no credentials"))
	}
	if o.Region == "" {
		errs = append(errs, errors.New("no region"))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("presign: %w", errors.Join(errs...))
	}
	if o.Method == "" {
		o.Method = "GET"
	}
	if o.Service == "" {
		o.Service = "s3"
	}
	if o.Payload == "" {
		o.Payload = UnsignedPayload
	}
	if prefix != "" {
		prefix += "/"
	}

	k := s.key(c.SecretAccessKey, o.Time, o.Region, o.Service)
	params := append([]Param{
		{"X-Amz-Algorithm", algorithm},
		{"X-Amz-Credential", c.AccessKeyID + "/" + k.scope},
		{"X-Amz-Date", string(AppendTime(nil, o.Time))},
		{"X-Amz-Expires", strconv.FormatInt(seconds, 10)},
		{"X-Amz-SignedHeaders", "host"},
	}, o.Query...)
	if c.SessionToken != "" {
		params = append(params, Param{"X-Amz-Security-Token", string(c.SessionToken)})
	}
	query := string(AppendQuery(nil, params))
	return &Presigner{
		base:    scheme + "://" + host + "/" + prefix,
		head:    o.Method + "\n/" + prefix,
		query:   "?" + query + "&X-Amz-Signature=",
		tail:    []byte("\n" + query + "\nhost:" + host + "\n\nhost\n" + o.Payload),
		inner:   stateAfter(k.inner, appendSignHead(nil, o.Time, k.scope)),
		outer:   k.outer,
		expires: o.Time.Truncate(time.Second).Add(time.Duration(seconds) * time.Second),
	}, nil
}

// Append appends the URL of the object key (not encoded, without a leading '/' of its own) and returns the extended slice.
// It allocates only to grow dst. The result is a secret until it expires: never log it.
func (p *Presigner) Append(dst []byte, key string) []byte {
	h, ok := p.pool.Get().(*hasher)
	if !ok {
		h = newHasher()
	}
	// The key is encoded into the scratch buffer first: were dst hashed in place, every caller's buffer would have to live
	// on the heap.
	h.buf = append(h.buf[:0], p.head...)
	h.buf = AppendPath(h.buf, key)
	dst = append(dst, p.base...)
	dst = append(dst, h.buf[len(p.head):]...)
	dst = append(dst, p.query...)

	h.h.Reset()
	h.h.Write(h.buf)
	h.h.Write(p.tail)
	request := h.hexSum()
	h.load(p.inner)
	h.h.Write(request)
	dst = appendHex(dst, h.mac(p.outer))
	p.pool.Put(h)
	return dst
}

// Expires returns when the URLs end by their own date; the credentials that signed them may end earlier.
func (p *Presigner) Expires() time.Time { return p.expires }
