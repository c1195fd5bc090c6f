// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/s3cam/s3cam/internal/s3rule"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// MaxDeleteKeys is S3's limit for the keys of one request of DeleteObjects.
const MaxDeleteKeys = 1000

const (
	singlesAtOnce = 8         // DELETEs under way where a server does not take many keys at a time
	singlesFor    = time.Hour // before such a server is asked again
)

// KeyError says why one key was not deleted.
type KeyError struct {
	Index         int    // in the keys of the call
	Key           string // as given
	Code, Message string // of S3, such as "AccessDenied"
}

// Error returns one line.
func (e *KeyError) Error() string {
	s := fmt.Sprintf("s3: delete %q: %s", e.Key, e.Code)
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// Is maps the answer to the Err values of this package, as [Error.Is].
func (e *KeyError) Is(target error) bool {
	if e.Code == "AccessDenied" {
		return target == ErrAccessDenied
	}
	return (&Error{Status: http.StatusOK, Code: e.Code}).Is(target)
}

// DeleteResult tells what became of the keys of DeleteObjects.
type DeleteResult struct {
	Done    int        // keys[:Done] do not exist any more, but for those in Refused
	Refused []KeyError // in the order of the keys
}

// DeleteObjects removes keys, in their order, by one request for each MaxDeleteKeys of them. A key that does not exist is no
// error. Keys of which the answer says that the server is busy or broken are tried again, as are failed requests; keys that it
// refuses for good are in the result. The error is that of the request which ended the call: keys[:Done] were answered
// before it, those of the request itself may be deleted or not.
//
// Servers that answer MethodNotAllowed or NotImplemented, or that the request is a bad one, get a DELETE for each key, some at a
// time, and are not asked for more within an hour.
func (c *Client) DeleteObjects(ctx context.Context, keys []string) (DeleteResult, error) {
	var res DeleteResult
	for i, key := range keys {
		if err := checkKey(key); err != nil {
			return res, fail("delete", keys[i], err)
		}
	}
	for res.Done < len(keys) {
		// A key that XML cannot carry goes alone; as anything else it would be another key.
		n := 0
		for rest := keys[res.Done:]; n < min(len(rest), MaxDeleteKeys) && fitsXML(rest[n]); n++ {
		}
		single := n == 0 || c.onlySingles()
		n = max(n, 1)
		batch := keys[res.Done : res.Done+n]
		var refused []KeyError
		var err error
		if !single {
			if refused, err = c.deleteBatch(ctx, batch); notOffered(err) {
				c.singles.Store(c.cfg.Now().Add(singlesFor).UnixNano())
				c.cfg.Logger.Info("s3: the server does not delete many keys at a time, so each gets a request of its own", "error", err)
				single = true
			}
		}
		if single {
			refused, n, err = c.deleteSingly(ctx, batch)
		}
		if err != nil && !single {
			return res, err
		}
		for _, r := range refused {
			r.Index += res.Done
			res.Refused = append(res.Refused, r)
		}
		res.Done += n
		if err != nil {
			return res, err
		}
	}
	return res, nil
}

// fitsXML tells whether XML 1.0 has all characters of a key.
func fitsXML(key string) bool {
	for _, r := range key {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return utf8.ValidString(key)
}

// onlySingles tells whether the server has refused to take many keys a short while ago.
func (c *Client) onlySingles() bool {
	until := c.singles.Load()
	return until != 0 && c.cfg.Now().UnixNano() < until
}

// notOffered tells an answer that says the server has no such request, or takes it for another one. What a single DELETE would
// be told, too, is no such answer.
func notOffered(err error) bool {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return false
	case e.Status == http.StatusMethodNotAllowed, e.Status == http.StatusNotImplemented, e.Code == "MethodNotAllowed", e.Code == "NotImplemented":
		return true
	}
	return e.Status == http.StatusBadRequest && !e.retryable() && !e.skewed() && !e.expired() && !e.movedStatus()
}

// deleteBatch removes at most MaxDeleteKeys keys by one request, and more for those that are to be tried again.
func (c *Client) deleteBatch(ctx context.Context, keys []string) ([]KeyError, error) {
	d := deletion{keys: keys, left: make([]int, len(keys))}
	for i := range keys {
		d.left[i] = i
	}
	q := c.newCall("delete", http.MethodPost, "")
	q.object = false
	q.query = []sigv4.Param{{Name: "delete"}}
	err := c.retry(ctx, q, func() error { return c.deleteOnce(ctx, q, &d) })
	var busy *KeyError
	if errors.As(err, &busy) { // the attempts are used up, and these are left
		err = nil
		d.refused = append(d.refused, d.busy...)
	}
	return d.sorted(), err
}

// deletion is what is left to do of a batch.
type deletion struct {
	keys    []string
	left    []int // indexes in keys
	refused []KeyError
	busy    []KeyError // of left, since the last try
}

func (d *deletion) sorted() []KeyError {
	seen := make(map[int]*KeyError, len(d.refused))
	for i := range d.refused {
		seen[d.refused[i].Index] = &d.refused[i]
	}
	var out []KeyError
	for i := range d.keys {
		if e := seen[i]; e != nil {
			out = append(out, *e)
		}
	}
	return out
}

// document is the request for what is left. The answer to a quiet one names only what was refused.
func (d *deletion) document() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>`)
	for _, i := range d.left {
		b.WriteString("<Object><Key>")
		_ = xml.EscapeText(&b, []byte(d.keys[i])) // a Buffer takes everything
		b.WriteString("</Key></Object>")
	}
	b.WriteString("</Delete>")
	return b.Bytes()
}

// deleteOnce is one try. Its error is that of the request, or of the first key that is to be tried again.
func (c *Client) deleteOnce(ctx context.Context, q *call, d *deletion) error {
	text := d.document()
	body, err := newBody(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return fail(q.op, "", err)
	}
	// S3 wants a checksum of this request whatever the connection is, and MD5 is the one that all servers know. What is
	// deleted is signed, too.
	md, sha := md5.Sum(text), sha256.Sum256(text)
	q.body, q.nfields, q.payload = body, 0, hex.EncodeToString(sha[:])
	q.set("Content-Type", "content-type", "application/xml")
	q.set("Content-Md5", "content-md5", base64.StdEncoding.EncodeToString(md[:]))
	q.timeout = c.cfg.TryTimeout + time.Duration(float64(len(text))/float64(c.cfg.MinRate)*float64(time.Second))
	a, err := c.do(ctx, q)
	if err != nil {
		return err
	}
	defer a.close()
	answer, err := io.ReadAll(io.LimitReader(a, maxPageBytes+1))
	body.release()
	switch {
	case err != nil:
		return exchangeFailed(ctx, q.op, "", err)
	case len(answer) > maxPageBytes:
		return exchangeFailed(ctx, q.op, "", errPageTooLarge)
	case isErrorDocument(answer):
		e := &Error{Op: q.op, Status: a.StatusCode, from: q.at, signed: q.signedAt, Date: serverDate(a.Header),
			RequestID: s3rule.Clean(a.Header.Get("X-Amz-Request-Id"), maxErrorCode)}
		e.parse(answer[:min(len(answer), maxErrorBody)])
		return e
	}
	if err := d.answered(answer); err != nil {
		return &exchangeError{op: q.op, err: err, late: true}
	}
	if len(d.busy) > 0 {
		return &d.busy[0]
	}
	return nil
}

// answered takes the answer to a try: what is not named in it is gone.
func (d *deletion) answered(text []byte) error {
	var doc struct {
		XMLName xml.Name
		Error   []struct{ Key, Code, Message string }
	}
	if err := xml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%w: %w", ErrNotS3, err)
	}
	if doc.XMLName.Local != "DeleteResult" {
		return fmt.Errorf("%w: root element %.40q", ErrNotS3, doc.XMLName.Local)
	}
	asked := make(map[string][]int, len(d.left))
	for _, i := range d.left {
		asked[d.keys[i]] = append(asked[d.keys[i]], i)
	}
	var refused, busy []KeyError
	var left []int
	for _, e := range doc.Error {
		indexes, ok := asked[e.Key]
		if !ok {
			return fmt.Errorf("%w: it refuses %.100q, which was not to be deleted", ErrNotS3, e.Key)
		}
		delete(asked, e.Key)
		for _, i := range indexes {
			k := KeyError{Index: i, Key: d.keys[i], Code: s3rule.Clean(e.Code, maxErrorCode), Message: s3rule.Clean(e.Message, maxErrorMessage)}
			switch {
			case k.Code == "NoSuchKey":
			case (&Error{Status: http.StatusOK, Code: k.Code}).retryable():
				busy, left = append(busy, k), append(left, i)
			default:
				refused = append(refused, k)
			}
		}
	}
	d.refused, d.busy, d.left = append(d.refused, refused...), busy, left
	return nil
}

// deleteSingly removes keys by a request for each; keys[:done] are answered.
func (c *Client) deleteSingly(ctx context.Context, keys []string) (refused []KeyError, done int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answered := make([]bool, len(keys))
	refusals := make([]*KeyError, len(keys))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(singlesAtOnce, len(keys)) {
		workers.Go(func() {
			for i := range next {
				err := c.Delete(ctx, keys[i])
				var e *Error
				switch {
				case err == nil:
				case errors.As(err, &e) && !e.retryable() && e.Code != "" && !e.Is(ErrNoBucket) && !e.skewed() && !e.expired() && !e.movedStatus():
					refusals[i] = &KeyError{Index: i, Key: keys[i], Code: e.Code, Message: e.Message}
				default:
					cancel(err)
					continue
				}
				answered[i] = true
			}
		})
	}
	for i := range keys {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	for done < len(keys) && answered[done] {
		if r := refusals[done]; r != nil {
			refused = append(refused, *r)
		}
		done++
	}
	return refused, done, context.Cause(ctx)
}
