// SPDX-License-Identifier: Apache-2.0

package http1_test

import (
	"bufio"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
)

// TestAcknowledgedBytesAreProgress: a peer takes the body in small steps, each well within the stall time, while the whole takes several
// stall times. Neither the write that waits for room in the send buffer nor the wait for the answer, with most of the body still in that
// buffer, may give up.
func TestAcknowledgedBytesAreProgress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what the peer acknowledges is known on Linux only")
	}
	const stall = 400 * time.Millisecond
	const size = 1_200_000
	s := serve(t, func(_ int, c net.Conn) {
		tcp := c.(*net.TCPConn)
		_ = tcp.SetReadBuffer(128 << 10)
		br := bufio.NewReaderSize(tcp, 4<<10)
		left := size
		for line := ""; line != "\r\n"; {
			var err error
			if line, err = br.ReadString('\n'); err != nil {
				return
			}
		}
		for left > 0 {
			time.Sleep(stall / 8) // this is the slow link
			n, err := io.CopyN(io.Discard, br, int64(min(left, 40_000)))
			if err != nil {
				return
			}
			left -= int(n)
		}
		io.WriteString(c, ok200)
		io.Copy(io.Discard, c)
	})
	c := newClient(t, http1.Config{Address: s.address(), StallTimeout: stall, SendBuffer: 1 << 20}) // the system's limit is less
	began := time.Now()
	var out time.Time
	r := put(randomBytes(size), 0)
	r.Sent = func(int) { out = time.Now() }
	resp, err := c.Do(ctx(t), r)
	if err != nil || resp.Status != 200 {
		t.Fatalf("%+v, %v after %v", resp, err, time.Since(began))
	}
	t.Logf("writing took %v, waiting %v", out.Sub(began), time.Since(out))
	if time.Since(began) < 3*stall || time.Since(out) < stall*3/2 {
		t.Errorf("writing took %v, waiting %v; the link was not slow enough to show anything", out.Sub(began), time.Since(out))
	}
}
