// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
)

const segmentSize = 1_900_000 // 3 s of 5 Mbit/s

// sink answers every request on its connections with 200 and allocates nothing while it does, but for TLS records.
func sink(tb testing.TB, config *tls.Config) string {
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
			go answerAll(c)
		}
	}()
	return scheme + l.Addr().String()
}

func answerAll(c net.Conn) {
	defer c.Close()
	reply := []byte("HTTP/1.1 200 OK\r\nx-amz-id-2: abc\r\nx-amz-request-id: R\r\nDate: Mon, 09 Mar 2026 04:05:06 GMT\r\nETag: \"e\"\r\nServer: AmazonS3\r\nContent-Length: 0\r\n\r\n")
	label := []byte("Content-Length: ")
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
			if value, ok := bytes.CutPrefix(line, label); ok {
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

// TestAllocationBudget: a whole signed PUT on a kept connection, with session token and tags. Over TLS the server of this process counts too.
func TestAllocationBudget(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes allocations")
	}
	authority := certtest.New(t, "test root")
	data := randomBytes(segmentSize)
	cred := sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: sigv4.Secret(bytes.Repeat([]byte("token+/="), 100))}
	for _, tt := range []struct {
		name         string
		server       *tls.Config
		allocs, size float64
	}{
		{"plain", nil, 20, 4096},
		{"TLS", &tls.Config{Certificates: []tls.Certificate{*valid(authority, "127.0.0.1")}}, 150, 5000},
	} {
		c := newClient(t, s3put.Config{Endpoint: sink(t, tt.server), Bucket: bucket, PathStyle: true, RootCAs: authority.Pool(), Credentials: static(cred)})
		o := object("cam1/2026/03/09/04/05/06.ts", data)
		o.Tags = "site=north"
		o.Sent, o.Again = func(int) {}, func() bool { return true }
		allocs, size := perRun(50, func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if _, err := c.Put(ctx, o); err != nil {
				t.Fatal(err)
			}
		})
		t.Logf("%s: %.1f allocations, %.0f bytes per Put of %d bytes", tt.name, allocs, size, segmentSize)
		if allocs > tt.allocs || size > tt.size {
			t.Errorf("%s: %.1f allocations, %.0f bytes per Put; budget %.0f, %.0f", tt.name, allocs, size, tt.allocs, tt.size)
		}
	}
}

// TestMemoryOfThePinnedRoots keeps the pool small: a bundle of all public roots costs a megabyte and more.
func TestMemoryOfThePinnedRoots(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes allocations")
	}
	const n = 100
	pools := make([]any, n)
	var before, after runtime.MemStats
	for range 3 { // what earlier tests left goes in steps
		runtime.GC()
	}
	runtime.ReadMemStats(&before)
	for i := range pools {
		pools[i] = s3put.PinnedRoots()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	t.Logf("%d bytes per pool", each)
	if each < 1<<10 || each > 32<<10 {
		t.Errorf("a pool of the pinned roots holds %d bytes, budget 32 KiB", each)
	}
	runtime.KeepAlive(pools)
}

// BenchmarkPut is for counting: perf stat -e instructions:u, or GODEBUG=cpu.aes=off for a machine without AES instructions.
func BenchmarkPut(b *testing.B) {
	authority := certtest.New(b, "test root")
	c := newClient(b, s3put.Config{
		Endpoint: sink(b, &tls.Config{Certificates: []tls.Certificate{*valid(authority, "127.0.0.1")}}), Bucket: bucket, PathStyle: true, RootCAs: authority.Pool(),
		Credentials: static(sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}),
	})
	o := object("cam1/2026/03/09/04/05/06.ts", randomBytes(segmentSize))
	b.SetBytes(segmentSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Put(context.Background(), o); err != nil {
			b.Fatal(err)
		}
	}
}
