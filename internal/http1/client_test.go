// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
)

func TestPutsArriveWholeOverOneConnection(t *testing.T) {
	for _, secure := range []bool{false, true} {
		type seen struct {
			method, uri, host, kind string
			length                  int64
			body                    []byte
		}
		var got seen
		cfg := httpServer(t, secure, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = seen{r.Method, r.RequestURI, r.Host, r.Header.Get("Content-Type"), r.ContentLength, body}
			w.Header().Set("ETag", `"e"`)
			fmt.Fprintf(w, "stored %d", len(body))
		})
		c := newClient(t, cfg)
		sizes := []int{0, 1, 100, 4000, 4096, 16 << 10, 16<<10 + 1, 100_000, 3_000_000}
		for _, size := range sizes {
			data := randomBytes(size)
			for _, cut := range []int{0, size / 3, size} {
				var sent []int
				r := put(data, cut)
				r.Sent = func(n int) { sent = append(sent, n) }
				resp, err := c.Do(ctx(t), r)
				if err != nil {
					t.Fatalf("size %d cut %d: %v", size, cut, err)
				}
				if want := fmt.Sprintf("stored %d", size); resp.Status != 200 || string(resp.Body) != want || resp.Truncated || resp.Early || resp.Repeated {
					t.Errorf("size %d: %+v, want %q", size, resp, want)
				}
				if resp.Get("etag") != `"e"` || !resp.Has("ETag") || resp.Has("x-none") || time.Since(resp.Date).Abs() > 5*time.Second {
					t.Errorf("ETag %q, Date %v", resp.Get("ETag"), resp.Date)
				}
				want := seen{"PUT", "/bucket/key", cfg.Address, "video/mp2t", int64(size), data}
				if got.method != want.method || got.uri != want.uri || got.host != want.host || got.kind != want.kind || got.length != want.length || !bytes.Equal(got.body, want.body) {
					t.Errorf("size %d cut %d: the server saw %.100v", size, cut, got)
				}
				if size > 0 && (!slices.IsSorted(sent) || sent[len(sent)-1] != size) || size == 0 && len(sent) > 0 {
					t.Errorf("size %d: Sent calls %v", size, sent)
				}
			}
		}
		s := c.Stats()
		if s.Dials != 1 || s.Requests != 3*len(sizes) || s.Resends != 0 || (s.Cipher != 0) != secure {
			t.Errorf("stats %+v, want one connection", s)
		}
	}
}

// TestSentBytesMayBeOverwritten: what Sent has named is not read again.
func TestSentBytesMayBeOverwritten(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var got []byte
		cfg := httpServer(t, secure, func(w http.ResponseWriter, r *http.Request) { got, _ = io.ReadAll(r.Body) })
		data := randomBytes(1_000_000)
		want := bytes.Clone(data)
		r := put(data, 400_001)
		r.Sent = func(n int) { clear(data[:n]) }
		if _, err := newClient(t, cfg).Do(ctx(t), r); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Error("the body was read again after Sent")
		}
	}
}

func TestHeadAndTheBeginningOfTheBodyAreOneWrite(t *testing.T) {
	first := make(chan int, 1)
	s := serve(t, func(_ int, c net.Conn) { readRequest(bufio.NewReader(c)); io.WriteString(c, ok200) })
	cfg := http1.Config{Address: s.address(), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &firstWrite{Conn: c, n: first}, err
	}}
	if _, err := newClient(t, cfg).Do(ctx(t), put(randomBytes(100_000), 10)); err != nil {
		t.Fatal(err)
	}
	if n := <-first; n != 4096 {
		t.Errorf("first write of %d bytes, want 4096", n)
	}
}

type firstWrite struct {
	net.Conn
	once sync.Once
	n    chan int
}

func (f *firstWrite) Write(b []byte) (int, error) {
	f.once.Do(func() { f.n <- len(b) })
	return f.Conn.Write(b)
}

func TestGetAndHead(t *testing.T) {
	cfg := httpServer(t, false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		if r.Method != "HEAD" {
			io.WriteString(w, "hello")
		}
	})
	c := newClient(t, cfg)
	for range 2 {
		resp, err := c.Do(ctx(t), &http1.Request{Method: "HEAD", Target: "/"})
		if err != nil || resp.Status != 200 || len(resp.Body) != 0 || resp.Truncated {
			t.Fatalf("HEAD: %+v, %v", resp, err)
		}
		resp, err = c.Do(ctx(t), &http1.Request{Method: "GET", Target: "/x?y=z"})
		if err != nil || string(resp.Body) != "hello" {
			t.Fatalf("GET: %+v, %v", resp, err)
		}
	}
	if s := c.Stats(); s.Dials != 1 {
		t.Errorf("%d connections, want 1", s.Dials)
	}
}

