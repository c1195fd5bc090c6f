// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// MaxKeyBytes is S3's limit for the length of a key.
const MaxKeyBytes = 1024

const maxHeaders = 12

// call is one operation on the bucket. Its tries happen one after the other.
type call struct {
	op, key string // for messages
	method  string
	object  bool          // key is the path; else the request goes to the bucket
	query   []sigv4.Param // of the bucket request
	fields  [5]field      // header fields besides those that every request has
	nfields int
	payload string // sigv4's payload hash
	body    *body  // nil = none
	timeout time.Duration

	// of the last try
	at       *address
	cred     Credentials
	signedAt time.Time
}

// field is a header field by its name on the wire (as net/http writes it) and in the signature.
type field struct{ canonical, lower, value string }

func (q *call) set(canonical, lower, value string) {
	q.fields[q.nfields] = field{canonical, lower, value}
	q.nfields++
}

func (c *Client) newCall(op, method, key string) *call {
	return &call{op: op, method: method, key: key, object: true, payload: sigv4.EmptySHA256, timeout: c.cfg.TryTimeout}
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("empty key")
	case len(key) > MaxKeyBytes:
		return errors.New("key is longer than 1024 bytes")
	case !utf8.ValidString(key):
		return errors.New("key is not valid UTF-8")
	}
	return nil
}

// request builds and signs the HTTP request of one try.
func (c *Client) request(ctx context.Context, q *call) *http.Request {
	at := c.target.Load()
	now := c.now()
	q.at, q.signedAt = at, now

	var buf [1024]byte
	path := append(buf[:0], at.prefix...)
	if q.object {
		path = sigv4.AppendPath(path, q.key)
	}
	escaped := string(path)
	u := &url.URL{Scheme: at.scheme, Host: at.host, Path: escaped}
	if q.object && len(escaped) != len(at.prefix)+len(q.key) { // something is encoded
		u.Path, u.RawPath = at.prefix+q.key, escaped
	}
	if len(q.query) > 0 {
		u.RawQuery = string(sigv4.AppendQuery(path[:0], q.query))
	}

	// The values of all fields share one array; each gets a slice of length 1 of it.
	var signed [maxHeaders]sigv4.Header
	values := make([]string, 0, maxHeaders)
	header := make(http.Header, maxHeaders)
	n := 0
	sign := func(f field) {
		signed[n] = sigv4.Header{Name: f.lower, Value: f.value}
		n++
		values = append(values, f.value)
		header[f.canonical] = values[len(values)-1 : len(values) : len(values)]
	}
	for _, f := range q.fields[:q.nfields] {
		sign(f)
	}
	sign(field{"X-Amz-Content-Sha256", "x-amz-content-sha256", q.payload})
	sign(field{"X-Amz-Date", "x-amz-date", string(sigv4.AppendTime(path[:0], now))})
	if q.cred.SessionToken != "" {
		sign(field{"X-Amz-Security-Token", "x-amz-security-token", string(q.cred.SessionToken)})
	}
	signed[n] = sigv4.Header{Name: "host", Value: at.host}
	authorization := c.signer.AppendAuthorization(path[:0], &q.cred, at.region, "s3", now, &sigv4.Request{
		Method: q.method, EscapedPath: escaped, Query: u.RawQuery, Headers: signed[:n+1], PayloadHash: q.payload,
	})
	values = append(values, string(authorization), "s3cam")
	header["Authorization"] = values[len(values)-2 : len(values)-1 : len(values)-1]
	header["User-Agent"] = values[len(values)-1:]

	req := &http.Request{
		Method: q.method, URL: u, Host: at.host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if b := q.body; b != nil {
		req.ContentLength = b.size
		req.Body = http.NoBody
		if b.size > 0 {
			req.Body = b.pass()
			req.GetBody = func() (io.ReadCloser, error) { return b.pass(), nil }
		}
		// Not sent: a field without values. Its presence tells net/http that the request may be sent again when a kept
		// connection turns out to be closed, which it otherwise does for GET and HEAD only. Repeating a Put of the same
		// bytes is harmless, see Put about If-None-Match.
		header["X-Idempotency-Key"] = nil
	} else if q.method == http.MethodDelete {
		header["X-Idempotency-Key"] = nil
	}
	return req.WithContext(ctx)
}
