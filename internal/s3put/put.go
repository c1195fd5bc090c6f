// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/sigv4"
)

const (
	maxKey     = 1024 // S3's limit
	maxHeaders = 8    // that are signed
)

// Put makes one try to store o, with Content-Type video/mp2t, if there is no object of this key. Within it a dead kept connection is
// replaced once, and a redirect to the bucket's region followed once and remembered, as far as o.Again allows.
//
// serverTime is the server's clock as far as the answer tells it, zero when not; it counts with an error too. Errors wrap one of the Err
// values where the caller can act on it; an answer that is not a success is an *Error. When an earlier sending of this same call may have
// stored the object, its existence is a success.
//
// A certificate that does not verify because of its dates means ErrNotSent and says what to do. With Config.ServerTime the time is then
// asked from the server, without anything signed or secret, over a connection that is verified in all but the dates, and has to lie
// within the dates of the certificate; Put returns it with ErrClockSkew.
func (c *Client) Put(ctx context.Context, o *Object) (serverTime time.Time, err error) {
	if err := check(o); err != nil {
		return time.Time{}, err
	}
	cred, err := c.cfg.Credentials(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: credentials: %w", ErrNotSent, err)
	}
	if cred.AccessKeyID == "" || cred.SecretAccessKey == "" {
		return time.Time{}, fmt.Errorf("%w: no credentials", ErrNotSent)
	}
	c.time = o.Time
	if c.time.IsZero() {
		c.time = c.cfg.Now()
	}
	c.time = c.time.UTC()
	for redirected := false; ; redirected = true {
		r, err := c.http.Do(ctx, c.build(o, &cred))
		if err != nil {
			return c.failed(ctx, o, err)
		}
		if r.Status >= 200 && r.Status < 300 {
			return c.stored(r)
		}
		e := c.refusal(r, c.time)
		date := r.Date
		if e.NotS3 {
			date = time.Time{} // nor is its clock
		} else if date.IsZero() || e.Code == "RequestTimeTooSkewed" && !e.serverTime.IsZero() {
			date = e.serverTime
		}
		if e.Status == 412 && r.Repeated {
			return date, nil
		}
		if r.Status >= 500 {
			c.http.Close() // the next try asks the DNS anew: another of S3's many hosts may do (AWS's advice for 500 and 503)
		}
		if next := c.place.moved(c.at, e.region); next != nil {
			c.cfg.Logger.Info("s3: the bucket is in another region", "region", next.region)
			c.moveTo(next)
			e.Class = nil // the next try goes there
			if !redirected && (o.Again == nil || o.Again()) {
				continue
			}
		}
		return date, e
	}
}

// check refuses what S3 would, without its message going over the network.
func check(o *Object) error {
	reject := func(why string) error { return fmt.Errorf("%w: %s", ErrRejected, why) }
	switch {
	case o.Key == "":
		return reject("empty key")
	case len(o.Key) > maxKey:
		return reject("key is longer than 1024 bytes")
	case !utf8.ValidString(o.Key):
		return reject("key is not valid UTF-8")
	case len(o.Parts[0])+len(o.Parts[1]) != o.Size:
		return reject("the parts do not make up the size")
	}
	for i := range len(o.Tags) {
		if o.Tags[i] < ' ' || o.Tags[i] == 0x7f {
			return reject("control character in the tags")
		}
	}
	return nil
}

// build signs the request for o. It is valid until the next.
func (c *Client) build(o *Object, cred *sigv4.Credentials) *http1.Request {
	c.scratch = append(c.scratch[:0], c.at.prefix...)
	c.scratch = sigv4.AppendPath(c.scratch, o.Key)
	path := string(c.scratch)

	n := 0
	sign := func(wire, name, value string) {
		c.signed[n] = sigv4.Header{Name: name, Value: value}
		c.fields[n] = http1.Field{Name: wire, Value: value}
		n++
	}
	// In the order of the names: the signature wants them sorted.
	sign("Content-Type", "content-type", "video/mp2t")
	if !c.cfg.NoCondition {
		sign("If-None-Match", "if-none-match", "*")
	}
	if !c.cfg.NoChecksum {
		var raw [4]byte
		binary.BigEndian.PutUint32(raw[:], o.CRC32C)
		sign("X-Amz-Checksum-Crc32c", "x-amz-checksum-crc32c", base64.StdEncoding.EncodeToString(raw[:]))
	}
	payload := sigv4.UnsignedPayload
	if !c.at.tls {
		payload = c.hash(o)
	}
	sign("X-Amz-Content-Sha256", "x-amz-content-sha256", payload)
	c.scratch = sigv4.AppendTime(c.scratch[:0], c.time)
	sign("X-Amz-Date", "x-amz-date", string(c.scratch))
	if cred.SessionToken != "" {
		sign("X-Amz-Security-Token", "x-amz-security-token", string(cred.SessionToken))
	}
	if o.Tags != "" {
		sign("X-Amz-Tagging", "x-amz-tagging", o.Tags)
	}
	c.signed[n] = sigv4.Header{Name: "host", Value: c.at.host}
	c.scratch = c.signer.AppendAuthorization(c.scratch[:0], cred, c.at.region, "s3", c.time, &sigv4.Request{
		Method: "PUT", EscapedPath: path, Headers: c.signed[:n+1], PayloadHash: payload,
	})
	c.fields[n] = http1.Field{Name: "Authorization", Value: string(c.scratch)}
	c.fields[n+1] = http1.Field{Name: "User-Agent", Value: "s3cam"}
	c.request = http1.Request{
		Method: "PUT", Target: path, Host: c.at.host, Header: c.fields[:n+2], Body: o.Parts, Sent: o.Sent, Again: o.Again,
	}
	return &c.request
}

// hash returns the payload hash of o in hexadecimal digits.
func (c *Client) hash(o *Object) string {
	c.sha.Reset()
	c.sha.Write(o.Parts[0])
	c.sha.Write(o.Parts[1])
	var sum [32]byte
	return hex.EncodeToString(c.sha.Sum(sum[:0]))
}

// stored judges a success. Those who answer 200 to everything, such as the login page of a network, must not be taken for a store: S3
// names the object's ETag and the request. And nobody can have stored a body of which he has not got all.
func (c *Client) stored(r *http1.Response) (time.Time, error) {
	e := &Error{Status: r.Status, Host: c.at.host}
	switch {
	case !r.Has("ETag") && !r.Has("X-Amz-Request-Id"):
		e.NotS3 = true
		return time.Time{}, e
	case r.Early:
		e.Message = "success before the body was sent"
		return r.Date, e
	}
	return r.Date, nil
}

// failed sorts the error of a request without an answer.
func (c *Client) failed(ctx context.Context, o *Object, err error) (time.Time, error) {
	if invalid, ok := c.dateProblem(err); ok {
		if c.cfg.ServerTime {
			return c.learnTime(ctx, invalid)
		}
		return time.Time{}, fmt.Errorf("%w: %w", ErrNotSent, invalid)
	}
	var e *http1.Error
	switch {
	case errors.Is(err, http1.ErrRequest):
		return time.Time{}, fmt.Errorf("%w: %w", ErrRejected, err)
	case errors.Is(err, http1.ErrNotSent):
		return time.Time{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	case errors.As(err, &e) && e.Sent < o.Size:
		return time.Time{}, fmt.Errorf("%w: cut after %d of %d bytes: %w", ErrNotSent, e.Sent, o.Size, err)
	}
	return time.Time{}, fmt.Errorf("s3: %w", err)
}