func TestNothingThatBreaksTheFrameIsWritten(t *testing.T) {
	c := newClient(t, http1.Config{Address: "127.0.0.1:1", Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("connected")
		return nil, errors.New("no")
	}})
	for name, r := range map[string]*http1.Request{
		"a line break in a value":          {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "X-A", Value: "b\r\nX-Evil: 1"}}},
		"a bare newline in a value":        {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "X-A", Value: "b\nc"}}},
		"a NUL in a value":                 {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "X-A", Value: "b\x00"}}},
		"a colon in a name":                {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "X-A:", Value: "b"}}},
		"a space in a name":                {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "X A", Value: "b"}}},
		"an empty name":                    {Method: "PUT", Target: "/", Header: []http1.Field{{Value: "b"}}},
		"a second Content-Length":          {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "content-LENGTH", Value: "5"}}},
		"Transfer-Encoding":                {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "Transfer-Encoding", Value: "chunked"}}},
		"Expect":                           {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "Expect", Value: "100-continue"}}},
		"a second Host":                    {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "Host", Value: "a"}}},
		"a space in the target":            {Method: "PUT", Target: "/a b"},
		"a line break in the target":       {Method: "PUT", Target: "/a\r\nX: y"},
		"a byte beyond ASCII in a target":  {Method: "PUT", Target: "/ä"},
		"a target without a slash":         {Method: "PUT", Target: "a"},
		"no target":                        {Method: "PUT"},
		"no method":                        {Target: "/"},
		"a method of two words":            {Method: "PUT /", Target: "/"},
		"CONNECT":                          {Method: "CONNECT", Target: "/"},
		"a host with a line break":         {Method: "PUT", Target: "/", Host: "a\r\nb"},
		"a host with a slash":              {Method: "PUT", Target: "/", Host: "a/b"},
		"a secret value that is not shown": {Method: "PUT", Target: "/", Header: []http1.Field{{Name: "X-T", Value: "hush\n"}}},
	} {
		_, err := c.Do(ctx(t), r)
		if !errors.Is(err, http1.ErrRequest) || !errors.Is(err, http1.ErrNotSent) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want ErrRequest and ErrNotSent", name, err)
		}
	}
}

func TestHostOfTheAddress(t *testing.T) {
	for _, tt := range []struct {
		address string
		secure  bool
		want    string
	}{
		{"s3.example.com:443", true, "s3.example.com"}, {"s3.example.com:80", false, "s3.example.com"}, {"s3.example.com:443", false, "s3.example.com:443"},
		{"127.0.0.1:9000", true, "127.0.0.1:9000"}, {"[::1]:443", true, "[::1]"}, {"[::1]:9000", true, "[::1]:9000"},
	} {
		if got := http1.HostOf(tt.address, tt.secure); got != tt.want {
			t.Errorf("host of %s, TLS %v: %s, want %s", tt.address, tt.secure, got, tt.want)
		}
	}
}

func TestWhatIsCertainlyNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	garbage := serve(t, func(_ int, c net.Conn) { io.WriteString(c, "SSH-2.0-server\r\n"); io.Copy(io.Discard, c) })
	untrusted := httpServer(t, true, func(http.ResponseWriter, *http.Request) {})
	trusted := untrusted.TLS
	untrusted.TLS = trusted.Clone()
	untrusted.TLS.RootCAs = nil
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		cfg  http1.Config
		op   string
	}{
		{"a port where nobody listens", ctx(t), http1.Config{Address: closed}, "dial"},
		{"a server that does not speak TLS", ctx(t), http1.Config{Address: garbage.address(), TLS: trusted}, "handshake"},
		{"a certificate that does not verify", ctx(t), untrusted, "handshake"},
		{"a context that has ended", canceled, http1.Config{Address: garbage.address()}, "request"},
	} {
		_, err := newClient(t, tt.cfg).Do(tt.ctx, put(randomBytes(10), 5))
		var e *http1.Error
		if !errors.Is(err, http1.ErrNotSent) || !errors.As(err, &e) || e.Op != tt.op || e.Sent != 0 {
			t.Errorf("%s: %v, want ErrNotSent of %s", tt.name, err, tt.op)
		}
	}
}

func TestConnectTimeout(t *testing.T) {
	s := serve(t, func(_ int, c net.Conn) { io.Copy(io.Discard, c) }) // never says hello
	c := newClient(t, http1.Config{Address: s.address(), TLS: httpServer(t, true, nil).TLS, ConnectTimeout: 50 * time.Millisecond})
	_, err := c.Do(ctx(t), put(nil, 0))
	if !errors.Is(err, http1.ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want ErrNotSent by a deadline", err)
	}
}
