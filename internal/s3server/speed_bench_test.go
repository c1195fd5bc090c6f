// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cpu returns the processor time that a process has used, by /proc, in milliseconds.
func cpu(b *testing.B, pid int) float64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skipf("SKIP: %v", err)
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) * 10 // USER_HZ is 100 everywhere
}

// BenchmarkServer reports the server's own processor time per request, the client being another process: trust that, not ns/op.
func BenchmarkServer(b *testing.B) {
	p := startProcess(b, b.TempDir())
	tg := p.target(b)
	body := randomBytes(1_900_000, 1)
	crc := map[string]string{"x-amz-checksum-crc32c": crc32c(body)}
	for _, bb := range []struct {
		name string
		req  rawRequest
	}{
		{"put 1.9 MB signed", rawRequest{method: "PUT", body: body}},
		{"put 1.9 MB unsigned with CRC32C", rawRequest{method: "PUT", body: body, payload: "UNSIGNED-PAYLOAD", headers: crc}},
		{"put 1 KiB", rawRequest{method: "PUT", body: body[:1024]}},
		{"get 1.9 MB", rawRequest{method: "GET"}},
		{"get 1 KiB", rawRequest{method: "GET", headers: map[string]string{"range": "bytes=0-1023"}}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			tg.putRaw(b, segmentKey, body)
			c, err := tg.dial()
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			br := bufio.NewReader(c)
			before, n := cpu(b, p.server.Pid), 0
			for b.Loop() {
				n++
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				r := bb.req
				r.path = tg.path(segmentKey)
				if r.method == "PUT" {
					r.path = tg.path(fmt.Sprintf("cam1/2026/01/02/03/%02d/%02d.ts", n/20%60, n%20))
				}
				if res, err := tg.send(c, br, r); err != nil || res.status > 206 {
					b.Fatal(res.status, err)
				}
			}
			b.ReportMetric((cpu(b, p.server.Pid)-before)/float64(n), "server-ms/op")
		})
	}
}
