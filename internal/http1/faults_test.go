// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
)

// answering is a server that reads a whole request on each connection and writes one text, byte by byte if slow.
func answering(tb testing.TB, text string, slow bool) *server {
	return serve(tb, func(_ int, c net.Conn) {
		if readRequest(bufio.NewReader(c)) == nil {
			return
		}
		if !slow {
			io.WriteString(c, text)
			return
		}
		for i := range len(text) {
			if _, err := c.Write([]byte(text[i : i+1])); err != nil {
				return
			}
		}
	})
}

func TestWhatServersAnswer(t *testing.T) {
	for _, tt := range answers {
		if len(tt.text) > 4000 {
			continue
		}
		for _, slow := range []bool{false, true} {
			s := answering(t, tt.text, slow)
			data := randomBytes(50_000)
			resp, err := newClient(t, http1.Config{Address: s.address(), MaxBody: testMaxBody}).Do(ctx(t), put(data, 20_000))
			if tt.status == 0 {
				var e *http1.Error
				if !errors.As(err, &e) || errors.Is(err, http1.ErrNotSent) || e.Op != "read" || e.Sent != len(data) {
					t.Errorf("%s: %+v %v, want an error of reading", tt.name, resp, err)
				}
				continue
			}
			if err != nil || resp.Status != tt.status || string(resp.Body) != tt.body || resp.Truncated != tt.truncated || resp.Early {
				t.Errorf("%s: %+v, %v", tt.name, resp, err)
			}
			if n := s.count(); n != 1 {
				t.Errorf("%s: %d connections", tt.name, n)
			}
		}
	}
}

const refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\nConnection: close\r\n\r\n<Error/>"

// TestAnEarlyAnswerEndsTheUpload: S3 refuses a request after its head. The client must not send megabytes to be told so.
func TestAnEarlyAnswerEndsTheUpload(t *testing.T) {
	for name, after := range map[string]func(net.Conn){
		"the server closes at once":            func(net.Conn) {},
		"the server only stops reading":        func(c net.Conn) { waitClosed(c) },
		"the server goes on reading":           func(c net.Conn) { io.Copy(io.Discard, c) },
		"the server closes its half and reads": func(c net.Conn) { c.(*net.TCPConn).CloseWrite(); io.Copy(io.Discard, c) },
	} {
		s := serve(t, func(_ int, c net.Conn) {
			br := bufio.NewReader(c)
			for {
				if line, err := br.ReadString('\n'); err != nil || line == "\r\n" {
					break
				}
			}
			io.WriteString(c, refusal)
			after(c)
		})
		data := randomBytes(64 << 20)
		r := put(data, 1000)
		sent := 0
		r.Sent = func(n int) { sent = n }
		r.Again = func() bool { t.Errorf("%s: asked for the body again", name); return true }
		c := newClient(t, http1.Config{Address: s.address()})
		resp, err := c.Do(ctx(t), r)
		if err != nil || resp.Status != 403 || !resp.Early || string(resp.Body) != "<Error/>" {
			t.Errorf("%s: %+v, %v", name, resp, err)
		}
		if sent == len(data) {
			t.Errorf("%s: all of the body was sent", name)
		}
		if s.count() != 1 {
			t.Errorf("%s: %d connections", name, s.count())
		}
	}
}

// waitClosed waits until the other side has closed c, without reading.
func waitClosed(c net.Conn) {
	for {
		time.Sleep(time.Millisecond) // polls a real connection, bounded by its deadline
		if _, err := c.Write([]byte{'x'}); err != nil {
			return
		}
	}
}

// TestADeadKeptConnectionIsReplaced: the server closes after each answer without saying so.
func TestADeadKeptConnectionIsReplaced(t *testing.T) {
	s := serve(t, func(_ int, c net.Conn) {
		if readRequest(bufio.NewReader(c)) != nil {
			io.WriteString(c, ok200)
		}
	})
	c := newClient(t, http1.Config{Address: s.address()})
	r := put(randomBytes(1000), 0)
	r.Again = func() bool { t.Error("asked for the body although none of it was sent"); return true }
	for i := range 3 {
		if i > 0 {
			http1.Dead(c)
		}
		if resp, err := c.Do(ctx(t), r); err != nil || resp.Status != 200 || resp.Repeated {
			t.Fatalf("request %d: %+v, %v", i, resp, err)
		}
	}
	if st := c.Stats(); st.Dials != 3 || st.Resends != 0 {
		t.Errorf("%+v", st)
	}
}

