// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/s3"
)

// Faults that a server or the network in front of it can show. Each answers the request.
func answerError(status int, code string) fault {
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodHead {
			w.WriteHeader(status)
			return true
		}
		xmlError(w, status, code, "message of "+code)
		return true
	}
}

type fault = func(n int, w http.ResponseWriter, r *http.Request) bool

func garbage(status int, body string) fault {
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(status)
		io.WriteString(w, body)
		return true
	}
}

// webServer is one that has never heard of S3.
func webServer(_ int, w http.ResponseWriter, r *http.Request) bool {
	io.Copy(io.Discard, r.Body)
	w.Header().Del("X-Amz-Request-Id")
	io.WriteString(w, "<html>welcome</html>")
	return true
}

// partOnly answers with a part of something.
func partOnly(_ int, w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Content-Range", "bytes 0-3/10")
	w.WriteHeader(http.StatusPartialContent)
	io.WriteString(w, "part")
	return true
}

// reset closes the connection hard, with the answer unsent.
func reset(_ int, w http.ResponseWriter, r *http.Request) bool {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
	return true
}

// half announces more than it sends and closes.
func half(_ int, w http.ResponseWriter, r *http.Request) bool {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>early</Key><Size>1</Size></Contents>")
	c.Close()
	return true
}

// closing asks the client to give up the connection, but serves.
func closing(_ int, w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Connection", "close")
	return false
}

// onlyFirst shows the fault n times and then serves.
func onlyFirst(n int, f fault) fault {
	return func(i int, w http.ResponseWriter, r *http.Request) bool { return i <= n && f(i, w, r) }
}

const ms = time.Millisecond

// operations are all requests of a client, on the key "k" that exists.
var operations = []struct {
	name string
	run  func(context.Context, *s3.Client) error
}{
	{"put", func(ctx context.Context, c *s3.Client) error {
		_, err := c.Put(ctx, "k", strings.NewReader("body"), 4, s3.PutOptions{})
		return err
	}},
	{"get", func(ctx context.Context, c *s3.Client) error {
		o, err := c.Get(ctx, "k", s3.GetOptions{})
		if err == nil {
			_, err = io.Copy(io.Discard, o.Body)
			o.Body.Close()
		}
		return err
	}},
	{"head", func(ctx context.Context, c *s3.Client) error { _, err := c.Head(ctx, "k"); return err }},
	{"delete", func(ctx context.Context, c *s3.Client) error { return c.Delete(ctx, "k") }},
	{"list", func(ctx context.Context, c *s3.Client) error {
		return c.List(ctx, "", "", 0, func([]byte, int64) bool { return true })
	}},
}

