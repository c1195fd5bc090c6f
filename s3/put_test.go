// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/s3cam/s3cam/s3"
)

func TestPutSendsWhatItShould(t *testing.T) {
	crc := uint32(0xdeadbeef)
	for _, tt := range []struct {
		name   string
		new    func(testing.TB) *fakeS3
		edit   func(*s3.Config)
		o      s3.PutOptions
		want   http.Header
		absent []string
	}{
		{
			"https: unsigned with a checksum, computed", newTLSFake, nil, s3.PutOptions{ContentType: "video/mp2t", IfNoneMatch: true, Tags: "camera=front%20door"},
			http.Header{"X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}, "X-Amz-Checksum-Crc32c": {"4waSgw=="}, "Content-Type": {"video/mp2t"}, "If-None-Match": {"*"}, "X-Amz-Tagging": {"camera=front%20door"}, "Content-Length": {"9"}, "X-Amz-Security-Token": {"tok"}},
			[]string{"Expect", "Transfer-Encoding", "X-Idempotency-Key", "Accept-Encoding"},
		},
		{
			"what caches may do is kept with the object", newFake, nil, s3.PutOptions{CacheControl: "public, max-age=31536000, immutable"},
			http.Header{"Cache-Control": {"public, max-age=31536000, immutable"}}, nil,
		},
		{
			"http: the hash is signed", newFake, nil, s3.PutOptions{},
			http.Header{"X-Amz-Content-Sha256": {"15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"}, "X-Amz-Checksum-Crc32c": {"4waSgw=="}},
			[]string{"Content-Type", "Cache-Control", "If-None-Match", "X-Amz-Tagging", "Expect"},
		},
		{
			"a switch leaves the checksum out", newFake, func(cfg *s3.Config) { cfg.OmitChecksum = true }, s3.PutOptions{},
			http.Header{"X-Amz-Content-Sha256": {"15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"}}, []string{"X-Amz-Checksum-Crc32c"},
		},
		{
			"a known checksum is taken as it is", newTLSFake, nil, s3.PutOptions{CRC32C: &crc},
			http.Header{"X-Amz-Checksum-Crc32c": {"3q2+7w=="}}, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.new(t)
			f.token = "tok"
			c, _ := f.client(func(cfg *s3.Config) {
				if tt.edit != nil {
					tt.edit(cfg)
				}
			})
			_, err := c.PutOnce(context.Background(), "k", strings.NewReader("123456789"), 9, tt.o)
			if tt.o.CRC32C != nil { // it is a wrong one: the server sees it
				var e *s3.Error
				if !errors.As(err, &e) || e.Code != "BadDigest" {
					t.Errorf("error = %v, want BadDigest", err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			r := f.request(0)
			for name, want := range tt.want {
				if got := r.Header.Values(name); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			for _, name := range tt.absent {
				if got, ok := r.Header[name]; ok {
					t.Errorf("%s = %q was sent", name, got)
				}
			}
			if len(r.TransferEncoding) != 0 || r.ProtoMajor != 1 {
				t.Errorf("transfer encoding %q, %s", r.TransferEncoding, r.Proto)
			}
		})
	}
}

func TestBodiesOfAllKinds(t *testing.T) {
	data := make([]byte, 200_000)
	for i := range data {
		data[i] = byte(i * 7)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	at := func(r io.ReadSeeker, n int64) io.ReadSeeker {
		if _, err := r.Seek(n, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		return r
	}
	tests := []struct {
		name string
		body io.ReadSeeker
		want []byte
	}{
		{"memory", bytes.NewReader(data), data},
		{"the end of memory", at(bytes.NewReader(data), 150_000), data[150_000:]},
		{"the middle of memory", at(bytes.NewReader(data), 50_000), data[50_000:150_000]},
		{"a file", file, data},
		{"the middle of a file", io.NewSectionReader(file, 1000, 150_000), data[1000:151_000]},
		{"two pieces of a ring", s3.NewParts(data[100_000:], data[:50_000]), append(append([]byte(nil), data[100_000:]...), data[:50_000]...)},
		{"many pieces, some empty", s3.NewParts(nil, data[:1], nil, data[1:70_000], data[70_000:], nil), data},
		{"part of the pieces", at(s3.NewParts(data[:100], data[100:]), 99), data[99:]},
		{"a reader that is slow with words", struct{ io.ReadSeeker }{oneByte{bytes.NewReader(data[:3000])}}, data[:3000]},
		{"no body", nil, nil},
	}
	for _, secure := range []bool{false, true} {
		f := newFake(t)
		if secure {
			f = newTLSFake(t)
		}
		c, _ := f.client()
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s/tls=%v", tt.name, secure), func(t *testing.T) {
				var start int64
				if tt.body != nil {
					start, _ = tt.body.Seek(0, io.SeekCurrent)
				}
				// The first answer asks for a repetition, so the body is sent twice.
				before := f.count()
				f.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
					return n == before+1 && answerError(500, "InternalError")(n, w, r)
				}
				if _, err := c.Put(context.Background(), "k", tt.body, int64(len(tt.want)), s3.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				if o, _ := f.object("k"); !bytes.Equal(o.data, tt.want) {
					t.Errorf("stored %d bytes that differ, want %d", len(o.data), len(tt.want))
				}
				if tt.body != nil {
					at(tt.body, start)
				}
			})
		}
	}
}

type oneByte struct{ *bytes.Reader }

func (r oneByte) Read(p []byte) (int, error) { return iotest.OneByteReader(r.Reader).Read(p) }

func TestBodyThatFails(t *testing.T) {
	f := newTLSFake(t)
	c, w := f.client()
	bad := errors.New("disk failed")
	crc := uint32(0)
	_, err := c.Put(context.Background(), "k", &failing{bytes.NewReader(make([]byte, 100_000)), bad}, 100_000, s3.PutOptions{CRC32C: &crc})
	if !errors.Is(err, bad) || s3.Retryable(err) || len(w.all) != 0 {
		t.Errorf("error = %v, waits %v; want the body's error, at once", err, w.all)
	}
	_, err = c.Put(context.Background(), "k", &failing{bytes.NewReader(make([]byte, 100_000)), bad}, 100_000, s3.PutOptions{})
	if !errors.Is(err, bad) || s3.Retryable(err) {
		t.Errorf("error = %v, want the body's", err)
	}
}

type failing struct {
	r   *bytes.Reader
	err error
}

func (f *failing) Seek(n int64, whence int) (int64, error) { return f.r.Seek(n, whence) }

func (f *failing) Read(p []byte) (int, error) {
	if f.r.Len() <= 50_000 {
		return 0, f.err
	}
	return f.r.Read(p[:min(len(p), f.r.Len()-50_000)])
}

// deadKept serves one request per connection and then, without saying so, hangs up on the next one: at its first byte, or
// after its header and up to eat bytes of its body. That is what S3 does with connections that it finds idle.
func deadKept(t *testing.T, eat int64) (url string, served *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served = new(atomic.Int32)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				br := bufio.NewReader(c)
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				served.Add(1)
				io.WriteString(c, "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n")
				if _, err := br.Peek(1); err != nil || eat < 0 {
					return
				}
				if req, err := http.ReadRequest(br); err == nil {
					io.CopyN(io.Discard, req.Body, eat)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return "http://" + l.Addr().String(), served
}

func TestDeadKeptConnectionsCostNoRetry(t *testing.T) {
	for name, eat := range map[string]int64{"at the first byte": -1, "after the header": 0, "in the body": 30_000, "after all of it": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			url, served := deadKept(t, eat)
			c, err := s3.New(s3.Config{Endpoint: url, Bucket: bucket, PathStyle: true, Credentials: s3.Static(accessKey, secretKey, "")})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			const n = 8
			body := make([]byte, 40_000)
			for i := range n {
				if _, err := c.PutOnce(context.Background(), "k", bytes.NewReader(body), int64(len(body)), s3.PutOptions{}); err != nil {
					t.Fatalf("put %d: %v", i, err)
				}
				if err := c.Delete(context.Background(), "k"); err != nil {
					t.Fatalf("delete %d: %v", i, err)
				}
			}
			if served.Load() != 2*n {
				t.Errorf("served %d, want %d", served.Load(), 2*n)
			}
			if got := c.Stats().Retries; got != 0 {
				t.Errorf("%d retries, want none: net/http sends again at once", got)
			}
		})
	}
}

// stores and then loses the answer.
func loseAnswer(f *fakeS3) fault {
	return func(n int, w http.ResponseWriter, r *http.Request) bool {
		rec := httptest.NewRecorder()
		f.mu.Lock()
		f.put(rec, r, strings.TrimPrefix(r.URL.Path, "/"+bucket+"/"))
		f.mu.Unlock()
		return reset(n, w, r)
	}
}

func TestOwnLostPutIsNotSomebodyElses(t *testing.T) {
	put := func(c *s3.Client) (s3.PutResult, error) {
		return c.Put(context.Background(), "k", strings.NewReader("body"), 4, s3.PutOptions{IfNoneMatch: true})
	}
	t.Run("stored by a try whose answer was lost", func(t *testing.T) {
		f := newFake(t)
		f.fault = onlyFirst(1, loseAnswer(f))
		c, w := f.client()
		res, err := put(c)
		if err != nil || !res.Repeated || res.Date.IsZero() || f.count() != 2 || len(w.all) != 1 {
			t.Errorf("got %+v, %v after %d requests", res, err, f.count())
		}
	})
	t.Run("there before the first try", func(t *testing.T) {
		f := newFake(t)
		f.store("k")
		c, _ := f.client()
		if _, err := put(c); !errors.Is(err, s3.ErrExists) || f.count() != 1 {
			t.Errorf("error = %v, want ErrExists", err)
		}
	})
	t.Run("there, and the first try was refused for another reason", func(t *testing.T) {
		f := newFake(t)
		f.store("k")
		f.fault = onlyFirst(1, answerError(409, "ConditionalRequestConflict"))
		c, _ := f.client()
		if _, err := put(c); !errors.Is(err, s3.ErrExists) || f.count() != 2 {
			t.Errorf("error = %v after %d requests, want ErrExists", err, f.count())
		}
	})
	t.Run("a 500 may have stored it", func(t *testing.T) {
		f := newFake(t)
		f.store("k")
		f.fault = onlyFirst(1, answerError(500, "InternalError"))
		c, _ := f.client()
		if res, err := put(c); err != nil || !res.Repeated {
			t.Errorf("got %+v, %v", res, err)
		}
	})
	t.Run("a single try does not guess", func(t *testing.T) {
		f := newFake(t)
		f.fault = onlyFirst(1, loseAnswer(f))
		c, _ := f.client()
		for i, want := range []bool{true, false} {
			_, err := c.PutOnce(context.Background(), "k", strings.NewReader("body"), 4, s3.PutOptions{IfNoneMatch: true})
			if s3.Retryable(err) != want || err == nil || errors.Is(err, s3.ErrExists) == want {
				t.Errorf("try %d: %v", i+1, err)
			}
		}
	})
}

// watched fails the test when it is used after its Put has returned.
type watched struct {
	*bytes.Reader
	t    *testing.T
	done atomic.Bool
}

func (w *watched) check() {
	if w.done.Load() {
		w.t.Error("body used after Put returned")
	}
}
func (w *watched) Read(p []byte) (int, error) { w.check(); return w.Reader.Read(p) }
func (w *watched) Seek(o int64, whence int) (int64, error) {
	w.check()
	return w.Reader.Seek(o, whence)
}
func (w *watched) WriteTo(dst io.Writer) (int64, error) {
	n, err := w.Reader.WriteTo(dst)
	w.check()
	return n, err
}

func TestBodyIsLetGoBeforePutReturns(t *testing.T) {
	// The server answers without reading, or hangs, while the body is too large for the buffers on the way.
	early := func(status int) fault {
		return func(_ int, w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(status)
			w.(http.Flusher).Flush()
			return true
		}
	}
	hang := func(_ int, w http.ResponseWriter, r *http.Request) bool {
		io.CopyN(io.Discard, r.Body, 100_000)
		c, _, _ := w.(http.Hijacker).Hijack()
		t.Cleanup(func() { c.Close() })
		return true
	}
	for name, fault := range map[string]fault{"early 200": early(200), "early 403": early(403), "early 500": early(500), "hang": hang} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/tls=%v", name, secure), func(t *testing.T) {
				t.Parallel() // net/http's server waits half a second after an early answer
				f := newFake(t)
				if secure {
					f = newTLSFake(t)
				}
				f.fault = fault
				c, _ := f.client(func(cfg *s3.Config) { cfg.TryTimeout, cfg.MinRate = 100*ms, 1<<40 })
				data := make([]byte, 20<<20)
				body := &watched{Reader: bytes.NewReader(data), t: t}
				start := time.Now()
				_, err := c.PutOnce(context.Background(), "k", body, int64(len(data)), s3.PutOptions{})
				body.done.Store(true)
				clear(data) // the race detector sees a write that is still going on
				t.Logf("%v after %v", err, time.Since(start))
				if err == nil && name != "early 200" {
					t.Error("no error")
				}
			})
		}
	}
}
