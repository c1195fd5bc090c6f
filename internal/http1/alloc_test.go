// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/polltest"
)

const segmentSize = 1_900_000 // 3 s of 5 Mbit/s

// sink answers every request on its connections with 200 and allocates nothing while it does, but for TLS records.
func sink(tb testing.TB, config *tls.Config) string {
	s := serve(tb, func(_ int, c net.Conn) {
		_ = c.SetDeadline(time.Time{})
		if config != nil {
			c = tls.Server(c, config)
		}
		r := bufio.NewReaderSize(c, 64<<10)
		reply, label := []byte(ok200), []byte("Content-Length: ")
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
	})
	return s.address()
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

// TestAllocationBudget: a PUT on a kept connection costs the heap a few hundred bytes, whatever its size. With TLS the server of
// this process and crypto/tls (one per record on either side) count too: 117 records of 16 KiB.
func TestAllocationBudget(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes allocations")
	}
	certificate := testCertificate(t)
	data := randomBytes(segmentSize)
	for _, tt := range []struct {
		name         string
		server       *tls.Config
		allocs, size float64
	}{
		{"plain", nil, 12, 1500},
		{"TLS", &tls.Config{Certificates: []tls.Certificate{certificate}}, 150, 4096},
	} {
		cfg := http1.Config{Address: sink(t, tt.server)}
		if tt.server != nil {
			cfg.TLS = &tls.Config{RootCAs: poolOf(certificate)}
		}
		c := http1.New(cfg)
		r := put(data, 700_000)
		sent := 0
		r.Sent, r.Again = func(n int) { sent = n }, func() bool { return true }
		allocs, size := perRun(50, func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if resp, err := c.Do(ctx, r); err != nil || resp.Status != 200 || !resp.Has("ETag") || sent != segmentSize {
				t.Fatal(resp, err)
			}
		})
		t.Logf("%s: %.1f allocations, %.0f bytes per PUT of %d bytes", tt.name, allocs, size, segmentSize)
		if allocs > tt.allocs || size > tt.size {
			t.Errorf("%s: %.1f allocations, %.0f bytes per PUT; budget %.0f, %.0f", tt.name, allocs, size, tt.allocs, tt.size)
		}
		c.Close()
	}
}

// TestNothingIsLeftBehind: a client that is closed leaves neither goroutines nor descriptors, whatever happened on its connections.
func TestNothingIsLeftBehind(t *testing.T) {
	kinds := []string{ok200, refusal, "garbage\n", "HTTP/1.1 200 OK\r\nCont", ""}
	s := serve(t, func(n int, c net.Conn) {
		readRequest(bufio.NewReader(c))
		io.WriteString(c, kinds[n%len(kinds)])
	})
	before, files := runtime.NumGoroutine(), descriptors()
	for i := range 100 {
		c := http1.New(http1.Config{Address: s.address()})
		_, _ = c.Do(ctx(t), put(randomBytes(1000*i), i))
		c.Close()
	}
	// The server's goroutines end by themselves.
	if !polltest.Within(10*time.Second, func() bool { return runtime.NumGoroutine() <= before+2 && descriptors() <= files }) {
		t.Fatalf("%d goroutines (%d before), %d descriptors (%d before)", runtime.NumGoroutine(), before, descriptors(), files)
	}
}

func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux
	}
	return len(list)
}

func TestTheSendQueueIsBoundedAndKnown(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the length of the send queue is known on Linux only")
	}
	release := make(chan struct{})
	s := serve(t, func(_ int, c net.Conn) {
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		<-release
	})
	var raw net.Conn
	c := newClient(t, http1.Config{Address: s.address(), SendBuffer: 32 << 10, StallTimeout: 300 * time.Millisecond, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var err error
		raw, err = new(net.Dialer).DialContext(ctx, network, addr)
		return raw, err
	}})
	r := put(randomBytes(8<<20), 0)
	sent, queued := 0, 0
	r.Sent = func(n int) { sent, queued = n, http1.Unacked(raw) }
	_, err := c.Do(ctx(t), r)
	close(release)
	if err == nil || sent > 4<<20 || queued <= 0 || queued > 128<<10 {
		t.Errorf("%v; %d bytes sent to a server that does not read, %d of them not acknowledged", err, sent, queued)
	}
}