func TestFaultsOfTheServer(t *testing.T) {
	tests := []struct {
		name      string
		fault     fault
		attempts  int
		waits     []time.Duration // with jitter 0.5
		want      error           // nil: succeeds in the end
		retryable bool
		only      string // operation; "" = all
	}{
		{name: "access denied is final", fault: answerError(403, "AccessDenied"), attempts: 1, want: s3.ErrAccessDenied},
		{name: "a wrong signature is final", fault: answerError(403, "SignatureDoesNotMatch"), attempts: 1, want: s3.ErrAccessDenied},
		{name: "an unknown key id is final", fault: answerError(403, "InvalidAccessKeyId"), attempts: 1, want: s3.ErrAccessDenied},
		{name: "a missing bucket is final", fault: answerError(404, "NoSuchBucket"), attempts: 1, want: s3.ErrNoBucket, only: "list"},
		{name: "a missing key is final", fault: answerError(404, "NoSuchKey"), attempts: 1, want: s3.ErrNotFound, only: "get"},
		{name: "an existing key is final", fault: answerError(412, "PreconditionFailed"), attempts: 1, want: s3.ErrExists, only: "put"},
		{name: "a bad request is final", fault: answerError(400, "InvalidArgument"), attempts: 1, want: errAny},
		{name: "a full disk may get room, but not within seconds", fault: answerError(507, "InsufficientStorage"), attempts: 1, want: errAny, retryable: true},
		{name: "a web server that says yes to every PUT stores nothing", fault: webServer, attempts: 1, want: s3.ErrNotS3, retryable: true, only: "put"},
		{name: "a web server that says yes to every GET has no object", fault: webServer, attempts: 1, want: s3.ErrNotS3, retryable: true, only: "get"},
		{name: "204 is no object", fault: garbage(204, ""), attempts: 1, want: errAny, only: "get"},
		{name: "a part that nobody asked for", fault: partOnly, attempts: 1, want: errAny, only: "get"},
		{name: "a list that is JSON", fault: garbage(200, `{"a":1}`), attempts: 4, waits: []time.Duration{50 * ms, 100 * ms, 200 * ms}, want: s3.ErrNotS3, retryable: true, only: "list"},
		{name: "501 is final", fault: answerError(501, "NotImplemented"), attempts: 1, want: errAny},
		{name: "internal errors are repeated with growing waits", fault: answerError(500, "InternalError"), attempts: 4, waits: []time.Duration{50 * ms, 100 * ms, 200 * ms}, want: errAny, retryable: true},
		{name: "one 500 is overcome", fault: onlyFirst(1, answerError(500, "InternalError")), attempts: 2, waits: []time.Duration{50 * ms}},
		{name: "a bad gateway's page is overcome", fault: onlyFirst(2, garbage(502, "<html>bad gateway</html>")), attempts: 3, waits: []time.Duration{50 * ms, 100 * ms}},
		{name: "504", fault: onlyFirst(1, garbage(504, "")), attempts: 2, waits: []time.Duration{50 * ms}},
		{name: "slow down widens the waits", fault: answerError(503, "SlowDown"), attempts: 4, waits: []time.Duration{1000 * ms, 2000 * ms, 4000 * ms}, want: s3.ErrThrottled, retryable: true, only: "put"},
		{name: "429 widens the waits", fault: onlyFirst(1, garbage(429, "")), attempts: 2, waits: []time.Duration{1000 * ms}},
		{name: "a conflict is repeated", fault: onlyFirst(1, answerError(409, "ConditionalRequestConflict")), attempts: 2, waits: []time.Duration{50 * ms}, only: "put"},
		{name: "400 RequestTimeout is repeated", fault: onlyFirst(1, answerError(400, "RequestTimeout")), attempts: 2, waits: []time.Duration{50 * ms}, only: "put"},
		{name: "a damaged body is sent once more", fault: answerError(400, "BadDigest"), attempts: 2, waits: []time.Duration{50 * ms}, want: errAny, retryable: true, only: "put"},
		{name: "Retry-After is honoured", fault: onlyFirst(1, func(n int, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(503)
			return true
		}), attempts: 2, waits: []time.Duration{7000 * ms}},
		{name: "a reset connection is overcome", fault: onlyFirst(2, reset), attempts: 3, waits: []time.Duration{50 * ms, 100 * ms}},
		{name: "connections that are always reset", fault: reset, attempts: 4, waits: []time.Duration{50 * ms, 100 * ms, 200 * ms}, want: errAny, retryable: true},
		{name: "Connection: close does not matter", fault: closing, attempts: 1},
		{name: "half a list is asked for again", fault: onlyFirst(1, half), attempts: 2, waits: []time.Duration{50 * ms}, only: "list"},
		{name: "always half a list", fault: half, attempts: 4, waits: []time.Duration{50 * ms, 100 * ms, 200 * ms}, want: io.ErrUnexpectedEOF, retryable: true, only: "list"},
		{name: "a list that is not XML", fault: onlyFirst(1, garbage(200, "<html>captive portal</html>")), attempts: 2, waits: []time.Duration{50 * ms}, only: "list"},
		{name: "an empty list document", fault: onlyFirst(1, garbage(200, "")), attempts: 2, waits: []time.Duration{50 * ms}, only: "list"},
		{name: "an error document in a 200", fault: onlyFirst(1, garbage(200, "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>")), attempts: 2, waits: []time.Duration{50 * ms}, only: "list"},
		{name: "a final error document in a 200", fault: garbage(200, "<Error><Code>InvalidArgument</Code><Message>no</Message></Error>"), attempts: 1, want: errAny, only: "list"},
	}
	for _, tt := range tests {
		for _, op := range operations {
			if tt.only != "" && tt.only != op.name {
				continue
			}
			if op.name == "head" && strings.Contains(tt.name, "slow down") {
				continue // no code without a body
			}
			t.Run(tt.name+"/"+op.name, func(t *testing.T) {
				f := newFake(t)
				f.store("k")
				c, w := f.client()
				// The first request of a connection: net/http repeats by itself only on kept ones.
				f.fault = tt.fault
				err := op.run(context.Background(), c)
				switch {
				case tt.want == nil && err != nil:
					t.Errorf("error %v, want success", err)
				case tt.want == errAny && err == nil, tt.want != nil && tt.want != errAny && !errors.Is(err, tt.want):
					t.Errorf("error %v, want %v", err, tt.want)
				}
				if got := s3.Retryable(err); got != tt.retryable {
					t.Errorf("Retryable(%v) = %v, want %v", err, got, tt.retryable)
				}
				if got := f.count(); got != tt.attempts {
					t.Errorf("%d attempts, want %d", got, tt.attempts)
				}
				if !slices.Equal(w.all, tt.waits) {
					t.Errorf("waits %v, want %v", w.all, tt.waits)
				}
			})
		}
	}
}

