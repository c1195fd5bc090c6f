// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
)

const testMaxBody = 64

// answers is the table of the parser, and the seeds of its fuzz test.
var answers = []struct {
	name, text string
	status     int // 0: an error
	body       string
	truncated  bool
	reuse      bool
}{
	{"a body of a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false, true},
	{"no body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", false, true},
	{"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", false, true},
	{"an empty reason", "HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n", 503, "", false, true},
	{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, "hi", false, true},
	{"space around the value", "HTTP/1.1 200 OK\r\ncontent-length: \t 2 \t\r\n\r\nhi", 200, "hi", false, true},
	{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n", 200, "abc0123456789", false, true},
	{"chunks, all at once empty", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 200, "", false, true},
	{"a body until the end", "HTTP/1.1 403 Forbidden\r\n\r\n<Error/>", 403, "<Error/>", false, false},
	{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, false},
	{"Connection: close", "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, false},
	{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", false, true},
	{"100 first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, true},
	{"a storm of 1xx", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
	{"101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 0, "", false, false},
	{"more than is kept", "HTTP/1.1 500 X\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("0123456789", 10), 500, strings.Repeat("0123456789", 7)[:64], true, true},
	{"more than is read", "HTTP/1.1 500 X\r\nContent-Length: 70000\r\n\r\n" + strings.Repeat("0123456789", 7000), 500, strings.Repeat("0123456789", 7)[:64], true, false},
	{"more chunks than are read", "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("a\r\n0123456789\r\n", 7000), 500, strings.Repeat("0123456789", 7)[:64], true, false},
	{"endless body", "HTTP/1.1 500 X\r\n\r\n" + strings.Repeat("0123456789", 7000), 500, strings.Repeat("0123456789", 7)[:64], true, false},
	{"cut in the body", "HTTP/1.1 403 X\r\nContent-Length: 10\r\n\r\nabc", 403, "abc", true, false},
	{"cut in a chunk", "HTTP/1.1 403 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", 403, "abc", true, false},
	{"cut in a chunk size", "HTTP/1.1 403 X\r\nTransfer-Encoding: chunked\r\n\r\n5", 403, "", true, false},
	{"cut in the trailers", "HTTP/1.1 403 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX:", 403, "abc", true, false},
	{"cut in the status line", "HTTP/1.1 20", 0, "", false, false},
	{"cut in the head", "HTTP/1.1 200 OK\r\nContent-Le", 0, "", false, false},
	{"cut before the empty line", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", 0, "", false, false},
	{"nothing", "", 0, "", false, false},
	{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", 0, "", false, false},
	{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n", 0, "", false, false},
	{"garbage", "\x16\x03\x01\x00\x05hello\n", 0, "", false, false},
	{"an empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n", 0, "", false, false},
	{"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", 0, "", false, false},
	{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", 0, "", false, false},
	{"a status below 100", "HTTP/1.1 099 X\r\n\r\n", 0, "", false, false},
	{"a signed status", "HTTP/1.1 +20 X\r\n\r\n", 0, "", false, false},
	{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 0, "", false, false},
	{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, true},
	{"a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", 0, "", false, false},
	{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", 0, "", false, false},
	{"a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", 0, "", false, false},
	{"an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", 0, "", false, false},
	{"a length beyond 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", 0, "", false, false},
	{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
	{"chunks and length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 0, "", false, false},
	{"gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
	{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", false, false},
	{"a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", 0, "", false, false},
	{"a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello", 0, "", false, false},
	{"no colon", "HTTP/1.1 200 OK\r\nfoo\r\n\r\n", 0, "", false, false},
	{"no name", "HTTP/1.1 200 OK\r\n: x\r\n\r\n", 0, "", false, false},
	{"a carriage return inside", "HTTP/1.1 200 OK\r\nX: a\rY: b\r\n\r\n", 0, "", false, false},
	{"a NUL inside", "HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", 0, "", false, false},
	{"a chunk size without digits", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n", 0, "", false, false},
	{"a chunk size with 0x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 0, "", false, false},
	{"a huge chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", 0, "", false, false},
	{"no line end after a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 0, "", false, false},
	{"a chunk header of 3 KB", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;" + strings.Repeat("x", 3000) + "\r\nabc\r\n0\r\n\r\n", 0, "", false, false},
	{"64 KB of chunk headers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 100), 0, "", false, false},
	{"endless trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 1000), 0, "", false, false},
	{"a field of 10 KB", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 10000) + "\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, true},
	{"a field of 20 KB", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 20000) + "\r\n\r\n", 0, "", false, false},
	{"a head of 1000 fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Field: yyyyyyyyy\r\n", 1000) + "\r\n", 0, "", false, false},
	{"a status line of 20 KB", "HTTP/1.1 200 " + strings.Repeat("y", 20000) + "\r\n\r\n", 0, "", false, false},
}

func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		for name, r := range map[string]io.Reader{"at once": strings.NewReader(tt.text), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.text))} {
			resp, reuse, _, err := http1.ParseAnswer(r, false, testMaxBody)
			switch {
			case tt.status == 0:
				if err == nil {
					t.Errorf("%s, %s: %+v, want an error", tt.name, name, resp)
				}
			case err != nil:
				t.Errorf("%s, %s: %v", tt.name, name, err)
			case resp.Status != tt.status || string(resp.Body) != tt.body || resp.Truncated != tt.truncated || reuse != tt.reuse:
				t.Errorf("%s, %s: status %d, body %q, truncated %v, reuse %v; want %d, %q, %v, %v", tt.name, name,
					resp.Status, resp.Body, resp.Truncated, reuse, tt.status, tt.body, tt.truncated, tt.reuse)
			}
		}
	}
}

func TestAnswersOfOneConnectionDoNotMix(t *testing.T) {
	resp, reuse, rest, err := http1.ParseAnswer(strings.NewReader("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200"), false, testMaxBody)
	if err != nil || !reuse || resp.Status != 304 || len(resp.Body) != 0 {
		t.Errorf("304: %+v %v %v", resp, reuse, err)
	}
	if next, _ := io.ReadAll(rest); string(next) != "HTTP/1.1 200" {
		t.Errorf("left %q", next)
	}
	resp, reuse, _, err = http1.ParseAnswer(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), true, testMaxBody)
	if err != nil || !reuse || resp.Status != 200 {
		t.Errorf("HEAD: %+v %v %v", resp, reuse, err)
	}
}

func TestDates(t *testing.T) {
	for s, want := range map[string]time.Time{
		"Sun, 06 Nov 1994 08:49:37 GMT": time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC),
		"Sun, 31 Dec 2016 23:59:60 GMT": time.Date(2016, 12, 31, 23, 59, 59, 0, time.UTC),
		"Xxx, 29 Feb 2024 00:00:00 GMT": time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"Sun, 30 Feb 2024 00:00:00 GMT": {}, "Sun, 06 Nov 1994 24:49:37 GMT": {}, "Sun, 06 Nov 1994 08:49:37 UTC": {}, "Sun, 06 nov 1994 08:49:37 GMT": {},
		"Sun, 0x Nov 1994 08:49:37 GMT": {}, "Sunday, 06-Nov-94 08:49:37 GMT": {}, "Sun Nov  6 08:49:37 1994": {}, "": {}, "Sun, 00 Nov 1994 08:49:37 GMT": {},
		"Sun, 06 ovD 1994 08:49:37 GMT": {},
	} {
		if got := http1.ParseDate(s); !got.Equal(want) {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
	for text, zero := range map[string]bool{"Date: Mon, 09 Mar 2026 04:05:06 GMT\r\nAge: 3\r\n": true, "Age: 3\r\nDate: Mon, 09 Mar 2026 04:05:06 GMT\r\n": true, "Date: Mon, 09 Mar 2026 04:05:06 GMT\r\n": false} {
		resp, _, _, err := http1.ParseAnswer(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+text+"\r\n"), false, 0)
		if err != nil || resp.Date.IsZero() != zero {
			t.Errorf("%q: date %v, %v", text, resp.Date, err)
		}
	}
}

// FuzzAnswer: whatever a server sends gives an answer within the limits or an error; what is accepted net/http accepts too, as the same.
func FuzzAnswer(f *testing.F) {
	for _, tt := range answers {
		if len(tt.text) < 4000 { // long seeds only slow the fuzzer down
			f.Add([]byte(tt.text), false)
		}
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, text []byte, head bool) {
		resp, reuse, rest, err := http1.ParseAnswer(bytes.NewReader(text), head, testMaxBody)
		if err != nil {
			if !errors.Is(err, http1.ErrAnswer) && err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Fatalf("unknown error %v", err)
			}
			return
		}
		if resp.Status < 200 || resp.Status > 999 || len(resp.Body) > testMaxBody || reuse && resp.Truncated && len(resp.Body) < testMaxBody {
			t.Fatalf("%+v reuse %v", resp, reuse)
		}
		req := &http.Request{Method: "PUT"}
		if head {
			req.Method = "HEAD"
		}
		br := bufio.NewReader(bytes.NewReader(text))
		var std *http.Response
		for {
			if std, err = http.ReadResponse(br, req); err != nil || std.StatusCode >= 200 || std.StatusCode == 101 {
				break
			}
		}
		if err != nil {
			t.Skip("net/http is stricter here: ", err) // for instance bytes beyond ASCII in a name; nothing that frames a message
		}
		if std.StatusCode != resp.Status {
			t.Fatalf("status %d, net/http %d", resp.Status, std.StatusCode)
		}
		body, bodyErr := io.ReadAll(std.Body)
		if resp.Truncated {
			if !bytes.HasPrefix(body, resp.Body) && !bytes.HasPrefix(resp.Body, body) { // net/http loses the last bytes of some cut chunks
				t.Fatalf("truncated body %q, net/http %q", resp.Body, body)
			}
			return
		}
		if bodyErr == nil && !bytes.Equal(body, resp.Body) {
			t.Fatalf("body %q, net/http %q", resp.Body, body)
		}
		if reuse && bodyErr == nil {
			ours, _ := io.ReadAll(rest)
			theirs, _ := io.ReadAll(br)
			if !bytes.Equal(ours, theirs) {
				t.Fatalf("after the answer %q is left, net/http has %q", ours, theirs)
			}
		}
	})
}

// FuzzHead: whatever the caller passes, what is written is one request head that net/http reads as what was asked for.
func FuzzHead(f *testing.F) {
	f.Add("PUT", "/a/b?c", "X-Amz-Tagging", "a=b&c=d", "host:9000")
	f.Add("PUT", "/", "X", "a\r\nContent-Length: 9", "h")
	f.Add("GET", "/ HTTP/1.1\r\nX:", "Y", " ", "h\r\n")
	f.Fuzz(func(t *testing.T, method, target, name, value, host string) {
		head, err := http1.AppendHead(&http1.Request{Method: method, Target: target, Host: host, Header: []http1.Field{{Name: name, Value: value}}, Body: [2][]byte{[]byte("body"), nil}})
		if err != nil {
			return
		}
		if n := bytes.Count(head, []byte("\n")); n != 5 || bytes.Count(head, []byte("\r\n")) != 5 {
			t.Fatalf("%q has %d lines", head, n)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(head, "body"...))))
		if err != nil {
			t.Skip(err) // net/http knows more about hosts and targets
		}
		body, _ := io.ReadAll(r.Body)
		if r.Method != method || r.RequestURI != target || string(body) != "body" || r.ContentLength != 4 || len(r.Header) > 2 {
			t.Fatalf("%q was read as %+v", head, r)
		}
	})
}
