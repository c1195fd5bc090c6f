// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"strings"
	"time"
)

// Payload hashes that are not the hash of something sent.
const (
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	EmptySHA256     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of no bytes
)

// Header is one header field that takes part in a signature. Name is lower case.
type Header struct{ Name, Value string }

// Request describes what is signed: exactly what goes over the wire.
type Request struct {
	Method string
	// EscapedPath is the path as sent, encoded by [AppendPath]; it begins with '/'.
	EscapedPath string
	// Query is the query as sent, made by [AppendQuery]; empty without parameters.
	Query string
	// Headers are all header fields to sign, "host" among them; S3 wants every x-amz-* field that is sent (x-amz-date,
	// x-amz-content-sha256, x-amz-security-token...). They are sorted in place by name; fields of the same name keep
	// their order and are joined by commas.
	Headers []Header
	// PayloadHash is the lower-case hexadecimal SHA-256 of the body, or UnsignedPayload.
	PayloadHash string
}

// AppendAuthorization appends the value of the Authorization header for r, signed at t. The x-amz-date field in r.Headers
// must hold the same time. The secret and the token are not kept beyond the key cache.
func (s *Signer) AppendAuthorization(dst []byte, c *Credentials, region, service string, t time.Time, r *Request) []byte {
	k := s.key(c.SecretAccessKey, t, region, service)
	h := s.hasher()
	sortHeaders(r.Headers)

	h.buf = appendCanonical(h.buf[:0], r)
	h.h.Reset()
	h.h.Write(h.buf)
	h.buf = append(appendSignHead(h.buf[:0], t, k.scope), h.hexSum()...)
	h.load(k.inner)
	h.h.Write(h.buf)
	signature := appendHex(h.hex[:0], h.mac(k.outer))

	dst = append(dst, algorithm+" Credential="...)
	dst = append(dst, c.AccessKeyID...)
	dst = append(dst, '/')
	dst = append(dst, k.scope...)
	dst = append(dst, ", SignedHeaders="...)
	dst = appendSignedHeaders(dst, r.Headers)
	dst = append(dst, ", Signature="...)
	dst = append(dst, signature...)
	s.pool.Put(h)
	return dst
}

// sortHeaders is an insertion sort: a request has about ten fields, mostly in order, and sort.Slice would allocate.
func sortHeaders(hs []Header) {
	for i := 1; i < len(hs); i++ {
		for j := i; j > 0 && hs[j].Name < hs[j-1].Name; j-- {
			hs[j], hs[j-1] = hs[j-1], hs[j]
		}
	}
}

// appendCanonical appends the canonical request:
//
//	Method \n EscapedPath \n Query \n (name ":" value \n)* \n SignedHeaders \n PayloadHash
func appendCanonical(dst []byte, r *Request) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = append(dst, r.EscapedPath...)
	dst = append(dst, '\n')
	dst = append(dst, r.Query...)
	dst = append(dst, '\n')
	for i, h := range r.Headers {
		if i > 0 && h.Name == r.Headers[i-1].Name {
			dst[len(dst)-1] = ',' // in place of the newline
		} else {
			dst = append(dst, h.Name...)
			dst = append(dst, ':')
		}
		dst = appendFolded(dst, h.Value)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = appendSignedHeaders(dst, r.Headers)
	dst = append(dst, '\n')
	return append(dst, r.PayloadHash...)
}

func appendSignedHeaders(dst []byte, hs []Header) []byte {
	for i, h := range hs {
		if i > 0 {
			if h.Name == hs[i-1].Name {
				continue
			}
			dst = append(dst, ';')
		}
		dst = append(dst, h.Name...)
	}
	return dst
}

// appendFolded appends a header value as it is signed: without white space at its ends, inner runs of spaces folded to one.
func appendFolded(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	for {
		i := strings.Index(v, "  ")
		if i < 0 {
			return append(dst, v...)
		}
		dst = append(dst, v[:i+1]...)
		v = strings.TrimLeft(v[i:], " ")
	}
}

// appendSignHead appends the string to sign up to the hash of the canonical request:
//
//	"AWS4-HMAC-SHA256" \n time \n scope \n
func appendSignHead(dst []byte, t time.Time, scope string) []byte {
	dst = append(dst, algorithm+"\n"...)
	dst = AppendTime(dst, t)
	dst = append(dst, '\n')
	dst = append(dst, scope...)
	return append(dst, '\n')
}
