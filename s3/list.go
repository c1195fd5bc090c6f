// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/s3cam/s3cam/internal/s3rule"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// MaxPageKeys is the most keys that S3 returns in one page, and what it returns without a hint.
const MaxPageKeys = 1000

// maxPageBytes bounds one page of a list: 1000 keys of 1024 bytes, all of them escaped, and the rest of their elements.
const maxPageBytes = 8 << 20

// List calls yield for each object whose key begins with prefix and is greater than startAfter, in the order of the keys'
// bytes, following the pages as far as needed. pageSize is the number of keys to ask for at a time, 0 for the most S3
// gives: where the caller will stop early, a page as large as what it expects costs the server and the wire much less.
// key is valid only until yield returns; size is in bytes. yield returns false to stop, which is no error.
//
// A page is read and checked as a whole before its first key is yielded, so a broken answer yields nothing and is asked
// for again. Memory is bounded by one page (at most 8 MiB) and nothing is allocated per key.
func (c *Client) List(ctx context.Context, prefix, startAfter string, pageSize int, yield func(key []byte, size int64) bool) error {
	return c.list(ctx, listRequest{prefix: prefix, startAfter: startAfter, pageSize: pageSize}, func(p *page) bool {
		for i := range p.keys {
			if e := &p.keys[i]; !yield(p.text(&e.span), e.size) {
				return false
			}
		}
		return true
	})
}

// ListFolders calls yield for the name of each "folder" directly below prefix (which is empty or ends in '/'): what stands
// between prefix and the next '/' of a key, once per name, in order, without slash. yield returns false to stop.
func (c *Client) ListFolders(ctx context.Context, prefix string, yield func(name string) bool) error {
	return c.list(ctx, listRequest{prefix: prefix, delimiter: "/"}, func(p *page) bool {
		for i := range p.folders {
			name, ok := bytes.CutPrefix(p.text(&p.folders[i]), []byte(prefix))
			if name, slash := bytes.CutSuffix(name, []byte("/")); ok && slash {
				if !yield(string(name)) {
					return false
				}
			}
		}
		return true
	})
}

type listRequest struct {
	prefix, startAfter, delimiter string
	pageSize                      int
}

func (c *Client) list(ctx context.Context, r listRequest, yield func(*page) bool) error {
	const op = "list"
	q := c.newCall(op, http.MethodGet, r.prefix)
	q.object = false
	if len(r.prefix) > MaxKeyBytes || len(r.startAfter) > MaxKeyBytes || r.pageSize < 0 {
		return failf(op, r.prefix, "prefix or start longer than %d bytes, or negative page size", MaxKeyBytes)
	}
	p := c.pages.get()
	defer c.pages.put(p)
	var last []byte // greatest key of the pages so far
	for token := ""; ; {
		q.query = q.query[:0]
		add := func(name, value string) {
			if value != "" {
				q.query = append(q.query, sigv4.Param{Name: name, Value: value})
			}
		}
		add("list-type", "2")
		add("prefix", r.prefix)
		add("delimiter", r.delimiter)
		add("continuation-token", token)
		if token == "" {
			add("start-after", r.startAfter)
		}
		if n := min(r.pageSize, MaxPageKeys); n > 0 {
			add("max-keys", strconv.Itoa(n))
		}
		if err := c.retry(ctx, q, func() error { return c.listPage(ctx, q, p) }); err != nil {
			return err
		}
		// A server that hands out the same page again would keep us here for ever.
		if n := len(p.keys); n > 0 {
			if first := p.text(&p.keys[0].span); last != nil && bytes.Compare(first, last) <= 0 {
				return failf(op, r.prefix, "the server's pages are not in order: %.100q after %.100q", first, last)
			}
			last = append(last[:0], p.text(&p.keys[n-1].span)...)
		}
		if !yield(p) || !p.truncated {
			return nil
		}
		if p.token == "" || p.token == token {
			return failf(op, r.prefix, "the server says there are more keys but gives no new continuation token")
		}
		token = p.token
	}
}

// errMalformedPage is an answer to a list that is not what S3 sends.
var errMalformedPage error = malformedPage{}

type malformedPage struct{}

func (malformedPage) Error() string        { return "answer is not a list of objects" }
func (malformedPage) Is(target error) bool { return target == ErrNotS3 }

// listPage is one try: it fetches a page into p and checks it.
func (c *Client) listPage(ctx context.Context, q *call, p *page) error {
	a, err := c.do(ctx, q)
	if err != nil {
		return err
	}
	defer a.close()
	if err := p.readFrom(a, a.ContentLength); err != nil {
		return exchangeFailed(ctx, q.op, q.key, err)
	}
	if len(p.buf) == 0 { // as good as no answer
		return exchangeFailed(ctx, q.op, q.key, fmt.Errorf("the answer is empty: %w", io.EOF))
	}
	if p.scan() {
		return nil
	}
	if isErrorDocument(p.buf) {
		e := &Error{Op: q.op, Key: q.key, Status: a.StatusCode, from: q.at, signed: q.signedAt, Date: serverDate(a.Header),
			RequestID: s3rule.Clean(a.Header.Get("X-Amz-Request-Id"), maxErrorCode)}
		e.parse(p.buf[:min(len(p.buf), maxErrorBody)])
		return e
	}
	c.stats.detours.Add(1)
	if err := p.decode(); err != nil {
		return exchangeFailed(ctx, q.op, q.key, err)
	}
	return nil
}

var errPageTooLarge = errors.New("answer is larger than 8 MiB")

// readFrom reads a whole page; length is what the server announced, -1 if nothing.
func (p *page) readFrom(r io.Reader, length int64) error {
	if length > maxPageBytes {
		return errPageTooLarge
	}
	p.buf = p.buf[:0]
	// One byte more than announced lets the last read see the end without growing.
	if need := int(max(length+1, 4096)); cap(p.buf) < need {
		p.buf = make([]byte, 0, need)
	}
	for {
		if len(p.buf) == cap(p.buf) {
			p.buf = append(p.buf, 0)[:len(p.buf)]
		}
		n, err := r.Read(p.buf[len(p.buf):cap(p.buf)])
		p.buf = p.buf[:len(p.buf)+n]
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case len(p.buf) > maxPageBytes:
			return errPageTooLarge
		}
	}
}

// pagePool keeps pages for the next list. Those of unusual size are left to the garbage collector.
type pagePool struct{ pool sync.Pool }

const maxPooledPage = 1 << 20

func (pp *pagePool) get() *page {
	if p, ok := pp.pool.Get().(*page); ok {
		return p
	}
	return new(page)
}

func (pp *pagePool) put(p *page) {
	if cap(p.buf) <= maxPooledPage {
		pp.pool.Put(p)
	}
}
