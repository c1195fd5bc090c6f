// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// rawSink answers every request on its connections with 200 and allocates nothing while it does.
func rawSink(tb testing.TB, config *tls.Config) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	scheme := "http://"
	if config != nil {
		scheme, l = "https://", tls.NewListener(l, config)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveRaw(c)
		}
	}()
	return scheme + l.Addr().String()
}

func serveRaw(c net.Conn) {
	defer c.Close()
	reply := []byte("HTTP/1.1 200 OK\r\nDate: Mon, 09 Mar 2026 04:05:06 GMT\r\nETag: \"e\"\r\nx-amz-request-id: R\r\nContent-Length: 0\r\n\r\n")
	r := bufio.NewReaderSize(c, 64<<10)
	for {
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
				break
			}
			if name, value, _ := bytes.Cut(line, []byte(": ")); string(name) == "Content-Length" {
				for _, d := range value {
					length = length*10 + int(d-'0')
				}
			}
		}
		if _, err := r.Discard(length); err != nil {
			return
		}
		if _, err := c.Write(reply); err != nil {
			return
		}
	}
}

// perRun returns the allocations and bytes of f, of all goroutines, averaged over n runs after a warm-up.
func perRun(n int, f func()) (allocs, size float64) {
	for range 10 {
		f()
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
}

func TestPutAllocationBudget(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes allocations")
	}
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	for _, config := range []*tls.Config{nil, {Certificates: certificate.TLS.Certificates}} {
		url := rawSink(t, config)
		data := make([]byte, segmentSize)
		crc := uint32(1)
		c := benchClient(t, func(cfg *Config) {
			cfg.Endpoint, cfg.PathStyle = url, true
			cfg.RootCAs = certificate.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		})
		allocs, size := perRun(100, func() {
			if _, err := c.PutOnce(context.Background(), benchKey, bytes.NewReader(data), segmentSize, PutOptions{ContentType: "video/mp2t", IfNoneMatch: true, Tags: "a=b", CRC32C: &crc}); err != nil {
				t.Fatal(err)
			}
		})
		c.Close()
		// net/http's own: the shortest request with the same body, no signature, no deadline.
		transport := &http.Transport{TLSClientConfig: certificate.Client().Transport.(*http.Transport).TLSClientConfig.Clone()}
		bare, bareSize := perRun(100, func() {
			req, err := http.NewRequest("PUT", url+"/"+benchBucket+"/"+benchKey, bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := transport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		})
		transport.CloseIdleConnections()
		t.Logf("%.5s: Put of %d bytes: %.1f allocations, %.0f bytes; net/http alone: %.1f, %.0f", url, segmentSize, allocs, size, bare, bareSize)
		budget := 80.0
		if config != nil {
			budget = bare + 30 // one per TLS record, of the server in this process, too
		}
		if allocs > budget {
			t.Errorf("%.5s: %.1f allocations per Put, budget %.0f", url, allocs, budget)
		}
		if size > 8000 {
			t.Errorf("%.5s: %.0f bytes allocated per Put, budget 8000", url, size)
		}
	}
}

func TestListAllocationsDoNotGrowWithThePage(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes allocations")
	}
	var allocs [2]float64
	for i, n := range []int{10, 1000} {
		doc := listDocument(n)
		c := benchClient(t, func(cfg *Config) { cfg.Transport = stub{doc} })
		allocs[i], _ = perRun(50, func() {
			got := 0
			if err := c.List(context.Background(), "cam1/", "", 0, func([]byte, int64) bool { got++; return true }); err != nil || got != n {
				t.Fatal(got, err)
			}
		})
	}
	t.Logf("allocations of a page of 10 keys: %.1f, of 1000: %.1f", allocs[0], allocs[1])
	if allocs[1] > 40 || allocs[1] > allocs[0]+2 {
		t.Errorf("a page of 1000 keys costs %.1f allocations, of 10 keys %.1f; want the same, at most 40", allocs[1], allocs[0])
	}
}

func TestPresignAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops entries under the race detector")
	}
	c := benchClient(t, func(*Config) {})
	p, err := c.Presigner(context.Background(), c.cfg.Now(), 900e9)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = p.AppendGet(buf[:0], benchKey) }); n != 0 {
		t.Errorf("%v allocations per URL, want 0", n)
	}
	if !strings.Contains(string(buf), "X-Amz-Expires=900&") || strings.Contains(string(buf), strconv.Quote("")) {
		t.Errorf("url = %s", buf)
	}
}
