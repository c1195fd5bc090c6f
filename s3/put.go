// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// PutOptions are the optional parts of a Put.
type PutOptions struct {
	ContentType  string  // such as "video/mp2t"; empty sends none
	CacheControl string  // such as "no-cache", kept with the object and sent with it; empty sends none
	Tags         string  // as [EncodeTags] makes them or [ValidateTags] has accepted them; needs s3:PutObjectTagging
	IfNoneMatch  bool    // store only if the key does not exist yet, else ErrExists
	CRC32C       *uint32 // of the body, when it is known already; nil: computed
}

// PutResult is the acknowledgement of a Put.
type PutResult struct {
	Date time.Time // the server's clock, zero without a Date header
	// Repeated: the key existed (IfNoneMatch), but an earlier try of this same call had sent all of the body and got no
	// answer. So what exists is taken to be that body.
	Repeated bool
}

// Put stores size bytes of body, read from its current offset, under key and returns when the server has acknowledged
// them. Failed tries are repeated as Config says. body may be read several times and is not used after Put returns; where
// it implements io.WriterTo (bytes.Reader, [Parts]) it is sent without a copy. With IfNoneMatch a key that a lost earlier
// try of the same call has stored counts as success, see PutResult.Repeated. Safe for use by several goroutines, each with
// its own body.
func (c *Client) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, o PutOptions) (PutResult, error) {
	q, err := c.newPut(key, body, size, o)
	if err != nil {
		return PutResult{}, err
	}
	var r PutResult
	err = c.retry(ctx, q, func() error {
		r, err = c.put(ctx, q)
		return err
	})
	return r, err
}

// PutOnce is Put with a single try, for callers that repeat by themselves ([Retryable] says when). It still corrects the
// region, the clock and expired credentials once each, and net/http may send the request again when a kept connection
// turns out to be closed. After a failure without an answer the object may exist.
func (c *Client) PutOnce(ctx context.Context, key string, body io.ReadSeeker, size int64, o PutOptions) (PutResult, error) {
	q, err := c.newPut(key, body, size, o)
	if err != nil {
		return PutResult{}, err
	}
	return c.put(ctx, q)
}

func (c *Client) newPut(key string, src io.ReadSeeker, size int64, o PutOptions) (*call, error) {
	const op = "put"
	if err := checkKey(key); err != nil {
		return nil, fail(op, key, err)
	}
	if !validFieldValue(o.ContentType) || !validFieldValue(o.CacheControl) || !validFieldValue(o.Tags) {
		return nil, failf(op, key, "content type, cache control and tags must not hold control characters")
	}
	b, err := newBody(src, size)
	if err != nil {
		return nil, fail(op, key, err)
	}
	// Over TLS nothing is hashed with SHA-256: the connection protects the body, and the CRC tells the server about a cut
	// or damaged one.
	plain := c.target.Load().scheme == "http"
	sendCRC := !c.cfg.OmitChecksum
	sha, crc, err := b.checksums(plain, sendCRC && o.CRC32C == nil)
	if err != nil {
		return nil, fail(op, key, err)
	}

	q := c.newCall(op, http.MethodPut, key)
	q.body = b
	q.timeout += time.Duration(float64(size) / float64(c.cfg.MinRate) * float64(time.Second))
	q.payload = sigv4.UnsignedPayload
	if plain {
		q.payload = sha
	}
	if o.ContentType != "" {
		q.set("Content-Type", "content-type", o.ContentType)
	}
	if o.CacheControl != "" {
		q.set("Cache-Control", "cache-control", o.CacheControl)
	}
	if o.IfNoneMatch {
		q.set("If-None-Match", "if-none-match", "*")
	}
	if sendCRC {
		if o.CRC32C != nil {
			crc = *o.CRC32C
		}
		var raw [4]byte
		binary.BigEndian.PutUint32(raw[:], crc)
		q.set("X-Amz-Checksum-Crc32c", "x-amz-checksum-crc32c", base64.StdEncoding.EncodeToString(raw[:]))
	}
	if o.Tags != "" {
		q.set("X-Amz-Tagging", "x-amz-tagging", o.Tags)
	}
	return q, nil
}

// put is one try.
func (c *Client) put(ctx context.Context, q *call) (PutResult, error) {
	a, err := c.do(ctx, q)
	if err != nil {
		if e, ok := err.(*Error); ok && e.Status == http.StatusPreconditionFailed && q.body.mayBeStored() {
			return PutResult{Date: e.Date, Repeated: true}, nil
		}
		return PutResult{}, err
	}
	r := PutResult{Date: serverDate(a.Header)}
	ours := fromS3(a.Header)
	a.finish()
	q.body.release()
	if !ours {
		return PutResult{}, &exchangeError{op: q.op, key: q.key, err: ErrNotS3, late: true}
	}
	return r, nil
}

// fromS3 tells whether an answer to a PUT or GET can be S3's, which always names the object's ETag. Others that say 200 to
// everything, such as the login page of a network, must not be taken for a store.
func fromS3(h http.Header) bool {
	return len(h["Etag"]) > 0 || len(h["X-Amz-Request-Id"]) > 0
}

// Delete removes the object key. A key that does not exist is no error. Failed tries are repeated.
func (c *Client) Delete(ctx context.Context, key string) error {
	const op = "delete"
	if err := checkKey(key); err != nil {
		return fail(op, key, err)
	}
	q := c.newCall(op, http.MethodDelete, key)
	return c.retry(ctx, q, func() error {
		a, err := c.do(ctx, q)
		if err != nil {
			if e, ok := err.(*Error); ok && e.Is(ErrNotFound) {
				return nil
			}
			return err
		}
		a.finish()
		return nil
	})
}

// validFieldValue accepts what may stand in a header field.
func validFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
