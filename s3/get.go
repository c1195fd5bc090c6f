// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxReadRange bounds ReadRange.
const MaxReadRange = 64 << 20

// GetOptions choose a part of the object; the zero value means all of it.
type GetOptions struct {
	Offset int64 // negative: the last -Offset bytes
	Length int64 // 0: to the end; not with a negative Offset
}

// ObjectInfo describes a stored object.
type ObjectInfo struct {
	Size         int64 // of the whole object, -1 when the server does not say
	ETag         string
	ContentType  string
	LastModified time.Time // zero when missing
}

// Object is an object being read. Body must be closed.
type Object struct {
	ObjectInfo
	Body         io.ReadCloser
	Length       int64  // bytes in Body, -1 when the server does not say
	ContentRange string // of a part, as sent: "bytes 0-9/443"
}

// Get opens an object. Tries that fail before the body begins are repeated; an error while Body is read is not. Each read
// may wait for Config.TryTimeout. A range that lies beyond the object gives ErrRange.
func (c *Client) Get(ctx context.Context, key string, o GetOptions) (*Object, error) {
	q, err := c.newGet(key, o)
	if err != nil {
		return nil, err
	}
	var obj *Object
	err = c.retry(ctx, q, func() error {
		obj, err = c.get(ctx, q, o)
		return err
	})
	return obj, err
}

func (c *Client) newGet(key string, o GetOptions) (*call, error) {
	const op = "get"
	if err := checkKey(key); err != nil {
		return nil, fail(op, key, err)
	}
	q := c.newCall(op, http.MethodGet, key)
	switch {
	case o.Length < 0 || (o.Offset < 0 && o.Length > 0) || o.Offset+o.Length < o.Offset:
		return nil, failf(op, key, "bad range: offset %d, length %d", o.Offset, o.Length)
	case o.Offset < 0:
		q.set("Range", "range", "bytes="+strconv.FormatInt(o.Offset, 10))
	case o.Length > 0:
		q.set("Range", "range", "bytes="+strconv.FormatInt(o.Offset, 10)+"-"+strconv.FormatInt(o.Offset+o.Length-1, 10))
	case o.Offset > 0:
		q.set("Range", "range", "bytes="+strconv.FormatInt(o.Offset, 10)+"-")
	}
	return q, nil
}

// get is one try.
func (c *Client) get(ctx context.Context, q *call, o GetOptions) (*Object, error) {
	a, err := c.do(ctx, q)
	if err != nil {
		return nil, err
	}
	ranged := o.Offset != 0 || o.Length > 0
	switch {
	case !fromS3(a.Header):
		a.close()
		return nil, &exchangeError{op: q.op, key: q.key, err: ErrNotS3, late: true}
	case a.StatusCode != http.StatusOK && !(ranged && a.StatusCode == http.StatusPartialContent):
		a.close()
		return nil, failf(q.op, q.key, "the server answers with status %d, which is not that of an object", a.StatusCode)
	}
	obj := &Object{ObjectInfo: info(a.Header, a.ContentLength), Length: a.ContentLength, ContentRange: a.Header.Get("Content-Range")}
	obj.Body = &objectBody{a: a, ctx: ctx, q: q, left: -1}
	switch {
	case ranged && a.StatusCode == http.StatusPartialContent:
		first, total, ok := parseContentRange(obj.ContentRange)
		if !ok || (o.Offset >= 0 && first != o.Offset) {
			a.close()
			return nil, failf(q.op, q.key, "asked for the range at %d, got %q", o.Offset, obj.ContentRange)
		}
		obj.Size = total
	case ranged && o.Offset == 0:
		// All of it in place of its first Length bytes: allowed (RFC 9110 section 14.2).
		obj.Body.(*objectBody).left = o.Length
		if obj.Length >= 0 {
			obj.Length = min(obj.Length, o.Length)
		}
	case ranged:
		a.close()
		return nil, failf(q.op, q.key, "the server ignores ranges")
	}
	return obj, nil
}

type objectBody struct {
	a    *answer
	ctx  context.Context
	q    *call
	left int64 // bytes still to be handed out, -1 = all
}

func (b *objectBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	if b.left > 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.a.Read(p)
	if b.left > 0 {
		b.left -= int64(n)
	}
	if err != nil && err != io.EOF {
		err = exchangeFailed(b.ctx, b.q.op, b.q.key, err)
	}
	return n, err
}

func (b *objectBody) Close() error {
	b.a.close()
	return nil
}

// ReadRange returns up to n bytes of an object from offset on, fewer only where the object ends. An offset beyond the end
// gives ErrRange; the exception is an empty object, whose first bytes are none. n is at most MaxReadRange. Failed tries are
// repeated, also when the body breaks off.
func (c *Client) ReadRange(ctx context.Context, key string, offset, n int64) ([]byte, error) {
	if n <= 0 || n > MaxReadRange || offset < 0 {
		return nil, failf("get", key, "bad range: offset %d, length %d", offset, n)
	}
	o := GetOptions{Offset: offset, Length: n}
	q, err := c.newGet(key, o)
	if err != nil {
		return nil, err
	}
	var data []byte
	err = c.retry(ctx, q, func() error {
		obj, err := c.get(ctx, q, o)
		if err != nil {
			if offset == 0 && errors.Is(err, ErrRange) {
				data = nil
				return nil
			}
			return err
		}
		defer obj.Body.(*objectBody).a.finish() // read to its end the connection can be kept
		if obj.Length < 0 || obj.Length > n {
			obj.Length = n
		}
		data = make([]byte, obj.Length)
		got, err := io.ReadFull(obj.Body, data)
		data = data[:got]
		if err == io.ErrUnexpectedEOF || err == io.EOF {
			err = nil // shorter than asked for; net/http reports by itself when less comes than was announced
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// Head describes an object without reading it. Failed tries are repeated. Its errors have no Code: the answer to HEAD has
// no body.
func (c *Client) Head(ctx context.Context, key string) (ObjectInfo, error) {
	const op = "head"
	if err := checkKey(key); err != nil {
		return ObjectInfo{}, fail(op, key, err)
	}
	q := c.newCall(op, http.MethodHead, key)
	var i ObjectInfo
	err := c.retry(ctx, q, func() error {
		a, err := c.do(ctx, q)
		if err != nil {
			return err
		}
		i = info(a.Header, a.ContentLength)
		a.close()
		return nil
	})
	return i, err
}

func info(h http.Header, length int64) ObjectInfo {
	i := ObjectInfo{Size: length, ETag: h.Get("Etag"), ContentType: h.Get("Content-Type")}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		i.LastModified = t.UTC()
	}
	return i
}

// parseContentRange reads "bytes first-last/total" (RFC 9110 section 14.4); total is -1 for "*".
func parseContentRange(s string) (first, total int64, ok bool) {
	var last int64
	rest, ok := strings.CutPrefix(s, "bytes ")
	span, size, ok2 := strings.Cut(rest, "/")
	from, to, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, false
	}
	for _, f := range []struct {
		text string
		to   *int64
	}{{from, &first}, {to, &last}, {size, &total}} {
		if f.text == "*" && f.to == &total {
			total = -1
			continue
		}
		v, err := strconv.ParseUint(f.text, 10, 63)
		if err != nil {
			return 0, 0, false
		}
		*f.to = int64(v)
	}
	return first, total, first <= last && (total < 0 || last < total)
}