// TestOneResend: the server closes a kept connection in the middle of the next request.
func TestOneResend(t *testing.T) {
	const size = 8 << 20 // more than socket buffers hold
	dies := func(whole, always bool) func(int, net.Conn) {
		return func(n int, c net.Conn) {
			br := bufio.NewReader(c)
			if readRequest(br) == nil {
				return
			}
			if n > 1 && always {
				return
			}
			io.WriteString(c, ok200)
			if n > 1 {
				return
			}
			if whole {
				readRequest(br)
			} else {
				io.CopyN(io.Discard, br, 1000)
			}
		}
	}
	for _, tt := range []struct {
		name                                   string
		whole, always, again, repeated, failed bool
		dials                                  int
	}{
		{"cut in the body, the caller has all of it", false, false, true, false, false, 2},
		{"cut in the body, part of it is gone", false, false, false, false, true, 1},
		{"no answer to the whole", true, false, true, true, false, 2},
		{"no answer, part is gone", true, false, false, false, true, 1},
		{"no answer, then none again", true, true, true, false, true, 2},
	} {
		s := serve(t, dies(tt.whole, tt.always))
		c := newClient(t, http1.Config{Address: s.address()})
		if _, err := c.Do(ctx(t), put(nil, 0)); err != nil {
			t.Fatal(err)
		}
		asked := 0
		r := put(randomBytes(size), size/2)
		r.Again = func() bool { asked++; return tt.again }
		resp, err := c.Do(ctx(t), r)
		var e *http1.Error
		switch {
		case tt.failed != (err != nil):
			t.Errorf("%s: %+v, %v", tt.name, resp, err)
		case tt.failed && (!errors.As(err, &e) || errors.Is(err, http1.ErrNotSent) || (e.Sent == size) != tt.whole):
			t.Errorf("%s: sent %d, %v", tt.name, e.Sent, err)
		case !tt.failed && (resp.Status != 200 || resp.Repeated != tt.repeated):
			t.Errorf("%s: %+v", tt.name, resp)
		}
		if st := c.Stats(); asked != 1 || st.Dials != tt.dials {
			t.Errorf("%s: asked %d times, %+v", tt.name, asked, st)
		}
	}
}

func TestAFreshConnectionIsNotRetried(t *testing.T) {
	s := serve(t, func(_ int, c net.Conn) { readRequest(bufio.NewReader(c)) })
	r := put(randomBytes(1000), 0)
	r.Again = func() bool { t.Error("asked to send again"); return true }
	_, err := newClient(t, http1.Config{Address: s.address()}).Do(ctx(t), r)
	if err == nil || errors.Is(err, http1.ErrNotSent) || !strings.Contains(err.Error(), "without an answer") || s.count() != 1 {
		t.Errorf("%v over %d connections", err, s.count())
	}
}

func TestUnaskedAnswersEndAnIdleConnection(t *testing.T) {
	s := serve(t, func(n int, c net.Conn) {
		br := bufio.NewReader(c)
		if readRequest(br) == nil {
			return
		}
		io.WriteString(c, ok200)
		if n == 1 {
			io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
		}
		io.Copy(io.Discard, c)
	})
	c := newClient(t, http1.Config{Address: s.address()})
	for i := range 2 {
		resp, err := c.Do(ctx(t), put(randomBytes(10), 0))
		if err != nil || resp.Status != 200 {
			t.Fatalf("request %d: %+v %v", i, resp, err)
		}
		if i == 0 {
			http1.Dead(c)
		}
	}
}

// pipes dials net.Pipe and gives the other end to a server, so time limits can be tested in a bubble.
func pipes(server func(c net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() { defer theirs.Close(); server(theirs) }()
		return ours, nil
	}
}

func TestTimeLimits(t *testing.T) {
	const stall = 10 * time.Second
	data := randomBytes(100_000)
	sleepy := func(c net.Conn, answer string, every time.Duration) {
		for i := range len(answer) {
			time.Sleep(every)
			if _, err := c.Write([]byte{answer[i]}); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name   string
		server func(c net.Conn)
		err    error // nil: an answer
		after  time.Duration
		sent   int
	}{
		{"nothing is read", func(c net.Conn) { time.Sleep(time.Hour) }, http1.ErrStalled, stall, 0},
		{"reading ends after 20 KB", func(c net.Conn) { io.CopyN(io.Discard, c, 20<<10); time.Sleep(time.Hour) }, http1.ErrStalled, stall, 0},
		{"100 bytes every 4 s: slow, but it moves", func(c net.Conn) {
			for buf := make([]byte, 100); ; time.Sleep(4 * time.Second) {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if n < len(buf) && bytes.HasSuffix(data, buf[:n]) {
					io.WriteString(c, ok200)
					io.Copy(io.Discard, c)
					return
				}
			}
		}, nil, 0, 0},
		{"no answer", func(c net.Conn) { readRequest(bufio.NewReader(c)); time.Sleep(time.Hour) }, http1.ErrStalled, stall, len(data)},
		{"an answer just in time", func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			time.Sleep(stall - time.Millisecond)
			io.WriteString(c, ok200)
			io.Copy(io.Discard, c)
		}, nil, stall - time.Millisecond, 0},
		{"an answer of one byte a second", func(c net.Conn) { readRequest(bufio.NewReader(c)); sleepy(c, ok200, time.Second) }, http1.ErrStalled, stall + time.Second, len(data)},
		{"an answer that begins late and ends in time", func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			time.Sleep(stall - time.Second)
			sleepy(c, ok200, stall/time.Duration(len(ok200)+1))
			io.Copy(io.Discard, c)
		}, nil, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := http1.New(http1.Config{Address: "camera:80", StallTimeout: stall, Dial: pipes(tt.server)})
			defer time.Sleep(2 * time.Hour) // servers that sleep end
			defer c.Close()
			began := time.Now()
			resp, err := c.Do(context.Background(), put(data, 30_000))
			took := time.Since(began)
			var e *http1.Error
			switch {
			case !errors.Is(err, tt.err) || err == nil && resp.Status != 200:
				t.Errorf("%s: %+v, %v", tt.name, resp, err)
			case tt.after != 0 && (took < tt.after || took > tt.after+stall/2):
				t.Errorf("%s: took %v, want %v", tt.name, took, tt.after)
			case errors.As(err, &e) && (tt.sent > 0 && e.Sent != tt.sent || tt.sent == 0 && e.Sent >= len(data)):
				t.Errorf("%s: sent %d", tt.name, e.Sent)
			}
			if tt.name == "nothing is read" != errors.Is(err, http1.ErrNotSent) {
				t.Errorf("%s: not sent: %v", tt.name, err)
			}
		})
	}
}

func TestIdleConnectionsAreNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := http1.New(http1.Config{Address: "camera:80", Dial: pipes(func(c net.Conn) {
			for br := bufio.NewReader(c); readRequest(br) != nil; {
				io.WriteString(c, ok200)
			}
		})})
		defer c.Close()
		for _, pause := range []time.Duration{0, 4 * time.Second, 4*time.Second + 1} {
			time.Sleep(pause)
			if _, err := c.Do(context.Background(), put(nil, 0)); err != nil {
				t.Fatal(err)
			}
		}
		if s := c.Stats(); s.Dials != 2 {
			t.Errorf("%d connections, want one and another after more than 4 s", s.Dials)
		}
	})
}

func TestTheContextEndsEveryPhase(t *testing.T) {
	cause := errors.New("enough")
	for name, dial := range map[string]func(context.Context, string, string) (net.Conn, error){
		"dial":                func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
		"write":               pipes(func(c net.Conn) { time.Sleep(time.Hour) }),
		"write of the body":   pipes(func(c net.Conn) { io.CopyN(io.Discard, c, 50_000); time.Sleep(time.Hour) }),
		"wait for the answer": pipes(func(c net.Conn) { readRequest(bufio.NewReader(c)); time.Sleep(time.Hour) }),
		"read": pipes(func(c net.Conn) {
			readRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 2")
			time.Sleep(time.Hour)
		}),
	} {
		synctest.Test(t, func(t *testing.T) {
			c := http1.New(http1.Config{Address: "camera:80", Dial: dial})
			defer time.Sleep(2 * time.Hour)
			defer c.Close()
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			time.AfterFunc(3*time.Second, func() { cancel(cause) })
			began := time.Now()
			r := put(randomBytes(100_000), 5)
			r.Again = func() bool { t.Error("asked to send again"); return true }
			_, err := c.Do(ctx, r)
			if took := time.Since(began); !errors.Is(err, cause) || took != 3*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
			if name == "dial" != errors.Is(err, http1.ErrNotSent) && name != "write" {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestTLSFaults: what a broken TLS connection does, and that the next request gets through.
func TestTLSFaults(t *testing.T) {
	certificate := testCertificate(t)
	for name, fault := range map[string]func(raw net.Conn, c *tls.Conn){
		"closed in the handshake": func(raw net.Conn, _ *tls.Conn) { raw.Close() },
		"closed after the head":   func(_ net.Conn, c *tls.Conn) { io.ReadAtLeast(c, make([]byte, 4096), 1) },
		"garbage instead of TLS":  func(raw net.Conn, c *tls.Conn) { c.Handshake(); io.WriteString(raw, "garbage garbage garbage") },
		"cut without close_notify": func(raw net.Conn, c *tls.Conn) {
			readRequest(bufio.NewReader(c))
			io.WriteString(c, "HTTP/1.1 2")
			raw.Close()
		},
		"an answer that is garbage": func(_ net.Conn, c *tls.Conn) { readRequest(bufio.NewReader(c)); io.WriteString(c, "\x00\x01\x02\n") },
	} {
		s := serve(t, func(n int, raw net.Conn) {
			c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{certificate}})
			if n == 1 {
				fault(raw, c)
				return
			}
			if readRequest(bufio.NewReader(c)) != nil {
				io.WriteString(c, ok200)
			}
			c.Close()
		})
		c := newClient(t, http1.Config{Address: s.address(), TLS: &tls.Config{RootCAs: poolOf(certificate)}})
		if _, err := c.Do(ctx(t), put(randomBytes(500_000), 1)); err == nil {
			t.Errorf("%s: no error", name)
		} else if errors.Is(err, http1.ErrNotSent) != (name == "closed in the handshake") && name != "garbage instead of TLS" {
			t.Errorf("%s: %v", name, err) // the garbage may arrive before the first byte goes out
		}
		if resp, err := c.Do(ctx(t), put(randomBytes(500_000), 1)); err != nil || resp.Status != 200 {
			t.Errorf("%s, the next one: %+v, %v", name, resp, err)
		}
	}
}
