// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Only objects and parts may be large: everything else is held in memory.
func TestLargeDocumentsAreRefused(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	for _, tt := range []struct{ method, path, query string }{
		{"POST", "/" + tg.bucket, "delete="}, {"POST", tg.path("k"), "uploadId=1"}, {"PUT", tg.path("k"), "tagging="}, {"PUT", "/" + tg.bucket + "-new", ""},
		{"PUT", "/" + tg.bucket, "policy="},
	} {
		for length, code := range map[string]string{"Content-Length: 9000000": "MaxMessageLengthExceeded", "Transfer-Encoding: chunked": "MissingContentLength"} {
			head := tg.head(rawRequest{method: tt.method, path: tt.path, query: tt.query, payload: "UNSIGNED-PAYLOAD"})
			head = strings.Replace(head, "Content-Length: 0", length, 1)
			c, err := tg.dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.WriteString(c, head+"10000\r\n"+strings.Repeat("a", 0x10000)); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 4096)
			n, err := c.Read(answer)
			if !strings.Contains(string(answer[:n]), "<Code>"+code+"</Code>") {
				t.Errorf("%s %s?%s with %s: %.300q, %v; want %s", tt.method, tt.path, tt.query, length, answer[:n], err, code)
			}
		}
	}
	large := randomBytes(maxDocument+1, 3)
	if res := tg.do(t, rawRequest{method: "PUT", path: tg.path("large"), body: large, payload: "UNSIGNED-PAYLOAD"}); res.status != 200 {
		t.Errorf("a large object: %d %s", res.status, res.body)
	}
}

const maxDocument = 8 << 20

// A head must come within a time, however evenly it trickles in.
func TestTricklingHeadIsCut(t *testing.T) {
	cfg := config(t)
	cfg.StallTimeout = 300 * time.Millisecond
	s, _ := run(t, cfg)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	go func() {
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\n")
		drip := time.NewTicker(20 * time.Millisecond)
		defer drip.Stop()
		for i := 0; err == nil; i++ {
			<-drip.C
			_, err = io.WriteString(c, "X-"+strconv.Itoa(i)+": x\r\n")
		}
	}()
	c.SetReadDeadline(began.Add(20 * time.Second))
	answer, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatalf("after %v the head may still come: %.100q", time.Since(began), answer)
	}
}

// A head that cannot be read may hold a signed URL or credentials, which are not for the log.
func TestBrokenHeadsAreNotLogged(t *testing.T) {
	var log syncBuffer
	cfg := config(t)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.StallTimeout = 300 * time.Millisecond
	s, stop := run(t, cfg)
	for _, head := range []string{
		"GET /video/x?X-Amz-Signature=hush HTTP/1.1\r\nHost: x\r\nAuthorization: hush\r\nbroken line\r\n\r\n",
		"GET /video/x?X-Amz-Signature=hush HTTP/1.1\r\nHost: x\r\nAuthorization: hush\r\nX: " + strings.Repeat("hush ", 10000) + "\r\n\r\n",
		"GET /video/x?X-Amz-Signature=hush HTTP/1.1\r\nHost: x\r\nAuthorization: hush\r\n", // and no more
		"GET /video/x?X-Amz-Signature=hush\r\n\r\n",
		"GET /video/x?X-Amz-Signature=hush HTTP/hush\r\n\r\n",
		"GET /video/x HTTP/1.1\r\nHost: x\r\nAuthorization hush\r\n\r\n",
		"hush\x00hush\r\n\r\n",
		"GET http://[hush/video/x?X-Amz-Signature=hush HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /video/%zz?X-Amz-Signature=hush HTTP/1.1\r\nHost: x\r\nAuthorization: hush\r\n\r\n",
		"GET /video/x?X-Amz-Signature=hush HTTP/1.1\r\nHost: x y\r\nAuthorization: hush\r\nContent-Length: hush\r\n\r\n",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(c, head); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, c)
		c.Close()
	}
	_ = stop() // a connection may still linger
	if text := log.String(); strings.Contains(text, "hush") || !strings.Contains(text, "could not be read") {
		t.Errorf("the log has\n%s", text)
	}
}

// syncBuffer is a log that goroutines share.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