var errAny = errors.New("any error")

func TestErrorsTellWhatHappened(t *testing.T) {
	f := newFake(t)
	c, _ := f.client()
	f.fault = answerError(403, "AccessDenied")
	_, err := c.Head(context.Background(), "a key")
	var e *s3.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T", err)
	}
	if e.Op != "head" || e.Key != "a key" || e.Status != 403 || e.RequestID != "REQ1" || e.Date.IsZero() {
		t.Errorf("error = %+v", e)
	}
	_, err = c.Get(context.Background(), "a key", s3.GetOptions{})
	if want := `s3: get "a key": 403 AccessDenied: message of AccessDenied (request REQ2)`; err.Error() != want {
		t.Errorf("error = %q, want %q", err, want)
	}
	f.fault = garbage(403, "<html>\n\x00\x1b[31m"+strings.Repeat("long ", 1000))
	_, err = c.Get(context.Background(), "k", s3.GetOptions{})
	if s := err.Error(); len(s) > 400 || !strings.Contains(s, "403 Forbidden: <html> ??[31mlong long") || strings.ContainsAny(s, "\n\x00\x1b") {
		t.Errorf("garbage became %q", s)
	}
}

func TestErrorBodiesAreBounded(t *testing.T) {
	f := newFake(t)
	c, _ := f.client()
	sent := make(chan int, 1)
	f.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(403)
		n := 0
		for r.Context().Err() == nil { // until the client has enough
			k, err := w.Write(make([]byte, 64<<10))
			if n += k; err != nil {
				break
			}
		}
		sent <- n
		return true
	}
	if err := c.Delete(context.Background(), "k"); !errors.Is(err, s3.ErrAccessDenied) {
		t.Errorf("error = %v", err)
	}
	if n := <-sent; n > 32<<20 {
		t.Errorf("the server could send %d bytes", n)
	}
}

func TestContextEndsEverything(t *testing.T) {
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			f := newFake(t)
			ctx, cancel := context.WithCancel(context.Background())
			f.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
				io.Copy(io.Discard, r.Body)
				cancel()
				<-r.Context().Done()
				return true
			}
			c, _ := f.client()
			err := op.run(ctx, c)
			if !errors.Is(err, context.Canceled) || s3.Retryable(err) {
				t.Errorf("error = %v, want context.Canceled and final", err)
			}
			if err := op.run(ctx, c); !errors.Is(err, context.Canceled) || f.count() != 1 {
				t.Errorf("with an ended context: %v after %d requests", err, f.count())
			}
		})
	}
	t.Run("while waiting to try again", func(t *testing.T) {
		f := newFake(t)
		f.fault = answerError(500, "InternalError")
		c, _ := f.client()
		ctx, cancel := context.WithCancel(context.Background())
		s3.SetWaiting(c, func(context.Context, time.Duration) error { cancel(); return ctx.Err() }, func() float64 { return 1 })
		var e *s3.Error
		if err := c.Delete(ctx, "k"); !errors.As(err, &e) || f.count() != 1 {
			t.Errorf("error = %v after %d requests, want the answer's", err, f.count())
		}
	})
}

