// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
)

// server runs one function per connection, n = 1, 2... It closes the connection when the function returns.
type server struct {
	net.Listener
	mu    sync.Mutex
	conns int
}

func serve(tb testing.TB, f func(n int, c net.Conn)) *server {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &server{Listener: l}
	var wg sync.WaitGroup
	tb.Cleanup(func() { l.Close(); wg.Wait() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			n := s.conns
			s.mu.Unlock()
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(30 * time.Second))
				f(n, c)
			}()
		}
	}()
	return s
}

func (s *server) address() string { return s.Addr().String() }

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// received is a request as it came over the wire.
type received struct {
	head string
	body []byte
}

// readRequest reads one request, nil when the connection ends before.
func readRequest(br *bufio.Reader) *received {
	var r received
	length := 0
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return nil
		}
		r.head += line
		if line == "\r\n" {
			break
		}
		if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	r.body = make([]byte, length)
	if _, err := io.ReadFull(br, r.body); err != nil {
		return nil
	}
	return &r
}

const ok200 = "HTTP/1.1 200 OK\r\nDate: Mon, 09 Mar 2026 04:05:06 GMT\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n"

// newClient returns a client that is closed at the end of the test.
func newClient(tb testing.TB, cfg http1.Config) *http1.Client {
	tb.Helper()
	c := http1.New(cfg)
	tb.Cleanup(c.Close)
	return c
}

// put is a PUT of data in two parts.
func put(data []byte, cut int) *http1.Request {
	return &http1.Request{Method: "PUT", Target: "/bucket/key", Header: []http1.Field{{Name: "Content-Type", Value: "video/mp2t"}}, Body: [2][]byte{data[:cut], data[cut:]}}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

func ctx(tb testing.TB) context.Context {
	c, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	tb.Cleanup(cancel)
	return c
}

// httpServer is net/http's, plain or with TLS, and a Config for it.
func httpServer(tb testing.TB, secure bool, h http.HandlerFunc) http1.Config {
	tb.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are the point of many tests
	if !secure {
		s.Start()
		tb.Cleanup(s.Close)
		return http1.Config{Address: s.Listener.Addr().String()}
	}
	s.StartTLS()
	tb.Cleanup(s.Close)
	return http1.Config{Address: s.Listener.Addr().String(), TLS: &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}
}

func cancelable(tb testing.TB) (context.Context, context.CancelFunc) {
	c, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	return c, cancel
}
