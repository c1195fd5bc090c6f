// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// rawSink answers every request on its connections with 200 and allocates nothing while it does.
func rawSink(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
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
	return "http://" + l.Addr().String()
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
	url := rawSink(t)
	data := make([]byte, segmentSize)
	crc := uint32(1)
	c := benchClient(t, func(cfg *Config) { cfg.Endpoint, cfg.PathStyle = url, true })
	defer c.Close()
	allocs, size := perRun(100, func() {
		if _, err := c.PutOnce(context.Background(), benchKey, bytes.NewReader(data), segmentSize, PutOptions{ContentType: "video/mp2t", IfNoneMatch: true, Tags: "a=b", CRC32C: &crc}); err != nil {
			t.Fatal(err)
		}
	})
	// net/http's own: the shortest request with the same body, no signature, no deadline.
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
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
	t.Logf("Put of %d bytes: %.1f allocations, %.0f bytes; net/http alone: %.1f, %.0f", segmentSize, allocs, size, bare, bareSize)
	if allocs > 80 {
		t.Errorf("%.1f allocations per Put, budget 80", allocs)
	}
	if size > 8000 {
		t.Errorf("%.0f bytes allocated per Put, budget 8000", size)
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