func TestRetryBudgetEndsRepetitions(t *testing.T) {
	f := newFake(t)
	f.fault = answerError(500, "InternalError")
	c, w := f.client()
	for range 40 {
		c.Delete(context.Background(), "k")
	}
	// 500 tokens, 5 each: 100 repetitions for all 40 calls together instead of 120.
	if len(w.all) != 100 || f.count() != 140 {
		t.Errorf("%d repetitions and %d requests, want 100 and 140", len(w.all), f.count())
	}
	f.fault = nil
	for range 5 {
		if err := c.Delete(context.Background(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	f.fault = answerError(500, "InternalError")
	c.Delete(context.Background(), "k")
	if len(w.all) != 101 {
		t.Errorf("%d repetitions after five successes, want one more than 100", len(w.all))
	}
}

func TestServerThatRepeatsAPageIsFoundOut(t *testing.T) {
	page := func(token string, keys ...string) string {
		s := "<ListBucketResult><IsTruncated>true</IsTruncated>" + token
		for _, k := range keys {
			s += "<Contents><Key>" + k + "</Key><Size>1</Size></Contents>"
		}
		return s + "</ListBucketResult>"
	}
	tests := []struct {
		name  string
		pages []string
		calls int
	}{
		{"the same keys with new tokens", []string{page("<NextContinuationToken>1</NextContinuationToken>", "a", "b"), page("<NextContinuationToken>2</NextContinuationToken>", "a", "b")}, 2},
		{"the same token", []string{page("<NextContinuationToken>1</NextContinuationToken>", "a"), page("<NextContinuationToken>1</NextContinuationToken>", "b")}, 2},
		{"no token", []string{page("", "a")}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
				io.WriteString(w, tt.pages[min(n, len(tt.pages))-1])
				return true
			}
			c, _ := f.client()
			err := c.List(context.Background(), "", "", 0, func([]byte, int64) bool { return true })
			if err == nil || s3.Retryable(err) || f.count() != tt.calls {
				t.Errorf("error = %v after %d requests, want a final one after %d", err, f.count(), tt.calls)
			}
		})
	}
}

func TestOversizedListIsRefused(t *testing.T) {
	f := newFake(t)
	f.fault = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		io.WriteString(w, "<ListBucketResult>")
		filler := bytes.Repeat([]byte("<X>filler</X>"), 1<<16)
		for {
			if _, err := w.Write(filler); err != nil {
				return true
			}
		}
	}
	c, _ := f.client(func(cfg *s3.Config) { cfg.MaxAttempts = 1 })
	err := c.List(context.Background(), "", "", 0, func([]byte, int64) bool { return true })
	if err == nil || !strings.Contains(err.Error(), "8 MiB") {
		t.Errorf("error = %v", err)
	}
}

func TestMissingRangesAndShortObjects(t *testing.T) {
	f := newFake(t)
	f.objects["ten"] = fakeObject{data: []byte("0123456789")}
	f.objects["none"] = fakeObject{}
	c, _ := f.client()
	ctx := context.Background()
	read := func(key string, o s3.GetOptions) (string, *s3.Object, error) {
		obj, err := c.Get(ctx, key, o)
		if err != nil {
			return "", nil, err
		}
		defer obj.Body.Close()
		b, err := io.ReadAll(obj.Body)
		return string(b), obj, err
	}
	tests := []struct {
		name         string
		o            s3.GetOptions
		want, ranged string
		err          error
	}{
		{"the whole object", s3.GetOptions{}, "0123456789", "", nil},
		{"from an offset", s3.GetOptions{Offset: 7}, "789", "bytes 7-9/10", nil},
		{"a piece", s3.GetOptions{Offset: 2, Length: 3}, "234", "bytes 2-4/10", nil},
		{"the beginning", s3.GetOptions{Length: 4}, "0123", "bytes 0-3/10", nil},
		{"a piece that the end cuts", s3.GetOptions{Offset: 8, Length: 30}, "89", "bytes 8-9/10", nil},
		{"the last bytes", s3.GetOptions{Offset: -3}, "789", "bytes 7-9/10", nil},
		{"more last bytes than there are", s3.GetOptions{Offset: -30}, "0123456789", "bytes 0-9/10", nil},
		{"beyond the end", s3.GetOptions{Offset: 10, Length: 1}, "", "", s3.ErrRange},
		{"negative length", s3.GetOptions{Length: -1}, "", "", errAny},
		{"last bytes with a length", s3.GetOptions{Offset: -3, Length: 2}, "", "", errAny},
		{"overflow", s3.GetOptions{Offset: 1 << 62, Length: 1 << 62}, "", "", errAny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, obj, err := read("ten", tt.o)
			switch {
			case tt.err == errAny && err == nil, tt.err == nil && err != nil, tt.err != nil && tt.err != errAny && !errors.Is(err, tt.err):
				t.Fatalf("error = %v, want %v", err, tt.err)
			case err != nil:
				return
			}
			if got != tt.want || obj.ContentRange != tt.ranged || obj.Length != int64(len(tt.want)) || obj.Size != 10 {
				t.Errorf("got %q, range %q, length %d, size %d", got, obj.ContentRange, obj.Length, obj.Size)
			}
		})
	}
	if b, err := c.ReadRange(ctx, "ten", 8, 100); string(b) != "89" || err != nil {
		t.Errorf("ReadRange over the end = %q, %v", b, err)
	}
	if b, err := c.ReadRange(ctx, "none", 0, 100); len(b) != 0 || err != nil {
		t.Errorf("ReadRange of an empty object = %q, %v", b, err)
	}
	if _, err := c.ReadRange(ctx, "ten", 10, 1); !errors.Is(err, s3.ErrRange) {
		t.Errorf("ReadRange beyond the end: %v, want ErrRange", err)
	}
	if _, err := c.ReadRange(ctx, "ten", 0, s3.MaxReadRange+1); err == nil {
		t.Error("ReadRange of too much was tried")
	}

	// A server without ranges.
	f.fault = garbage(200, "0123456789")
	if got, obj, err := read("ten", s3.GetOptions{Length: 4}); got != "0123" || err != nil || obj.Length != 4 {
		t.Errorf("the beginning, ranges ignored = %q, %v", got, err)
	}
	if _, _, err := read("ten", s3.GetOptions{Offset: 4}); err == nil {
		t.Error("an ignored offset was not noticed")
	}
	for _, bad := range []string{"", "bytes 0-3/10", "bytes 5-4/10", "bytes 4-12/10", "bytes x-5/10", "lines 4-5/10"} {
		f.fault = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Range", bad)
			w.WriteHeader(206)
			fmt.Fprint(w, "45")
			return true
		}
		if _, _, err := read("ten", s3.GetOptions{Offset: 4, Length: 2}); err == nil {
			t.Errorf("Content-Range %q was accepted", bad)
		}
	}
}

func TestBadArgumentsAreRefusedWithoutARequest(t *testing.T) {
	f := newFake(t)
	c, _ := f.client()
	ctx := context.Background()
	put := func(key string, o s3.PutOptions) error {
		_, err := c.Put(ctx, key, strings.NewReader("x"), 1, o)
		return err
	}
	_, short := c.Put(ctx, "k", strings.NewReader("short"), 6, s3.PutOptions{})
	_, negative := c.Put(ctx, "k", strings.NewReader("x"), -1, s3.PutOptions{})
	for name, err := range map[string]error{
		"empty key":         put("", s3.PutOptions{}),
		"long key":          put(strings.Repeat("k", 1025), s3.PutOptions{}),
		"key not UTF-8":     put("\xff", s3.PutOptions{}),
		"newline in type":   put("k", s3.PutOptions{ContentType: "a\nb"}),
		"newline in cache":  put("k", s3.PutOptions{CacheControl: "a\nb"}),
		"newline in tags":   put("k", s3.PutOptions{Tags: "a=b\r\nX: y"}),
		"body too short":    short,
		"negative size":     negative,
		"long prefix":       c.List(ctx, strings.Repeat("p", 1025), "", 0, nil),
		"negative page":     c.List(ctx, "", "", -1, nil),
		"empty key in Head": func() error { _, err := c.Head(ctx, ""); return err }(),
	} {
		if err == nil || s3.Retryable(err) {
			t.Errorf("%s: error = %v, want a final one", name, err)
		}
	}
	if f.count() != 0 {
		t.Errorf("%d requests were sent", f.count())
	}
}
